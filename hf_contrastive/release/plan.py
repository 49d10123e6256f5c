"""What a push would publish: every file with its SHA-256, nothing else."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audits.policy import Verdict
from audits.records import Record, digest_of
from hf_contrastive.errors import ContrastiveError

DOCUMENTS = ("README.md", "report.html", "report.json", "evidence.json")

KEPT_OUT = {
    "checkpoint-*": "a checkpoint, not the model",
    "runs": "training logs name the machine",
    "*tfevents*": "training logs name the machine",
    "training_args.bin": "a pickle that may hold the Hub token",
    "emissions.csv": "holds coordinates",
    "optimizer.pt": "state of the optimizer",
    "scheduler.pt": "state of the scheduler",
    "rng_state*": "state of the random generators",
    "trainer_state.json": "state of the trainer",
    "audit": "the audit's own folder; its digest is in the evidence",
    ".*": "hidden",
    "__pycache__": "byte code",
}


class EmptyFolderError(ContrastiveError, FileNotFoundError):
    """There is nothing to publish."""

    def __str__(self) -> str:
        # FileNotFoundError would print an errno tuple
        return str(self.args[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile(Record):
    """One file of the push; ``path`` is relative to the repository's root."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan(Record):
    """Exactly what one commit would publish, and why it may.

    ``kept_out`` lists what lies in the folder and is not published, with the reason.
    """

    repo_id: str
    files: tuple[PlannedFile, ...]
    kept_out: tuple[tuple[str, str], ...] = ()
    card_digest: str = ""
    evidence_digest: str = ""
    verdict: Verdict | None = None

    @property
    def payload_digest(self) -> str:
        """Digest over the files without the documents: what an approval is bound to.

        The documents name their approvals, so an approval can not be bound to the documents.
        """
        return payload_digest(self.files)


def payload_digest(files: tuple[PlannedFile, ...]) -> str:
    """Return ``sha256:<hex>`` over paths and contents of everything but the documents."""
    return digest_of([item.to_dict() for item in files if item.path not in DOCUMENTS])


def payload(folder: Path) -> tuple[tuple[PlannedFile, ...], tuple[tuple[str, str], ...]]:
    """List what ``folder`` would publish, documents left out, and what is kept out with the reason.

    Raises:
        EmptyFolderError: the folder is missing or holds nothing to publish.
    """
    files: list[PlannedFile] = []
    kept: list[tuple[str, str]] = []
    _collect(folder, folder, files, kept)
    if not files:
        left_out = "; ".join(f"{name} ({reason})" for name, reason in kept[:5])
        found = f" It holds what is never published: {left_out}." if kept else ""
        msg = (
            f"There is nothing to publish in {folder}.{found} A folder written by `trainer.save_model()` or "
            "`model.save_pretrained()` is needed (config.json, *.safetensors, tokenizer files)."
        )
        raise EmptyFolderError(msg)
    return tuple(files), tuple(kept)


def _collect(root: Path, folder: Path, files: list[PlannedFile], kept: list[tuple[str, str]]) -> None:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.relative_to(root).as_posix()
        reason = next((why for pattern, why in KEPT_OUT.items() if fnmatch.fnmatch(path.name, pattern)), None)
        if reason is None and path.is_symlink():
            reason = "a symbolic link"
        if reason is not None:
            kept.append((name, reason))
        elif path.is_dir():
            _collect(root, path, files, kept)
        elif name not in DOCUMENTS:
            files.append(planned(name, path))


def planned(name: str, source: Path | bytes) -> PlannedFile:
    """Measure one file of the plan.

    Args:
        name: its path in the repository.
        source: the file or its content.
    """
    if isinstance(source, bytes):
        return PlannedFile(path=name, sha256=hashlib.sha256(source).hexdigest(), size=len(source))
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PlannedFile(path=name, sha256=digest, size=source.stat().st_size)


def contents(folder: Path, documents: Mapping[str, bytes], plan: PushPlan) -> dict[str, Path | bytes]:
    """Return where each planned file's content lies: in memory for documents, else in ``folder``."""
    return {item.path: documents.get(item.path, folder / item.path) for item in plan.files}
