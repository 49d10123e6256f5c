"""Running checks: orders and times them; a crash becomes "errored", never a pass."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audits.checks import Check, CheckContext, discover, title_of
from audits.encoders import Encoder, TfidfEncoder
from audits.errors import AuditError, DuplicateCodeError
from audits.findings import (
    AuditReport,
    CheckResult,
    Finding,
    Measurement,
    NotJudged,
    SelfTest,
    Table,
)
from audits.needs import unmet_need
from audits.policy import Policy, load_policy
from audits.records import canonical_json
from audits.result_cache import ResultCache
from audits.self_test import SELF_TEST_ROWS, Planted, drawn_rows, listed_rows, measured, plant_defects
from audits.source import AuditSource, open_source
from audits.text.cells import text_lists
from audits.text.excerpts import excerpt
from audits.versions import installed_versions

Progress = Callable[[str, str, int, int], None]
"""Called as ``on_progress(code, title, index, total)`` before each check and self-test; ``index`` counts from 0."""

MAX_REASON = 300


def audit(
    data: Any,
    *,
    policy: Policy | str | Path | None = None,
    checks: Sequence[Check | str] | None = None,
    encoder: Encoder | None = None,
    count_tokens: Callable[[Sequence[str]], Sequence[int]] | None = None,
    max_length: int | None = None,
    semantic_threshold: float = 0.95,
    benchmarks: Mapping[str, Any] | None = None,
    seed: int = 0,
    self_test: bool | int | None = None,
    cache_dir: str | Path | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> AuditReport:
    """Read ``data`` and run the checks on it.

    Args:
        data: anything that :func:`audits.open_source` takes.
        policy: checked first, so that a mistake in it shows before the run; it changes nothing in the
            report: :func:`audits.judge` applies it.
        checks: checks or their codes; all that are installed by default.
        encoder: turns texts into vectors ``[n, dim]``; :class:`~audits.encoders.TfidfEncoder` by default.
        count_tokens: numbers of tokens of texts, special tokens included, untruncated.
        max_length: tokens at which the model cuts a text.
        semantic_threshold: cosine of ``encoder`` from which two texts say the same, in (0, 1].
        benchmarks: what must not stand in the data: texts, or anything that :func:`audits.open_source` takes, of which
            every cell of the text columns is an item, by name.
        seed: of every random choice; same data, seed and versions give the same ``content_digest``.
        self_test: plant known defects in a copy of the data and look for them, so that the report says how often each
            check is right (:class:`~audits.findings.SelfTest`). By default where there are fewer than 50,000 rows; a
            number draws so many rows at most for it.
        cache_dir: keep results there, so that the same check of the same data by the same versions is not run again
            (:mod:`audits.result_cache`). Results of a check of yours are kept if it has a ``version``.
        on_progress: see :data:`Progress`.
        options: of :func:`audits.open_source`, such as ``split`` or ``text_columns``.

    Raises:
        SourceError: the data can not be read; see :func:`audits.open_source`.
        ColumnError: its columns are not there or not recognised.
        PolicyError: the policy can not be used.
        AuditError: ``checks`` names an unknown code.
    """
    if policy is not None and not isinstance(policy, Policy):
        load_policy(policy)
    chosen = _resolve(checks)
    if not 0 < semantic_threshold <= 1:
        msg = (
            f"`semantic_threshold` is a cosine in (0, 1], got {semantic_threshold!r}; paraphrases are from 0.9 to 0.97."
        )
        raise AuditError(msg)
    if isinstance(self_test, int) and not isinstance(self_test, bool) and self_test < 1:
        msg = f"`self_test` is True, False or the most rows to test on, got {self_test}; some thousands are enough."
        raise AuditError(msg)
    context = CheckContext(
        encoder=encoder,
        count_tokens=count_tokens,
        max_length=max_length,
        semantic_threshold=semantic_threshold,
        benchmarks={name: _items(name, given) for name, given in (benchmarks or {}).items()},
        seed=seed,
        cache_dir=None if cache_dir is None else Path(cache_dir),
    )
    source = open_source(data, **options)
    if self_test is None:
        self_test = sum(map(source.num_rows, source.splits)) < SELF_TEST_ROWS
    return run_audit(source, checks=chosen, context=context, self_test=self_test, on_progress=on_progress)


def _items(name: str, given: Any) -> Sequence[str]:
    """Return the texts of a benchmark."""
    if isinstance(given, list | tuple) and all(isinstance(text, str) for text in given):
        return given
    try:
        source = open_source(given)
    except AuditError as error:
        msg = f"The benchmark {name} can not be read: {error}"
        raise type(error)(msg) from error
    return [
        text
        for split in source.splits
        for column in source.texts(split)
        for texts in text_lists(source, split, column)
        for text in texts
        if text
    ]


def run_audit(
    source: AuditSource,
    *,
    checks: Sequence[Check | str] | None = None,
    context: CheckContext | None = None,
    self_test: bool | int = False,
    on_progress: Progress | None = None,
) -> AuditReport:
    """Run the checks on an open source, ordered by code; see :func:`audit` for ``self_test``.

    A check whose needs are not met is "skipped" with the reason; one that raises, or yields something
    that has no place in a report, is "errored".

    Raises:
        AuditError: ``checks`` names an unknown code.
        DuplicateCodeError: two checks share a code.
    """
    chosen = _resolve(checks)
    context = context or CheckContext()
    # what checks share is given up with the audit
    context = replace(context, encoder=context.encoder or TfidfEncoder(seed=context.seed), memo={})
    versions = installed_versions()
    cache = ResultCache.of(context.cache_dir, source, context, chosen, self_test, versions)
    results, kept = [], set[str]()
    progress, steps = on_progress or _silent, len(chosen) * (2 if self_test else 1)
    for index, check in enumerate(chosen):
        progress(check.code, title_of(check), index, steps)
        known = cache.get(check) if cache is not None else None
        if known is not None:
            kept.add(check.code)
        results.append(known or _run(check, source, context))
    if self_test:
        results = _self_tested(chosen, results, source, context, self_test, progress)
    if cache is not None:
        for check, result in zip(chosen, results, strict=True):
            if check.code not in kept:
                cache.put(check, result)
    return AuditReport(
        datasets=source.refs,
        columns=source.columns,
        results=tuple(results),
        versions=versions,
        audited_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _silent(code: str, title: str, index: int, total: int) -> None:
    """Show nothing."""


def _self_tested(
    chosen: Sequence[Check],
    results: Sequence[CheckResult],
    source: AuditSource,
    context: CheckContext,
    wanted: bool | int,
    progress: Progress,
) -> list[CheckResult]:
    """Return the results, each with what its check makes of planted defects; those that told it themselves as they are.

    A plant or a check that fails here leaves the result as it was, and says so in its place.
    """
    ran = [check for check, result in zip(chosen, results, strict=True) if result.status == "ran"]
    asked = [check for check, result in zip(chosen, results, strict=True) if check in ran and result.self_test is None]
    drawn = source if wanted is True else drawn_rows(source, wanted, context.seed)
    planted: Sequence[Planted] | Exception = ()
    try:
        if asked:
            # those that are known too: what is planted must not depend on it
            planted = plant_defects(drawn, ran, context)
    except Exception as error:  # noqa: BLE001  a broken plant must neither stop the audit nor read as a test
        planted = error
    tested = []
    for index, (check, result) in enumerate(zip(chosen, results, strict=True), len(chosen)):
        progress(check.code, f"{title_of(check)}: self-test", index, 2 * len(chosen))
        known = result if drawn is source else None
        tested.append(_with_self_test(check, result, planted, context, drawn, known) if check in asked else result)
    return tested


def _with_self_test(
    check: Check,
    result: CheckResult,
    planted: Sequence[Planted] | Exception,
    context: CheckContext,
    drawn: AuditSource,
    known: CheckResult | None,
) -> CheckResult:
    """Return ``result`` with the self-test; ``known`` is the result on ``drawn``, where it is known."""
    start = time.perf_counter()
    try:
        if isinstance(planted, Exception):
            raise planted
        found = measured(
            check,
            planted,
            before=lambda: listed_rows(known.findings if known else check.run(drawn, context)),
            run=lambda source: check.run(source, context),
        )
    except Exception as error:  # noqa: BLE001  as above
        found = SelfTest(reason=excerpt(f"errored: {type(error).__name__}: {error}", MAX_REASON))
    return replace(
        result,
        self_test=found,
        findings=tuple(replace(finding, error_rate=found.others) for finding in result.findings),
        seconds=round(result.seconds + time.perf_counter() - start, 6),
    )


def _resolve(checks: Sequence[Check | str] | None) -> tuple[Check, ...]:
    if checks is None:
        return discover()
    installed = {check.code: check for check in discover()} if any(isinstance(c, str) for c in checks) else {}
    chosen: dict[str, Check] = {}
    for item in checks:
        check = _named(item, installed) if isinstance(item, str) else item
        if check.code in chosen:
            msg = f"The check {check.code} is given twice; codes are unique: give each check once."
            raise DuplicateCodeError(msg)
        chosen[check.code] = check
    return tuple(chosen[code] for code in sorted(chosen))


def _named(code: str, installed: dict[str, Check]) -> Check:
    if code in installed:
        return installed[code]
    near = difflib.get_close_matches(code, sorted(installed), n=3, cutoff=0.5) or sorted(installed)
    msg = f"There is no check {code}; near it are {', '.join(near) or '(none installed)'}."
    raise AuditError(msg)


def _run(check: Check, source: AuditSource, context: CheckContext) -> CheckResult:
    start = time.perf_counter()
    title = title_of(check)
    try:
        reason = unmet_need(check, source, context)
        if reason is not None:
            return CheckResult(code=check.code, title=title, status="skipped", reason=reason)
        result = _collect(check, title, check.run(source, context), source.splits)
        # a number that JSON can not hold must fail here, where it is one check's fault
        canonical_json(CheckResult.from_dict(result.to_dict()).to_dict())
    except Exception as error:  # noqa: BLE001  a broken check must neither stop the others nor pass
        reason = excerpt(f"{type(error).__name__}: {error}", MAX_REASON)
        result = CheckResult(code=check.code, title=title, status="errored", reason=reason)
    return replace(result, seconds=round(time.perf_counter() - start, 6))


def _collect(check: Check, title: str, observations: Iterable[object], splits: Sequence[str]) -> CheckResult:
    findings: list[Finding] = []
    measurements: list[Measurement] = []
    tables: list[Table] = []
    tested: SelfTest | None = None
    unjudged: dict[str | None, str] = {}
    for observation in observations:
        if isinstance(observation, Finding):
            if observation.code != check.code:
                msg = f"The check {check.code} yielded a finding of {observation.code}; it must be its own."
                raise AuditError(msg)
            findings.append(observation)
        elif isinstance(observation, Measurement):
            measurements.append(observation)
        elif isinstance(observation, Table):
            tables.append(observation)
        elif isinstance(observation, SelfTest):
            tested = observation
        elif isinstance(observation, NotJudged):
            unjudged[observation.split] = observation.reason
        else:
            msg = (
                f"The check {check.code} yielded a {type(observation).__name__}; allowed are Finding, "
                "Measurement, Table, SelfTest and NotJudged."
            )
            raise AuditError(msg)
    reasons = tuple(f"{split}: {reason}" if split else reason for split, reason in unjudged.items())
    if not findings and (None in unjudged or set(splits) <= set(unjudged)):
        return CheckResult(
            code=check.code,
            title=title,
            status="skipped",
            reason=excerpt(f"not judged: {'; '.join(dict.fromkeys(unjudged.values()))}", MAX_REASON),
            measurements=tuple(measurements),
            tables=tuple(tables),
        )
    return CheckResult(
        code=check.code,
        title=title,
        status="ran",
        not_judged=reasons,
        findings=tuple(replace(f, error_rate=f.error_rate or tested.others) if tested else f for f in findings),
        measurements=tuple(measurements),
        tables=tuple(tables),
        self_test=tested,
    )
