"""A report on disk: report.json and ``findings/<CODE>.parquet`` with every affected row."""

from __future__ import annotations

import json
import shutil
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audits.errors import SchemaError, SourceError, SourceNotFoundError
from audits.findings import AuditReport, Finding, FindingRows
from audits.formats.json import render
from audits.policy import Verdict

REPORT = "report.json"
FINDINGS = "findings"
_SCHEMA = pa.schema(
    {
        "split": pa.string(),
        "row": pa.int64(),
        "other_split": pa.string(),
        "other_row": pa.int64(),
        "score": pa.float64(),
    }
)
_KEY = b"hf_contrastive.findings"


def write_report(report: AuditReport, verdict: Verdict, folder: str | Path) -> tuple[Path, ...]:
    """Write ``report.json`` and ``findings/<CODE>.parquet`` into ``folder`` and return their paths.

    Everything is written beside the folder under a temporary name and then moved: what stood there before
    is replaced as a whole, or left as it was.

    Raises:
        SchemaError: the verdict is of another report.
        SourceError: the folder can not be written.
    """
    folder = Path(folder)
    text = render(report, verdict)
    with _staged(folder) as stage:
        (stage / REPORT).write_text(text, encoding="utf-8")
        names = write_findings(report, stage / FINDINGS)
        folder.mkdir(parents=True, exist_ok=True)
        _move(stage, folder)
    return (folder / REPORT, *(folder / FINDINGS / name for name in names))


def write_findings(report: AuditReport, folder: Path) -> tuple[str, ...]:
    """Write ``<CODE>.parquet`` with the rows of each finding into ``folder``, which is made, and return the names.

    Raises:
        SchemaError: the rows of a finding are not in memory.
    """
    folder.mkdir()
    return tuple(_write_code(code, found, folder) for code, found in _by_code(report).items())


def read_report(folder: str | Path) -> AuditReport:
    """Return the report that :func:`write_report` wrote, with its rows.

    Raises:
        SourceNotFoundError: there is no report.json.
        SchemaError: it is damaged, or changed since it was written.
    """
    path = Path(folder) / REPORT
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"There is no `{path}`; give the folder into which an audit was written (`--out`)."
        raise SourceNotFoundError(msg) from error
    except ValueError as error:
        msg = f"`{path}` is no JSON ({error}); write the report again."
        raise SchemaError(msg) from error
    if not isinstance(data, Mapping):
        msg = f"`{path}` holds no JSON object; write the report again."
        raise SchemaError(msg)
    keys = ("schema_version", "datasets", "columns", "results", "versions", "audited_at")
    report = AuditReport.from_dict({key: data[key] for key in keys if key in data})
    if data.get("report_digest") not in (report.digest, report.content_digest):
        msg = (
            f"`{path}` was changed after it was written: it names the digest {data.get('report_digest')}, computed "
            f"is {report.content_digest}. Audit the data again."
        )
        raise SchemaError(msg)
    return read_findings(report, folder)


def read_findings(report: AuditReport, folder: str | Path) -> AuditReport:
    """Return ``report`` with the rows of its findings, read from ``folder`` or its ``findings``.

    Raises:
        SourceNotFoundError: the file of a code is not there.
        SchemaError: a file is damaged, or its rows are not those that the report was sealed with.
    """
    folder = Path(folder)
    if (folder / FINDINGS).is_dir():
        folder = folder / FINDINGS
    files = {code: _read_code(code, len(found), folder) for code, found in _by_code(report).items()}
    parts = {code: iter(rows) for code, rows in files.items()}
    return replace(
        report,
        results=tuple(
            replace(
                result,
                findings=tuple(
                    _with_rows(finding, next(parts[finding.code])) if finding.rows_digest else finding
                    for finding in result.findings
                ),
            )
            for result in report.results
        ),
    )


def _by_code(report: AuditReport) -> dict[str, list[Finding]]:
    """Return the findings that have rows, by code."""
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.rows_digest:
            found.setdefault(finding.code, []).append(finding)
    return found


def _write_code(code: str, findings: list[Finding], folder: Path) -> str:
    told, tables = [], []
    for finding in findings:
        if finding.rows is None:
            msg = (
                f"The rows of {code} are not in memory, since the report was read from JSON; read them with "
                "`read_findings(report, folder)` before writing it again."
            )
            raise SchemaError(msg)
        tables.append(_table(finding.rows))
        told.append({"split": finding.split, "column": finding.column, "rows": len(finding.rows)})
    table = pa.concat_tables(tables).replace_schema_metadata({_KEY: json.dumps(told).encode()})
    name = f"{code}.parquet"
    pq.write_table(table, folder / name, compression="zstd")
    return name


def _table(rows: FindingRows) -> pa.Table:
    other_row = np.asarray(rows.other_row, dtype=np.int64)
    other_split = np.asarray(rows.other_split, dtype=np.int8)
    score = np.asarray(rows.score, dtype=np.float64)
    names = pa.array(rows.splits, pa.string())
    return pa.table(
        [
            pa.repeat(pa.scalar(rows.split, pa.string()), len(rows)),
            pa.array(np.asarray(rows.row, dtype=np.int64)),
            names.take(pa.array(other_split, mask=other_split < 0)),
            pa.array(other_row, mask=other_row < 0),
            pa.array(score, mask=np.isnan(score)),
        ],
        schema=_SCHEMA,
    )


def _read_code(code: str, expected: int, folder: Path) -> list[FindingRows]:
    path = folder / f"{code}.parquet"
    try:
        table = pq.read_table(path)
        told: list[dict[str, Any]] = json.loads((table.schema.metadata or {})[_KEY])
        lengths = [int(entry["rows"]) for entry in told]
        table = table.select(_SCHEMA.names).cast(_SCHEMA)
    except FileNotFoundError as error:
        msg = f"There is no `{path}` with the rows of {code}; give the folder that the audit wrote, or audit again."
        raise SourceNotFoundError(msg) from error
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError) as error:
        msg = f"`{path}` can not be read as the rows of {code}; it is damaged or of another origin. Audit again."
        raise SchemaError(msg) from error
    if len(lengths) != expected or sum(lengths) != table.num_rows:
        msg = f"`{path}` holds rows of {len(lengths)} findings, the report has {expected} of {code}. Audit again."
        raise SchemaError(msg)
    starts = np.cumsum([0, *lengths[:-1]])
    return [_rows(table.slice(int(start), length)) for start, length in zip(starts, lengths, strict=True)]


def _rows(table: pa.Table) -> FindingRows:
    others = table.column("other_split").to_pylist()
    splits = tuple(sorted({name for name in others if name is not None}))
    index = {name: i for i, name in enumerate(splits)}
    split = table.column("split")[0].as_py() if table.num_rows else ""
    return FindingRows(
        split,
        splits,
        array("q", table.column("row").to_pylist()),
        array("b", [-1 if name is None else index[name] for name in others]),
        array("q", table.column("other_row").fill_null(-1).to_pylist()),
        array("d", table.column("score").fill_null(float("nan")).to_pylist()),
    )


def _with_rows(finding: Finding, rows: FindingRows) -> Finding:
    if rows.digest != finding.rows_digest:
        msg = (
            f"The rows of {finding.code} in {finding.split} are not those of this report: its seal is "
            f"{finding.rows_digest}, theirs is {rows.digest}. Give the folder of this audit, or audit again."
        )
        raise SchemaError(msg)
    return replace(finding, rows=rows)


def _move(stage: Path, folder: Path) -> None:
    """Move report and findings from ``stage`` into ``folder``, both or none."""
    old, new = stage / "old", folder / FINDINGS
    if new.exists():
        new.replace(old)
    try:
        (stage / FINDINGS).replace(new)
        (stage / REPORT).replace(folder / REPORT)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists():
            old.replace(new)
        raise


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a folder beside ``folder``, on the same disk, that is gone afterwards."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        msg = f"The report can not be written to `{folder}` ({error.strerror}); name another folder."
        raise SourceError(msg) from error
    try:
        yield stage
    except OSError as error:
        msg = f"The report can not be written to `{folder}` ({error.strerror or error}); name another folder."
        raise SourceError(msg) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
