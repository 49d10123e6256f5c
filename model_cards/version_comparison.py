"""What the documents say about a new version against the one that is published, once, for all of them."""

from __future__ import annotations

from typing import NamedTuple

from audits.findings import Measurement
from model_cards.evidence import MetricComparison, VersionComparison
from model_cards.typesetting import measured, plural

DIMENSIONS = "dimensions"
SAME_TEXT = "cosine of the old and the new vector of a text"
CROSS = "{}, new queries on stored vectors"
CROSS_LOSS = "{}, new queries on stored vectors, difference to the published version"

_NOT_COMPARED = "not compared: "


class VersionRow(NamedTuple):
    """One measurement as a table row; ``before`` is of the published version."""

    name: str
    before: str
    after: str
    difference: str


def version_name(comparison: VersionComparison) -> str:
    """Return what the published version is called: its tag, else its repository and commit."""
    if comparison.tag or not comparison.commit:
        return comparison.tag or comparison.repo_id
    return f"{comparison.repo_id}@{comparison.commit[:8]}"


def regressed(comparison: VersionComparison) -> bool:
    """Whether the interval of the primary metric's difference lies below ``-margin`` as a whole."""
    interval = _interval(comparison)
    return interval is not None and interval[1] < -comparison.margin


def no_worse(comparison: VersionComparison) -> bool:
    """Whether that interval lies above ``-margin`` as a whole: a loss of more than the margin is ruled out."""
    interval = _interval(comparison)
    return interval is not None and interval[0] >= -comparison.margin


def not_compared(comparison: VersionComparison) -> str:
    """Return why nothing was compared, "" where something was."""
    if comparison.compared:
        return ""
    return comparison.note.removeprefix(_NOT_COMPARED) or "no reason was recorded"


def version_words(comparison: VersionComparison) -> str:
    """Return one or two plain sentences: is the new version worse than the published one?"""
    name = version_name(comparison)
    if not comparison.compared:
        if comparison.unchanged:
            return f"The weights are those of {name}, which is published."
        return f"A version is published ({name}), and the new one was not compared with it: {not_compared(comparison)}."
    told = f"{difference_words(comparison)} against {name}"
    margin = f"{comparison.margin:g}"
    interval = _interval(comparison)
    if interval is None:
        return f"Whether it is worse than {name} is not known: no interval of the difference was measured."
    if regressed(comparison):
        return f"Worse than {name}: {told}. The interval lies below -{margin} as a whole."
    if interval[0] > 0:
        return f"Better than {name}: {told}. The interval lies above zero."
    if no_worse(comparison):
        return f"No worse than {name} by more than {margin}: {told}."
    return (
        f"Not shown to be no worse than {name}: {told}. The interval reaches below -{margin}, so a loss of more than "
        f"that can not be ruled out with {plural(comparison.queries, 'query', 'queries')}."
    )


def difference_words(comparison: VersionComparison) -> str:
    """Return the difference of the primary metric with its interval and the number of queries."""
    primary = comparison.primary
    shown = measured(primary.difference, signed=True) if primary is not None else "not measured"
    return f"{comparison.primary_metric} {shown} on {plural(comparison.queries, 'query', 'queries')}"


def stored_vectors_words(comparison: VersionComparison) -> str:
    """Return whether vectors that were made with the published version can be searched with the new one."""
    if not comparison.compared:
        return "Whether stored vectors can stay is not known: nothing was compared."
    sizes = _sizes(comparison)
    if len(set(sizes)) > 1:
        return (
            f"Stored vectors can not be searched with the new version: they have {sizes[0]} dimensions, its queries "
            f"{sizes[1]}. Encode the documents again."
        )
    name = comparison.primary_metric
    loss = compatibility(comparison, CROSS_LOSS.format(name))
    if loss is None or loss.interval is None:
        return "Whether stored vectors can stay is not known: it was not measured."
    told = f"new queries on stored vectors change {name} by {measured(loss, signed=True)}"
    if loss.interval[0] >= -comparison.margin:
        return f"Stored vectors can stay: {told}."
    if loss.interval[1] < -comparison.margin:
        return f"Stored vectors must be made anew: {told}."
    return f"Stored vectors should be made anew: {told}, so a loss of more than {comparison.margin:g} is possible."


def compatibility(comparison: VersionComparison, name: str) -> Measurement | None:
    """Return the measurement of that name among those of compatibility."""
    return next((item for item in comparison.compatibility if item.name == name), None)


def version_rows(comparison: VersionComparison) -> tuple[VersionRow, ...]:
    """Return metrics, then what differs from query to query, then compatibility, then cost."""
    rows = [_row(item) for item in comparison.metrics]
    if comparison.compared:
        told = f"{comparison.wins:,} better, {comparison.losses:,} worse, {comparison.ties:,} alike"
        rows.append(VersionRow(f"queries by {comparison.primary_metric}", "–", told, "–"))
    shares = (comparison.neighbour_overlap, comparison.negative_flips, comparison.positive_flips)
    sizes = _sizes(comparison)
    others = [item for item in comparison.compatibility if not item.name.startswith(DIMENSIONS)]
    rows.extend(VersionRow(item.name, "–", measured(item), "–") for item in (*shares, *others) if item is not None)
    if len(sizes) == 2:
        rows.append(VersionRow(DIMENSIONS, f"{sizes[0]:,}", f"{sizes[1]:,}", "–"))
    rows.extend(_row(item) for item in comparison.cost)
    return tuple(rows)


def _row(item: MetricComparison) -> VersionRow:
    change = item.difference
    ratio = change is not None and change.unit == "ratio"
    difference = f"× {change.value:.3g}" if change is not None and ratio else measured(change, signed=True)
    return VersionRow(item.after.name, measured(item.before), measured(item.after), difference)


def _interval(comparison: VersionComparison) -> tuple[float, float] | None:
    primary = comparison.primary
    return primary.difference.interval if primary is not None and primary.difference is not None else None


def _sizes(comparison: VersionComparison) -> list[int]:
    """Return the dimensions of the published and of the new version, where they are told."""
    found = (compatibility(comparison, f"{DIMENSIONS}, {which}") for which in ("published", "new"))
    return [int(item.value) for item in found if item is not None]
