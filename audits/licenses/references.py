"""From a card's metadata to what the repository says that it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audits.errors import LineageError
from audits.licenses.snapshots import RepoKind, check_repo_id, shown

MAX_REFERENCES = 100
"""How many names of one key are followed."""

RELATIONS = ("finetune", "adapter", "merge", "quantized")
"""The Hub's words for how a model is made from its base."""

_GENERATOR_KEYS = (
    "generator",
    "generators",
    "generator_model",
    "generated_by",
    "source_model",
    "source_models",
    "teacher_model",
)
_SYNTHETIC_TAGS = frozenset({"synthetic", "synthetic-data", "machine-generated", "llm-generated", "distilabel"})
_HUB_URL = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(datasets/)?([^/\s?#]+/[^/\s?#]+)(?:[/?#].*)?", re.IGNORECASE
)
_PATH = re.compile(r"[/\\.~]|[A-Za-z]:[/\\]|[^:]+[/\\][^:]+[/\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a repository comes from.

    Attributes:
        kind: of what is named.
        name: its id, or in plain words what the card leaves unnamed.
        relation: of the repository to it; "unknown" where the card does not say.
        generator: whether it wrote rows.
        unread: why it can not be looked up, "" for an id.
    """

    kind: RepoKind
    name: str
    relation: str
    generator: bool = False
    unread: str = ""


def base_references(
    metadata: Mapping[str, Any], declared: tuple[tuple[str, str], ...]
) -> tuple[list[Reference], list[str]]:
    """Return the models that a model was made from, and what is wrong with how they are named.

    The card counts; without a ``base_model`` in it, a configuration file's does. Of a configuration's path on
    another machine only an adapter's counts, as a base that is unknown: a model's own ``config.json`` keeps the path
    of whatever was loaded last.

    Args:
        metadata: of the card.
        declared: (file, base model) of configuration files.
    """
    problems: list[str] = []
    relation = metadata.get("base_model_relation")
    if relation is not None and relation not in RELATIONS:
        told = shown(relation) if isinstance(relation, str) else f"of type {type(relation).__name__}"
        problems.append(f"`base_model_relation` is {told}; known are {', '.join(RELATIONS)}")
    known = relation if relation in RELATIONS else "unknown"
    found = [_model(name, known) for name in _names(metadata, "base_model", problems)]
    if not found and metadata.get("base_model") in (None, "", []):
        for file, name in declared:
            adapter = file == "adapter_config.json"
            reference = _model(name, "adapter" if adapter else "unknown")
            if adapter or (not reference.unread and "/" in reference.name):
                found.append(reference)
    elif _is_incomplete(metadata, "base_model"):
        reason = "the card's `base_model` can not be read as a whole"
        found.append(Reference(kind="model", name="an unnamed base model", relation=known, unread=reason))
    return found, problems


def training_references(metadata: Mapping[str, Any]) -> tuple[list[Reference], list[str]]:
    """Return the datasets that a model's card says it was trained on, and what is wrong with how they are named."""
    problems: list[str] = []
    return [_dataset(name, "base-trained-on") for name in _names(metadata, "datasets", problems)], problems


def source_references(metadata: Mapping[str, Any]) -> tuple[list[Reference], list[str]]:
    """Return the datasets that a dataset was made from, and what is wrong with how they are named.

    ``original`` names none. ``extended`` without a name, and a name of no repository (``extended|other-corpus``), are
    sources that are unknown.
    """
    problems: list[str] = []
    found = []
    for name in _names(metadata, "source_datasets", problems):
        head, _, rest = name.partition("|")
        if head.strip().casefold() == "original":
            continue
        if head.strip().casefold() != "extended":
            found.append(_dataset(name, "source"))
        elif not rest.strip() or rest.strip().casefold() == "other":
            reason = f"the card says {shown(name)} without naming what it extends"
            found.append(Reference(kind="dataset", name="an unnamed source", relation="extended", unread=reason))
        elif rest.strip().casefold().startswith("other-"):
            reason = "the card names it as a source outside the Hub"
            found.append(_unread("dataset", rest.strip()[len("other-") :], "extended", reason))
        else:
            found.append(_dataset(rest.strip(), "extended"))
    if _is_incomplete(metadata, "source_datasets"):
        reason = "the card's `source_datasets` can not be read as a whole"
        found.append(Reference(kind="dataset", name="an unnamed source", relation="source", unread=reason))
    return found, problems


def generator_references(metadata: Mapping[str, Any]) -> tuple[list[Reference], list[str]]:
    """Return the models that wrote a dataset's rows, and what is wrong with how they are named.

    A card that calls its rows synthetic or machine-generated without naming the model has a generator that is unknown.
    """
    problems: list[str] = []
    found: list[Reference] = []
    for key in _GENERATOR_KEYS:
        found += [_model(name, "generated-by", generator=True) for name in _names(metadata, key, problems)]
    if not found and (sign := _synthetic(metadata)):
        reason = f"the card's {sign}, and it names no model that wrote the rows"
        name = "an unnamed generator"
        found.append(Reference(kind="model", name=name, relation="generated-by", generator=True, unread=reason))
    return list(dict.fromkeys(found)), problems


def _synthetic(metadata: Mapping[str, Any]) -> str:
    quiet: list[str] = []
    for tag in _names(metadata, "tags", quiet):
        if tag.casefold() in _SYNTHETIC_TAGS:
            return f"`tags` hold {shown(tag)}"
    for key in ("language_creators", "annotations_creators"):
        if any(name.casefold() == "machine-generated" for name in _names(metadata, key, quiet)):
            return f"`{key}` are machine-generated"
    return ""


def _names(metadata: Mapping[str, Any], key: str, problems: list[str]) -> Iterator[str]:
    """Yield the texts under a key: one, or those of a list; anything else is a problem."""
    value = metadata.get(key)
    if value is None:
        return
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_REFERENCES:
        problems.append(f"`{key}` names {len(items)}; only the first {MAX_REFERENCES} are followed")
    for item in dict.fromkeys(item if isinstance(item, str) else None for item in items[:MAX_REFERENCES]):
        if item is not None and item.strip():
            yield item.strip()
    strange = sorted({type(item).__name__ for item in items[:MAX_REFERENCES] if not isinstance(item, str)})
    if strange:
        problems.append(f"`{key}` holds {', '.join(strange)}; allowed is a name or a list of names")


def _is_incomplete(metadata: Mapping[str, Any], key: str) -> bool:
    """Return whether :func:`_names` left out something that was given."""
    value = metadata.get(key)
    items = value if isinstance(value, list) else [] if value is None else [value]
    return len(items) > MAX_REFERENCES or not all(isinstance(item, str) for item in items)


def _model(name: str, relation: str, *, generator: bool = False) -> Reference:
    match = _HUB_URL.fullmatch(name)
    plain = match[2] if match and not match[1] else name
    try:
        check_repo_id(plain)
    except LineageError:
        named = "the card names it as what wrote rows" if generator else "the card names it as a base model"
        return _unread("model", name, relation, f"{named}, and it is no repository id", generator=generator)
    return Reference(kind="model", name=plain, relation=relation, generator=generator)


def _dataset(name: str, relation: str) -> Reference:
    match = _HUB_URL.fullmatch(name)
    plain = match[2] if match and match[1] else name.removeprefix("datasets/")
    try:
        check_repo_id(plain)
    except LineageError:
        return _unread("dataset", name, relation, "the card names it as data, and it is no repository id")
    return Reference(kind="dataset", name=plain, relation=relation)


def _unread(kind: RepoKind, name: str, relation: str, reason: str, *, generator: bool = False) -> Reference:
    told = shown(name)[1:-1]
    if _PATH.match(told):
        # where somebody's files lie is nobody else's business
        told = re.split(r"[/\\]", told.rstrip("/\\"))[-1] or "a folder"
        reason = "it is named by a path on some machine, not by a repository id"
    return Reference(kind=kind, name=told, relation=relation, generator=generator, unread=reason)
