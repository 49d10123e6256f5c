"""Which part of one release belongs to which of the other, and what counts as a difference."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

from audits.records import Record, digest_of
from model_cards.changes.records import Area, Change, Kind
from model_cards.typesetting import redact

Item = TypeVar("Item")

# an excerpt shows a row, and is blanked before anything is published: without it the finding is the same
_NOT_COMPARED = frozenset({"excerpt"})
_NAMES = 3


class Words(NamedTuple):
    """How a thing is called in a change, and how much it weighs."""

    area: Area
    key: str
    what: str
    weight: int


def content(value: Any) -> Any:
    """Return ``value`` as data, without run times, dates of making and excerpts of rows."""
    if isinstance(value, Record):
        return {name: content(getattr(value, name)) for name in content_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): content(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [content(item) for item in value]
    return value


def same(before: Any, after: Any) -> bool:
    """Whether two parts say the same."""
    return bool(before == after or content(before) == content(after))


def paired(
    before: Iterable[Item], after: Iterable[Item], key: Callable[[Item], str]
) -> Iterator[tuple[str, Item | None, Item | None]]:
    """Yield (key, before, after) of what differs, by key; None where there is none.

    Of several parts with one key the equal ones belong together, the others by their order.
    """
    old, new = _grouped(before, key), _grouped(after, key)
    for name in sorted({*old, *new}):
        left, right = list(old.get(name, ())), list(new.get(name, ()))
        for item in tuple(left):
            match = next((other for other in right if same(item, other)), None)
            if match is not None:
                left.remove(item)
                right.remove(match)
        for position in range(max(len(left), len(right))):
            yield (
                name,
                left[position] if position < len(left) else None,
                right[position] if position < len(right) else None,
            )


def mapped(before: Mapping[str, Item], after: Mapping[str, Item]) -> Iterator[tuple[str, Item | None, Item | None]]:
    """Yield (key, before, after) of the entries that differ, by key; None where there is none."""
    for name in sorted({*before, *after}):
        if name not in before or name not in after or not same(before[name], after[name]):
            yield name, before.get(name), after.get(name)


def changed(words: Words, before: str, after: str, kind: Kind = "changed", note: str = "") -> Change:
    """Return one change; an empty text stands for a thing that is not there."""
    kind = "added" if not before and after else "removed" if before and not after else kind
    area, key, what, weight = words
    return Change(area=area, kind=kind, key=key, what=what, before=before, after=after, note=note, weight=weight)


def in_words(before: Item | None, after: Item | None, tell: Callable[[Item], str]) -> tuple[str, str]:
    """Return both sides in words, "" for what is not there; what differs is told apart even where the words do not."""
    one, other = (redact(tell(item)) if item is not None else "" for item in (before, after))
    if before is not None and after is not None and one == other:
        one, other = (f"{one}, record {short(digest_of(content(item)))}" for item in (before, after))
    return one, other


def compared(
    words: Words,
    before: Item | None,
    after: Item | None,
    tell: Callable[[Item], str],
    *,
    kind: Kind = "changed",
    note: str = "",
    apart: Collection[str] = (),
) -> Change:
    """Return the change of a record as :func:`in_words` tells it, naming what differs and is in no words.

    Args:
        words: how it is called.
        before: None for what was not there.
        after: None for what is not there any more.
        tell: says one side in words.
        kind: of the change of what is there on both sides.
        note: what a reader must know.
        apart: fields that are told elsewhere, or follow from what is told.
    """
    if before is not None and after is not None:
        note = noted(note, untold(before, after, tell, apart))
    return changed(words, *in_words(before, after, tell), kind, note)


def noted(note: str, names: Iterable[str]) -> str:
    """Return ``note`` with the names of what differs too, of many the first."""
    listed = list(names)
    more = f" and {len(listed) - _NAMES:,} more" if len(listed) > _NAMES else ""
    return "; ".join(filter(None, (note, f"differs too in {', '.join(listed[:_NAMES])}{more}" if listed else "")))


def untold(before: Any, after: Any, tell: Callable[[Any], str], apart: Collection[str] = ()) -> Iterator[str]:
    """Yield the address of each part of two records that differs and makes no difference in words.

    Args:
        before: a record.
        after: the same, later.
        tell: says one side in words.
        apart: fields that are not looked at.
    """
    for name in content_fields(before):
        if name not in apart:
            yield from _untold(before, after, name, lambda item: redact(tell(item)), lambda item: redact(tell(item)))


def _untold(
    before: Any, after: Any, name: str, forth: Callable[[Any], str], back: Callable[[Any], str]
) -> Iterator[str]:
    """Yield the same of one field; ``forth`` tells the side before, ``back`` the one after."""
    old, new = getattr(before, name), getattr(after, name)
    if same(old, new):
        return

    def forth_with(value: Any) -> str:
        return forth(replace(before, **{name: value}))

    def back_with(value: Any) -> str:
        return back(replace(after, **{name: value}))

    shown = name.replace("_", " ")
    # what one side alone would show, as where the other one says that it does not apply, is shown by half
    if forth_with(old) == forth_with(new) or back_with(old) == back_with(new):
        yield shown
    elif isinstance(old, Record) and type(old) is type(new):
        for part in content_fields(old):
            yield from (f"{shown} / {item}" for item in _untold(old, new, part, forth_with, back_with))
    elif _are_records(old) and _are_records(new) and len(old) == len(new):
        for i, (one, other) in enumerate(zip(old, new, strict=True)):
            sides = (
                lambda value, i=i: forth_with((*old[:i], value, *old[i + 1 :])),
                lambda value, i=i: back_with((*new[:i], value, *new[i + 1 :])),
            )
            for part in content_fields(one):
                yield from (f"{shown} / {i + 1} / {item}" for item in _untold(one, other, part, *sides))


def content_fields(record: Any) -> tuple[str, ...]:
    """Return the names of the fields that :func:`content` holds."""
    return tuple(
        item.name
        for item in fields(record)
        if not item.metadata.get("transient") and not item.metadata.get("volatile") and item.name not in _NOT_COMPARED
    )


def _are_records(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(item, Record) for item in value)


def details(words: Words, before: Any, after: Any) -> Change:
    """Return the change of a part of which nothing more telling was found: by digest, naming where it differs."""
    left, right = content(before), content(after)
    places = [place for place in _places(left, right, "") if place]
    note = f"differs in {', '.join(places[:3])}" + (f" and {len(places) - 3:,} more" if len(places) > 3 else "")
    kind: Kind = "added" if _is_nothing(left) else "removed" if _is_nothing(right) else "changed"
    return changed(
        words,
        "" if kind == "added" else short(digest_of(left)),
        "" if kind == "removed" else short(digest_of(right)),
        kind,
        note if places and kind == "changed" else "",
    )


def short(digest: str) -> str:
    """Return the first 12 digits of a digest or commit, enough to tell two apart."""
    return digest.removeprefix("sha256:")[:12]


def _grouped(items: Iterable[Item], key: Callable[[Item], str]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _places(before: Any, after: Any, where: str) -> Iterator[str]:
    """Yield the address of each part that differs."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _places(before.get(key), after.get(key), f"{where}.{key}" if where else key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from _places(left, right, f"{where}[{position}]")
    else:
        yield where
