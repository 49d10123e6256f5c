"""What may not stand in a published text: secrets, paths of this machine, settings that load or run code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audits.personal import SECRETS
from hf_contrastive.release.contents.labelled_secrets import labelled_secrets
from hf_contrastive.release.contents.places import local_path
from hf_contrastive.release.contents.settings import VOCABULARIES, items_of, settings_problems, template_problems
from model_cards.typesetting import TOKEN, one_line
from model_cards.validate import validate_card

# what these quote of the data may look like a path: only this machine's own are searched for
_QUOTING = frozenset({"evidence.json", "report.json", "report.html"})
_PAGES = (".html", ".htm", ".xhtml", ".svg")
_SECRET_HINT = re.compile(SECRETS.hint)


def text_problems(name: str, text: str) -> Iterator[str]:
    """Yield what speaks against publishing ``text``.

    Args:
        name: its path in the repository.
        text: its content.
    """
    base = name.rpartition("/")[2]
    data: Any = None
    if base.endswith(".json"):
        try:
            data, repeated = _parsed(text)
        except (ValueError, RecursionError) as error:
            yield f"{name} is no valid JSON ({one_line(str(error))[:120]}). Save the model again."
        else:
            if repeated and base not in VOCABULARIES:
                yield f"{name} has a key twice ({one_line(repeated)[:60]}); readers take either. Save the model again."
    if text.lstrip("\ufeff \t\r\n").startswith("#!"):
        yield f"{name} begins as a script does (#!); a published encoder holds nothing that runs. Remove it."
    if name not in _QUOTING and base.lower().endswith(_PAGES):
        yield f"{name} is a page, which can run scripts where it is shown. Publish the text alone."
    if name in _QUOTING:
        yield from secret_problems(name, text, paths=False)
        yield from own_path_problems(name, text)
    else:
        # in JSON the values are searched, since `Q:\n` is no path but a line break
        searched = "\n".join(_strings(data)) if data is not None else text
        yield from secret_problems(name, searched, paths=base not in VOCABULARIES)
        if base not in VOCABULARIES:
            pairs = [pair for item in items_of(data) if isinstance(item, dict) for pair in item.items()]
            kinds = list(dict.fromkeys(labelled_secrets(searched, pairs)))
            if kinds:
                yield f"{name} holds what is called a secret ({', '.join(kinds)}). Remove it, and have it revoked."
    if name == "README.md":
        yield from (f"{name}: {problem}" for problem in validate_card(text))
    if base.endswith(".jinja"):
        yield from template_problems(name, text)
    if data is not None:
        yield from settings_problems(name, data)


def secret_problems(name: str, text: str, *, paths: bool) -> Iterator[str]:
    """Yield which secrets stand in ``text``, by their kind and never as they are; and a path of this machine.

    Args:
        name: of the file.
        text: what is searched.
        paths: whether paths count.
    """
    kinds = {match.kind for part in _worth_a_look(text) for match in SECRETS.find(part)} - {"Hugging Face token"}
    if TOKEN.search(text):
        yield f"{name} holds what looks like a Hub token. Remove it and revoke the token."
    if kinds:
        yield f"{name} holds what looks like a secret ({', '.join(sorted(kinds))}). Remove it, and have it revoked."
    found = local_path(text) if paths else None
    if found:
        yield f"{name} holds a path of this machine, beginning with {found[:8]}…. Replace it by a Hub id."


def own_path_problems(name: str, text: str) -> Iterator[str]:
    """Yield whether a path below this machine's home or working folder stands in ``text``."""
    own = {str(path) for path in (Path.home(), Path.cwd()) if path != Path(path.anchor)}
    if any(f"{path}/" in text or f"{path}\\" in text for path in own):
        yield f"{name} holds a path below this machine's home or working folder. Remove it from what was stated."


def _worth_a_look(text: str) -> Iterator[str]:
    """Yield the lines that may hold a secret, or all of a text that may hold a key of several lines."""
    if "PRIVATE KEY" in text:
        yield text
        return
    end = -1
    for hint in _SECRET_HINT.finditer(text):
        if hint.start() >= end:
            end = text.find("\n", hint.end())
            end = len(text) if end < 0 else end
            yield text[text.rfind("\n", 0, hint.start()) + 1 : end]


def _strings(data: Any) -> Iterator[str]:
    for item in items_of(data):
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item


def _parsed(text: str) -> tuple[Any, str]:
    """Return what JSON holds, and a key that stands twice in one object."""
    repeated: list[str] = []

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs) and not repeated:
            names = [key for key, _ in pairs]
            repeated.append(next(key for key in names if names.count(key) > 1))
        return found

    data = json.loads(text, object_pairs_hook=made)
    return data, repeated[0] if repeated else ""
