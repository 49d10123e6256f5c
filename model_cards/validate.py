"""Is a model card valid? Offline: the Hub's own check needs the network.

The lists of what the Hub accepts stand, with their dates, in ``hub_metadata.toml``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results

from model_cards.errors import CardError
from model_cards.typesetting import LOCAL_PATH, TOKEN

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
# the rules of huggingface_hub.utils.validate_repo_id
_HUB_ID = re.compile(r"(?:[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?/)?[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?", re.ASCII)
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_BLANKS = re.compile(r"\[(?:optional\s+)?more information needed\]|\{\{.*?\}\}|\{%.*?%\}", re.IGNORECASE)


def require_valid_card(text: str) -> None:
    """Check a model card.

    Raises:
        CardError: it is not valid; the message lists every problem.
    """
    problems = validate_card(text)
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        msg = f"The model card has {len(problems)} {noun}: {' '.join(problems)} Repair these and check again."
        raise CardError(msg, problems)


def validate_card(text: str) -> tuple[str, ...]:
    """Return what is wrong with a model card (README.md), one sentence a problem; empty when valid."""
    match = _FRONT_MATTER.match(text)
    problems: list[str] = []
    body = text
    if match is None:
        problems.append(
            "There is no YAML front matter: the card must begin with a line `---` and close it with another."
        )
    else:
        body = text[match.end() :]
        problems += _metadata_problems(match[1])
    problems += _body_problems(body)
    problems += _leaks(text)
    return tuple(problems)


def card_metadata(text: str) -> dict[str, Any]:
    """Return the YAML front matter of a card as a dictionary.

    Raises:
        CardError: there is none, or it is no mapping.
    """
    match = _FRONT_MATTER.match(text)
    data = _load(match[1]) if match else "There is no YAML front matter."
    if isinstance(data, str):
        raise CardError(data, (data,))
    return data


@cache
def hub_values() -> Mapping[str, frozenset[str]]:
    """Return the values that the Hub accepts, by list name, from ``hub_metadata.toml``."""
    text = files("model_cards").joinpath("hub_metadata.toml").read_text(encoding="utf-8")
    return {key: frozenset(values) for key, values in tomllib.loads(text)["values"].items()}


def is_hub_id(value: object) -> bool:
    """Whether ``value`` is ``name`` or ``owner/name`` as the Hub spells ids, and no path."""
    return (
        isinstance(value, str)
        and _HUB_ID.fullmatch(value) is not None
        and "--" not in value
        and ".." not in value
        and not value.endswith(".git")
    )


def _accepted(value: object, name: str) -> bool:
    """Whether the list ``name`` holds ``value``, which may be of any YAML type."""
    return isinstance(value, str) and value in hub_values()[name]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """A safe loader that refuses a key given twice: YAML would silently keep the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = sorted({str(key) for key in keys if keys.count(key) > 1})
    if twice:
        message = f"the key {', '.join(twice)} is given twice"
        raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
    return {key: loader.construct_object(value, deep=True) for key, (_, value) in zip(keys, node.value, strict=True)}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _load(front_matter: str) -> dict[str, Any] | str:
    """Return the mapping, or the problem in words."""
    try:
        data = yaml.load(front_matter, Loader=_Loader)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        return f"The front matter is no valid YAML: {reason}."
    if not isinstance(data, dict):
        return f"The front matter must be a mapping of keys to values, got {type(data).__name__}."
    return data


def _metadata_problems(front_matter: str) -> list[str]:
    data = _load(front_matter)
    if isinstance(data, str):
        return [data]
    rules: tuple[Callable[[dict[str, Any]], Iterator[str]], ...] = (
        _license_problems,
        _base_model_problems,
        _dataset_problems,
        _task_problems,
        _language_problems,
        _index_problems,
    )
    return [problem for rule in rules for problem in rule(data)]


def _license_problems(data: dict[str, Any]) -> Iterator[str]:
    misspelt = sorted(str(key) for key in data if str(key).lower() in {"licence", "licences", "licenses"})
    if misspelt:
        yield f"`{misspelt[0]}` is not read by the Hub: the key is spelt `license`."
    if "license" not in data:
        return
    given = data["license"]
    for value in given if isinstance(given, list) else [given]:
        if not _accepted(value, "licenses"):
            yield (
                f"`license` is {value!r}, which is no license id of the Hub: use one of them in lower case, "
                "or `other` with `license_name` and `license_link`."
            )
        if value == "other" and not (data.get("license_name") and data.get("license_link")):
            yield "`license: other` needs `license_name` and `license_link`."


def _base_model_problems(data: dict[str, Any]) -> Iterator[str]:
    given = data.get("base_model", [])
    for value in given if isinstance(given, list) else [given]:
        if not is_hub_id(value):
            yield f"`base_model` is {value!r}: allowed is a Hub id such as `owner/name`, never a local path."
    relation = data.get("base_model_relation")
    if relation is not None and not _accepted(relation, "base_model_relations"):
        yield f"`base_model_relation` is {relation!r}: allowed is adapter, finetune, merge or quantized."


def _dataset_problems(data: dict[str, Any]) -> Iterator[str]:
    given = data.get("datasets", [])
    for value in given if isinstance(given, list) else [given]:
        if not is_hub_id(value):
            yield f"`datasets` holds {value!r}: allowed are ids of datasets on the Hub, never a local path."


def _task_problems(data: dict[str, Any]) -> Iterator[str]:
    task = data.get("pipeline_tag")
    if task is not None and not _accepted(task, "pipeline_tags"):
        yield f"`pipeline_tag` is {task!r}, which the Hub does not know; e.g. `sentence-similarity`."


def _language_problems(data: dict[str, Any]) -> Iterator[str]:
    given = data.get("language", [])
    for value in given if isinstance(given, list) else [given]:
        # YAML reads a bare `no` as false
        known = (
            _accepted(value, "languages")
            or _accepted(value, "special_languages")
            or (isinstance(value, str) and re.fullmatch(r"[a-z]{3}", value) is not None)
        )
        if not known:
            hint = " (write Norwegian as a quoted 'no')" if value is False else ""
            yield f"`language` holds {value!r}: allowed is an ISO 639 code of two or three lower-case letters{hint}."


def _index_problems(data: dict[str, Any]) -> Iterator[str]:
    if "model-index" not in data:
        return
    index = data["model-index"]
    try:
        _, results = model_index_to_eval_results(index)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        yield (
            f"`model-index` does not have the Hub's shape ({reason}): allowed is a list of entries with `name` and "
            "`results`, each with `task.type`, `dataset.type`, `dataset.name` and `metrics` of `type` and `value`."
        )
        return
    for item in results:
        value = item.metric_value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            yield f"`model-index` gives {item.metric_type!r} the value {value!r}: allowed is a finite number."


def _body_problems(body: str) -> Iterator[str]:
    prose = list(_prose_lines(body))
    found = sorted({match[0] for is_prose, line in prose if is_prose for match in _BLANKS.finditer(line)})
    if found:
        yield f"The template's blank {', '.join(found)} is not filled in: answer it or say that it is unanswered."
    headings: list[tuple[int, str, bool]] = []
    for is_prose, line in prose:
        match = _HEADING.match(line) if is_prose else None
        if match:
            headings.append((len(match[1]), match[2], False))
        elif headings and re.sub(r"<!--.*?-->", "", line).strip():
            headings[-1] = (*headings[-1][:2], True)
    for position, (level, title, filled) in enumerate(headings):
        following = headings[position + 1] if position + 1 < len(headings) else None
        if not filled and (following is None or following[0] <= level):
            yield f"The section “{title}” is empty: fill it in or leave it out."


def _prose_lines(body: str) -> Iterator[tuple[bool, str]]:
    """Yield each line and whether it stands outside a code fence."""
    fence = ""
    for line in body.splitlines():
        match = _FENCE.match(line)
        if match and (not fence or match[1].startswith(fence)):
            fence = "" if fence else match[1]
            yield False, line
        else:
            yield not fence, line


def _leaks(text: str) -> Iterator[str]:
    paths = sorted({match[0] for match in LOCAL_PATH.finditer(text)})
    if paths:
        yield f"The card shows the local path {', '.join(paths[:3])}: name a Hub id or leave it out."
    if TOKEN.search(text):
        yield "The card holds what looks like an access token (hf_…): remove it, and revoke the token if it is real."
