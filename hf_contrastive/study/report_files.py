"""A study as files: the record, a page, a short text, and what every cell and every pretraining took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_contrastive.study.page import render_page
from hf_contrastive.study.records import Cell, Outcome, PretrainingRecord, StudyReport
from hf_contrastive.study.tables import markdown
from hf_contrastive.writing import all_or_none

JSON_FILE, PAGE_FILE, MARKDOWN_FILE = "study.json", "study.html", "study.md"
CELLS_FILE, PRETRAININGS_FILE = "cells.parquet", "pretrainings.parquet"


def write_report(report: StudyReport, outcome: Outcome, folder: Path) -> tuple[str, ...]:
    """Write the record, the page, the short text and the costs of cells and pretrainings, all or none.

    Returns:
        The names of the files.

    Raises:
        OSError: they can not be written.
    """
    import pyarrow.parquet as pq

    texts = {
        JSON_FILE: json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n",
        PAGE_FILE: render_page(report, outcome),
        MARKDOWN_FILE: markdown(report),
    }
    tables = {
        CELLS_FILE: _as_table(report.cells, Cell),
        PRETRAININGS_FILE: _as_table(report.pretrainings, PretrainingRecord),
    }
    with all_or_none(folder, file_by_file=True) as stage:
        for name, text in texts.items():
            (stage / name).write_text(text, encoding="utf-8")
        for name, table in tables.items():
            pq.write_table(table, stage / name)
    return (*texts, *tables)


def _as_table(records: Sequence[Cell | PretrainingRecord], kind: type) -> Any:
    """Return one row a record, its costs as columns of their own; a budget of null means all rows."""
    import pyarrow as pa

    costs = [
        ("seconds", pa.float64()), ("tokens", pa.int64()), ("flops", pa.float64()), ("energy_kwh", pa.float64()),
        ("peak_memory_gb", pa.float64()),
    ]  # fmt: skip
    own = {
        Cell: [
            ("arm", pa.string()), ("budget", pa.int64()), ("seed", pa.int64()), ("labels", pa.int64()),
            ("accuracy", pa.float64()), ("macro_f1", pa.float64()), ("nll", pa.float64()), ("setting", pa.string()),
            ("trials", pa.int64()),
        ],
        PretrainingRecord: [
            ("name", pa.string()), ("seed", pa.int64()), ("objective", pa.string()), ("texts", pa.int64()),
            ("steps", pa.int64()),
        ],
    }  # fmt: skip
    rows = [{**(found := asdict(record)), **found.pop("cost")} for record in records]
    return pa.Table.from_pylist(rows, schema=pa.schema([*own[kind], *costs]))
