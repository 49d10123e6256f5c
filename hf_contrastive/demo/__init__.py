"""The whole path on real text that is on every machine."""
