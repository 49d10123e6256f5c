"""What a push would publish: every file with its SHA-256, nothing else.

Each file of a folder is of one of four kinds:

* published: its path matches :data:`MODEL_FILES` or :data:`LEGAL_FILES`, what an encoder consists of;
* written anew: :data:`DOCUMENTS` and :data:`LICENSE_COPIES`, rendered from the evidence, never taken from the folder;
* kept out, with the reason: what :data:`KEPT_OUT` names, links, pipes, devices, and texts, images and safetensors that
  are no part of a model (notes, training rows), whose presence says nothing about the model;
* planned so that the gate refuses it: code, pickles, archives and other binaries. A model beside which they lie may
  need them to load, so they are told instead of being left behind in silence.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audits.policy import Verdict
from audits.records import Record, digest_of
from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.contents.binaries import MAX_BYTES, head_of
from hf_contrastive.release.contents.files import must_be_refused
from hf_contrastive.release.contents.names import shown_name
from model_cards.render import documents

SIGNATURE = "model.sig"
"""Detached signature over everything else that is published."""

DOCUMENTS = (*sorted(item.filename for item in documents().values() if item.published), SIGNATURE)
"""Files that are rendered from the evidence, or made over all others."""

LICENSE_COPIES = "LICENSES/"
"""Folder of the copies of licenses that must go along; what lies there in a model's folder is a text to copy from."""

KEPT_OUT = {
    "checkpoint-*": "a checkpoint, not the model",
    "runs": "training logs name the machine",
    "*tfevents*": "training logs name the machine",
    "training_args.bin": "a pickle that may hold the Hub token; training_args.json says what may be told",
    "emissions.csv": "holds coordinates",
    "optimizer.pt": "state of the optimizer",
    "scheduler.pt": "state of the scheduler",
    "rng_state*": "state of the random generators",
    "trainer_state.json": "state of the trainer",
    "audit": "the audit's own folder; its digest is in the evidence",
    ".*": "hidden",
    "__pycache__": "byte code",
}


_TRANSFORMERS_FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "*.spm",
    "chat_template.jinja",
    "preprocessor_config.json",
    "sentence_bert_config.json",
)
# sentence-transformers' modules lie in folders such as 1_Pooling; older models keep the encoder in 0_Transformer
MODEL_FILES = (
    *_TRANSFORMERS_FILES,
    "modules.json",
    "config_sentence_transformers.json",
    "adapter_config.json",
    "adapter/adapter_config.json",
    "adapter/*.safetensors",
    *(f"[0-9]_*/{name}" for name in _TRANSFORMERS_FILES),
)
"""Paths of a published encoder's files; ``*`` does not cross ``/``."""

LEGAL_FILES = ("LICENSE*", "NOTICE*", "USE_POLICY*", "USE_RESTRICTIONS*")

OLD_WEIGHTS = ("pytorch_model*.bin", "pytorch_model.bin.index.json", "adapter_model.bin", "adapter/adapter_model.bin")
"""Weights in the format before safetensors: never published, and replaced where they stand on the Hub."""

_HELD_BY_OTHERS = ("NOTICE", "USE_RESTRICTIONS.md")

NO_MODEL_FILE = "not a file of a model"
_BLOCK = 1 << 20
WRITTEN_ANEW = "written anew"


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

    ``kept_out`` lists what lies in the folder and is not published, with the reason. ``content_digest`` is the
    evidence's digest apart from its times: two plans with the same one would publish the same.
    """

    repo_id: str
    files: tuple[PlannedFile, ...]
    kept_out: tuple[tuple[str, str], ...] = ()
    card_digest: str = ""
    evidence_digest: str = ""
    content_digest: str = ""
    verdict: Verdict | None = None

    @property
    def payload_digest(self) -> str:
        """Digest over the files without the documents: what an approval is bound to.

        The documents name their approvals, so an approval can not be bound to the documents.
        """
        return payload_digest(self.files)


def payload_digest(files: tuple[PlannedFile, ...]) -> str:
    """Return ``sha256:<hex>`` over paths and contents of everything but the documents."""
    return digest_of([item.to_dict() for item in files if not is_document(item.path)])


def is_document(path: str) -> bool:
    """Whether ``path`` is rendered from the evidence."""
    return path in DOCUMENTS or f"{path}/".startswith(LICENSE_COPIES)


Payload = tuple[tuple[PlannedFile, ...], tuple[tuple[str, str], ...]]
"""What a folder would publish, documents left out, and what is kept out with the reason."""


def payload(folder: Path) -> Payload:
    """List what ``folder`` would publish, documents left out, and what is kept out with the reason.

    Raises:
        EmptyFolderError: the folder is missing or holds nothing to publish.
    """
    names, kept = _some_listed(folder)
    return tuple(planned(name, folder / name) for name in names), tuple(kept)


def require_files(folder: Path) -> None:
    """Check that there is something to publish, without reading all of the weights.

    Raises:
        EmptyFolderError: the folder is missing or holds nothing to publish.
    """
    _some_listed(folder)


def _some_listed(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    names, kept = _listed(folder)
    if not names:
        left_out = "; ".join(f"{name} ({reason})" for name, reason in kept[:5])
        found = f" It holds what is never published: {left_out}." if kept else ""
        msg = (
            f"There is nothing to publish in {folder}.{found} A folder written by `trainer.save_model()` or "
            "`model.save_pretrained()` is needed (config.json, *.safetensors, tokenizer files)."
        )
        raise EmptyFolderError(msg)
    return names, kept


def payload_names(folder: Path) -> tuple[str, ...]:
    """Return the paths that ``folder`` would publish, documents left out, without reading all of the weights."""
    return tuple(_listed(folder)[0])


def _listed(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    files: list[str] = []
    kept: list[tuple[str, str]] = []
    _collect(folder, folder, files, kept)
    return files, kept


def _collect(root: Path, folder: Path, files: list[str], kept: list[tuple[str, str]]) -> None:
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.relative_to(root).as_posix()
        reason = next((why for pattern, why in KEPT_OUT.items() if fnmatch.fnmatch(path.name, pattern)), None)
        reason = reason or _no_file(path)
        if not is_text(name):
            # bytes that are no text can not stand in a plan
            name, reason = shown_name(name), reason or "its name is no text"
        if reason is not None:
            kept.append((name, reason))
        elif path.is_dir() and f"{name}/" != LICENSE_COPIES:
            _collect(root, path, files, kept)
        elif is_document(name):
            if name == SIGNATURE:
                kept.append((name, f"{WRITTEN_ANEW} where a key is given to sign with; one that was here fits no more"))
            if name in _HELD_BY_OTHERS:
                kept.append((name, f"{WRITTEN_ANEW}; what you have to say goes into {Path(name).stem}.txt"))
        elif _matches(name, (*MODEL_FILES, *LEGAL_FILES)) or must_be_refused(name, path):
            files.append(name)
        else:
            kept.append((name, NO_MODEL_FILE))


def _no_file(path: Path) -> str | None:
    """Return why ``path`` is nothing that can be read to its end, or None."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a pipe, a socket or a device"


def is_text(name: str) -> bool:
    """Whether a name of a file is text; bytes that are none can stand in no list."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_legal(path: str) -> bool:
    """Whether ``path`` is a license, a notice or a use policy."""
    return _matches(path, LEGAL_FILES)


def is_model_file(path: str) -> bool:
    """Whether ``path`` is what an encoder consists of."""
    return _matches(path, MODEL_FILES)


def is_replaced(path: str) -> bool:
    """Whether a push removes ``path`` from the repository when the new plan has no such file.

    True for files of a model and for the documents; anything else in a repository belongs to somebody else.
    """
    return is_document(path) or _matches(path, (*MODEL_FILES, *OLD_WEIGHTS))


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    parts = path.split("/")
    for pattern in patterns:
        wanted = pattern.split("/")
        if len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted)):
            return True
    return False


def planned(name: str, source: Path | bytes) -> PlannedFile:
    """Measure one file of the plan.

    Args:
        name: its path in the repository.
        source: the file or its content.
    """
    if isinstance(source, bytes):
        return PlannedFile(path=name, sha256=hashlib.sha256(source).hexdigest(), size=len(source))
    state, size = hashlib.sha256(), 0
    with source.open("rb") as stream:
        # one that grows while it is read has no end: what it had when it was opened is what is planned
        left = os.fstat(stream.fileno()).st_size
        while left and (block := stream.read(min(left, _BLOCK))):
            state.update(block)
            size, left = size + len(block), left - len(block)
    return PlannedFile(path=name, sha256=state.hexdigest(), size=size)


def contents(folder: Path, documents: Mapping[str, bytes], plan: PushPlan) -> dict[str, Path | bytes]:
    """Return where each planned file's content lies: in memory for documents, else in ``folder``."""
    return {item.path: documents.get(item.path, folder / item.path) for item in plan.files}


def in_memory(plan: PushPlan, sources: Mapping[str, Path | bytes]) -> dict[str, Path | bytes]:
    """Read every file but the weights, once: what the gate looks at is then, byte for byte, what is sent.

    The weights stay where they are; they are sent under the SHA-256 that the plan names. Links, and what is gone
    meanwhile, stay as they are too, for the gate to tell.
    """
    held = dict(sources)
    for item in plan.files:
        source = sources.get(item.path)
        weights = item.path.lower().endswith(".safetensors") or item.size > MAX_BYTES
        if isinstance(source, Path) and not weights and link_in(item.path, source) is None and source.is_file():
            held[item.path] = head_of(source, item.size + 1)
    return held


def link_in(name: str, source: Path) -> Path | None:
    """Return the symbolic link on the way from the model's folder to ``source``, if there is one."""
    parts = len(name.split("/"))
    return next((path for path in (source, *source.parents)[:parts] if path.is_symlink()), None)
