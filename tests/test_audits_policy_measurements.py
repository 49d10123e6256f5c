"""The names of measurements that a policy may use are those that audits measure, with their units."""

from __future__ import annotations

import inspect

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.checks import CheckContext, discover
from audits.findings import Columns, Finding, Measurement
from audits.judging import allowed_words
from audits.measurement_names import NAMES, near_measurements, unit_of
from audits.policy import Rule
from audits.source import AuditSource

LONG = "this sentence has quite a few words in it so that it can be compared with others of its kind number"
MIXED = [
    (f"{LONG} one", "write to jane@corp.org for the rest", "a", "MIT"),
    (f"{LONG} one", "write to jane@corp.org for the rest", "b", "cc-by-nc-4.0"),
    (f"{LONG} two two", f"{LONG} two two", "b", "GPL-3.0-only"),
    (f"{LONG} three", None, "b", None),
    ("what is it called", "write to jane@corp.org for the rest", "a", "MIT"),
    ("the house stands on the other side of the river", "Это написано совсем другими буквами", "b", "MIT"),
]
TEMPLATES = [(f"entry number {i} of this list", f"All rights reserved\nno {i}", "ab"[i % 2], "MIT") for i in range(24)]
CHECKS = {check.code: check for check in discover() if check.code in NAMES}
NOT_INSTALLED = {"PII006", "SEC002"}  # they need extras, and are read below


class FakeEncoder:
    """Vectors that depend on the first letters of a text."""

    name = "fake"

    def encode(self, texts):
        vectors = np.ones((len(texts), 4), np.float32)
        for i, text in enumerate(texts):
            vectors[i, :3] = [ord(letter) % 5 for letter in (text + "   ")[:3]]
        return vectors


def table(rows):
    names = ("anchor", "positive", "label", "license")
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


CONTEXT = CheckContext(
    encoder=FakeEncoder(),
    count_tokens=lambda texts: [len(text.split()) + 2 for text in texts],
    max_length=8,
    benchmarks={"quiz": [f"{LONG} two", "", "too short"]},
)
SPLITS = {
    "full": {"train": table(MIXED * 6 + TEMPLATES), "test": table(MIXED), "validation": table(MIXED[2:])},
    "clean": {
        "train": table([(f"{i} is a number here", f"{i * 7} is not one", "ab"[i % 2], "MIT") for i in range(12)])
    },
    "empty": {"train": table([]), "test": table([])},
}
COLUMNS = (
    Columns(anchor="anchor", positive="positive", label="label", license="license"),
    Columns(text="anchor", label="label", license="license"),
)


def measured(code):
    """Return what a check measures, of all data above."""
    found = []
    for splits in SPLITS.values():
        for columns in COLUMNS:
            if "positive" in CHECKS[code].needs and columns.positive is None:
                continue
            for item in CHECKS[code].run(AuditSource(tables=splits, columns=columns), CONTEXT):
                found += [item.measurement] if isinstance(item, Finding) else []
                found += [item] if isinstance(item, Measurement) else []
    return found


@pytest.mark.parametrize("code", sorted(set(NAMES) - NOT_INSTALLED))
def test_what_an_audit_measures_is_what_a_policy_may_name(code):
    taken = measured(code)
    assert taken
    for item in taken:
        assert unit_of(code, item.name) == item.unit, item.name
        assert near_measurements(code, item.name) == ()


@pytest.mark.parametrize("code", sorted(set(NAMES) - NOT_INSTALLED))
def test_no_name_stands_there_that_nothing_has(code):
    seen = "\n".join(" ".join(item.name.split()) for item in measured(code))
    for name, _ in NAMES[code]:
        assert all(part.strip() in seen for part in name.split("{}")), name


@pytest.mark.parametrize("code", sorted(NOT_INSTALLED))
def test_checks_that_need_more_are_named_as_their_code_says(code):
    (name, unit), *_ = NAMES[code]
    assert name.removeprefix("texts with a ") in inspect.getsource(CHECKS[code].run)
    assert unit == "fraction"


def test_every_shipped_check_is_in_the_table_with_the_unit_that_verdicts_show():
    assert {check.code for check in discover() if type(check).__module__.startswith("audits.")} == set(NAMES)
    for code in NAMES:
        assert allowed_words(Rule(code=code)).endswith("%") == (unit_of(code, None) == "fraction")


def test_near_names_are_told_and_third_parties_are_left_alone():
    assert near_measurements("PAIR002", "Rows that share one positive,  largest group (train)") == ()
    assert near_measurements("PAIR002", "largest group")[0] == "rows that share one positive, largest group"
    assert near_measurements("PII005", "texts with public ip adress") == ("texts with a public IP address",)
    assert near_measurements("DUP001", "zzz") == ("rows that repeat an earlier row",)
    assert near_measurements("OWN001", "whatever it is") == ()
    assert unit_of("OWN001", None) == unit_of("OWN001", "x") == unit_of("DUP001", "x") == ""


@given(st.sampled_from(sorted(NAMES)), st.text(max_size=60))
def test_any_name_is_known_or_told_near_ones(code, name):
    assert bool(unit_of(code, name)) != bool(near_measurements(code, name))
