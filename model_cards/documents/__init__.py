"""The documents, one file each, rendered from the Evidence."""
