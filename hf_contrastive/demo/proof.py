"""The proof that goes along: a key that signs, and what `verify` says before and after a file is changed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.markup import escape

from hf_contrastive.console import progress, say, show_table
from hf_contrastive.release.sending.hub import PushReceipt, hub_api
from hf_contrastive.release.verification import VerificationReport, verify

PRIVATE_KEY, PUBLIC_KEY = "signing_key.pem", "signing_key.pub.pem"


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Write a new EC key on P-256, readable by this user alone, and its public half; return both paths."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    private.unlink(missing_ok=True)
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def check_publication(
    receipt: PushReceipt, public_key: Path, options: Mapping[str, Any], *, out: Path
) -> tuple[VerificationReport, VerificationReport]:
    """Verify what was published, then a copy of it in which one number of the card was changed.

    Args:
        receipt: of the push.
        public_key: of the key that signed.
        options: endpoint and token of the Hub.
        out: folder under which the temporary copy is made.

    Returns:
        What was found for the repository, and for the changed copy.
    """
    api = hub_api(**options)
    name = f"{receipt.repo_id}@{receipt.tag}" if receipt.tag else receipt.repo_id
    with progress("Verify what was published") as update:
        published = verify(name, public_key=public_key, receipt=receipt, api=api, on_progress=update)
    _show(published, f"hf-contrastive verify {name}")
    with TemporaryDirectory(dir=out) as folder:
        copy = Path(api.snapshot_download(receipt.repo_id, revision=receipt.commit, local_dir=folder))
        shutil.rmtree(copy / ".cache", ignore_errors=True)
        card = copy / "README.md"
        card.write_text(card.read_text(encoding="utf-8").replace("0.", "0.9", 1), encoding="utf-8")
        changed = verify(copy, public_key=public_key, receipt=receipt)
    words = "; ".join(f"{item.title}: {item.words}" for item in changed.broken)
    say(f"In a copy one number of README.md was changed. verify says: [bold]{changed.result}[/]. {escape(words)}")
    return published, changed


def _show(report: VerificationReport, title: str) -> None:
    rows = [(item.title, item.status, item.words) for item in report.items]
    show_table(title, ("what", "status", "in words"), [tuple(map(escape, row)) for row in rows])
