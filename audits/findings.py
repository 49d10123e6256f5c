"""What an audit says: the types that travel from the checks to every document.

A check measures; it never judges. There is no severity here: :mod:`audits.policy` decides.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

from audits.records import Record, transient, volatile

SCHEMA_VERSION = 1
MAX_EVIDENCE = 20
_LINES = 10_000  # that are hashed at once

Status = Literal["ran", "skipped", "errored"]
Cell = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef(Record):
    """One split of the data that was read.

    ``fingerprint`` is ``sha256:<hex>`` over schema and values in row order, over all columns,
    independent of path, chunking and cache. ``revision`` is a commit of the Hub or None. ``unread_rows`` were not
    looked at, where only some were read; None where nobody knows how many there are.
    """

    repo_id: str | None = None
    config: str | None = None
    split: str
    revision: str | None = None
    fingerprint: str
    num_rows: int
    unread_rows: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Record):
    """The role of each column that a check reads; ``group`` is e.g. a package or a source."""

    anchor: str | None = None
    positive: str | None = None
    negatives: tuple[str, ...] = ()
    text: str | None = None
    label: str | None = None
    license: str | None = None
    group: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All text columns: anchor, positive, negatives, text."""
        named = (self.anchor, self.positive, *self.negatives, self.text)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Record):
    """A number with its unit and how it was got; fractions stay within 0-1.

    ``interval`` is a 95 % interval unless ``method`` says otherwise.
    """

    name: str
    value: int | float
    unit: str
    sample_size: int | None = None
    interval: tuple[float, float] | None = None
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReference(Record):
    """Another row that explains a finding, e.g. the one that this row duplicates."""

    split: str
    row: int
    column: str | None = None
    excerpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEvidence(Record):
    """One row that shows a finding; ``excerpt`` is short and has personal data masked."""

    split: str
    row: int
    column: str | None = None
    excerpt: str = ""
    score: float | None = None
    related: tuple[RowReference, ...] = ()


class FindingRow(NamedTuple):
    """One affected row, 0-based in the audited order; ``other_*`` where two rows belong together."""

    split: str
    row: int
    other_split: str | None
    other_row: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class FindingRows:
    """All rows of one finding in compact columns (24 bytes a row); NaN and -1 stand for "none"."""

    split: str
    splits: tuple[str, ...]
    row: array[int]
    other_split: array[int]
    other_row: array[int]
    score: array[float]

    @classmethod
    def of(cls, split: str, rows: Iterable[FindingRow]) -> FindingRows:
        """Collect ``rows``, all of them of ``split``, ordered by row and other row."""
        ordered = sorted(rows, key=lambda r: (r.row, r.other_split or "", -1 if r.other_row is None else r.other_row))
        names = sorted({r.other_split for r in ordered if r.other_split is not None})
        index = {name: i for i, name in enumerate(names)}
        return cls(
            split,
            tuple(names),
            array("q", (r.row for r in ordered)),
            array("b", (-1 if r.other_split is None else index[r.other_split] for r in ordered)),
            array("q", (-1 if r.other_row is None else r.other_row for r in ordered)),
            array("d", (float("nan") if r.score is None else r.score for r in ordered)),
        )

    def __len__(self) -> int:
        return len(self.row)

    def __iter__(self) -> Iterator[FindingRow]:
        for row, other_split, other_row, score in zip(
            self.row, self.other_split, self.other_row, self.score, strict=True
        ):
            yield FindingRow(
                self.split,
                row,
                None if other_split < 0 else self.splits[other_split],
                None if other_row < 0 else other_row,
                None if score != score else score,
            )

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the rows; scores are rounded to 1e-6, as they are shown."""
        state = hashlib.sha256()
        names = (*self.splits, None)  # the last is that of -1
        lines: Iterator[str] = (
            f"{self.split}\t{row}\t{names[split]}\t{other if other >= 0 else None}\t"
            f"{'' if score != score else format(score, '.6f')}\n"
            for row, split, other, score in zip(self.row, self.other_split, self.other_row, self.score, strict=True)
        )
        # of millions of rows the calls would take longer than the hash
        while part := "".join(islice(lines, _LINES)):
            state.update(part.encode())
        return "sha256:" + state.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """One defect of one check in one split and column.

    ``total_rows`` counts distinct affected rows; ``evidence`` shows at most 20 of them; ``rows``
    (not in the JSON, written to ``findings/<CODE>.parquet``) holds all, sealed by ``rows_digest``.
    ``remedy`` tells what a person can do. ``error_rate`` bounds the check's false alarms on this data, where they were
    measured: :attr:`SelfTest.others`.
    """

    code: str
    title: str
    split: str
    column: str | None = None
    measurement: Measurement
    evidence: tuple[RowEvidence, ...] = ()
    total_rows: int
    remedy: str = ""
    error_rate: Measurement | None = None
    rows_digest: str = ""
    rows: FindingRows | None = transient(default=None)

    def __post_init__(self) -> None:
        """Keep at most 20 rows of evidence and seal the rows."""
        object.__setattr__(self, "evidence", self.evidence[:MAX_EVIDENCE])
        if self.rows is not None and not self.rows_digest:
            object.__setattr__(self, "rows_digest", self.rows.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Record):
    """A small table of a check, e.g. rows by license and package, or a histogram."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest(Record):
    """How often a check is right about defects that were planted in a copy of this data.

    ``found`` is the share of the planted defects that it lists, one measurement a kind; ``others`` the share of the
    remaining rows that it lists too, real defects among them: more than its false alarms. ``reason`` says why nothing
    was measured.
    """

    found: tuple[Measurement, ...] = ()
    others: Measurement | None = None
    reason: str = ""

    @property
    def words(self) -> str:
        """The same in a sentence, for every document."""
        if not self.found or self.others is None:
            return f"own error not measured: {self.reason}"
        found = ", ".join(f"{_percent(item)} of {item.sample_size or 0:,} ({item.name})" for item in self.found)
        rows = f"{self.others.sample_size or 0:,}"
        return f"finds {found} planted in a copy; lists {_percent(self.others)} of {rows} rows without a planted defect"


def _percent(share: Measurement) -> str:
    """Return a fraction with its interval."""
    low, high = share.interval or (share.value, share.value)
    # three digits near nothing, where one row more matters
    digits = 1 if max(share.value, high) < 0.1 else 0
    return f"{100 * share.value:.{digits}f} % [{100 * low:.{digits}f} to {100 * high:.{digits}f}]"


@dataclass(frozen=True, slots=True)
class NotJudged(Record):
    """What a check yields where it could not judge: the reason, and the split, or split/column, or None for all data.

    The policy reads it as a check that did not run there; a measurement of nothing would read as a pass.
    """

    reason: str
    split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(Record):
    """What one check did; ``reason`` says why it was skipped or how it failed.

    ``measurements`` and ``tables`` hold what was measured even where nothing was found. ``not_judged`` names the splits
    that a check that ran could not judge, each with the reason. ``self_test`` is None where none was asked for.
    """

    code: str
    title: str = ""
    status: Status
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    tables: tuple[Table, ...] = ()
    not_judged: tuple[str, ...] = ()
    self_test: SelfTest | None = None
    seconds: float = volatile(default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport(Record):
    """Everything one audit saw: which data, which checks ran, what they found, which versions.

    ``audited_at`` is ISO 8601 in UTC, "" where it is not known.
    """

    schema_version: int = SCHEMA_VERSION
    datasets: tuple[DatasetRef, ...]
    columns: Columns = field(default_factory=Columns)
    results: tuple[CheckResult, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    audited_at: str = volatile(default="")

    def result(self, code: str) -> CheckResult | None:
        """Return the result of check ``code``, or None when it was never run."""
        return next((result for result in self.results if result.code == code), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings in the order of the checks."""
        return tuple(finding for result in self.results for finding in result.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyRecord(Record):
    """One change that was made to the data because of a finding.

    ``removed`` lists the removed rows per split, 0-based in the order of the data *before* this
    remedy, so that it can be undone; ``kept`` says which row of a group stayed.
    """

    name: str
    codes: tuple[str, ...]
    report_digest: str
    removed: Mapping[str, tuple[int, ...]]
    kept: str = ""
    before: tuple[DatasetRef, ...] = ()
    after: tuple[DatasetRef, ...] = ()

    @property
    def removed_rows(self) -> int:
        """Number of rows removed over all splits."""
        return sum(len(rows) for rows in self.removed.values())
