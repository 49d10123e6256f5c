"""What the demo shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from audits.findings import AuditReport, Measurement, RemedyRecord
from hf_contrastive.console import say, show_table
from hf_contrastive.demo.package_licenses import PackageLicense
from hf_contrastive.evaluation.report import improves
from model_cards.evidence import EvaluationReport
from model_cards.typesetting import one_line

PACKAGE_LICENSES = "package_licenses.md"


def show_package_licenses(packages: Sequence[PackageLicense], out: Path) -> None:
    """Write the license of every package as stated and as concluded; show those where the two are not one."""
    lines = [
        "# Licenses of the packages whose docstrings are the data",
        "",
        "| package | version | metadata says | concluded with its license files | note |",
        "|---|---|---|---|---|",
    ]
    odd = []
    for item in packages:
        note = "; ".join(item.disagreements) or ("" if item.concluded else item.reason)
        cells = (item.package, item.version, item.stated or "nothing", item.concluded or "undetermined", note)
        lines.append("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |")
        if note:
            odd.append((item.package, cells[2], cells[3], note if len(note) <= 200 else note[:199] + "…"))
    out.mkdir(parents=True, exist_ok=True)
    path = out / PACKAGE_LICENSES
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    title = f"Licenses of {len(packages)} packages: {len(odd)} where metadata and text differ or nothing is certain"
    columns = ("package", "metadata says", "concluded", "why")
    show_table(title, columns, [tuple(map(escape, row)) for row in odd])
    say(f"All of them: {escape(str(path))}")


def show_audits(first: AuditReport, final: AuditReport, remedies: Sequence[RemedyRecord]) -> None:
    """Show how many rows each check found before and after the remedies."""
    rows = []
    for result in final.results:
        earlier = first.result(result.code)
        was = _rows(earlier) if earlier is not None else "not run"
        rows.append((result.code, result.title, result.status, was, _rows(result)))
    show_table("Audit", ("code", "check", "status", "rows before", "rows after remedies"), rows)
    for remedy in remedies:
        say(f"{remedy.name} ({', '.join(remedy.codes)}): {remedy.removed_rows:,} rows removed")


def _rows(result: Any) -> str:
    return f"{sum(finding.total_rows for finding in result.findings):,}"


def show_evaluation(evaluation: EvaluationReport) -> bool:
    """Show before and after; return whether the interval of the difference lies above zero."""
    rows = []
    for item in evaluation.metrics:
        difference: Measurement | None = item.difference
        low, high = difference.interval if difference and difference.interval else (0.0, 0.0)
        rows.append(
            (
                item.after.name,
                f"{item.before.value:.4f}" if item.before else "",
                f"{item.after.value:.4f}",
                f"{difference.value:+.4f} \\[{low:+.4f}, {high:+.4f}]" if difference else "",
            )
        )
    show_table(
        f"{evaluation.queries:,} queries from modules that were not trained on, {evaluation.documents:,} documents",
        ("metric", "before", "after", "difference (95 % interval)"),
        rows,
    )
    improved = improves(evaluation)
    if not improved:
        say("[bold red]Training did not help: the interval of the difference is not above zero.[/]")
    return improved
