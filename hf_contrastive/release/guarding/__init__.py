"""A whole process held to the gate."""
