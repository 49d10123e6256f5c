"""The whole path on real text: audit, remedies, training, evaluation, documents, gate, push, load back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audits import audit, remove_leakage, remove_licenses, remove_listed
from audits.checks import discover
from audits.findings import AuditReport, RemedyRecord
from audits.policy import Decision
from audits.records import Record
from hf_contrastive.console import check_progress, progress, say, show_table
from hf_contrastive.demo.docstrings import load_docstrings
from hf_contrastive.demo.package_licenses import package_license
from hf_contrastive.demo.publishing import Clock, Published, push_and_try, tell_failures
from hf_contrastive.demo.source_files import installed_distributions
from hf_contrastive.demo.tables import PACKAGE_LICENSES, show_audits, show_evaluation, show_package_licenses
from hf_contrastive.demo.training import BATCH, MAX_LENGTH, SEED, make_trainer, show_steps, training_tools
from hf_contrastive.release.local_hub import LocalHub, serve
from model_cards.evidence import EvaluationReport, Statement

QUERIES = 1500
STEPS = 24
SELF_TEST_ROWS = 5000
# no remedy follows from them
SLOW = ("LABEL001", "PAIR004", "PAIR008")
DOUBTFUL = ("POIS001", "POIS002", "TEXT001", "TEXT002", "TEXT004")
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult(Record):
    """What the demo measured; ``as_announced`` tells whether every step ended as it should."""

    before: Mapping[str, float]
    after: Mapping[str, float]
    difference: Mapping[str, float]
    decision: Decision
    commit: str
    tag: str
    paths: Mapping[str, str]
    largest_embedding_difference: Mapping[str, float]
    blocked_codes: tuple[str, ...]
    second_version: Mapping[str, Any]
    as_announced: bool
    seconds: Mapping[str, float] = field(default_factory=dict)


def run_demo(out: Path, *, repo: str | None = None, steps: int = STEPS, queries: int = QUERIES) -> DemoResult:
    """Run every step with the functions that users call.

    Args:
        out: folder for the model, the reports and the local Hub; made if missing.
        repo: ``user/name`` on the real Hub, where no worse second version is published; None starts a local one on
            127.0.0.1.
        steps: optimiser steps of the training.
        queries: number of test pairs that are evaluated.

    Raises:
        ContrastiveError: a step can not be done.
        PushBlocked: the cleaned data does not satisfy the policy.
    """
    out = out.absolute()
    clock = Clock()
    with clock.step("data"), progress("Collect docstrings of the installed packages") as update:
        raw = load_docstrings(on_progress=update)
    say("Rows: " + ", ".join(f"{name} {len(split):,}" for name, split in raw.items()))
    show_package_licenses([package_license(item) for item in installed_distributions()], out)
    _, _, encoder_type, model_folder = training_tools()
    encoder = encoder_type.load(str(model_folder))

    with clock.step("audit"):
        first, data, final, remedies = _clean(raw, encoder)
    show_audits(first, final, remedies)

    with clock.step("evaluation before"):
        task, reference = _task(data, final, queries)
        before = _score(encoder, task, f"Before training: {len(task.queries):,} test queries")
    name = repo or "local/docstring-minilm"
    trainer = make_trainer(out, model_folder, data["train"], repo=name, steps=steps, learning_rate=1e-3)
    with clock.step("training"), progress(f"Train on {steps * BATCH:,} pairs") as update:
        show_steps(trainer, update)
        trainer.train()
    with clock.step("evaluation after"):
        after = _score(trainer.encoder, task, "After training: the same queries")
        evaluation = _compare(task, reference, before, after, trainer.encoder.weights_digest())
    evidence = (first, *remedies, final, evaluation, *_statements())
    trainer.add_evidence(*evidence)

    hub = serve(out / "hub", user="local") if repo is None else None
    try:
        return _publish(out, hub, trainer, data, evidence, clock)
    finally:
        if hub is not None:
            hub.close()


def _publish(
    out: Path, hub: LocalHub | None, trainer: Any, data: Any, items: tuple[Any, ...], clock: Clock
) -> DemoResult:
    evaluation = next(item for item in items if isinstance(item, EvaluationReport))
    options = {"endpoint": hub.endpoint, "token": hub.token} if hub is not None else {}
    published = push_and_try(out, hub, trainer, data, items, options, clock)
    improved = show_evaluation(evaluation)
    paths = _paths(out, published)
    show_table("Open", ("what", "where"), list(paths.items()))
    show_table("Seconds", ("step", "seconds"), [(name, f"{value:.1f}") for name, value in clock.seconds.items()])
    tell_failures(published)
    main = evaluation.primary
    difference = main.difference if main is not None else None
    low, high = difference.interval if difference is not None and difference.interval else (0.0, 0.0)
    receipt, second = published.receipt, published.second
    return DemoResult(
        before={item.after.name: item.before.value for item in evaluation.metrics if item.before},
        after={item.after.name: item.after.value for item in evaluation.metrics},
        difference={"value": difference.value if difference is not None else 0.0, "low": low, "high": high},
        decision=receipt.decision,
        commit=receipt.commit,
        tag=receipt.tag,
        paths=paths,
        largest_embedding_difference=published.differences,
        blocked_codes=published.blocked,
        second_version=second.told() if second is not None else {},
        as_announced=improved and published.as_announced,
        seconds=clock.seconds,
    )


def _paths(out: Path, published: Published) -> dict[str, str]:
    report = out / "report"
    paths = {
        "model": out / "model",
        "card": report / "README.md",
        "report": report / "report.html",
        "report with rows": report / "with_excerpts" / "report.html",
        "report.json": report / "report.json",
        "evidence": report / "evidence.json",
        "licenses of the packages": out / PACKAGE_LICENSES,
        "blocked report": out / "blocked" / "report.html",
        "public key": published.public_key,
    }
    found = {name: str(path) for name, path in paths.items()} | {"repository": published.receipt.url}
    if published.second is not None:
        found["second version's report"] = str(out / "second" / "report" / "report.html")
        found["what it changed"] = str(out / "second" / "report" / "changes.html")
    return found


def _clean(raw: Any, encoder: Any) -> tuple[AuditReport, Any, AuditReport, list[RemedyRecord]]:
    """Audit, remove what may not or should not be trained on, and audit what is left."""
    options = {
        "text_columns": ("anchor", "positive"),
        "label_column": "label",
        "license_column": "license",
        "group_column": "label",
        "count_tokens": encoder.count_tokens,
        "max_length": MAX_LENGTH,
        "seed": SEED,
    }
    with check_progress("Audit") as update:
        first = audit(raw, checks=_without(SLOW), on_progress=update, self_test=False, **options)
    unleaked, leak_remedy = remove_leakage(raw, first)
    # rows have moved: the license checks, which are quick, say where they are now
    licenses = audit(unleaked, checks=("LIC001", "LIC002", "LIC003"), self_test=False, **options)
    clean, license_remedy = remove_licenses(unleaked, licenses)
    remedies = [leak_remedy, license_remedy]
    # one row is enough for these to ask a person, and nobody is asked here; of fewer rows others may stand out
    doubtful = audit(clean, checks=DOUBTFUL, self_test=False, **options)
    for _ in range(MOST_ROUNDS):
        if any(finding.code in DOUBTFUL for finding in doubtful.findings):
            clean, remedy = remove_listed(clean, doubtful, codes=DOUBTFUL)
            remedies.append(remedy)
        with check_progress("Audit of the cleaned data") as update:
            final = doubtful = audit(clean, on_progress=update, self_test=SELF_TEST_ROWS, **options)
        if not any(finding.code in DOUBTFUL for finding in final.findings):
            break
    return first, clean, final, remedies


def _without(codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(check.code for check in discover() if check.code not in codes)


def _task(data: Any, report: AuditReport, queries: int) -> tuple[Any, Any]:
    from hf_contrastive.evaluation.pairs import RetrievalTask

    test = data["test"]
    task = RetrievalTask.from_pairs(list(test["anchor"]), list(test["positive"]), limit=queries, seed=SEED)
    return task, next(item for item in report.datasets if item.split == "test")


def _score(encoder: Any, task: Any, title: str) -> Any:
    from hf_contrastive.evaluation.pairs import score

    with progress(title) as update:
        return score(encoder, task, max_length=MAX_LENGTH, on_progress=update)


def _compare(task: Any, reference: Any, before: Any, after: Any, weights: str) -> EvaluationReport:
    from hf_contrastive.evaluation.report import evaluation_report

    return evaluation_report(
        task, reference, before=before, after=after, max_length=MAX_LENGTH, seed=SEED, weights_sha256=weights
    )


def _statements() -> tuple[Statement, ...]:
    def stated(key: str, text: str) -> Statement:
        return Statement(key=key, text=text, origin="stated", by="the demo's authors")

    return (
        stated("description", "A demonstration: all-MiniLM-L6-v2 adapted to documentation of Python packages."),
        stated("training_data", "Docstrings of the packages installed on the machine that ran the demo."),
        stated("out_of_scope_use", "Any use beyond a demonstration; text that is not English documentation."),
        stated("limitations", "Trained for about a minute; texts are cut to 128 tokens; English only."),
    )
