"""No field of the evidence is left out of the changes, not even beside another one that differs."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest

from audits.findings import CheckResult
from audits.records import Record
from model_cards.changes import changes
from model_cards.evidence import Evidence, Statement

LEFT_OUT = {
    "RowEvidence.excerpt": "blanked before anything is published",
    "RowReference.excerpt": "blanked before anything is published",
    "Finding.rows": "never in the evidence: the digest of the rows is",
    "Finding.rows_digest": "of more or fewer rows that they are others follows",
    "VersionComparison.cost": "latency differs from run to run",
    "AuditReport.audited_at": "a time of making",
    "CheckResult.seconds": "a run time",
    "TrainingRecord.seconds": "a run time",
    "EvaluationReport.seconds": "a run time",
    "Approval.created_at": "a time of making",
    "Evidence.created_at": "a time of making",
}
"""Fields that no change is about, each with the reason."""

CHOSEN = {("Statement", "origin"): "stated", ("RuleResult", "result"): "conflict", ("Obligation", "kind"): "notice"}
"""Where the first value that the type allows says that there is nothing."""


def filled(kind: Any, name: str, owner: str = "") -> Any:
    """A value of a type with every field of every record in it given; lists hold two things of different names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return name
    if origin in (typing.Union, types.UnionType):
        return filled(next(item for item in arguments if item is not type(None)), name, owner)
    if origin is typing.Literal:
        return CHOSEN.get((owner, name), arguments[0])
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(filled(arguments[0], f"{name}{i}", owner) for i in "ab")
    if origin is tuple:
        return tuple(filled(item, f"{name}{i}", owner) for i, item in enumerate(arguments))
    if origin is not None and issubclass(origin, Mapping):
        return {f"{name}{i}": filled(arguments[1], f"{name}{i}", owner) for i in "ab"}
    if issubclass(kind, Record):
        hints = typing.get_type_hints(kind)
        own = {item.name: filled(hints[item.name], item.name, kind.__name__) for item in fields(kind)
               if not item.metadata.get("transient")}  # fmt: skip
        # two of a list have names of their own
        for key in ("code", "key", "name", "split", "by", "license", "task"):
            if isinstance(own.get(key), str) and kind.__name__ not in ("LicensePolicy", "TrainingRecord"):
                own[key] = f"{own[key]}-{name}"
        return kind(**own)
    return {bool: True, int: 7, float: 0.5, str: f"{name} text"}[kind]


def other(kind: Any, value: Any) -> Any:
    """Another value of the same type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return other(next(item for item in arguments if item is not type(None)), value)
    if origin is typing.Literal:
        return next(item for item in reversed(arguments) if item != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 5
    if isinstance(value, str):
        return f"x {value}"
    if isinstance(value, tuple):
        return value[:1] if arguments[-1] is Ellipsis else (*value[:-1], other(arguments[-1], value[-1]))
    if isinstance(value, Mapping):
        return {**value, "one more": next(iter(value.values()))}
    return put(value, (), told(type(value).__name__, type(value))[-1])


@cache
def base() -> Evidence:
    evidence: Evidence = filled(Evidence, "evidence")
    audit, verdict = evidence.audit, evidence.verdict
    assert audit is not None
    assert verdict is not None
    # an outcome is shown as what it is where its check ran
    codes = [item.code for item in audit.results]
    outcomes = tuple(replace(item, code=code) for item, code in zip(verdict.outcomes, codes, strict=True))
    assert isinstance(audit.results[0], CheckResult)
    verdict = replace(verdict, outcomes=outcomes, report_digest=audit.digest, policy_digest="sha256:0")
    return replace(evidence, verdict=verdict)


def records(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Record]]:
    """Every record within, with its path; of lists the first item."""
    if isinstance(value, Record):
        yield path, value
        for item in fields(value):
            yield from records(getattr(value, item.name), (*path, item.name))
    elif isinstance(value, tuple) and value:
        yield from records(value[0], (*path, 0))
    elif isinstance(value, Mapping) and value:
        yield from records(next(iter(value.values())), (*path, next(iter(value))))


def put(value: Any, path: tuple[Any, ...], name: str) -> Any:
    """The same with another value in one field of the record at ``path``."""
    if not path:
        return replace(value, **{name: other(typing.get_type_hints(type(value))[name], getattr(value, name))})
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return (*value[:first], put(value[first], rest, name), *value[first + 1 :])
    return replace(value, **{first: put(getattr(value, first), rest, name)})


PLACES = [(path, type(record).__name__, type(record)) for path, record in records(base()) if "cost" not in path]
IDS = [f"{name} at {'.'.join(map(str, path)) or 'the top'}" for path, name, _ in PLACES]


def told(name: str, kind: type[Record]) -> list[str]:
    return [item.name for item in fields(kind)  # type: ignore[arg-type]
            if f"{name}.{item.name}" not in LEFT_OUT and not item.metadata.get("transient")]  # fmt: skip


@pytest.mark.parametrize(("path", "name", "kind"), PLACES, ids=IDS)
def test_every_field_that_differs_is_told_also_beside_another(path: tuple[Any, ...], name: str, kind: type[Record]):
    own = told(name, kind)
    silent = []
    for first in own:
        alone = put(base(), path, first)
        seen = set(changes(base(), alone))
        if not seen:
            silent.append(first)
        if any(item.kind in ("added", "removed") or "not measured" in item.words for item in seen):
            # it is called otherwise, so that one is gone and another one is there
            continue
        i = own.index(first)
        following = dict.fromkeys([*own[i + 1 :], *own[:i]][:3])
        silent += [
            f"{second} beside {first}" for second in following if set(changes(base(), put(alone, path, second))) == seen
        ]
    assert silent == []


def test_what_is_left_out_is_there_and_says_nothing():
    names = {f"{name}.{item.name}" for _, name, kind in PLACES for item in fields(kind)}  # type: ignore[arg-type]
    assert set(LEFT_OUT) <= names
    volatile = {f"{name}.{item.name}" for _, name, kind in PLACES for item in fields(kind)  # type: ignore[arg-type]
                if item.metadata.get("volatile") or item.metadata.get("transient")}  # fmt: skip
    assert volatile <= set(LEFT_OUT)
    for path, name, kind in PLACES:
        for item in fields(kind):  # type: ignore[arg-type]
            if f"{name}.{item.name}" in volatile and not item.metadata.get("transient"):
                assert changes(base(), put(base(), path, item.name)) == ()


def test_a_statement_that_nobody_gave_says_nothing_beside_one_that_somebody_gave():
    before = replace(Evidence(), statements=(Statement(key="bias"),))
    after = replace(Evidence(), statements=(Statement(key="bias", text="None known.", origin="stated", by="Ann"),))
    (found,) = changes(before, after)
    assert found.kind == "added"
