"""Texts of audited tables: normal forms, shingles, and what is equal or nearly equal."""
