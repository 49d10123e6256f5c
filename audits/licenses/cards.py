"""What the front matter of a card says about the license, read as it stands there.

Only the nodes of the YAML are looked at: nothing is constructed, so that a number keeps its spelling, a key that is
there twice is seen twice, and aliases expand to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from audits.licenses.riders import quoted

LONGEST_FRONT_MATTER = 400_000
"""Characters of front matter that are read; the Hub refuses longer ones by far."""

_FRONT_MATTER = re.compile(
    r"\A\ufeff?\s*---[ \t]*\r?\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_OPENED = re.compile(r"\A\ufeff?\s*---[ \t]*(?:\r?\n|\Z)")
# the Hub reads the first, as it stands here; a person may have written any
_KEYS = ("license", "licence", "licenses", "licences")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardValue:
    """One value of the front matter.

    ``key`` is its address ("license", "license[1]", "tags: license:"); ``text`` the value as it stands there;
    ``problem`` says why it can be no license, "" where it may be one. ``group`` counts the places that state a license
    each: the items of one list share it. ``note`` says how the key is misspelt.
    """

    key: str
    text: str
    problem: str = ""
    group: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says: its license values, ``license_name`` and ``license_link``, the gating text and the body.

    ``body_line`` is the line at which the body begins.
    """

    values: tuple[CardValue, ...] = ()
    name: str = ""
    link: str = ""
    gate: str = ""
    body: str = ""
    body_line: int = 1


def read_card(text: str) -> Card:
    """Return what the front matter says; never raises.

    Front matter that can not be read gives one value with a problem: it may have said anything.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        if _OPENED.match(text):
            return Card(values=(_unreadable("the front matter is opened by --- and never closed"),), body=text)
        return Card(body=text)
    body, line = text[match.end() :], text.count("\n", 0, match.end()) + 1
    source = match["yaml"]
    if len(source) > LONGEST_FRONT_MATTER:
        problem = f"the front matter has {len(source):,} characters, more than {LONGEST_FRONT_MATTER:,}"
        return Card(values=(_unreadable(problem),), body=body, body_line=line)
    try:
        root = yaml.compose(source, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = f"the front matter is no valid YAML ({quoted(str(error))[:120]})"
        return Card(values=(_unreadable(problem),), body=body, body_line=line)
    if root is None:
        return Card(body=body, body_line=line)
    if not isinstance(root, yaml.MappingNode):
        return Card(values=(_unreadable("the front matter is no mapping"),), body=body, body_line=line)
    return _read(root, body, line)


def _read(root: Any, body: str, line: int) -> Card:
    values: list[CardValue] = []
    found: dict[str, str] = {}
    gates: list[str] = []
    for key_node, node in root.value:
        written = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
        key = written.casefold()
        if key in _KEYS:
            values += _license_values(written, node, len(values))
        elif key == "tags" and isinstance(node, yaml.SequenceNode):
            values += _tagged(node, len(values))
        elif key in ("license_name", "license_link") and isinstance(node, yaml.ScalarNode) and node.tag == _STRING:
            found[key] = node.value
        elif key.startswith("extra_gated_") and isinstance(node, yaml.ScalarNode):
            gates.append(node.value)
    return Card(
        values=tuple(values),
        name=found.get("license_name", ""),
        link=found.get("license_link", ""),
        gate="\n\n".join(gates),
        body=body,
        body_line=line,
    )


def _license_values(key: str, node: Any, group: int) -> Iterator[CardValue]:
    misspelt = "" if key == "license" else f"the key is `license`, got `{key}`"
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _scalar(f"{key}[{place}]", item, group, misspelt)
    else:
        yield from _scalar(key, node, group, misspelt)


def _scalar(key: str, node: Any, group: int, note: str) -> Iterator[CardValue]:
    if not isinstance(node, yaml.ScalarNode):
        kind = "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
        problem = f"`{key}` is {kind}, not the id of a license"
        yield CardValue(key=key, text=f"({kind})", problem=problem, group=group, note=note)
    elif node.tag == _NULL:
        return
    elif node.tag != _STRING:
        kind = node.tag.rpartition(":")[2]
        problem = f"`{key}` reads as YAML's {kind} {quoted(node.value)!r}, not as the id of a license"
        yield CardValue(key=key, text=node.value, problem=problem, group=group, note=note)
    elif node.value.strip():
        key += f" ({note})" if note else ""
        yield CardValue(key=key, text=node.value, group=group, note=note)


def _tagged(node: Any, group: int) -> Iterator[CardValue]:
    for item in node.value:
        if isinstance(item, yaml.ScalarNode) and item.value.lower().startswith("license:"):
            value = item.value.partition(":")[2].strip()
            if value:
                yield CardValue(key="tags: license:", text=value, group=group)


def _unreadable(problem: str) -> CardValue:
    return CardValue(key="front matter", text="", problem=problem)
