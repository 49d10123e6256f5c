"""training_args.json: the training arguments that differ from their defaults, instead of the pickle training_args.bin.

The pickle can not be read without running it, and may hold a Hub token, paths and the name of a machine. Here nothing
but numbers, booleans and words of closed vocabularies stands; what was set and may not be told is listed by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from model_cards.errors import DocumentError
from model_cards.evidence import Evidence
from model_cards.typesetting import redact

name = "training_args"
filename = "training_args.json"
published = True

SCHEMA_VERSION = 1
WITHHELD = "‹withheld›"
"""Stands in a record for a value that may name a person, a machine or a place."""

_KEYS = {"schema_version", "source", "versions", "arguments", "withheld"}
_SOURCE = (
    "ContrastiveTrainer: arguments that differ from their defaults; prompts, license, intended use and base model "
    "stand in the model card"
)


def applies(evidence: Evidence) -> bool:
    """Whether arguments were recorded."""
    return evidence.training is not None and bool(evidence.training.arguments)


def render(evidence: Evidence) -> str:
    """Return the arguments, and the names of those that were set and are withheld.

    Raises:
        DocumentError: the evidence holds none.
    """
    training = evidence.training
    if training is None or not training.arguments:
        msg = f"The evidence holds no training arguments for {filename}; train with ContrastiveTrainer of this version."
        raise DocumentError(msg)
    content = {
        "schema_version": SCHEMA_VERSION,
        "source": _SOURCE,
        "versions": dict(training.environment.versions),
        "arguments": {key: _clean(value) for key, value in training.arguments.items() if value != WITHHELD},
        "withheld": sorted(key for key, value in training.arguments.items() if value == WITHHELD),
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def validate(text: str) -> None:
    """Check the shape, and that no text stands in it that is redacted elsewhere.

    Raises:
        DocumentError: it has another shape, or holds a token or a path.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        msg = f"{filename} is no JSON ({error}); write it again from the evidence."
        raise DocumentError(msg) from error
    if not isinstance(data, dict) or set(data) != _KEYS or not isinstance(data["arguments"], dict):
        msg = f"{filename} is of another shape; allowed is an object with {', '.join(sorted(_KEYS))}: write it again."
        raise DocumentError(msg)
    told = [item for item in _texts(data) if redact(item) != item]
    if told:
        msg = f"{filename} holds a token or a local path; record the arguments again, which leaves them out."
        raise DocumentError(msg)


def _clean(value: Any) -> Any:
    """Redact once more: the evidence may have been written by hand."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
