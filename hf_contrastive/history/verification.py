"""Whether a history still is what was written: the chain within, and heads that were recorded elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from audits.records import Record
from hf_contrastive.history.chain import read_lines
from hf_contrastive.history.entries import GENESIS, Head, HistoryEntry, ReadLine

Change = Literal["missing", "edited", "inserted", "reordered", "removed", "truncated", "rewritten"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryProblem(Record):
    """Something that is not as it was written; ``line`` is 1-based, None where no line is left to name."""

    line: int | None
    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class _Placed:
    line: int
    entry: HistoryEntry


def verify(path: Path, heads: Sequence[Head] = ()) -> list[HistoryProblem]:
    """Compare the history with its own hashes and with ``heads``.

    Without a head, the removal of the last lines and a rewrite of everything from some line on can not be found,
    since both leave a sound chain: :func:`not_covered` says so in words.

    Args:
        path: the history.
        heads: lines as push receipts and tags name them.

    Returns:
        What was found, by line; nothing where all is as it was written, as far as that can be told.

    Raises:
        HistoryError: the file can not be read.
    """
    lines = read_lines(path)
    if not lines:
        return [*_nothing(path), *_against_heads(lines, heads)]
    problems = [*_damaged(lines), *_chain(lines), *_against_heads(lines, heads)]
    return sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0))


def not_covered(entries: Sequence[HistoryEntry], heads: Sequence[Head]) -> str:
    """Say which changes :func:`verify` could not have found; "" where a head names the last entry."""
    last = entries[-1].sequence if entries else 0
    covered = max((head.sequence for head in heads), default=0)
    if covered >= last:
        return ""
    if not heads:
        return (
            "No head from elsewhere was given. The hashes within the file can not tell whether its last lines were "
            "removed, or whether all of it was written anew: give `--head` or `--receipt` with the head that a push "
            "receipt or a tag names."
        )
    return (
        f"The latest head that was given names entry {covered} of {last}. Whether lines behind it were removed or "
        "written anew can not be told."
    )


def _nothing(path: Path) -> Iterator[HistoryProblem]:
    found = "is empty" if path.exists() else "does not exist"
    text = f"The history {path} {found}; there is nothing to verify."
    yield HistoryProblem(line=None, change="missing", text=text)


def _damaged(lines: Sequence[ReadLine]) -> Iterator[HistoryProblem]:
    for index, line in enumerate(lines):
        if not line.problem:
            continue
        before = next((found for item in reversed(lines[:index]) if (found := item.intact) is not None), None)
        after = next((found for item in lines[index + 1 :] if (found := item.intact) is not None), None)
        extra = before is not None and after is not None and after.previous == before.digest
        change: Change = "inserted" if extra else "edited"
        yield HistoryProblem(line=line.number, change=change, text=f"Line {line.number} was {change}: {line.problem}.")


def _chain(lines: Sequence[ReadLine]) -> Iterator[HistoryProblem]:
    """Yield what is wrong between lines that are intact by themselves."""
    placed: list[_Placed] = []
    first_at: dict[str, int] = {}
    highest: _Placed | None = None
    for line in lines:
        entry = line.intact
        if entry is None:
            continue
        twin = first_at.setdefault(entry.digest, line.number)
        if twin != line.number:
            text = f"Line {line.number} was inserted: it repeats line {twin}."
            yield HistoryProblem(line=line.number, change="inserted", text=text)
            continue
        here = _Placed(line.number, entry)
        placed.append(here)
        if highest is not None and entry.sequence < highest.entry.sequence:
            text = (
                f"Line {line.number} was reordered: it is entry {entry.sequence} and stands behind entry "
                f"{highest.entry.sequence} (line {highest.line})."
            )
            yield HistoryProblem(line=line.number, change="reordered", text=text)
        else:
            highest = here
    ordered = sorted(placed, key=lambda item: (item.entry.sequence, item.line))
    damaged = [line for line in lines if line.problem]
    yield from _beginning(ordered, damaged)
    for before, after in pairwise(ordered):
        yield from _link(before, after, damaged)


def _beginning(ordered: Sequence[_Placed], damaged: Sequence[ReadLine]) -> Iterator[HistoryProblem]:
    if not ordered:
        return
    first = ordered[0]
    missing = first.entry.sequence - 1
    if missing > 0:
        yield from _gap(first, missing, _fill(damaged, 0, first), "at the beginning")
    elif missing < 0 or not first.entry.previous.startswith(GENESIS):
        text = f"Line {first.line} was edited: it is not how a history begins."
        yield HistoryProblem(line=first.line, change="edited", text=text)


def _link(before: _Placed, after: _Placed, damaged: Sequence[ReadLine]) -> Iterator[HistoryProblem]:
    missing = after.entry.sequence - before.entry.sequence - 1
    if missing > 0:
        yield from _gap(after, missing, _fill(damaged, before.line, after), f"behind entry {before.entry.sequence}")
    elif missing < 0:
        text = f"Line {after.line} was inserted: line {before.line} is entry {after.entry.sequence} already."
        yield HistoryProblem(line=after.line, change="inserted", text=text)
    elif after.entry.previous != before.entry.digest:
        text = (
            f"Line {before.line} was edited: line {after.line} was written behind another one with the digest "
            f"{after.entry.previous}."
        )
        yield HistoryProblem(line=before.line, change="edited", text=text)


def _fill(damaged: Sequence[ReadLine], start: int, after: _Placed) -> int:
    """Count the damaged lines that may be those that are missing before ``after``."""
    return sum(start < line.number < after.line for line in damaged)


def _gap(after: _Placed, missing: int, filled: int, where: str) -> Iterator[HistoryProblem]:
    gone = missing - filled
    if gone <= 0:
        return
    entries = "1 entry was" if gone == 1 else f"{gone} entries were"
    text = f"Before line {after.line} (entry {after.entry.sequence}), {entries} removed {where}."
    yield HistoryProblem(line=after.line, change="removed", text=text)


def _against_heads(lines: Sequence[ReadLine], heads: Sequence[Head]) -> Iterator[HistoryProblem]:
    last = max((entry.sequence for line in lines if (entry := line.intact) is not None), default=0)
    for head in sorted(set(heads), key=lambda item: (item.sequence, item.digest)):
        here = [line for line in lines if line.entry is not None and line.entry.sequence == head.sequence]
        if any(line.entry is not None and line.entry.digest == head.digest for line in here):
            continue
        if here:
            number = here[0].number
            text = (
                f"Line {number} was rewritten: entry {head.sequence} had the digest {head.digest} when it was recorded "
                "elsewhere (or that head is of another history)."
            )
            yield HistoryProblem(line=number, change="rewritten", text=text)
        elif head.sequence > last:
            text = (
                f"The end was truncated: entry {head.sequence} was recorded elsewhere, and the history ends with entry "
                f"{last}."
            )
            yield HistoryProblem(line=None, change="truncated", text=text)
        else:
            text = f"Entry {head.sequence}, which was recorded elsewhere, is not in the history."
            yield HistoryProblem(line=None, change="removed", text=text)
