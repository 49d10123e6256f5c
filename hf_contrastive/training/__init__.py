"""Formats, batches, losses, adapters: what the trainer delegates to."""
