"""A README's front matter: what the Hub's answers need of it, without a YAML parser, and the Hub's check of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(?:(.*?)\r?\n)?---[ \t]*(?:\r?\n|$)", re.DOTALL)
# a plain key ends at the first colon that white space or the line's end follows
_KEY = re.compile(r"((?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:](?=\S)).*?)[ \t]*:(?:[ \t]+(.*)|)$")
_OPENED = re.compile(r"---[ \t]*\r?\n")
_MISSING = "empty or missing yaml metadata in repo card"
_ITEM = re.compile(r"[ \t]*-[ \t]+(.*)$")
_NUMBER = re.compile(r"[-+]?(?:\d{1,300}|\d{1,300}\.\d+(?:[eE][-+]?\d{1,3})?)$", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None, "~": None}
_TAGGED = {"license": "license:{}", "datasets": "dataset:{}", "base_model": "base_model:{}", "language": "{}"}


def front_matter(text: str) -> str | None:
    """Return the YAML between the first two lines ``---``, or None if there is none."""
    match = _FRONT_MATTER.match(text)
    return (match[1] or "") if match else None


def without_front_matter(text: str) -> str:
    """Return what follows the front matter."""
    match = _FRONT_MATTER.match(text)
    return text[match.end() :] if match else text


def parse(yaml: str) -> dict[str, Any]:
    """Return the top-level keys that hold a plain value or a list of plain values.

    A key with anything deeper below it, an anchor or a folded text is left out rather than guessed.
    """
    found: dict[str, Any] = {}
    for key, value, below in _keys(yaml):
        if not below:
            parsed = _value(value)
        elif value:
            continue
        else:
            matches = [_ITEM.match(line) for line in below]
            items = [_value(match[1]) for match in matches if match]
            parsed = items if len(items) == len(below) else _UNREAD
            if parsed is not _UNREAD and any(item is _UNREAD or isinstance(item, list) for item in items):
                parsed = _UNREAD
        if parsed is not _UNREAD:
            found[key] = parsed
    return found


def problems(text: str, *, of_model: bool = True) -> tuple[list[str], list[str]]:
    """Return errors and warnings of a README's front matter, as far as the Hub itself makes the difference.

    Args:
        text: of README.md.
        of_model: whether single keys are those of a model; of others the YAML alone is checked.
    """
    # imported here: it needs huggingface_hub, without which this server runs
    from model_cards.validation.examine import examine_metadata
    from model_cards.validation.problems import RULES

    text = text.removeprefix("\ufeff")
    if _OPENED.match(text) and front_matter(text) is None:
        return ["The YAML metadata has no closing line '---'."], []
    metadata, found = examine_metadata(text)
    if metadata is None and (not (front_matter(text) or "").strip() or _is_nothing(found)):
        return [], [_MISSING]
    told = [item for item in found if RULES[item.code].source == "the Hub" or item.code == "CARD012"]
    told = [item for item in told if of_model or item.code < "CARD018"]
    errors = [item.message for item in told if item.severity == "error"]
    return errors, [item.message for item in told if item.severity == "warning"]


def _is_nothing(found: Iterable[Any]) -> bool:
    """Whether there is YAML that stands for nothing, e.g. a comment alone."""
    return any(item.code == "CARD012" and "NoneType" in item.what for item in found)


def library_of(card: Mapping[str, Any], paths: Iterable[str]) -> str | None:
    """Return the library by the card, or by the files that only one library writes."""
    named = card.get("library_name")
    if isinstance(named, str):
        return named
    files = set(paths)
    marks = {
        "modules.json": "sentence-transformers",
        "adapter_config.json": "peft",
        "config.json": "transformers",
    }
    return next((library for mark, library in marks.items() if mark in files), None)


def tags_of(card: Mapping[str, Any], paths: Iterable[str], library: str | None) -> list[str]:
    """Return the tags by which the Hub lists a repository, without repetition."""
    tags = [library] if library else []
    if any(path.endswith(".safetensors") for path in paths):
        tags.append("safetensors")
    tags += [str(tag) for tag in _as_list(card.get("tags"))]
    for key, form in _TAGGED.items():
        tags += [form.format(value) for value in _as_list(card.get(key))]
    if isinstance(card.get("pipeline_tag"), str):
        tags.append(card["pipeline_tag"])
    return list(dict.fromkeys([*tags, "region:us"]))


class _Unread:
    """Marks a value that this module does not read."""


_UNREAD = _Unread()


def _keys(yaml: str) -> list[tuple[str, str, list[str]]]:
    """Return every top-level key with the rest of its line and the lines below it; a stray line has the key ''."""
    keys: list[tuple[str, str, list[str]]] = []
    for raw in yaml.splitlines():
        line = (
            re.sub(r"(^|[ \t])#.*$", "", raw).rstrip() if "#" in raw and not re.search("['\"]", raw) else raw.rstrip()
        )
        if not line:
            continue
        if line[0] in " \t" or _ITEM.match(line):
            if keys:
                keys[-1][2].append(line)
            else:
                keys.append(("", line, []))
            continue
        match = _KEY.match(line)
        quoted = re.match(r"(['\"])(.*?)\1[ \t]*:(?:[ \t]+(.*)|)$", line)
        if quoted:
            keys.append((quoted[2], (quoted[3] or "").strip(), []))
        elif match:
            keys.append((match[1], (match[2] or "").strip(), []))
        elif keys and keys[-1][1][:1] in {"[", "{", "'", '"'}:
            keys[-1][2].append(line)  # a value that goes on over several lines
        else:
            keys.append(("", line, []))
    return keys


def _value(text: str) -> Any:
    """Return a plain YAML value or flow list of them, else the mark of an unread one."""
    text = text.strip()
    if not text:
        return None
    if text[0] == "[":
        inner = text[1:-1]
        if text[-1] != "]" or re.search(r"[\[\]{}'\"]", inner):
            return _UNREAD
        items = [_value(item) for item in inner.split(",") if item.strip()]
        return _UNREAD if _UNREAD in items else items
    if text[0] in "'\"":
        simple = len(text) > 1 and text[-1] == text[0] and text[0] not in text[1:-1] and "\\" not in text
        return text[1:-1] if simple else _UNREAD
    if text[0] in "{&*!|>%@`" or re.search(r":(?:[ \t]|$)", text):
        return _UNREAD
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _NUMBER.match(text):
        return float(text) if re.search(r"[.eE]", text) else int(text)
    return text


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
