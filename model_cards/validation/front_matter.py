"""The YAML between the two lines ``---``: its text, its value, on which line each key stands, and how it is written."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from model_cards.validation.hub_lists import hub_values
from model_cards.validation.problems import CardProblem, found, shown

MAX_METADATA_BYTES = 1_000_000
"""The Hub does not say its limit; cards with several MB of metadata were answered with 413 (mteb#1892)."""

_UNREADABLE = 5_000_000
_MOST_ALIASES = 100
# what yaml.SafeLoader raises on documents that are no YAML: explicit tags reach its parsers of numbers and dates
YAML_ERRORS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# plain scalars that YAML 1.1 (PyYAML) and YAML 1.2 (the Hub) resolve to different types
_BOOLEAN_1_1 = re.compile(r"(?:yes|no|on|off)", re.IGNORECASE)
_NUMBER_1_2 = re.compile(r"[-+]?(?:\d+|\d+\.\d*|\.\d+)[eE][-+]?\d+|[-+]?0o[0-7]+")
_OCTAL_OR_SIXTY = re.compile(r"[-+]?0\d+|[-+]?\d+(?::[0-5]?\d)+(?:\.\d*)?")
_ALIASES = {
    "licence": "license",
    "licences": "license",
    "licenses": "license",
    "licence_name": "license_name",
    "licence_link": "license_link",
    "lang": "language",
    "languages": "language",
    "dataset": "datasets",
    "train_datasets": "datasets",
    "tag": "tags",
    "metric": "metrics",
    "base_models": "base_model",
    "finetuned_from": "base_model",
    "library": "library_name",
    "task": "pipeline_tag",
    "pipeline": "pipeline_tag",
    "eval_results": "model-index",
    "co2_emissions": "co2_eq_emissions",
}


class Card(NamedTuple):
    """A card in two parts; ``front_matter`` is None where huggingface_hub reads none.

    ``front_line`` and ``body_line`` are the lines on which both begin, from 1.
    """

    front_matter: str | None
    front_line: int
    body: str
    body_line: int


class Metadata(NamedTuple):
    """The front matter as a mapping, and the YAML node that it was made of."""

    data: dict[Any, Any]
    node: yaml.MappingNode
    first_line: int

    def line(self, *path: str | int) -> int:
        """Return the line of the key or item at ``path``, or of the last of its parents that stands there."""
        node: Any = self.node
        line = node.start_mark.line
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == step), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return int(line) + self.first_line


def split_card(text: str) -> Card:
    """Split a card where the Hub and huggingface_hub split it."""
    match = REGEX_YAML_BLOCK.search(text)
    if match is None:
        return Card(None, 1, text, 1)
    return Card(match[2], _lines(match[1]) + 1, text[match.end() :], _lines(match[0]) + 1)


def write_metadata(data: Mapping[str, Any]) -> str:
    """Return ``data`` as YAML that 1.1 and 1.2 read alike, in the order of the keys."""
    return str(
        yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf, default_flow_style=False)
    ).strip()


def read_metadata(card: Card, text: str) -> tuple[Metadata | None, list[CardProblem]]:
    """Return the metadata of ``card``, whose whole text is ``text``, or None, and what is wrong with its YAML."""
    if card.front_matter is None:
        return None, [_missing(text)]
    size = len(card.front_matter.encode("utf-8", "surrogatepass"))
    problems = []
    if size > MAX_METADATA_BYTES:
        problems.append(
            found(
                "CARD005",
                card.front_line,
                "The metadata is so large that the Hub may refuse to check it",
                observed=f"{size:,} bytes",
                allowed=f"about {MAX_METADATA_BYTES:,} (the Hub states no limit)",
                then="Leave long lists to the text or to files beside the card.",
            )
        )
    if size > _UNREADABLE:
        return None, problems
    try:
        loader = _Loader(card.front_matter)
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else None
    except YAML_ERRORS as error:
        return None, [*problems, _unreadable(error, card)]
    if not isinstance(data, dict):
        what = f"The front matter must be a mapping of keys to values, got {type(data).__name__}"
        return None, [*problems, found("CARD012", card.front_line, what, allowed="`key: value`, one key a line")]
    metadata = Metadata(data, node, card.front_line)
    return metadata, [*problems, *_traps(metadata), *_keys(metadata)]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """A safe loader that refuses a key given twice, of which YAML would keep the last, and values without bounds."""

    aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Count aliases: some nested ones stand for more values than fit into memory."""
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > _MOST_ALIASES:
                problem = f"more than {_MOST_ALIASES} aliases; write the values out"
                raise yaml.composer.ComposerError(None, None, problem, self.peek_event().start_mark)
        return super().compose_node(parent, index)


class _TwiceError(yaml.constructor.ConstructorError):  # type: ignore[misc]
    """A key stands twice in one mapping."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    known = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
        if name in known:
            raise _TwiceError(None, None, f"the key `{str(key.value)[:80]}` is given twice", key.start_mark)
        known.add(name)
    data: dict[Any, Any] = {}
    yield data
    data.update(loader.construct_mapping(node, deep=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """A safe dumper that quotes what another version of YAML would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if _readings(text) else None)


_Dumper.add_representer(str, _text)


def _missing(text: str) -> CardProblem:
    begun = re.match(r"\s*---[^\S\r\n]*(?=[\r\n]|\Z)", text)
    if begun is None:
        observed = "a card that does not begin with a line `---`"
    elif not re.match(r"\s*---[\r\n]", text):
        observed = "blanks behind the opening `---`, with which huggingface_hub does not see it"
    else:
        observed = "an opening line `---` and no closing one with at least one line between them"
    what = "There is no YAML front matter, so the Hub knows neither license nor task of the model"
    return found("CARD010", 1, what, observed=observed, allowed="YAML between two lines `---` at the top of the card")


def _unreadable(error: Exception, card: Card) -> CardProblem:
    mark = getattr(error, "problem_mark", None)
    line = card.front_line + (mark.line if mark is not None else 0)
    if isinstance(error, _TwiceError):
        return found(
            "CARD013",
            line,
            f"In the front matter {error.problem}",
            allowed="each key once",
            then="Keep one of the values.",
        )
    lines = (card.front_matter or "").splitlines()
    tab = next((i for i, text in enumerate(lines) if re.match(r"[ -]*\t", text)), None)
    if tab is not None and isinstance(error, yaml.YAMLError):
        return found(
            "CARD014",
            card.front_line + tab,
            "A tab indents a line of the front matter",
            allowed="spaces only",
            then="Replace the tab by spaces.",
        )
    reason = getattr(error, "problem", None) or str(error) or type(error).__name__
    context = getattr(error, "context", None)
    words = shown_text(f"{context}: {reason}" if context else str(reason))
    return found("CARD011", line, f"The front matter is no valid YAML: {words}", then="Correct that line.")


def shown_text(text: str) -> str:
    """Return a message of another library in at most 200 characters."""
    words = " ".join(text.split())
    return words if len(words) <= 200 else f"{words[:197]}..."


def _traps(metadata: Metadata) -> Iterator[CardProblem]:
    """Yield plain values that change their type from one version of YAML to the other."""
    waiting: list[Any] = [metadata.node]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            waiting += [item for pair in node.value for item in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif node.style is None and (reading := _readings(node.value)):
            line = node.start_mark.line + metadata.first_line
            what = f"`{node.value[:80]}` is {reading[0]} in YAML 1.1, as PyYAML reads, and {reading[1]} in YAML 1.2"
            yield found("CARD015", line, what, then=f"Write '{node.value[:80]}' in quotes, or spell out what is meant.")


def _readings(text: str) -> tuple[str, str] | None:
    if _BOOLEAN_1_1.fullmatch(text):
        return "true or false", "text"
    if _NUMBER_1_2.fullmatch(text) and not re.fullmatch(r"[-+]?\d[\d_]*\.[\d_]*[eE][-+]\d+|\.[\d_]+[eE][-+]\d+", text):
        return "text", "a number"
    if _OCTAL_OR_SIXTY.fullmatch(text) and text.strip("+-0") and len(text) <= 40:
        return "a number to the base 8 or 60", "a decimal number or text"
    return None


def _keys(metadata: Metadata) -> Iterator[CardProblem]:
    known = hub_values()["keys"]
    for key, value in metadata.data.items():
        meant = _meant(key, known) if isinstance(key, str) else None
        if not isinstance(key, str):
            yield found("CARD018", metadata.line(), f"The key {shown(key)} is no text", then="Put it in quotes.")
        elif meant is not None:
            yield found(
                "CARD016",
                metadata.line(key),
                f"`{key[:80]}` is not read by the Hub, the key is spelt `{meant}`",
                observed=shown(value),
                then=f"Rename it to `{meant}`.",
            )
        elif value is None and key in known:
            yield found(
                "CARD017",
                metadata.line(key),
                f"`{key}` has no value, with which the Hub refuses the card",
                then="Give it a value or remove the key.",
            )


def _meant(key: str, known: frozenset[str]) -> str | None:
    """Return the key that ``key`` is a misspelling of; None where it is right, or something else altogether."""
    if key in known:
        return None
    plain = re.sub(r"[-_\s]+", "_", key.strip().lower())
    by_plain = {re.sub("-", "_", name): name for name in known}
    if plain in by_plain or plain in _ALIASES:
        return by_plain.get(plain) or _ALIASES[plain]
    near = difflib.get_close_matches(plain[:40], list(by_plain), n=1, cutoff=0.88)
    # `model_name` and the like are keys of other tools
    return by_plain[near[0]] if near and abs(len(near[0]) - len(plain)) <= 2 else None


def _lines(text: str) -> int:
    """Return how many line ends ``text`` holds, as PyYAML and editors count them."""
    return len(re.findall(r"\r\n|\r|\n", text))
