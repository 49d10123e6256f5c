"""``hf-contrastive license check`` and ``show``: exit codes, the JSON document, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audits.licenses.analysis import Obligation, RuleResult

Cli = Callable[..., tuple[int, str, str]]


def document(run_cli: Cli, *arguments: object) -> tuple[int, dict[str, Any]]:
    code, out, err = run_cli("license", "check", *arguments, "--json")
    assert out, err
    return code, json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--data-license", "mit", "--outgoing", "apache-2.0", "--commercial", "yes"), 0),
        (("--data-license", "mit", "--base-license", "apache-2.0", "--outgoing", "mit"), 0),
        (("--data-license", "cc-by-nc-4.0", "--outgoing", "mit", "--commercial", "yes"), 1),
        (("--data-license", "cc-by-nc-4.0", "--outgoing", "cc-by-nc-4.0", "--commercial", "no"), 0),
        (("--data-license", "cc-by-sa-4.0", "--outgoing", "mit"), 4),
        (("--data-license", "cc-by-sa-4.0", "--outgoing", "mit", "--distribution", "internal"), 0),
        (("--data-license", "cc-by-sa-4.0", "--outgoing", "cc-by-sa-4.0", "--ship-rows", "--outgoing-data", "mit"), 1),
        (("--data-license", "apche-2.0", "--outgoing", "mit"), 4),
        (("--data-license", "MIT AND (", "--outgoing", "mit"), 4),
        (("--data-license", "mit OR gpl-3.0", "--outgoing", "mit"), 0),
        (("--base-license", "gpl-3.0"), 4),
        (("--base-license", "mit", "--ship", "adapter"), 0),
        (("--generator", "llama2", "--outgoing", "mit", "--model-kind", "language-model"), 1),
        (("--generator", "llama2", "--outgoing", "mit"), 4),
        (("--data-license", "mit", "--evaluation-only", "cc-by-nc-4.0", "--outgoing", "mit"), 4),
        (("--data-license", "mit", "--data-license", "cc-by-nc-4.0", "--outgoing", "mit"), 1),
        (("--data-license", "mit", "--outgoing", "LicenseRef-mine"), 0),
        (("--base-license", "gpl-3.0", "--outgoing", "LicenseRef-mine"), 4),
        (
            (
                "--base-license",
                "tencent-hunyuan",
                "--outgoing",
                "tencent-hunyuan",
                "--commercial",
                "no",
                "--territory",
                "EU",
            ),
            1,
        ),
        (
            (
                "--base-license",
                "tencent-hunyuan",
                "--outgoing",
                "tencent-hunyuan",
                "--commercial",
                "no",
                "--territory",
                "us",
            ),
            0,
        ),
        (("--data-license", "odbl", "--outgoing", "mit"), 4),
        (("--data-license", "odbl", "--outgoing", "mit", "--database-offer", "https://example.org/data"), 0),
        (("--data-license", "LicenseRef-noncommercial-statement", "--outgoing", "mit"), 1),
    ],
)
def test_exit_codes(run_cli: Cli, arguments: tuple[str, ...], code: int):
    assert run_cli("license", "check", *arguments)[0] == code
    found, told = document(run_cli, *arguments)
    assert (found, {"pass": 0, "block": 1, "review": 4}[told["decision"]]) == (code, code)


def test_the_document(run_cli: Cli):
    code, told = document(
        run_cli, "--data-license", "cc-by-sa-3.0", "--base-license", "llama3.1", "--outgoing", "apache-2.0",
        "--territory", "EU,US", "--ship", "adapter",
    )  # fmt: skip
    assert code == 1
    assert told["decision"] == "block"
    assert told["undetermined"] is False
    assert [rule["code"] for rule in told["rules"]] == [f"L{number}" for number in range(1, 19)]
    rules = {rule.code: rule for rule in map(RuleResult.from_dict, told["rules"])}
    assert (rules["L3"].result, rules["L3"].inputs) == ("conflict", ("cc-by-sa-3.0",))
    assert (rules["L16"].result, rules["L16"].decision) == ("conflict", "block")
    assert rules["L16"].reason
    assert rules["L16"].resolution
    due = [Obligation.from_dict(item) for item in told["obligations"]]
    assert "Built with Llama" in {item.text for item in due}
    assert told["intent"]["territory"] == ["EU", "US"]
    assert told["intent"]["ships"] == "adapter"
    assert told["outgoing_without_conflict"] == []
    assert told["inputs"][0] == {"name": "llama3.1", "role": "base", "license": "llama3.1"}
    assert told["facts_digest"].startswith("sha256:")


def test_outgoing_licenses_without_conflict_are_listed(run_cli: Cli):
    _, told = document(run_cli, "--data-license", "cc-by-sa-3.0", "--outgoing", "mit")
    assert told["outgoing_without_conflict"] == ["CC-BY-SA-3.0-IGO", "cc-by-sa-3.0", "cc-by-sa-4.0"]
    _, out, err = run_cli("license", "check", "--data-license", "cc-by-sa-3.0", "--outgoing", "mit")
    assert out == ""
    assert "without conflict: CC-BY-SA-3.0-IGO, cc-by-sa-3.0, cc-by-sa-4.0." in err


def test_a_license_without_conflict_is_not_denied_below(run_cli: Cli):
    base = ("--base-license", "LicenseRef-qwen", "--outgoing", "LicenseRef-qwen")
    code, _, err = run_cli("license", "check", *base)
    assert code == 0
    assert "No conflict found" in err
    assert "No outgoing license" not in err
    _, told = document(run_cli, *base)
    assert "LicenseRef-qwen" in told["outgoing_without_conflict"]
    _, _, err = run_cli("license", "check", "--data-license", "mit", "--outgoing", "mit")
    assert " more (`--json` lists all)." in err


def test_questions_for_a_person_are_printed_and_in_the_document(run_cli: Cli):
    base = ("--base-license", "llama3.1", "--outgoing", "llama3.1")
    code, _, err = run_cli("license", "check", *base)
    assert code == 0
    after = err.split("Questions for a person")[1]
    assert "L8 llama3.1: is the licensee below the limit" in " ".join(after.split())
    assert "L12 llama3.1" in after
    _, told = document(run_cli, *base)
    questions = {rule["code"]: rule["questions"] for rule in told["rules"]}
    assert "700 million" in questions["L8"][0]
    assert questions["L1"] == []


def test_the_text_for_people(run_cli: Cli):
    code, out, err = run_cli("license", "check", "--data-license", "mit", "--outgoing", "mit")
    assert (code, out) == (0, "")
    assert "No conflict found under rules of " in err
    assert " for 1 input; 0 undetermined. Decision: pass." in err
    assert "NOTICE names mit" in err
    _, _, err = run_cli(
        "license", "check", "--data-license", "cc-by-nc-4.0", "--data-license", "cc", "--outgoing", "mit"
    )
    assert "2 rules in conflict under rules of " in err
    assert "for 2 inputs; 1 undetermined. Decision: block." in err
    assert "L1 (block)" in err
    assert "NonCommercial purposes only" in err
    assert "What to do: Remove the rows of cc-by-nc-4.0" in err
    assert "Open questions" in err
    assert "No outgoing license of the weights that is known here is without conflict" in " ".join(err.split())
    assert "complian" not in err.casefold()


def test_gated_terms_and_who_accepted_them(run_cli: Cli):
    base = ("--base-license", "gemma", "--outgoing", "gemma")
    assert run_cli("license", "check", *base)[0] == 0
    assert run_cli("license", "check", *base, "--gated", "Gemma")[0] == 4
    code, told = document(run_cli, *base, "--gated", "gemma", "--accepted", "GEMMA=Ada Lovelace,2026-05-01")
    assert code == 0
    assert "Ada Lovelace, 2026-05-01" in told["rules"][11]["reason"]
    code, told = document(run_cli, *base, "--gated", "org/some-data")  # one more dataset, of which nothing is known
    assert code == 4
    assert {"L12", "L13"} == {rule["code"] for rule in told["rules"] if rule["result"] == "undetermined"}


def test_an_overlay_of_a_company(run_cli: Cli, tmp_path: Path):
    path = tmp_path / "overlay.toml"
    path.write_text(
        '[[position]]\nlicense = "mit"\ndecision = "block"\nreason = "A test"\nby = "Ada"\ndate = 2026-05-01\n'
    )
    code, _, err = run_cli("license", "check", "--data-license", "mit", "--outgoing", "mit", "--overlay", path)
    assert code == 1
    assert "position of the company: MIT: block (A test; Ada, 2026-05-01)" in err
    path.write_text('[[position]]\nlicens = "mit"\n')
    assert run_cli("license", "check", "--data-license", "mit", "--overlay", path)[0] == 2
    assert run_cli("license", "check", "--data-license", "mit", "--overlay", tmp_path / "none.toml")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "No license is named"),
        (("--outgoing", "mit"), "No license is named"),
        (("--data-license", "mit", "--outgoing", "apche-2.0"), "near it are Apache-2.0"),
        (("--data-license", "mit", "--outgoing", "mit OR apche-2.0"), "`--outgoing apche-2.0` is no license"),
        (("--data-license", "mit", "--outgoing", "MIT AND ("), "is no license expression"),
        (("--data-license", "mit", "--outgoing", ""), "is empty"),
        (("--data-license", ""), "`--data-license` is empty; name an SPDX id"),
        (("--data-license", "mit", "--base-license", " "), "`--base-license` is empty"),
        (("--base-license", "gpl-3.0", "--outgoing", "other"), "Name the exact id, or LicenseRef-…"),
        (("--base-license", "gpl-3.0", "--outgoing", "gpl"), "names no single license"),
        (("--data-license", "mit", "--territory", "Europe"), "near it are EU (European Union)"),
        (("--data-license", "mit", "--territory", "US,UK"), "near it are GB (United Kingdom)"),
        (("--data-license", "mit", "--ship-rows", "--outgoing-data", "odbll"), "near it are odbl"),
        (("--data-license", "mit", "--commercial", "maybe"), "'yes', 'no'"),
        (("--data-license", "mit", "--distribution", "secret"), "'internal', 'hosted', 'public'"),
        (("--data-license", "mit", "--accepted", "mit=Ada"), "must be ID=WHO,DATE"),
        (("--data-license", "mit", "--accepted", "mit=Ada,today"), "must be ID=WHO,DATE"),
        (("--data-license", "mit", "--accepted", "gemma=Ada,2026-05-01"), "names none of the licenses given (mit)"),
        (("--data-licence", "mit"), "No such option"),
    ],
)
def test_bad_input_is_a_usage_error(run_cli: Cli, arguments: tuple[str, ...], said: str):
    code, out, err = run_cli("license", "check", *arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_what_is_typed_is_shown_as_it_is(run_cli: Cli):
    code, _, err = run_cli("license", "check", "--data-license", "[bold]x[/bold]", "--outgoing", "mit")
    assert code == 4
    assert "[bold]x[/bold]" in err
    code, _, err = run_cli("license", "check", "--data-license", "x" * 5000, "--outgoing", "mit")
    assert code == 4
    assert "has 5000 characters" in err


@pytest.mark.parametrize("name", ["mit", "MIT", "gemma", "LicenseRef-gemma", "odbl", "GPL-2.0+"])
def test_show(run_cli: Cli, name: str):
    code, out, err = run_cli("license", "show", name)
    assert (code, err) == (0, "")
    assert "commercial use" in out
    assert "legal advice" in out


@pytest.mark.parametrize(
    ("name", "said"), [("mti", "near it are MIT"), ("gpl", "the version of the GNU GPL is missing")]
)
def test_show_of_an_id_that_is_not_known(run_cli: Cli, name: str, said: str):
    code, out, err = run_cli("license", "show", name)
    assert (code, out) == (2, "")
    assert said in err


def test_show_with_the_reviews_of_a_companys_counsel(run_cli: Cli, tmp_path: Path):
    overlay = tmp_path / "company.toml"
    overlay.write_text('[[counsel_review]]\nlicense = "odbl"\nby = "Ada Counsel"\ndate = 2026-05-01\nnote = "4.5"\n')
    code, out, err = run_cli("license", "show", "odbl", "--overlay", overlay)
    assert code == 0, err
    assert "Ada Counsel" in out
    assert "Ada Counsel" not in run_cli("license", "show", "odbl")[1]
