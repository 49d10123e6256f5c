"""``hf-contrastive framework``: the table, the JSON, the form of open questions, and exit codes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from audits.findings import AuditReport, CheckResult, Columns, DatasetRef
from hf_contrastive.cli import main
from model_cards.documents import evidence_json
from model_cards.evidence import BaseModel, Environment, Evidence, Statement, TrainingRecord
from model_cards.frameworks import FRAMEWORKS, assess, load_framework

Cli = Callable[..., tuple[int, str, str]]

REF = DatasetRef(repo_id="lab/pairs", split="train", revision="c" * 40, fingerprint="sha256:" + "1" * 64, num_rows=9)
REPORT = AuditReport(
    datasets=(REF,),
    columns=Columns(anchor="a", positive="b"),
    results=(CheckResult(code="DUP001", status="ran"), CheckResult(code="DUP002", status="ran")),
)
EVIDENCE = Evidence(
    model_name="m", audit=REPORT, statements=(Statement(key="bias", text="[x]", origin="stated", by="[Ada]"),)
)


RICH = replace(
    EVIDENCE,
    training=TrainingRecord(
        base=BaseModel(model_id="lab/base", num_parameters=22_000_000, architecture="BertModel"),
        objective="InfoNCE",
        data_format="pairs",
        max_length=128,
        embedding_dimension=384,
        seed=7,
        batch_size=32,
        steps=10,
        epochs=0.3,
        learning_rate=1e-4,
        examples=320,
        weights_sha256="sha256:" + "2" * 64,
        environment=Environment(device="CPU", versions={"torch": "2.0"}),
    ),
)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    # in a worker process the terminal has another width
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hf-contrastive", "framework", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        out, error = capsys.readouterr()
        return int(stopped.value.code or 0), out, " ".join(error.split())

    return run


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "evidence.json"
    path.write_text(evidence_json.render(EVIDENCE), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_table_names_clauses_addresses_and_open_questions(cli: Cli, stored: Path, name: str) -> None:
    code, out, shown = cli(name, stored)
    assert (code, out) == (0, "")
    assert all(clause.id in shown for clause in load_framework(name).clauses)
    assert "/audit/results/0" in shown
    assert "DUP001 nothing found" in shown
    assert "Applicability and sufficiency not assessed" in shown
    assert "Open, for the project organizer" in shown
    assert "Bias: answered by [Ada]" in shown
    assert "Titles of clauses are this project's own words" in shown
    assert "Present: all that is looked for is recorded, and every question that the clause asks" in shown


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_no_address_clause_or_name_is_broken_at_80_columns(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("hf_contrastive.console.console.width", 80)
    path = tmp_path / "evidence.json"
    whole = replace(RICH, audit=RICH.audit and replace(RICH.audit, results=RICH.audit.results * 7))
    path.write_text(evidence_json.render(whole), encoding="utf-8")
    code, _, shown = cli(name, path)
    words = set(re.split(r"[\s│┃]+", shown.replace(",", " ")))
    addresses = {address for status in assess(whole, name) for address in status.addresses}
    assert code == 0
    assert len(addresses) > 5
    assert max(map(len, addresses)) > 25
    assert not addresses - words
    assert not {word for status in assess(whole, name) for word in status.title.replace(",", " ").split()} - words


def test_json_holds_every_status_with_addresses(cli: Cli, stored: Path) -> None:
    code, out, _ = cli("nist-ai-rmf", stored.parent, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["titles"].startswith("Titles of clauses are this project's own words")
    assert (told["framework"], told["evidence_digest"]) == ("nist-ai-rmf", EVIDENCE.digest)
    assert sum(told["counts"].values()) == len(told["clauses"]) == len(load_framework("nist-ai-rmf").clauses)
    clause = next(item for item in told["clauses"] if item["clause"] == "MEASURE 2.10")
    found = next(item for item in clause["evidence"] if item["predicate"] == "duplicates_measured")
    assert (found["state"], found["addresses"]) == ("partial", ["/audit/results/0", "/audit/results/1"])
    assert clause["status"] == "partial"
    assert {item["key"] for item in told["open_questions"]["developer"]} >= {"text_recovery"}


def test_the_form_can_be_filled_in_and_given_back(cli: Cli, stored: Path, tmp_path: Path) -> None:
    code, form, _ = cli("eu-ai-act", stored, "--questions")
    asked = yaml.safe_load(form)
    assert code == 0
    assert "bias" not in asked
    assert "data_design_choices" in asked
    answers = tmp_path / "answers.yaml"
    answers.write_text(form, encoding="utf-8")
    assert cli("eu-ai-act", stored, "--answers", answers, "--json")[0] == 0
    asked["data_design_choices"] = {"answer": "Pairs by file.", "by": "Ada", "date": "2026-11-01"}
    answers.write_text(yaml.safe_dump(asked), encoding="utf-8")
    code, out, _ = cli("eu-ai-act", stored, "--answers", answers, "--json")
    assert json.loads(out)["evidence_digest"] == EVIDENCE.digest
    clause = next(item for item in json.loads(out)["clauses"] if item["clause"] == "Art. 10(2)(a)")
    assert (code, clause["status"], clause["answered"][0]["by"]) == (0, "present", "Ada")


def test_data_alone_tells_what_does_not_apply_and_why(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hf_contrastive.console.console.width", 400)
    path = tmp_path / "evidence.json"
    path.write_text(evidence_json.render(Evidence(audit=REPORT)), encoding="utf-8")
    code, _, shown = cli("eu-ai-act", path)
    assert code == 0
    assert "not applicable" in shown
    assert "the evidence is about data alone" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("eu-ai", "EVIDENCE"), "did you mean `eu-ai-act` for `eu-ai`"),
        (("eu-ai-act", "nowhere.json"), "can not be read"),
        (("eu-ai-act", "EVIDENCE", "--answers", "nowhere.yaml"), "can not be read"),
        (("eu-ai-act", "EVIDENCE", "--json", "--questions"), "give one of them"),
        (("eu-ai-act",), "Missing argument"),
    ],
)
def test_misuse_is_told_and_ends_with_2(cli: Cli, stored: Path, arguments: tuple[str, ...], words: str) -> None:
    code, out, shown = cli(*(stored if word == "EVIDENCE" else word for word in arguments))
    assert (code, out) == (2, "")
    assert words in shown


def test_changed_evidence_and_bad_answers_are_refused(cli: Cli, stored: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text("limitation: {answer: a, by: b, date: 2026-01-01}", encoding="utf-8")
    code, _, shown = cli("eu-ai-act", stored, "--answers", answers)
    assert (code, "did you mean `limitations`" in shown) == (2, True)
    stored.write_text(stored.read_text(encoding="utf-8").replace('"num_rows": 9', '"num_rows": 8'), encoding="utf-8")
    code, _, shown = cli("eu-ai-act", stored)
    assert (code, "was changed after it was written" in shown) == (2, True)
