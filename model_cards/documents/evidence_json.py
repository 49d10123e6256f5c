"""evidence.json: the evidence itself with its digests, from which every other document can be made again.

The file is one object: ``digest`` and ``content_digest`` of the whole, ``digests`` of each field of
:class:`~model_cards.evidence.Evidence`, and ``evidence``. The digests find changes; they do not say
who changed it: whoever can rewrite the file can rewrite them too, unless the digest is kept elsewhere.

Its JSON Schema is part of this package, for readers in other languages: see :mod:`model_cards.schemas`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from audits.errors import SchemaError
from audits.records import digest_of
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence
from model_cards.schemas import EVIDENCE_SCHEMA, schema_problems

name = "evidence_json"
filename = "evidence.json"
published = True

_KEYS = {"digest", "content_digest", "digests", "evidence"}
_DEEPEST = 64
"""Levels of objects and lists; an evidence has about ten."""


class Stored(NamedTuple):
    """An evidence as it stands in its file: its digest, that of each field, and whether the fields are those of now."""

    evidence: Evidence
    digest: str
    digests: Mapping[str, str]
    is_of_this_shape: bool


def applies(evidence: Evidence) -> bool:
    """Whether there is anything to write: always."""
    del evidence
    return True


def render(evidence: Evidence) -> str:
    """Return the evidence with its digests as indented JSON."""
    data = evidence.to_dict()
    content = {
        "digest": digest_of(data),
        "content_digest": evidence.content_digest,
        "digests": {key: digest_of(value) for key, value in data.items()},
        "evidence": data,
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def validate(text: str) -> None:
    """Check ``text`` against the schema of this version, that it reads back, and that its digests hold.

    Raises:
        EvidenceError: it is of another shape, with the addresses of the first problems, or it was changed.
    """
    data = _object(text, filename)
    problems = schema_problems(data)
    if problems:
        msg = (
            f"{filename} does not follow {EVIDENCE_SCHEMA}: {'; '.join(problems)}. Write it again from the evidence, "
            "or read it with the version that wrote it."
        )
        raise EvidenceError(msg)
    _read(data, filename)


def read_evidence(path: str | Path, *, expected_digest: str | None = None) -> Evidence:
    """Read evidence.json, recompute its digests and return the evidence.

    ``expected_digest`` is a digest that was kept outside the file, e.g. in a push receipt.

    Raises:
        EvidenceError: the file can not be read, is of another shape, or was changed; the message
            names the fields that differ.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The evidence {path} can not be read ({error}); name the evidence.json beside the model card."
        raise EvidenceError(msg) from error
    stored = read_stored(text, str(path))
    # as written, not of what was read: in a file of an older version the fields that came later are missing
    if expected_digest is not None and stored.digest != expected_digest:
        msg = (
            f"The evidence {path} is another one: its digest is {stored.digest}, expected is {expected_digest}; "
            "fetch the evidence that belongs to that digest."
        )
        raise EvidenceError(msg)
    return stored.evidence


def parse(text: str, where: str) -> Evidence:
    """Return the evidence in ``text``; ``where`` is named in errors.

    Raises:
        EvidenceError: see :func:`read_evidence`.
    """
    return read_stored(text, where).evidence


def read_stored(text: str, where: str) -> Stored:
    """Return the evidence in ``text`` with what its digests were computed to be.

    Raises:
        EvidenceError: see :func:`read_evidence`.
    """
    return _read(_object(text, where), where)


def _read(data: Mapping[str, Any], where: str) -> Stored:
    stored: dict[str, Any] = data["evidence"]
    told = data["digests"]
    try:
        digests = {key: digest_of(value) for key, value in stored.items()}
        digest = digest_of(stored)
        digest_of({key: value for key, value in data.items() if key != "evidence"})
    except SchemaError as error:
        msg = f"The evidence {where} can not be digested: {error} Write it again."
        raise EvidenceError(msg) from error
    differing = sorted(key for key in {*stored, *told} if key not in digests or digests[key] != told.get(key))
    if differing:
        msg = (
            f"The evidence {where} was changed after it was written: {', '.join(f'`{key}`' for key in differing)} "
            "does not have the digest that is written beside it; use the file as it was written."
        )
        raise EvidenceError(msg)
    try:
        evidence = Evidence.from_dict(stored)
    except SchemaError as error:
        msg = f"The evidence {where} is of another shape: {error} Write it with this version, or read it with its own."
        raise EvidenceError(msg) from error
    if digest != data["digest"]:
        msg = (
            f"The evidence {where} was changed after it was written: its `digest` is {data['digest']}, "
            f"computed is {digest}; use the file as it was written."
        )
        raise EvidenceError(msg)
    # only where the shape is unchanged: a later version may add fields, which changes this digest
    is_of_this_shape = evidence.to_dict() == stored
    content_digest = evidence.content_digest if is_of_this_shape else ""
    if is_of_this_shape and content_digest != data["content_digest"]:
        msg = (
            f"The evidence {where} was changed after it was written: its `content_digest` is "
            f"{data['content_digest']}, computed is {content_digest}; use the file as it was written."
        )
        raise EvidenceError(msg)
    return Stored(evidence, digest, digests, is_of_this_shape)


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        msg = f"The evidence {where} is no JSON ({error}); it may be cut off: write it again."
        raise EvidenceError(msg) from error
    except RecursionError as error:
        raise EvidenceError(_too_deep(where)) from error
    if _is_deeper(data, _DEEPEST):
        raise EvidenceError(_too_deep(where))
    if (
        not isinstance(data, dict)
        or set(data) != _KEYS
        or not isinstance(data["evidence"], dict)
        or not isinstance(data["digests"], dict)
    ):
        found = ", ".join(sorted(data)) if isinstance(data, dict) else type(data).__name__
        msg = (
            f"The evidence {where} is of another shape: it holds {found or 'nothing'}; "
            f"allowed is an object with {', '.join(sorted(_KEYS))}: write it again."
        )
        raise EvidenceError(msg)
    return data


def _is_deeper(data: Any, levels: int) -> bool:
    """Whether ``data`` is nested deeper, without a call a level, of which there may be too many."""
    here = [data]
    for _ in range(levels):
        here = [item for value in here if isinstance(value, dict | list) for item in _within(value)]
    return bool(here)


def _within(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _too_deep(where: str) -> str:
    return (
        f"The evidence {where} is of another shape: objects and lists are nested deeper than {_DEEPEST} levels, which "
        "no evidence is; use the file as it was written."
    )
