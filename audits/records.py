"""Frozen records with a JSON round trip and digests; the standard library only.

A record is a frozen, slotted, keyword-only dataclass that inherits :class:`Record`.
Two field markers change how it is written:

* ``volatile()``: kept in JSON and in :meth:`Record.digest`, left out of
  :meth:`Record.content_digest` (run time, creation date).
* ``transient()``: never written (bulk rows that have a file of their own).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, field, fields
from functools import cache
from typing import Any, Self

from audits.errors import SchemaError


def volatile(**kwargs: Any) -> Any:
    """Return a dataclass field that :meth:`Record.content_digest` leaves out."""
    return field(metadata={"volatile": True}, **kwargs)


def transient(**kwargs: Any) -> Any:
    """Return a dataclass field that is never written to JSON nor compared."""
    return field(metadata={"transient": True}, compare=False, repr=False, **kwargs)


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and no white space.

    Raises:
        SchemaError: a number is NaN or infinite, or a string is no valid UTF-8.
    """
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode("utf-8")
    except ValueError as error:
        msg = f"Only finite numbers and valid UTF-8 have a canonical JSON form: {error}."
        raise SchemaError(msg) from error
    return text


def digest_of(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of ``value``."""
    return "sha256:" + hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def near_names(told: Iterable[str], known: Iterable[str]) -> str:
    """Return "; did you mean `allowed` for `alowed`" for the names that are spelled like a known one, else ""."""
    names = sorted(known)
    found = ((name, difflib.get_close_matches(name, names, n=1)) for name in told)
    words = " and ".join(f"`{near[0]}` for `{name}`" for name, near in found if near)
    return f"; did you mean {words}" if words else ""


def shape_problems(kind: Any, value: Any, where: str) -> Iterator[str]:
    """Yield everything that keeps ``value`` from being a ``kind``; ``from_dict`` raises the first problem alone.

    Args:
        kind: a record, or the type of a field of one.
        value: as read from JSON or TOML.
        where: the address that a problem names.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    options = [item for item in arguments if item is not type(None)]
    if origin in (typing.Union, types.UnionType) and len(options) == 1 and value is not None:
        yield from shape_problems(options[0], value, where)
    elif origin is tuple and arguments[1:] == (Ellipsis,) and isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from shape_problems(arguments[0], item, f"{where}[{i}]")
    elif isinstance(kind, type) and issubclass(kind, Record) and isinstance(value, Mapping):
        hints = _hints(typing.cast("Any", kind))  # the class is hashed, not a record
        yield from _key_problems(kind, value, where)
        for name in _written(typing.cast("Any", kind)):
            if name in value:
                yield from shape_problems(hints[name], value[name], f"{where}.{name}")
    else:
        try:
            _decode(kind, value, where)
        except SchemaError as error:
            yield str(error)


class Record:
    """Mixin of all records: ``to_dict``, ``from_dict``, ``digest``, ``content_digest``."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data; tuples become lists, transient fields are left out."""
        return _record_to_dict(self, skip_volatile=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the record from :meth:`to_dict`'s output.

        Raises:
            SchemaError: a key is unknown or missing, or a value has another type.
        """
        return typing.cast("Self", _decode(cls, data, cls.__name__))

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over everything that is written."""
        return digest_of(self.to_dict())

    @property
    def content_digest(self) -> str:
        """``sha256:<hex>`` over everything but the volatile fields."""
        return digest_of(_record_to_dict(self, skip_volatile=True))


_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types of most values, which are written as they are."""


def _record_to_dict(record: Any, *, skip_volatile: bool) -> dict[str, Any]:
    told = {}
    for name in _told(typing.cast("Any", type(record)), skip_volatile):  # the class is hashed, not a record
        value = getattr(record, name)
        told[name] = value if value.__class__ in _PLAIN else _encode(value, skip_volatile)
    return told


@cache
def _told(kind: Any, skip_volatile: bool) -> tuple[str, ...]:
    """Return the names of a record's fields that are written; they are looked up once, not for every record."""
    return tuple(name for name, item in _written(kind).items() if not (skip_volatile and item.metadata.get("volatile")))


def _encode(value: Any, skip_volatile: bool) -> Any:
    if isinstance(value, Record):
        return _record_to_dict(value, skip_volatile=skip_volatile)
    if isinstance(value, tuple | list):
        return [item if item.__class__ in _PLAIN else _encode(item, skip_volatile) for item in value]
    if isinstance(value, Mapping):
        return {
            str(key): item if item.__class__ in _PLAIN else _encode(item, skip_volatile) for key, item in value.items()
        }
    return value


def _decode(kind: Any, value: Any, where: str) -> Any:
    """Return ``value`` as ``kind``; ``where`` is the address that an error names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, value, where)
    if origin is typing.Literal:
        _expect(value in arguments, where, value, " or ".join(map(repr, arguments)))
        return value
    if origin is tuple:
        _expect(isinstance(value, list | tuple), where, value, "a list")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        _expect(len(value) == len(arguments), where, value, f"{len(arguments)} items")
        return tuple(
            _decode(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(arguments, value, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(value, Mapping), where, value, "an object")
        return {str(key): _decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Record):
        return _decode_record(kind, value, where)
    if kind is float:
        ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        _expect(ok, where, value, "a finite number")
        return value
    if kind is int:
        _expect(isinstance(value, int) and not isinstance(value, bool), where, value, "an integer")
        return value
    _expect(isinstance(value, kind), where, value, getattr(kind, "__name__", str(kind)))
    return value


def _decode_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    problems: list[str] = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _decode(option, value, where)
        except SchemaError as error:
            problems.append(str(error))
    raise SchemaError(problems[0])


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a record's fields; they are resolved once, not for every record that is read."""
    return typing.get_type_hints(kind)


@cache
def _written(kind: Any) -> Mapping[str, Any]:
    return {item.name: item for item in fields(kind) if not item.metadata.get("transient")}


def _decode_record(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, Mapping), where, value, "an object")
    for problem in _key_problems(kind, value, where):
        raise SchemaError(problem)
    hints = _hints(kind)
    return kind(**{name: _decode(hints[name], item, f"{where}.{name}") for name, item in value.items()})


def _key_problems(kind: Any, value: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield the unknown and the missing keys."""
    known = _written(kind)
    unknown = sorted(map(str, set(value) - set(known)))
    if unknown:
        yield _words(where, unknown, f"only the keys {', '.join(sorted(known))}{near_names(unknown, known)}")
    missing = sorted(
        name
        for name, item in known.items()
        if name not in value and item.default is MISSING and item.default_factory is MISSING
    )
    if missing:
        yield _words(where, sorted(map(str, value)), f"the keys {', '.join(missing)} too")


def _expect(condition: bool, where: str, observed: Any, allowed: str) -> None:
    if not condition:
        raise SchemaError(_words(where, observed, allowed))


def _words(where: str, observed: Any, allowed: str) -> str:
    shown = repr(observed)
    shown = shown if len(shown) <= 120 else shown[:117] + "..."
    return f"`{where}` is not of the documented shape: got {shown}; allowed is {allowed}."
