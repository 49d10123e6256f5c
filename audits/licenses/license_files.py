"""The texts of a lineage as retrieved: quoted clauses alone do not survive upstream edits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audits.errors import LineageError
from audits.licenses.inputs import Lineage
from audits.licenses.snapshots import RepoKind, RepoSnapshot, shown

FOLDER = "retrieved"
INDEX = "index.json"

_PATH = re.compile(rf"{FOLDER}/[0-9a-f]{{16}}-[A-Za-z0-9._-]{{1,80}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptText:
    """A card, license or gating text of one repository, byte for byte.

    Attributes:
        kind: of the repository.
        repo_id: of the repository, as its host spells it.
        commit: at which it was read, "" for a folder that names none.
        name: of the file; ``gating-text.md`` and ``card-metadata.md`` for what is no file of the repository.
        content: at most the first MiB.
        cut: whether there was more.
        retrieved_at: ISO 8601, UTC.
    """

    kind: RepoKind
    repo_id: str
    commit: str
    name: str
    content: bytes
    cut: bool = False
    retrieved_at: str = ""

    @property
    def sha256(self) -> str:
        """Of ``content``, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def texts_of(snapshot: RepoSnapshot, retrieved_at: str = "") -> tuple[KeptText, ...]:
    """Return what is kept of a repository: card, license files, gating text, and metadata in place of a closed card."""
    found = {"README.md": snapshot.card, **dict(sorted(snapshot.files.items()))}
    found["gating-text.md"] = snapshot.gating_text.encode("utf-8", "replace") or None
    found["card-metadata.md"] = snapshot.metadata
    return tuple(
        KeptText(
            kind=snapshot.kind,
            repo_id=snapshot.repo_id,
            commit=snapshot.commit,
            name=name,
            content=content,
            cut=name in snapshot.cut,
            retrieved_at=retrieved_at,
        )
        for name, content in found.items()
        if content is not None
    )


def kept_paths(texts: Sequence[KeptText]) -> dict[str, str]:
    """Return the path in the evidence folder for each sha256; equal contents share the path of the first."""
    paths: dict[str, str] = {}
    for text in texts:
        digest = text.sha256
        if digest not in paths:
            paths[digest] = f"{FOLDER}/{digest[:16]}-{_safe(text.name)}"
    return paths


def write_texts(texts: Sequence[KeptText], folder: Path | str) -> tuple[Path, ...]:
    """Write each content once below ``folder/retrieved`` with an index of where it is from; return the paths written.

    The index is a list of {kind, repo, commit, path, sha256, file, bytes, cut, retrieved_at}. It is not atomic: write
    into a folder that is put in its place afterwards.

    Raises:
        LineageError: it can not be written.
    """
    root, paths = Path(folder), kept_paths(texts)
    contents = {text.sha256: text.content for text in texts}
    index = [
        {
            "kind": text.kind,
            "repo": text.repo_id,
            "commit": text.commit or None,
            "path": text.name,
            "sha256": text.sha256,
            "file": paths[text.sha256],
            "bytes": len(text.content),
            "cut": text.cut,
            "retrieved_at": text.retrieved_at or None,
        }
        for text in texts
    ]
    written = [root / FOLDER / INDEX]
    try:
        written[0].parent.mkdir(parents=True, exist_ok=True)
        for digest, path in paths.items():
            (root / path).write_bytes(contents[digest])
            written.append(root / path)
        written[0].write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        cause = error.strerror or type(error).__name__
        msg = (
            f"The license texts can not be written below {shown(str(folder))} ({cause}); name a folder that can be "
            "written and has room."
        )
        raise LineageError(msg) from error
    return tuple(written)


def verify_license_files(lineage: Lineage, folder: Path | str) -> tuple[str, ...]:
    """Return a line for every text of ``lineage.files`` that is missing below ``folder`` or has other bytes.

    Nothing outside ``folder/retrieved`` is opened, whatever the lineage names.
    """
    problems = []
    root = Path(folder)
    for path, sha256 in lineage.files:
        if not _PATH.fullmatch(path):
            problems.append(f"{shown(path)} is no place of a license text: allowed is `{FOLDER}/DIGEST-NAME`")
            continue
        file = root / path
        try:
            if not file.resolve().is_relative_to((root / FOLDER).resolve()):
                problems.append(f"{path} leads outside the folder")
                continue
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except FileNotFoundError:
            problems.append(f"{path} is missing")
        except OSError as error:
            problems.append(f"{path} can not be read: {error.strerror or type(error).__name__}")
        else:
            if found != sha256:
                problems.append(f"{path} was changed: its sha256 is {found}, recorded is {shown(sha256)}")
    return tuple(problems)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60].strip(".") or "text"
