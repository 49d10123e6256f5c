"""What an audit says about itself: planted defects, those that are found, and rows that are listed without one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from audits import AuditError, audit, judge, load_policy
from audits.checks import CheckContext, discover
from audits.checks._reporting import report
from audits.checks.exact_duplicates import ExactDuplicates
from audits.encoders import TfidfEncoder
from audits.findings import Columns, FindingRow, Measurement, RowEvidence, SelfTest
from audits.planting import defect, plants
from audits.planting.ground import planted_copy
from audits.runner import run_audit
from audits.self_test import drawn_rows, plant_defects
from audits.source import AuditSource, open_source

WORDS = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "ru") for b in ("te", "sa", "vo") for c in ("n", "r", "x", "ld")]


def sentences(count, seed, words=30):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(count)]


def data(rows=900):
    def split(count, seed):
        labels = np.random.default_rng(seed).integers(3, size=count)
        return Dataset.from_dict(
            {
                "anchor": sentences(count, seed, 40),
                "positive": sentences(count, seed + 1, 60),
                "label": labels.tolist(),
            },
            features=Features(
                {"anchor": Value("string"), "positive": Value("string"), "label": ClassLabel(names=["a", "b", "c"])}
            ),
        )

    return DatasetDict(train=split(rows, 0), test=split(rows // 3, 10))


def count_tokens(texts):
    return [len(text.split()) for text in texts]


@pytest.fixture(scope="module")
def tested():
    encoder = TfidfEncoder(dim=32)
    named = type("Named", (), {"name": "words", "encode": staticmethod(encoder.encode)})()
    return audit(
        data(), label_column="label", count_tokens=count_tokens, max_length=100, encoder=named,
        benchmarks={"quiz": sentences(40, 99)}, self_test=True,
    )  # fmt: skip


def test_a_check_that_ran_tells_its_own_error_or_why_not(tested):
    for result in tested.results:
        if result.status == "ran":
            assert result.self_test is not None, result.code
            assert bool(result.self_test.found) != bool(result.self_test.reason), result.code
            assert "errored" not in result.self_test.reason, result
        else:
            assert result.self_test is None


@pytest.mark.parametrize(
    "code",
    ["DUP001", "LABEL002", "LEAK001", "LEAK004", "PAIR001", "PAIR002", "PAIR003", "PAIR004", "PAIR005", "PAIR007",
     "PII001", "PII002", "PII003", "PII004", "PII005", "SEC001"],
)  # fmt: skip
def test_what_is_planted_is_found(tested, code):
    """Of these kinds nothing is missed by design."""
    own = tested.result(code).self_test
    for item in own.found:
        assert item.sample_size >= 5
        assert item.value == 1.0, item
        low, high = item.interval
        assert 0 < low < 1
        assert high == 1
    assert own.others.sample_size > 500


@pytest.mark.parametrize(("words", "least", "most"), [(30, 0.0, 0.2), (120, 0.9, 1.0)])
def test_what_edits_hide_is_said(words, least, most):
    """One word of 30 changed leaves a similarity of .68, which is called different; one of 120 leaves .92."""
    (result,) = audit(Dataset.from_dict({"text": sentences(400, 3, words)}), checks=["DUP002"]).results
    found = {item.name: item.value for item in result.self_test.found}
    assert least <= found["another row with one word of each text changed"] <= most
    assert result.self_test.others.value == 0.0


def test_nothing_is_listed_of_clean_rows_but_what_is_really_there(tested):
    for code in ("DUP001", "DUP002", "LEAK001", "PAIR001", "PAIR003", "PII001", "SEC001"):
        assert tested.result(code).self_test.others.value == 0, code


def test_the_data_is_audited_as_it_is(tested):
    """Plants change a copy: the findings, the fingerprints and every number are those of an audit without a test."""
    plain = audit(data(), checks=["DUP001", "PII001"], self_test=False)
    assert tested.datasets == plain.datasets
    for result in plain.results:
        assert tested.result(result.code).findings == result.findings
        assert tested.result(result.code).measurements == result.measurements


def test_the_same_seed_plants_the_same():
    options = {"checks": ["DUP002", "PII002"], "self_test": True}
    one, other = audit(data(200), **options), audit(data(200), **options)
    assert one.content_digest == other.content_digest
    source, checks = open_source(data(200)), discover()
    first, again, another = (plant_defects(source, checks, CheckContext(seed=seed)) for seed in (0, 0, 1))
    for one, same, other in zip(first, again, another, strict=True):
        assert one.touched == same.touched != other.touched
        assert all(one.source.tables[split].equals(same.source.tables[split]) for split in source.splits)


def test_small_data_is_tested_by_default_and_large_data_when_asked(monkeypatch):
    monkeypatch.setattr("audits.runner.SELF_TEST_ROWS", 100)
    small, large = data(60), data(300)
    assert audit(small, checks=["DUP001"]).results[0].self_test is not None
    assert audit(large, checks=["DUP001"]).results[0].self_test is None
    (asked,) = audit(large, checks=["DUP001"], self_test=200).results
    (found,) = asked.self_test.found
    assert asked.self_test.others.sample_size + found.sample_size <= 200
    assert 40 <= found.sample_size <= 50
    with pytest.raises(AuditError, match="`self_test` is True, False or the most rows to test on, got 0"):
        audit(large, self_test=0)


def test_rows_are_drawn_from_every_split():
    source = open_source(data(900))
    drawn = drawn_rows(source, 120, 0)
    assert {split: drawn.num_rows(split) for split in drawn.splits} == {"train": 90, "test": 30}
    assert drawn_rows(source, 5000, 0) is source


def test_no_row_is_changed_by_two_plants():
    for rows in (60, 600, 2400):
        source = open_source(data(rows), label_column="label")
        copies = plant_defects(source, discover(), CheckContext(count_tokens=count_tokens, max_length=100))
        least, most = {60: (8, 8), 600: (4, 8), 2400: (1, 2)}[rows]
        assert least <= len(copies) <= most
        total = 0
        for planted in copies:
            written = []
            for by_split in planted.defects.values():
                for split, found in by_split.items():
                    written += [(split, row) for one in found for row in one.rows if len(one.rows) != 2]
            assert len(written) == len(set(written))
            total += len(written)
            for split in source.splits:
                before, after = source.tables[split].to_pylist(), planted.source.tables[split].to_pylist()
                different = {i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
                assert different <= planted.touched[split]
                assert len(different) <= len(before) / 4
        assert total > 20


def test_a_defect_in_a_row_that_is_listed_anyway_is_no_proof():
    """A check that lists everything would else find whatever is planted."""
    texts = [f"{text} write to somebody{i}@mailbox.org" for i, text in enumerate(sentences(400, 5))]
    texts[::4] = sentences(100, 6)
    for rows, self_test in ((texts, True), (texts * 20, 400)):
        (result,) = audit(Dataset.from_dict({"text": rows}), checks=["PII001"], self_test=self_test).results
        (found,) = result.self_test.found
        assert found.sample_size < 50
        assert "listed anyway left out" in found.method
    (result,) = audit(Dataset.from_dict({"text": [t for t in texts if "@" in t]}), checks=["PII001"]).results
    assert result.self_test.reason.startswith("the data has too few rows")


@pytest.mark.slow
def test_rows_are_counted_once_however_many_copies_there_are():
    for rows in (100, 300, 900):
        report = audit(data(rows), label_column="label")
        for result in report.results:
            if result.self_test is not None and result.self_test.found:
                assert result.self_test.others.sample_size <= rows + rows // 3, result.code


def test_plants_of_one_check_are_no_false_alarms_of_another():
    """Of pairs that share nothing, no pair check lists a row without a planted defect."""
    pairs = Dataset.from_dict({"anchor": sentences(4000, 1, 12), "positive": sentences(4000, 2, 20)})
    for result in audit(pairs, checks=["PAIR001", "PAIR002", "PAIR005", "POIS001", "POIS002", "DUP001"]).results:
        assert result.self_test.others.value == 0, result.code
        if result.code.startswith("PAIR"):
            assert all(item.value == 1 for item in result.self_test.found), result


def test_what_is_found_or_missed_as_a_whole_is_one_defect(tested):
    texts = Dataset.from_dict({"text": sentences(3000, 4), "label": np.random.default_rng(0).integers(4, size=3000)})
    (result,) = audit(texts, checks=["TEXT005"], label_column="label").results
    (found,) = result.self_test.found
    assert 10 <= found.sample_size <= 24
    for item in tested.result("POIS002").self_test.found:
        assert item.sample_size < 20


def test_too_few_rows_are_said():
    (result,) = audit(Dataset.from_dict({"text": sentences(3, 0)}), checks=["PII001"]).results
    assert result.self_test.reason.startswith("the data has too few rows")
    (result,) = audit(Dataset.from_dict({"text": ["one", "two"] * 50}), checks=["LIC001"]).results
    assert result.self_test is None or result.self_test.reason == "no defect of this kind can be planted"


class Marked:
    """Rows that hold a word."""

    code = "TEST001"
    needs: tuple[str, ...] = ("texts",)
    word = "planted"

    def run(self, source, context):
        """Look for the word."""
        for split in source.splits:
            texts = source.column(split, source.texts(split)[0]).to_pylist()
            rows = [FindingRow(split, i, None, None, None) for i, text in enumerate(texts) if self.word in text]
            yield report(
                self, rows, Measurement(name="rows", value=len(rows), unit="rows"), split=split, remedy="",
                evidence=lambda row: RowEvidence(split=row.split, row=row.row),
            )  # fmt: skip


class Half:
    """Every second row gets the word."""

    kind = "the word in every second row"
    codes = ("TEST001",)

    def defects(self, ground):
        for i, row in enumerate(ground.rows.tolist()):
            ground.write(row, ground.columns[0], "planted" if i % 2 else "plant")
            yield defect(row)


class Own(Marked):
    """Rows that hold a word."""

    plants = (Half(),)


def test_a_check_of_a_third_party_brings_its_plants():
    texts = sentences(400, 1)
    texts[7] = "planted"
    source = open_source(Dataset.from_dict({"text": texts}))
    (result,) = run_audit(source, checks=[Own()], self_test=True).results
    (found,) = result.self_test.found
    assert (found.name, found.sample_size, found.value) == ("the word in every second row", 100, 0.5)
    assert result.self_test.others.sample_size == 300
    assert result.self_test.others.value == pytest.approx(1 / 300)
    assert result.findings[0].error_rate == result.self_test.others


@pytest.mark.parametrize("broken", ["plant", "check"])
def test_a_failure_of_the_test_leaves_the_result_and_says_so(broken):
    class Faulty(Half):
        def defects(self, ground):
            if broken == "plant":
                raise RuntimeError("no soil")
            return super().defects(ground)

    class Check(Marked):
        """Rows that hold a word."""

        plants = (Faulty(),)
        runs = 0

        def run(self, source, context):
            self.runs += 1
            if broken == "check" and self.runs > 1:
                raise RuntimeError("no soil")
            return super().run(source, context)

    source = open_source(Dataset.from_dict({"text": sentences(200, 1)}))
    (result,) = run_audit(source, checks=[Check()], self_test=True).results
    assert result.status == "ran"
    assert result.self_test == SelfTest(reason="errored: RuntimeError: no soil")


def test_a_check_that_measures_itself_is_not_run_again():
    class Check(Marked):
        """Rows that hold a word."""

        def run(self, source, context):
            yield from super().run(source, context)
            yield SelfTest(found=(Measurement(name="own", value=0.5, unit="fraction", sample_size=8),))

    source = open_source(Dataset.from_dict({"text": sentences(50, 1)}))
    for wanted in (True, False):
        (result,) = run_audit(source, checks=[Check()], self_test=wanted).results
        assert [item.name for item in result.self_test.found] == ["own"]


def test_every_plant_is_for_a_check_that_exists_and_is_named():
    codes = {check.code for check in discover()}
    every = plants(discover())
    assert len({(plant.kind, plant.codes) for plant in every}) == len(every)
    for plant in every:
        assert set(plant.codes) <= codes
        assert type(plant).__doc__


def test_copies_keep_the_type_of_what_they_change():
    table = pa.table(
        {"text": pa.chunked_array([["a", "b"], ["c"]]), "label": pa.array(["x", "y", "x"]).dictionary_encode()}
    )
    source = AuditSource(tables={"train": table}, columns=Columns(text="text", label="label"))
    copy = planted_copy(source, {("train", "text"): {1: "new"}, ("train", "label"): {2: "y"}})
    assert copy.tables["train"].to_pydict() == {"text": ["a", "new", "c"], "label": ["x", "y", "y"]}
    assert source.tables["train"].to_pydict() == {"text": ["a", "b", "c"], "label": ["x", "y", "x"]}


def test_a_verdict_does_not_depend_on_the_test():
    with_test, without = (audit(data(200), label_column="label", self_test=wanted) for wanted in (True, False))
    policy = load_policy("standard")
    one, other = judge(with_test, policy), judge(without, policy)
    assert [outcome.decision for outcome in one.outcomes] == [outcome.decision for outcome in other.outcomes]


def test_progress_counts_the_tests_too():
    steps = []
    audit(data(60), checks=["DUP001", "PII001"], on_progress=lambda *step: steps.append(step))
    assert [(code, index, total) for code, _, index, total in steps] == [
        ("DUP001", 0, 4),
        ("PII001", 1, 4),
        ("DUP001", 2, 4),
        ("PII001", 3, 4),
    ]
    assert ExactDuplicates().code == steps[0][0]
