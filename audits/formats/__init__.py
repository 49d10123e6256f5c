"""Formats of one audit; anything richer is rendered from the Evidence."""
