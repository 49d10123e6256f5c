"""Data to audit: the only file that knows ``datasets``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from audits.findings import Columns, DatasetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSource:
    """Splits of one dataset as Arrow tables in the audited row order, with the role of each column."""

    tables: Mapping[str, pa.Table]
    columns: Columns
    refs: tuple[DatasetRef, ...] = ()
    declared_license: str | None = None
    name: str = ""
    documents: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits in their given order."""
        return tuple(self.tables)

    def column(self, split: str, name: str) -> pa.ChunkedArray:
        """Return one column of one split."""
        return self.tables[split].column(name)

    def num_rows(self, split: str) -> int:
        """Return the number of rows of one split."""
        return int(self.tables[split].num_rows)
