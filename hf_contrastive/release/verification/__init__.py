"""Is what lies here, or on the Hub, what was published? Every digest and signature is computed anew."""

from __future__ import annotations

from hf_contrastive.release.verification.anchors import VerificationError
from hf_contrastive.release.verification.items import Item, VerificationReport
from hf_contrastive.release.verification.verifying import verify

__all__ = ["Item", "VerificationError", "VerificationReport", "verify"]
