"""How often the checks are right on this very data: known defects are planted in a copy, and looked for.

Up to a quarter of the rows of a copy is changed, each by one plant; the same checks run on it. Small data is copied
several times, a few kinds in each. What they list of the planted defects is their recall for these kinds; what they
list of the rows that no plant touched bounds their false alarms from above, since real defects are among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, pairwise
from typing import Any

import numpy as np

from audits.checks import Check, CheckContext
from audits.checks._reporting import wilson
from audits.findings import Finding, SelfTest
from audits.planting import Defect, Ground, Plant, plants
from audits.planting.ground import planted_copy
from audits.source import AuditSource
from audits.text.folding import Int64s

SELF_TEST_ROWS = 50_000
"""Rows under which an audit tests itself without being asked."""

_PLANTED_SHARE = 0.25
_WANTED_OF_A_KIND, _MOST_OF_A_KIND = 20, 100
_FEWEST_OF_A_KIND = 2
_MOST_COPIES = 8
_NO_PLANT = "no defect of this kind can be planted"
_NOTHING_PLANTED = "the data has too few rows, or none of the form that is needed, to plant such defects in"


@dataclass(frozen=True, slots=True)
class Planted:
    """A copy of the data with known defects.

    Attributes:
        source: the copy.
        defects: of each plant, by split.
        touched: rows that are changed or may be listed because of that, by split.
    """

    source: AuditSource
    defects: Mapping[Plant, Mapping[str, Sequence[Defect]]]
    touched: Mapping[str, frozenset[int]]


def plant_defects(source: AuditSource, checks: Sequence[Check], context: CheckContext) -> tuple[Planted, ...]:
    """Return copies of ``source`` with defects that ``checks`` should find; one copy, or several of small data.

    In each copy a row is changed by one plant at most; plants of one check stand together.
    """
    # those of one check together, so that it runs on one copy
    groups = [list(group) for _, group in groupby(plants(checks), key=lambda plant: plant.codes)]
    kinds = sum(_weight(plant) for group in groups for plant in group)
    room = _PLANTED_SHARE * sum(map(source.num_rows, source.splits))
    copies = min(max(1, math.ceil(_WANTED_OF_A_KIND * kinds / max(room, 1))), _MOST_COPIES, max(1, len(groups)))
    edges = [round(i * len(groups) / copies) for i in range(copies + 1)]
    parts = [list(chain.from_iterable(groups[a:b])) for a, b in pairwise(edges)]
    return tuple(_planted(source, part, context, number) for number, part in enumerate(parts))


def _planted(source: AuditSource, kinds: Sequence[Plant], context: CheckContext, copy: int) -> Planted:
    cells: dict[tuple[str, str], dict[int, Any]] = {}
    defects: dict[Plant, dict[str, Sequence[Defect]]] = {plant: {} for plant in kinds}
    touched: dict[str, set[int]] = {split: set() for split in source.splits}
    changed, staying = _allotted(source, [_weight(plant) for plant in kinds], (context.seed, copy))
    for number, split in enumerate(source.splits):
        for k, (plant, rows) in enumerate(zip(kinds, changed[split], strict=False)):
            # what another plant compares with stays untouched by this one, if there is enough
            own = staying[split][k :: len(kinds)]
            others = {**staying, split: own if len(own) >= len(rows) else staying[split]}
            rng = np.random.default_rng((context.seed, copy, number, k))
            ground = Ground(source=source, context=context, split=split, rows=rows, staying=others, rng=rng)
            found = list(plant.defects(ground))
            defects[plant][split] = found
            for column, values in ground.cells.items():
                cells.setdefault((split, column), {}).update(values)
                touched[split].update(values)
            for one in found:
                touched[split].update(one.rows | one.touched)
    return Planted(planted_copy(source, cells), defects, {split: frozenset(rows) for split, rows in touched.items()})


def _weight(plant: Plant) -> int:
    return int(getattr(plant, "weight", 1))


def _allotted(
    source: AuditSource, weights: Sequence[int], seed: tuple[int, ...]
) -> tuple[dict[str, list[Int64s]], dict[str, Int64s]]:
    """Return for each split the rows that each plant may change, and those that stay as they are, in random order.

    Plants get rows by their ``weights``: those whose defects take several rows each have more than one to find then.
    """
    changed: dict[str, list[Int64s]] = {}
    staying: dict[str, Int64s] = {}
    for number, split in enumerate(source.splits):
        rows = np.random.default_rng((*seed, number)).permutation(source.num_rows(split))
        each = min(_MOST_OF_A_KIND, int(_PLANTED_SHARE * len(rows)) // max(sum(weights), 1))
        each = each if each >= _FEWEST_OF_A_KIND else 0
        edges = np.cumsum([0, *(weight * each for weight in weights)])
        changed[split] = [rows[a:b] for a, b in pairwise(edges.tolist())] if each else []
        staying[split] = rows[edges[-1] :]
    return changed, staying


def drawn_rows(source: AuditSource, most: int, seed: int) -> AuditSource:
    """Return ``source`` with at most ``most`` rows, drawn evenly from all splits, in their order."""
    total = sum(map(source.num_rows, source.splits))
    if total <= most:
        return source
    rng = np.random.default_rng(seed)
    tables = {}
    for split, table in source.tables.items():
        count = max(1, round(most * len(table) / total))
        tables[split] = table.take(np.sort(rng.permutation(len(table))[:count]))
    return replace(source, tables=tables)


def listed_rows(observations: Iterable[object]) -> dict[str, set[int]]:
    """Return the rows of each split that the findings among ``observations`` list."""
    listed: dict[str, set[int]] = {}
    for finding in observations:
        if isinstance(finding, Finding) and finding.rows is not None:
            listed.setdefault(finding.split, set()).update(finding.rows.row)
    return listed


def measured(
    check: Check,
    copies: Sequence[Planted],
    before: Callable[[], Mapping[str, set[int]]],
    run: Callable[[AuditSource], Iterable[object]],
) -> SelfTest:
    """Return what ``check`` lists of the planted defects and of the other rows.

    Args:
        check: which is measured.
        copies: with planted defects.
        before: rows that it lists where nothing is planted: a defect in one of them would be found whatever the check
            makes of it, and does not count.
        run: runs it on a copy; where nothing is planted for it, it is not run.
    """
    kinds = [plant for planted in copies for plant in planted.defects if check.code in plant.codes]
    if not kinds:
        return SelfTest(reason=_NO_PLANT)
    found: dict[str, list[bool]] = {plant.kind: [] for plant in kinds}
    hidden = dict.fromkeys(found, 0)
    known: Mapping[str, set[int]] | None = None
    untouched, alarms = set[tuple[str, int]](), set[tuple[str, int]]()
    for planted in copies:
        own = {plant: some for plant, some in planted.defects.items() if check.code in plant.codes}
        if not any(some for by_split in own.values() for some in by_split.values()):
            continue
        # once, and only where something is planted
        known = before() if known is None else known
        listed = listed_rows(run(planted.source))
        for plant, by_split in own.items():
            for split, some in by_split.items():
                for one in some:
                    if one.rows & known.get(split, set()):
                        hidden[plant.kind] += 1
                    else:
                        found[plant.kind].append(bool(one.rows & listed.get(split, set())))
        for split in planted.source.splits:
            others = set(range(planted.source.num_rows(split))) - planted.touched[split]
            untouched.update((split, row) for row in others)
            alarms.update((split, row) for row in others & listed.get(split, set()))
    if not any(found.values()):
        return SelfTest(reason=_NOTHING_PLANTED)
    told = {
        kind: f"; {count} in rows that are listed anyway left out" if count else "" for kind, count in hidden.items()
    }
    return SelfTest(
        found=tuple(
            wilson(kind, sum(every), len(every), f"planted in a copy of this data{told[kind]}")
            for kind, every in found.items()
            if every
        ),
        others=wilson(
            "rows listed without a planted defect",
            len(alarms),
            len(untouched),
            "in the copy with planted defects; real defects are among them, so that false alarms are no more",
        ),
    )
