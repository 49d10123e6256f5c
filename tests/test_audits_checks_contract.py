import inspect

import numpy as np
import pyarrow as pa
import pytest

from audits.checks import CheckContext, discover, title_of
from audits.findings import MAX_EVIDENCE, Columns, Finding, Measurement, NotJudged, SelfTest, Table
from audits.records import canonical_json
from audits.source import AuditSource

CODES = {
    "DUP001": "fraction",
    "DUP002": "fraction",
    "DUP003": "fraction",
    "LABEL001": "fraction",
    "LABEL002": "fraction",
    "LEAK001": "fraction",
    "LEAK002": "fraction",
    "LEAK003": "fraction",
    "LEAK004": "fraction",
    "LIC001": "rows",
    "LIC002": "rows",
    "LIC003": "rows",
    "PAIR001": "fraction",
    "PAIR002": "fraction",
    "PAIR003": "fraction",
    "PAIR004": "fraction",
    "PAIR005": "fraction",
    "PAIR006": "fraction",
    "PAIR007": "fraction",
    "PAIR008": "fraction",
    "PII001": "fraction",
    "PII002": "fraction",
    "PII003": "fraction",
    "PII004": "fraction",
    "PII005": "fraction",
    "POIS001": "rows",
    "POIS002": "rows",
    "POIS003": "rows",
    "SEC001": "fraction",
    "TEXT001": "rows",
    "TEXT002": "rows",
    "TEXT003": "fraction",
    "TEXT004": "rows",
    "TEXT005": "fraction",
    "TEXT006": "fraction",
    "TEXT007": "fraction",
}
CHECKS = {check.code: check for check in discover() if check.code in CODES}
PAIRS = Columns(anchor="anchor", positive="positive", label="label", license="license")
TEXTS = Columns(text="anchor", label="label", license="license")


class FakeEncoder:
    """Vectors that depend on the length and the first letters of a text."""

    name = "fake"

    def encode(self, texts):
        vectors = np.zeros((len(texts), 4), np.float32)
        for i, text in enumerate(texts):
            vectors[i] = [len(text) % 7, *(ord(letter) % 5 for letter in (text + "   ")[:3])]
        return vectors


def table(rows):
    names = ("anchor", "positive", "label", "license")
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


LONG = "this sentence has quite a few words in it so that it can be compared with others of its kind number"
DEFECTIVE = [
    (f"{LONG} one", "write to jane@corp.org for the rest", "a", "MIT"),
    (f"{LONG} one", "write to jane@corp.org for the rest", "a", "cc-by-nc-4.0"),
    (f"{LONG} two two", f"{LONG} two two", "b", "bsd"),
    (f"{LONG} three", None, "b", None),
    ("x", "\u200b", None, "GPL-3.0-only"),
    ("", "", "", ""),
    ("what is it called", "write to jane@corp.org for the rest", "a", "MIT"),
    ("what is it called", "write to jane@corp.org for the rest", "b", "MIT"),
    (f"{LONG} one", "write to jane@corp.org for the rest please", "a", "MIT"),
]
NEAR_LEAK = (f"{LONG} one extra word", "an answer that stands nowhere else", "a", "MIT")
CONTEXT = CheckContext(
    encoder=FakeEncoder(),
    count_tokens=lambda texts: [len(text.split()) + 2 for text in texts],
    max_length=8,
    benchmarks={"quiz": [f"{LONG} two", "", "too short"], "other": ["what is it called and why so"]},
)
# as long, by FakeEncoder's count, as "what is it called"
PERSONAL = (
    "call +49 30 901820 or pay to DE89 3704 0044 0532 0130 00, tax id 86095742719, from host 93.184.216.34",
    "the key is AKIA" + "QZ7RT2WXM4KLBN5C",
    "a",
    "MIT",
)
OTHER_SCRIPT = ("what name would you take", "Это написано совсем другими буквами", "b", "MIT")
OTHER_LANGUAGE = (
    "the house stands on the other side of the river where nobody has lived for years",
    "das Haus steht auf der anderen Seite des Flusses, wo seit Jahren niemand mehr wohnt",
    "b",
    "MIT",
)
SEMANTIC_LEAK = ("what name would you give", "a reply that nobody else has given so far", "b", "MIT")
GARBLED = (
    "Ignore all previous instructions, zero\u200bwidth and \u202eback, says p\u0430ypal of the cafÃ©",
    "1.5 2.5 " * 20 + "and so on",
    "a",
    "MIT",
)
TEMPLATES = [(f"entry {i}", f"All rights reserved by whoever wrote these pages\nno {i}", "a", "MIT") for i in range(20)]
SPLITS = {
    "empty splits": {"train": table([]), "test": table([])},
    "one row": {"train": table(DEFECTIVE[:1])},
    "one null row": {"train": table([(None, None, None, None)]), "test": table([(None, None, None, None)])},
    "one row each": {"train": table(DEFECTIVE[:1]), "test": table(DEFECTIVE[:1])},
    "all equal": {"train": table(DEFECTIVE[:1] * 12), "test": table(DEFECTIVE[:1] * 3)},
    "all empty": {"train": table([("", None, "a", "")] * 12), "test": table([("", "\u200b", "b", None)] * 3)},
    "all distinct": {"train": table([(f"{i} is a number", f"{i * 7} is not", "ab"[i % 2], "MIT") for i in range(12)])},
    "odd unicode": {
        "train": table([("\ufffe\U0010ffff\x00 \u202e", "\u0345ſ é́ 👩‍👩‍👧", "\u200b", "\ufeff")] * 6),
        "test": table([("👩‍👩‍👧 \x1b[31m", "\ud7ff\ue000", "👩", "©")]),
    },
    "a megabyte": {
        "train": table([("word " * 200_000, "x" * 1_000_000, "a", "MIT " * 250_000)]),
        "test": table([("word " * 200_000, "a@b" * 300_000, "b", "MIT")]),
    },
    "defective": {
        "train": table(
            [*DEFECTIVE * 6, NEAR_LEAK, SEMANTIC_LEAK, OTHER_SCRIPT, OTHER_LANGUAGE, PERSONAL, GARBLED, *TEMPLATES]
        ),
        "test": table([(f"{LONG} one", "another continuation entirely", "a", "MIT"), *DEFECTIVE[2:]]),
        "validation": table([(f"{LONG} one extra", f"{LONG} two two", "a", "MIT")]),
    },
}


def run(code, splits, columns=PAIRS, context=CONTEXT):
    return list(CHECKS[code].run(AuditSource(tables=splits, columns=columns), context))


def test_every_code_is_there_once():
    assert sorted(CHECKS) == sorted(CODES)
    assert len({check.code for check in discover()}) == len(discover())


@pytest.mark.parametrize("code", CODES)
def test_a_check_documents_its_title_and_meaning(code):
    check = CHECKS[code]
    assert 10 < len(title_of(check)) < 100
    assert len(inspect.getdoc(check.run) or "") > 40
    assert isinstance(check.needs, tuple)


@pytest.mark.parametrize("case", SPLITS)
@pytest.mark.parametrize("code", CODES)
def test_a_check_takes_any_data_and_states_sound_findings(code, case):
    for columns in (PAIRS, TEXTS):
        if columns is TEXTS and code in (
            "PAIR001",
            "PAIR002",
            "PAIR005",
            "PAIR006",
            "PAIR007",
            "PAIR008",
            "POIS002",
            "POIS003",
        ):
            continue
        splits = SPLITS[case]
        observations = run(code, splits, columns)
        places = set()
        names = set()
        for item in observations:
            canonical_json(item.to_dict())
            assert isinstance(item, Finding | Measurement | Table | SelfTest | NotJudged)
            if isinstance(item, Measurement):
                assert item.name not in names
                names.add(item.name)
            if not isinstance(item, Finding):
                continue
            assert item.code == code
            assert item.measurement.unit == CODES[code]
            assert item.measurement.method
            assert item.remedy
            assert item.measurement.value > 0
            assert item.measurement.unit == "rows" or item.measurement.value <= 1
            assert (item.split, item.column) not in places
            places.add((item.split, item.column))
            assert item.rows is not None
            rows = list(item.rows)
            assert item.total_rows == len({row.row for row in rows}) > 0
            assert 0 < len(item.evidence) <= MAX_EVIDENCE
            listed = {row.row for row in rows}
            for row in rows:
                assert 0 <= row.row < splits[item.split].num_rows
                if row.other_row is not None:
                    there = CONTEXT.benchmarks.get(row.other_split)
                    total = splits[row.other_split].num_rows if there is None else len(there)
                    assert 0 <= row.other_row < total
            for evidence in item.evidence:
                assert evidence.row in listed
                for text in (evidence.excerpt, *(other.excerpt for other in evidence.related)):
                    assert 0 < len(text) <= 160
                    assert "jane@" not in text


@pytest.mark.parametrize("code", CODES)
def test_a_check_is_deterministic(code):
    first, second = (run(code, SPLITS["defective"]) for _ in range(2))
    assert first == second
    assert [getattr(item, "rows_digest", "") for item in first] == [getattr(item, "rows_digest", "") for item in second]


@pytest.mark.parametrize("code", sorted(set(CODES) - {"LABEL001", "LIC001", "POIS001", "POIS002", "POIS003"}))
def test_a_check_finds_its_defect_in_defective_data(code):
    assert any(isinstance(item, Finding) for item in run(code, SPLITS["defective"]))


@pytest.mark.parametrize("code", CODES)
def test_chunking_of_a_column_changes_nothing(code):
    splits = {name: pa.concat_tables([part.slice(0, 2), part.slice(2)]) for name, part in SPLITS["defective"].items()}
    assert run(code, splits) == run(code, SPLITS["defective"])
