"""What parent and child agree on."""

from __future__ import annotations

MODES = ("open", "guarded")
TRANSFERS = ("Git LFS", "Xet")
SECRET = b"what must not be published"
SEEDED = ("deletion", "folder-deletion", "copy", "file-system-rm", "tag", "branch", "tag-of-main", "lfs-pointer")
"""Attempts whose repository holds something before."""

CLOSED = tuple(f"closed-{way}" for way in ("end", "every_save", "checkpoint", "all_checkpoints", "save"))
"""Refused by our own trainer, with or without a guard."""

APPROVED = ("approved-training", "approved-folder")
"""What has passed the gate, and must arrive."""
