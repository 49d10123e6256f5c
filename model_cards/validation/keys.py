"""Rules on single keys of the metadata: license, models, datasets, task, library, languages, tags."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from model_cards.validation.front_matter import Metadata
from model_cards.validation.hub_lists import accepted, hub_values, is_hub_id, is_language
from model_cards.validation.problems import CardProblem, found, shown

_LICENSE_FILES = frozenset({"LICENSE", "LICENSE.md"})
_TEXTS = ("library_name", "pipeline_tag", "license_name", "license_link", "thumbnail", "base_model_relation")
_LISTS = ("tags", "metrics")
_LANGUAGE_HINTS = {
    "jp": "ja",
    "cn": "zh",
    "kr": "ko",
    "cz": "cs",
    "dk": "da",
    "gr": "el",
    "ua": "uk",
    "se": "sv",
    "english": "en",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "chinese": "zh",
    "multi": "multilingual",
}


def key_problems(metadata: Metadata) -> Iterator[CardProblem]:
    """Yield what is wrong with single keys, in the order of the rules."""
    for rule in (_types, _license, _models, _datasets, _task, _languages, _tags):
        yield from rule(metadata)


def each(value: Any) -> list[tuple[int | None, Any]]:
    """Return the items of a list with their numbers; of a single value None and the value."""
    return list(enumerate(value)) if isinstance(value, list) else [(None, value)]


def _line(metadata: Metadata, key: str, number: int | None) -> int:
    return metadata.line(key) if number is None else metadata.line(key, number)


def _types(metadata: Metadata) -> Iterator[CardProblem]:
    data = metadata.data
    for key in _TEXTS:
        value = data.get(key)
        if value is not None and not isinstance(value, str):
            yield found(
                "CARD018",
                metadata.line(key),
                f"`{key}` must be text",
                observed=shown(value),
                then="Put it in quotes, or correct it.",
            )
    for key in _LISTS:
        value = data.get(key)
        if value is not None and not isinstance(value, list):
            yield found(
                "CARD018",
                metadata.line(key),
                f"`{key}` must be a list",
                observed=shown(value),
                then="Write one item a line, each behind `- `.",
            )
        for number, item in each(value) if isinstance(value, list) else ():
            if not isinstance(item, str):
                yield found(
                    "CARD018",
                    _line(metadata, key, number),
                    f"`{key}` holds what is no text",
                    observed=shown(item),
                    then="Put it in quotes, or remove it.",
                )


def _license(metadata: Metadata) -> Iterator[CardProblem]:
    data, line = metadata.data, metadata.line("license")
    if "license" not in data:
        yield found(
            "CARD020",
            metadata.line(),
            "No license is named in the metadata, so nobody knows what is allowed",
            allowed="`license` with an id of the Hub",
            then="Add `license: …`.",
        )
    elif data["license"] == []:
        yield found("CARD017", line, "`license` is an empty list", then="Name the license.")
    named = [] if data.get("license") is None else each(data["license"])
    for number, value in named:
        if not accepted(value, "licenses"):
            told = value[:60].lower() if isinstance(value, str) else ""
            near = difflib.get_close_matches(told, sorted(hub_values()["licenses"]), n=3, cutoff=0.6)
            yield found(
                "CARD021",
                _line(metadata, "license", number),
                "`license` is no license id of the Hub",
                observed=shown(value),
                allowed="an id of the Hub in lower case, or `other` with `license_name` and `license_link`",
                then=f"Near it are {', '.join(near)}." if near else "See hf.co/docs/hub/repositories-licenses.",
            )
    if any(value == "other" for _, value in named):
        missing = [key for key in ("license_name", "license_link") if not data.get(key)]
        if missing:
            yield found(
                "CARD022",
                line,
                "`license: other` needs `license_name` and `license_link`",
                observed=f"no {' and no '.join(missing)}",
                then="Add what is missing.",
            )
    yield from _own_license(metadata)


def _own_license(metadata: Metadata) -> Iterator[CardProblem]:
    link, name = metadata.data.get("license_link"), metadata.data.get("license_name")
    if isinstance(link, str) and link not in _LICENSE_FILES and not re.match(r"https?://[^\s/]+", link):
        yield found(
            "CARD023",
            metadata.line("license_link"),
            "`license_link` leads nowhere",
            observed=shown(link),
            allowed="LICENSE or LICENSE.md, a file in the repository, or a URL",
        )
    if isinstance(name, str) and not re.fullmatch(r"[\w.+-]+", name):
        yield found(
            "CARD024",
            metadata.line("license_name"),
            "`license_name` is no id",
            observed=shown(name),
            allowed="a word as in `my-license-1.0`",
        )


def _models(metadata: Metadata) -> Iterator[CardProblem]:
    data = metadata.data
    for key in ("base_model", "new_version"):
        if data.get(key) is None:
            continue
        for number, value in each(data[key]):
            if not is_hub_id(value):
                yield found(
                    "CARD030",
                    _line(metadata, key, number),
                    f"`{key}` is {shown(value)}",
                    allowed="a Hub id such as `owner/name`, never a local path",
                    then="Name the model's id, or remove the key where the model is on no Hub.",
                )
    relation = data.get("base_model_relation")
    if isinstance(relation, str) and not accepted(relation, "base_model_relations"):
        yield found(
            "CARD031",
            metadata.line("base_model_relation"),
            f"`base_model_relation` is {shown(relation)}",
            allowed="adapter, finetune, merge or quantized",
        )
    if relation is not None and not data.get("base_model"):
        yield found(
            "CARD032",
            metadata.line("base_model_relation"),
            "`base_model_relation` stands without `base_model`",
            then="Name the base model, or remove the relation.",
        )


def _datasets(metadata: Metadata) -> Iterator[CardProblem]:
    given = metadata.data.get("datasets")
    for number, value in each(given) if given is not None else ():
        if not is_hub_id(value):
            yield found(
                "CARD033",
                _line(metadata, "datasets", number),
                f"`datasets` holds {shown(value)}",
                allowed="ids of datasets on the Hub, never a local path",
                then="Name the id, or describe the data in the text.",
            )


def _task(metadata: Metadata) -> Iterator[CardProblem]:
    task, library = metadata.data.get("pipeline_tag"), metadata.data.get("library_name")
    if isinstance(task, str) and not accepted(task, "pipeline_tags"):
        near = difflib.get_close_matches(task[:60], sorted(hub_values()["pipeline_tags"]), n=2)
        yield found(
            "CARD040",
            metadata.line("pipeline_tag"),
            f"`pipeline_tag` is {shown(task)}, no task of the Hub",
            allowed=f"e.g. {', '.join(near or ['sentence-similarity', 'feature-extraction'])}",
        )
    if isinstance(library, str) and not accepted(library, "libraries"):
        near = difflib.get_close_matches(library[:60].lower(), sorted(hub_values()["libraries"]), n=2)
        yield found(
            "CARD041",
            metadata.line("library_name"),
            f"`library_name` is {shown(library)}, which the Hub does not list: no code to load the model is shown",
            allowed=f"e.g. {', '.join(near or ['sentence-transformers', 'transformers', 'peft'])}",
        )
    if library is None and not any(accepted(tag, "libraries") for _, tag in each(metadata.data.get("tags") or [])):
        yield found(
            "CARD042",
            metadata.line(),
            "No library is named; the Hub does not guess it from files any more",
            then="Add `library_name: …`.",
        )


def _languages(metadata: Metadata) -> Iterator[CardProblem]:
    given = metadata.data.get("language")
    for number, value in each(given) if given is not None else ():
        if is_language(value):
            continue
        line = _line(metadata, "language", number)
        if isinstance(value, str) and re.fullmatch(r"[a-z]{3}", value):
            yield found(
                "CARD044",
                line,
                f"`language` holds {shown(value)}, which is in no list of ISO 639-3 here",
                then="Correct it, or keep it if the Hub takes it.",
            )
            continue
        yield found(
            "CARD043",
            line,
            f"`language` holds {shown(value)}",
            allowed="a code of ISO 639 with two or three lower-case letters, code or multilingual",
            then=_language_hint(value),
        )


def _language_hint(value: Any) -> str:
    if value is False:
        return "Write Norwegian as a quoted 'no': YAML 1.1 reads a bare no as false."
    told = value[:40].lower() if isinstance(value, str) else ""
    if told in _LANGUAGE_HINTS:
        return f"Write {_LANGUAGE_HINTS[told]}."
    head = re.match(r"([a-z]{2,3})[-_]", told)
    if head:
        return f"Write {head[1]}, and the code with region or script under `language_bcp47`."
    return "See huggingface.co/languages."


def _tags(metadata: Metadata) -> Iterator[CardProblem]:
    given = metadata.data.get("tags")
    tags = [(number, tag) for number, tag in each(given) if isinstance(tag, str)] if isinstance(given, list) else []
    known: set[str] = set()
    for number, tag in tags:
        reasons = []
        if not tag.strip():
            reasons.append("is empty")
        elif tag != tag.strip() or "\n" in tag:
            reasons.append("begins or ends with blanks")
        if "," in tag:
            reasons.append("holds a comma: several tags in one are one tag")
        if tag.startswith("#"):
            reasons.append("begins with #")
        if len(tag) > 100:
            reasons.append(f"has {len(tag):,} characters")
        if tag in known:
            reasons.append("is given twice")
        known.add(tag)
        if reasons:
            yield found(
                "CARD045",
                metadata.line("tags", number or 0),
                f"The tag {shown(tag)} {' and '.join(reasons)}",
                then="Correct it; models are searched by exact tags.",
            )
