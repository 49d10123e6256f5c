"""Presidio and CredSweeper behind the interface of our own detectors; stand-ins where they are not installed."""

import importlib.util
import json
import logging
import random
import re
import sys
import types
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from audits import AuditError, audit, judge, load_policy
from audits.extras import EXTRAS, missing_extra, silenced
from audits.formats import formats
from audits.personal import credsweeper, presidio
from audits.personal.credsweeper import CREDSWEEPER
from audits.personal.presidio import PRESIDIO

ROOT = Path(__file__).parent.parent
CODES = {"PII006": "presidio", "SEC002": "secrets"}
PASSWORD = "q9X!2zLw#"


def result_of(code, *texts):
    (result,) = audit(Dataset.from_dict({"text": list(texts)}), checks=[code]).results
    return result


def without(monkeypatch, *modules):
    there = importlib.util.find_spec
    monkeypatch.setattr("audits.extras.find_spec", lambda name: None if name in modules else there(name))


@pytest.fixture(autouse=True)
def fresh():
    presidio._recognisers.cache_clear()
    credsweeper._sweeper.cache_clear()
    yield
    presidio._recognisers.cache_clear()
    credsweeper._sweeper.cache_clear()


@pytest.mark.parametrize(("code", "extra"), CODES.items())
def test_without_its_extra_a_check_is_skipped_and_says_how_to_install_it(code, extra, monkeypatch):
    without(monkeypatch, EXTRAS[extra])
    result = result_of(code, "IBAN DE89 3704 0044 0532 0130 00")
    assert result.status == "skipped"
    assert re.fullmatch(rf'needs \S+, which is not installed: pip install "hf-contrastive\[{extra}\]"', result.reason)
    detector = PRESIDIO if extra == "presidio" else CREDSWEEPER
    with pytest.raises(AuditError, match=rf"pip install \"hf-contrastive\[{extra}\]\""):
        list(detector.find("password = 12345678"))


def test_the_command_names_an_extra_that_there_is():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in EXTRAS:
        assert re.search(rf"^{extra} = \[", declared, re.MULTILINE)


# ---- stand-ins ------------------------------------------------------------------------------------------------


class FakeRecogniser:
    """Finds a pattern with one score, as Presidio's do, and tells its logger what it found."""

    supported_entities = ("FAKE_ID",)

    def __init__(self, pattern, score, context=()):
        self.pattern, self.score, self.context = pattern, score, context

    def analyze(self, text, entities, nlp_artifacts):
        assert nlp_artifacts is None
        for found in re.finditer(self.pattern, text):
            logging.getLogger("presidio-analyzer").warning("found %s", found.group())
            yield types.SimpleNamespace(start=found.start(), end=found.end(), score=self.score, entity_type=entities[0])


@pytest.fixture
def fake_presidio(monkeypatch):
    """``fake_presidio(AuTfn=recogniser, …)`` stands in for Presidio's classes of these names."""

    def install(**recognisers):
        predefined = types.ModuleType("presidio_analyzer.predefined_recognizers")
        for name, recogniser in recognisers.items():
            setattr(predefined, f"{name}Recognizer", lambda made=recogniser: made)
        package = types.ModuleType("presidio_analyzer")
        package.predefined_recognizers = predefined
        package.__spec__ = importlib.util.spec_from_loader("presidio_analyzer", None)
        monkeypatch.setitem(sys.modules, "presidio_analyzer", package)
        monkeypatch.setitem(sys.modules, "presidio_analyzer.predefined_recognizers", predefined)

    return install


@pytest.mark.parametrize(
    ("text", "score", "context", "found"),
    [
        ("my tfn is 123456782", 0.5, ["tfn"], ["123456782"]),
        ("my TFN is 123456782", 1.0, ["tfn"], ["123456782"]),
        ("123456782", 1.0, ["tfn"], []),  # any number may have the right check digit
        ("123456782 is my tfn", 1.0, ["tfn"], []),
        ("my stfnord is 123456782", 0.5, ["tfn"], []),
        ("my tfn is 123456782", 0.1, ["tfn"], []),
        ("tfn" + " " * 60 + "123456782", 0.5, ["tfn"], []),
        ("number 123456782", 0.5, ["number"], []),  # a word that says nothing
        ("GB12AB34", 1.0, [], ["GB12AB34"]),
        ("GB12AB34", 0.9, [], []),
    ],
)
def test_presidio_counts_where_a_form_or_a_word_says_so(text, score, context, found, fake_presidio):
    fake_presidio(AuTfn=FakeRecogniser(r"[A-Z0-9]{8,9}(?![a-z])", score, context))
    matches = list(PRESIDIO.find(text))
    assert [text[match.start : match.end] for match in matches] == found
    assert all(match.kind == "FAKE_ID" for match in matches)


def test_presidio_matches_do_not_overlap_and_the_better_one_stays(fake_presidio):
    fake_presidio(
        AuTfn=FakeRecogniser(r"AB\d{6}", 1.0),
        CaSin=FakeRecogniser(r"B\d{6}CD", 1.0),
        UkNino=FakeRecogniser(r"AB\d", 0.4, ["x"]),
    )
    assert [(match.start, match.end) for match in PRESIDIO.find("x AB123456CD")] == [(2, 10)]


def test_a_version_of_presidio_without_any_known_recogniser_is_an_error(fake_presidio):
    fake_presidio()
    result = result_of("PII006", "AB123456")
    assert result.status == "errored"
    assert "install another one" in result.reason


def test_what_presidio_finds_is_not_shown_and_not_logged(fake_presidio, caplog):
    fake_presidio(AuTfn=FakeRecogniser(r"AB\d{6}", 1.0))
    with caplog.at_level(logging.DEBUG):
        report = audit(Dataset.from_dict({"text": ["it is AB123456 here", "no", "AB123456"]}), checks=["PII006"])
    (finding,) = report.result("PII006").findings
    assert [(row.row, row.score) for row in finding.rows] == [(0, 1.0), (2, 1.0)]
    first, second = (evidence.excerpt for evidence in finding.evidence)
    assert first == second
    assert re.fullmatch(r"\[FAKE_ID #[0-9a-f]{8}\]", first)
    assert "123456" not in json.dumps(report.to_dict()) + caplog.text


class FakeScanner:
    """Finds ``password = …`` as CredSweeper does, and tells its logger what it found."""

    def __init__(self, use_ml=False, rule="Password"):
        self.use_ml, self.rule = use_ml, rule

    def scan(self, lines):
        found = []
        for number, line in enumerate(lines, 1):
            for match in re.finditer(r"password = (\S+)", line):
                logging.getLogger("credsweeper.x").warning("found %s", match.group())
                part = types.SimpleNamespace(line_num=number, value=match.group(1))
                found.append(types.SimpleNamespace(use_ml=self.use_ml, rule_name=self.rule, line_data_list=[part]))
        return found


class FakeManager:
    def set_credentials(self, found):
        self.found = found

    def purge_duplicates(self):
        return 0

    def group_credentials(self):
        return {i: [one] for i, one in enumerate(self.found)}


class FakeValidator:
    def validate_groups(self, groups, batch, progress):
        return [group[0].line_data_list[0].value != "placeholder" for _, group in groups], [1.0] * len(groups)


@pytest.fixture
def fake_credsweeper(monkeypatch):
    """``fake_credsweeper(use_ml=…, rule=…)`` stands in for the parts of CredSweeper."""

    def install(**options):
        package = types.ModuleType("credsweeper")
        package.__spec__ = importlib.util.spec_from_loader("credsweeper", None)
        monkeypatch.setitem(sys.modules, "credsweeper", package)
        parts = credsweeper._Sweeper(FakeScanner(**options), lambda lines, **_: lines, FakeManager(), FakeValidator())
        monkeypatch.setattr(credsweeper, "_sweeper", lru_cache(lambda: parts))

    return install


@pytest.mark.parametrize("use_ml", [True, False])
def test_credsweeper_tells_where_in_the_text_a_secret_stands(use_ml, fake_credsweeper):
    fake_credsweeper(use_ml=use_ml)
    text = f"{PASSWORD} is one\r\nand so is\npassword = {PASSWORD}\npassword = placeholder"
    matches = [(text[match.start : match.end], match.kind) for match in CREDSWEEPER.find(text)]
    assert matches == [(PASSWORD, "Password")] + [("placeholder", "Password")] * (not use_ml)
    assert next(iter(CREDSWEEPER.find(text))).start == text.rindex(PASSWORD)


def test_rules_that_find_no_secrets_do_not_count(fake_credsweeper):
    fake_credsweeper(rule="UUID")
    assert list(CREDSWEEPER.find("password = abcdef")) == []


def test_what_credsweeper_finds_is_not_shown_and_not_logged(fake_credsweeper, caplog):
    fake_credsweeper()
    with caplog.at_level(logging.DEBUG):
        report = audit(Dataset.from_dict({"text": ["nothing", f"password = {PASSWORD}"]}), checks=["SEC002"])
    (finding,) = report.result("SEC002").findings
    assert [row.row for row in finding.rows] == [1]
    assert re.fullmatch(r"\[Password #[0-9a-f]{8}\]", finding.evidence[0].excerpt)
    assert PASSWORD not in json.dumps(report.to_dict()) + caplog.text
    assert logging.getLogger("credsweeper").level == logging.NOTSET


def test_a_logger_is_silent_for_a_while_only(caplog):
    with caplog.at_level(logging.DEBUG), silenced("some.tool"):
        logging.getLogger("some.tool.part").critical("a value")
    logging.getLogger("some.tool.part").warning("no value")
    assert caplog.messages == ["no value"]


# ---- the tools themselves, where they are installed ------------------------------------------------------------


@pytest.fixture
def installed(request):
    extra = request.param
    reason = missing_extra(extra)
    if reason is not None:
        pytest.skip(reason)
    return extra


def generated():
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("tests.benchmarks.personal_data")
    finally:
        sys.path.remove(str(ROOT))


@pytest.mark.parametrize("installed", ["presidio", "secrets"], indirect=True)
def test_the_tools_find_planted_values_offline_and_no_output_shows_them(installed, tmp_path, caplog, run_cli):
    benchmark, rng = generated(), random.Random(1)
    if installed == "presidio":
        code, values = "PII006", [benchmark.POSITIVES["IBAN"][0](rng) for _ in range(8)]
        texts = [f"Please pay to {value} before the end of the week." for value in values]
    else:
        code, values = "SEC002", [benchmark.POSITIVES["secret"][0](rng) for _ in range(8)]
        values += ["".join(rng.choice("abcdefghkmnpqrtuvwxyz23456789") for _ in range(14)) for _ in range(8)]
        texts = [f'the settings say password = "{value}" since then' for value in values]
    look_alikes = [maker(rng) for maker in benchmark.LOOK_ALIKES if "4111" not in maker(rng) for _ in range(5)]
    with caplog.at_level(logging.DEBUG):
        report = audit(Dataset.from_dict({"text": texts + look_alikes}), checks=[code], self_test=False)
    (finding,) = report.result(code).findings
    found = {row.row for row in finding.rows}
    assert len(found & set(range(len(values)))) >= 0.8 * len(values)
    assert not found - set(range(len(values)))
    verdict = judge(report, load_policy("standard"))
    Dataset.from_dict({"text": texts}).to_parquet(tmp_path / "data.parquet")
    _, printed, errors = run_cli("audit", str(tmp_path / "data.parquet"), "--out", str(tmp_path / "out"))
    outputs = [json.dumps(report.to_dict()), caplog.text, printed, errors]
    outputs += [one.render(report, verdict) for one in formats().values()]
    outputs += [p.read_bytes().decode("utf-8", "replace") for p in (tmp_path / "out").rglob("*") if p.is_file()]
    whole = "\n".join(outputs)
    for value in values:
        assert value not in whole


SAID = {
    "presidio": ["wallet 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "bitcoin bc1qabcdefghjklmnpqrstuvwxyzabcdefghjklmnp",
                 "iban DE89370400440532013000", "phone +1 212 661 2345", "passport C01X00T47", "ssn 536 22 1987"],
    "secrets": ['password = "q9X!2zLw#pT"', "token: 8sJk2LmQ9xTz4RbV", "secret is q9X!2zLw#pT",
                "https://ann:q9X2zLw8@corp.org"],
}  # fmt: skip
BLANKS = "".join(chr(i) for i in range(0x3001) if chr(i).isspace())


@pytest.mark.parametrize("installed", ["presidio", "secrets"], indirect=True)
def test_a_hint_matches_whatever_the_tools_find(installed):
    detector = PRESIDIO if installed == "presidio" else CREDSWEEPER
    parts = st.sampled_from(SAID[installed]) | st.text(st.characters(exclude_categories=("Cs",)), max_size=6)

    @settings(deadline=None)
    @given(st.lists(parts, max_size=3).map(" ".join), st.sampled_from(BLANKS))
    def matches(text, blank):
        text = text.replace(" ", blank)
        if list(detector.find(text)):
            assert pc.match_substring_regex(pa.array([text]), detector.hint).to_pylist() == [True]

    matches()


@pytest.mark.parametrize(
    ("detector", "text"),
    [
        (PRESIDIO, "wallet 1BvBMSEYstWetqTFnAuXmaGFgxJaNVNb"),  # no two digits beside each other
        (PRESIDIO, "C1X0T4G7H"),
        (PRESIDIO, "٤٥٣٩"),
        (CREDSWEEPER, "password\u00a0q9X!2zLw"),
        (CREDSWEEPER, "password\u2003q9X!2zLw"),
    ],
)
def test_the_hints_of_the_tools_let_pass_what_their_rules_may_find(detector, text):
    assert pc.match_substring_regex(pa.array([text]), detector.hint).to_pylist() == [True]


@pytest.mark.parametrize("installed", ["presidio", "secrets"], indirect=True)
def test_any_text_is_taken_by_the_tools(installed):
    detector = PRESIDIO if installed == "presidio" else CREDSWEEPER

    @given(st.text(st.characters(exclude_categories=()), max_size=120))
    def takes(text):
        last = 0
        for match in detector.find(text):
            assert last <= match.start < match.end <= len(text)
            last = match.end

    takes()
    list(detector.find("1 2 " * 2_500_000))
