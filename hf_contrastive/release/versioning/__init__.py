"""Versions of a published model: listed, compared, brought back."""
