"""Kept results: the same as computed ones, and never those of other data, other code or another setting."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset

from audits import audit
from audits.checks import CheckContext, discover
from audits.encoders import TfidfEncoder
from audits.extras import EXTRAS
from audits.findings import Columns, Measurement
from audits.result_cache import ResultCache
from audits.runner import run_audit
from audits.source import AuditSource, open_source
from audits.versions import PACKAGES, installed_versions

TEXTS = [f"sentence {i % 50} about something that is said {i % 5} times in this text" for i in range(120)]
DATA = Dataset.from_dict({"text": TEXTS, "label": [i % 3 for i in range(120)]})


class Counted:
    """Counts its runs."""

    code = "TEST001"
    needs: tuple[str, ...] = ("texts",)
    version = "1"
    runs = 0

    def run(self, source, context):
        """Measure nothing."""
        type(self).runs += 1
        yield Measurement(name="runs", value=1, unit="runs")


@pytest.fixture
def counted():
    return type("Counted", (Counted,), {"runs": 0, "__doc__": "Counts."})


def test_what_is_kept_is_what_was_computed(tmp_path):
    options = {"label_column": "label", "self_test": True}
    plain = audit(DATA, **options)
    first, second = (audit(DATA, cache_dir=tmp_path, **options) for _ in range(2))
    assert first.content_digest == second.content_digest == plain.content_digest
    for one, other in zip(first.results, second.results, strict=True):
        # the seconds are those that it took when it ran
        assert one == other or one.status == "skipped"
    for one, other in zip(first.findings, second.findings, strict=True):
        assert list(one.rows) == list(other.rows)
    assert len(first.findings) >= 2
    names = [path.name.partition("-")[0] for path in tmp_path.iterdir()]
    assert sorted(names) == sorted(result.code for result in first.results if result.status == "ran")


def test_a_kept_result_is_not_computed_again(counted, tmp_path):
    for _ in range(3):
        run_audit(open_source(DATA), checks=[counted()], context=CheckContext(cache_dir=tmp_path))
    assert counted.runs == 1


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (DATA.select(range(119)), {}),
        (DATA.select([1, 0, *range(2, 120)]), {}),
        (DATA, {"seed": 1}),
        (DATA, {"semantic_threshold": 0.9}),
        (DATA, {"max_length": 9}),
        (DATA.add_column("source", ["a"] * 120), {"group_column": "source"}),
        (DATA, {"encoder": TfidfEncoder(max_features=99)}),
        (DATA, {"self_test": True}),
        (DATA, {"self_test": 50}),
        (DATA, {"sample": 60}),
        (DATA, {"benchmarks": {"quiz": ["one two three four five six"]}}),
        (DATA, {"encoder": TfidfEncoder(dim=8)}),
    ],
)
def test_anything_that_a_result_depends_on_makes_another(counted, tmp_path, data, options):
    base = {"checks": [counted()], "self_test": False, "cache_dir": tmp_path}
    audit(DATA, **base)
    audit(data, **{**base, **options})
    assert counted.runs == 2


def test_another_version_of_a_check_or_a_package_is_another(counted, tmp_path, monkeypatch):
    audit(DATA, checks=[counted()], cache_dir=tmp_path)
    counted.version = "2"
    audit(DATA, checks=[counted()], cache_dir=tmp_path)
    assert counted.runs == 2
    monkeypatch.setattr("audits.runner.installed_versions", lambda: {**installed_versions(), "numpy": "0"})
    audit(DATA, checks=[counted()], cache_dir=tmp_path)
    assert counted.runs == 3


def test_what_can_not_be_told_is_not_kept(counted, tmp_path):
    def count_tokens(texts):
        return [1] * len(texts)

    class Vectors:
        name = "same name, other weights"

        def encode(self, texts):
            return np.ones((len(texts), 2), np.float32)

    for options in ({"count_tokens": count_tokens}, {"encoder": Vectors()}):
        audit(DATA, checks=[counted()], cache_dir=tmp_path, **options)
    counted.version = None
    audit(DATA, checks=[counted()], cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_skipped_is_asked_again(counted, tmp_path, monkeypatch):
    """What was missing may be installed tomorrow."""
    missing = ["needs something that is not installed"]
    monkeypatch.setattr("audits.runner.unmet_need", lambda *_: missing[0])
    assert audit(DATA, checks=[counted()], cache_dir=tmp_path).results[0].status == "skipped"
    missing[0] = None
    assert audit(DATA, checks=[counted()], cache_dir=tmp_path).results[0].status == "ran"


def test_the_versions_of_all_extras_are_told():
    wanted = {"py3langid", "presidio-analyzer", "credsweeper", "usearch"}
    assert wanted <= set(PACKAGES)
    assert {name.replace("-", "_") for name in wanted - {"usearch"}} == set(EXTRAS.values())


def test_tables_are_told_apart_whatever_their_references_say(tmp_path):
    """A source that is made by hand has no references; joined ones have those of the data before."""
    found = []
    for texts in (["a b c"] * 5, ["a b c", "d e f", "g h i", "j k l", "m n o"]):
        source = AuditSource(tables={"train": pa.table({"text": texts})}, columns=Columns(text="text"))
        report = run_audit(source, checks=["DUP001"], context=CheckContext(cache_dir=tmp_path))
        found.append(sum(finding.total_rows for finding in report.findings))
    assert found == [4, 0]


def test_any_flipped_byte_is_seen(tmp_path):
    first = audit(DATA, checks=["DUP001"], cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    source = open_source(DATA)
    (check,) = [check for check in discover() if check.code == "DUP001"]
    context = CheckContext(cache_dir=tmp_path, encoder=TfidfEncoder())
    cache = ResultCache.of(tmp_path, source, context, [check], True, installed_versions())
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        found = cache.get(check)
        assert found is None
    path.write_bytes(whole)
    assert cache.get(check) == first.results[0]


def test_benchmarks_that_are_no_valid_utf8_are_told_apart(counted, tmp_path):
    for text in ("\ud800 a b c d", "\ud801 a b c d"):
        audit(DATA, checks=[counted()], cache_dir=tmp_path, benchmarks={"quiz": [text]})
    assert counted.runs == 2


def test_errors_are_not_kept(counted, tmp_path):
    def run(self, source, context):
        raise RuntimeError("once")

    whole, counted.run = counted.run, run
    assert audit(DATA, checks=[counted()], cache_dir=tmp_path).results[0].status == "errored"
    counted.run = whole
    assert audit(DATA, checks=[counted()], cache_dir=tmp_path).results[0].status == "ran"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no more", None])
def test_damaged_files_are_computed_again(tmp_path, damage):
    first = audit(DATA, checks=["DUP001"], cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert audit(DATA, checks=["DUP001"], cache_dir=tmp_path).content_digest == first.content_digest
    assert len(path.read_bytes()) > 100


def test_a_folder_that_can_not_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    report = audit(DATA, checks=["DUP001"], cache_dir=tmp_path / "file" / "deeper")
    assert report.results[0].status == "ran"


def test_the_oldest_files_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr("audits.result_cache._MOST_FILES", 3)
    for seed in range(6):
        audit(DATA, checks=["DUP001"], cache_dir=tmp_path, seed=seed)
    assert len(list(tmp_path.iterdir())) == 3
