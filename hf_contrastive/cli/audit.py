"""``hf-contrastive audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import OF_DECISION
from hf_contrastive.console import check_progress, print_json, say


def command(
    source: Annotated[str, typer.Argument(help="Hub id, saved dataset, or csv, jsonl, parquet file or folder.")],
    split: Annotated[str | None, typer.Option(help="Audit this split only.")] = None,
    text_columns: Annotated[str | None, typer.Option(help="Text columns, e.g. anchor,positive.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of class labels.")] = None,
    license_column: Annotated[str | None, typer.Option(help="Column with each row's license.")] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="NAME=SOURCE whose items must not stand in the data; may be repeated.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="A quick look at so many rows of each split; such an audit never passes.")
    ] = None,
    self_test: Annotated[
        bool | None,
        typer.Option(
            "--self-test/--no-self-test",
            help="Plant known defects in a copy and look for them. By default on data under 50,000 rows.",
        ),
    ] = None,
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Keep results: the same check of the same data is not run again."),
    ] = True,
    policy: Annotated[str, typer.Option(help="permissive, standard, strict or a TOML file.")] = "standard",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the report as .html, .md, .json, .sarif and .junit.xml here, and every row in findings/."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json on stdout.")] = False,
) -> None:
    """Check data before it is trained on.

    Licenses, duplicates, leakage, pair and label errors, damaged or hidden text, personal data, secrets, poisoning.
    """
    from audits import judge, load_policy
    from audits.formats import formats
    from hf_contrastive.auditing import audit
    from hf_contrastive.errors import ConfigurationError
    from hf_contrastive.history.recording import or_warn, record_audit
    from hf_contrastive.release.report_folder import write_audit
    from hf_contrastive.writing import user_cache

    if out is not None and out.exists() and not out.is_dir():
        msg = f"`--out {out}` is a file; name a folder, which is made if it is missing."
        raise ConfigurationError(msg)
    columns = _names(text_columns)
    rules = load_policy(policy)
    with check_progress("Audit") as update:
        report = audit(
            source,
            split=split,
            text_columns=columns,
            label_column=label_column,
            license_column=license_column,
            benchmarks=dict(map(_benchmark, benchmark or ())),
            sample=sample,
            self_test=self_test,
            cache_dir=user_cache("audits") if cache else None,
            on_progress=update,
        )
    verdict = judge(report, rules)
    or_warn(record_audit, report, verdict, rules)
    if out is not None:
        others = [name for name in write_audit(report, rules, verdict, out) if name != "report.html"]
        say(f"The report is in {escape(str(out / 'report.html'))}; beside it {', '.join(others)} and findings/")
    if as_json:
        print_json(formats()["json"].render(report, verdict))
    else:
        say(escape(formats()["text"].render(report, verdict)))
    raise typer.Exit(OF_DECISION[verdict.decision])


def _names(told: str | None) -> tuple[str, ...] | None:
    """Return the names between the commas; None where nothing was told."""
    from hf_contrastive.errors import ConfigurationError

    if told is None:
        return None
    names = tuple(name.strip() for name in told.split(",") if name.strip())
    if not names:
        msg = f"`--text-columns {told!r}` names no column; name them as in `--text-columns anchor,positive`."
        raise ConfigurationError(msg)
    return names


def _benchmark(told: str) -> tuple[str, str]:
    """Return name and source of a benchmark."""
    from hf_contrastive.errors import ConfigurationError

    name, _, source = told.partition("=")
    if not name.strip() or not source.strip():
        msg = f"`--benchmark {told}` must be NAME=SOURCE, as in `--benchmark mteb=items.jsonl`."
        raise ConfigurationError(msg)
    return name.strip(), source.strip()
