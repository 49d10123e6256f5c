"""A small evaluator of the part of JSON Schema 2020-12 that the schemas of this package use.

A schema is compiled once into functions. They decide as ``jsonschema`` does, which a test asserts, and tell each
problem with its address; ``jsonschema`` itself, slow to import with its format checkers, is needed for tests alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from model_cards.typesetting import cut

Path = tuple[Any, ...]
"""The address of a value: (address of what holds it, key or index); () is the document."""

Problems = list[tuple[Path, str]]
Check = Callable[[Any, Path, Problems], None]
"""Adds what is wrong with a value to the problems."""

_LONGEST = 160
_SILENT = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "default"})
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


def compile_schema(schema: Mapping[str, Any]) -> Callable[[Any], list[str]]:
    """Return a function that lists what a schema has against a document, each problem with its address.

    Args:
        schema: whose references are ``#/$defs/<name>``.

    Raises:
        NotImplementedError: it uses a keyword that is not known here.
    """
    check = _Compiler(schema.get("$defs", {})).compiled(schema)

    def problems(document: Any) -> list[str]:
        found: Problems = []
        check(document, (), found)
        return [f"`{_address(path) or 'the document'}`: {words}" for path, words in found]

    return problems


class _Compiler:
    """Compiles schemas that share definitions, each definition once."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._known: dict[str, Check] = {}

    def compiled(self, schema: Mapping[str, Any]) -> Check:
        """Return the check of one schema; what is of another type is told as that alone."""
        makers = {
            frozenset({"$ref"}): self._reference,
            frozenset({"enum", "const"}): self._values,
            frozenset({"pattern", "minLength", "maxLength"}): self._text,
            frozenset({"properties", "required", "additionalProperties"}): self._object,
            frozenset({"items", "prefixItems", "minItems", "maxItems"}): self._array,
            frozenset({"anyOf"}): self._any,
        }
        unknown = set(schema).difference(_SILENT, {"type"}, *makers)
        if unknown:
            msg = f"The keywords {_listed(unknown)} are not known to {__name__}; add them, or do without."
            raise NotImplementedError(msg)
        told = schema.get("type", ())
        kinds = (told,) if isinstance(told, str) else tuple(told)
        tests = tuple(_KINDS[kind] for kind in kinds)
        checks = tuple(make(schema) for keywords, make in makers.items() if not keywords.isdisjoint(schema))

        def check(value: Any, path: Path, found: Problems) -> None:
            if tests and not any(test(value) for test in tests):
                found.append((path, f"got {_short(value)}; allowed is {' or '.join(kinds)}"))
                return
            for item in checks:
                item(value, path, found)

        return check

    def _reference(self, schema: Mapping[str, Any]) -> Check:
        name: str = schema["$ref"].removeprefix("#/$defs/")

        def check(value: Any, path: Path, found: Problems) -> None:
            if name not in self._known:
                # when it is first needed: a definition may refer to itself
                self._known[name] = self.compiled(self._definitions[name])
            self._known[name](value, path, found)

        return check

    def _values(self, schema: Mapping[str, Any]) -> Check:
        allowed = schema["enum"] if "enum" in schema else [schema["const"]]

        def check(value: Any, path: Path, found: Problems) -> None:
            # True is no 1 in JSON
            if not any(value == item and isinstance(value, bool) == isinstance(item, bool) for item in allowed):
                found.append((path, f"got {_short(value)}; allowed is {' or '.join(map(repr, allowed))}"))

        return check

    def _text(self, schema: Mapping[str, Any]) -> Check:
        pattern = re.compile(schema.get("pattern", ""))
        least, most = schema.get("minLength", 0), schema.get("maxLength")

        def check(value: Any, path: Path, found: Problems) -> None:
            if not isinstance(value, str):
                return
            if pattern.search(value) is None:
                found.append((path, f"got {_short(value)}; allowed is what matches {pattern.pattern}"))
            if len(value) < least or (most is not None and len(value) > most):
                found.append((path, f"has {len(value):,} characters; allowed are {_span(least, most)}"))

        return check

    def _object(self, schema: Mapping[str, Any]) -> Check:
        known = {name: self.compiled(inner) for name, inner in schema.get("properties", {}).items()}
        required = tuple(schema.get("required", ()))
        told = schema.get("additionalProperties", True)
        other = self.compiled(told) if isinstance(told, Mapping) else None
        closed = told is False

        def check(value: Any, path: Path, found: Problems) -> None:
            if not isinstance(value, dict):
                return
            missing = [name for name in required if name not in value]
            if missing:
                found.append((path, f"lacks the keys {_listed(missing)}"))
            unknown = [key for key in value if key not in known] if closed else ()
            if unknown:
                found.append((path, f"got the keys {_listed(unknown)}; allowed are only {_listed(known)}"))
            for key, item in value.items():
                inner = known.get(key, other)
                if inner is not None:
                    inner(item, (path, key), found)

        return check

    def _array(self, schema: Mapping[str, Any]) -> Check:
        first = [self.compiled(inner) for inner in schema.get("prefixItems", ())]
        rest = self.compiled(schema["items"]) if "items" in schema else None
        least, most = schema.get("minItems", 0), schema.get("maxItems")

        def check(value: Any, path: Path, found: Problems) -> None:
            if not isinstance(value, list):
                return
            if len(value) < least or (most is not None and len(value) > most):
                found.append((path, f"has {len(value):,} items; allowed are {_span(least, most)}"))
            for i, item in enumerate(value):
                inner = first[i] if i < len(first) else rest
                if inner is not None:
                    inner(item, (path, i), found)

        return check

    def _any(self, schema: Mapping[str, Any]) -> Check:
        options = [self.compiled(inner) for inner in schema["anyOf"]]

        def check(value: Any, path: Path, found: Problems) -> None:
            nearest: Problems = []
            for option in options:
                own: Problems = []
                option(value, path, own)
                if not own:
                    return
                # what fails deep inside is nearer to what was meant
                if not nearest or _depth(own[0][0]) > _depth(nearest[0][0]):
                    nearest = own
            found.extend(nearest)

        return check


def _address(path: Path) -> str:
    if not path:
        return ""
    before, step = _address(path[0]), path[1]
    return f"{before}[{step}]" if isinstance(step, int) else f"{before}.{step}".lstrip(".")


def _depth(path: Path) -> int:
    return 1 + _depth(path[0]) if path else 0


def _span(least: int, most: int | None) -> str:
    return f"{least:,} or more" if most is None else f"{least:,} to {most:,}" if least < most else f"{most:,}"


def _listed(names: Iterable[Any]) -> str:
    return cut(", ".join(sorted(map(str, names))), 5 * _LONGEST)


def _short(value: Any) -> str:
    return cut(repr(value), _LONGEST)
