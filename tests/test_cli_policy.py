"""``hf-contrastive policy``: a file that says the same as the shipped one, a table, and every problem at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audits.policy import LEVELS, load_policy

Cli = Callable[..., tuple[int, str, str]]
RULE = '[[rules]]\ncode = "DUP001"\nallowed = 0.25\n'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "company.toml").write_text(
        '[[position]]\nfamily = "CC-BY-SA"\nrules = ["L3"]\ndecision = "block"\nreason = "r"\nby = "Ada"\n'
        "date = 2026-05-01\n"
    )
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "ours [draft]"\ncannot_waive = ["SEC001"]\nsingle_reviewer = false\nmax_audit_age_days = 14\n'
        '[intent]\noutgoing_license = "apache-2.0"\nterritory = ["EU"]\n'
        '[intent.accepted]\n"org/m" = "Ada, 2026-01-02"\n'
        '[licenses]\nundetermined = "block"\noverlay = "company.toml"\n[[licenses.rules]]\ncode = "L2"\n'
        f'conflict = "block"\n{RULE}'
        '[[rules]]\ncode = "PAIR002"\nmeasurement = "rows that share one positive, largest group"\n'
        'allowed = 7\ndecision = "review"\n'
        '[[waivers]]\ncode = "DUP001"\nscope = "train"\nreason = "by design"\nowner = "Ann"\napprover = "Bob"\n'
        "expires = 2099-01-01\n"
    )
    return path


def flat(text: str) -> str:
    """Return what a table says, whatever the width of the terminal."""
    return " ".join(re.sub(r"[^\w\s%.,:()/-]", " ", text).split())


@pytest.mark.parametrize("level", LEVELS)
def test_init_writes_a_file_that_says_the_same_under_another_name(run_cli: Cli, tmp_path: Path, level: str):
    path = tmp_path / "policy.toml"
    code, out, err = run_cli("policy", "init", "--level", level, "--out", path)
    assert (code, out) == (0, "")
    assert "policy explain" in err
    assert load_policy(path) == replace(load_policy(level), name=f"my policy, from {level}")
    assert run_cli("policy", "validate", path)[0] == 0


def test_init_names_the_policy(run_cli: Cli, tmp_path: Path):
    path = tmp_path / "policy.toml"
    assert run_cli("policy", "init", "--out", path, "--name", ' Ours "2026" \\ é ')[0] == 0
    assert load_policy(path).name == 'Ours "2026" \\ é'
    assert "The names of shipped policies are theirs alone." in path.read_text(encoding="utf-8")
    for name in ("strict", " Standard", "", "a\nb"):
        code, _, err = run_cli("policy", "init", "--out", tmp_path / "other.toml", "--name", name)
        assert (code, "names of" in err or "those of the shipped policies" in err) == (2, True)
    assert not (tmp_path / "other.toml").exists()


def test_what_init_shows_as_an_example_can_be_used(run_cli: Cli, tmp_path: Path):
    path = tmp_path / "policy.toml"
    run_cli("policy", "init", "--out", path)
    head, _, examples = path.read_text().rpartition("# An exception:")
    told = [line.removeprefix("# ") for line in examples.splitlines() if re.match(r"# (\[\[|\w+ = )", line)]
    (waivers, rules) = "\n".join(told).split("[[rules]]")
    path.write_text(head + "\n" + waivers.replace("2026-12-31", "2099-12-31") + "\n[[rules]]" + rules)
    loaded = load_policy(path)
    assert loaded.waivers[0].owner == "Ada"
    assert loaded.rules[-1].measurement == "rows that share one positive, largest group"


def test_init_overwrites_nothing(run_cli: Cli, tmp_path: Path):
    path = tmp_path / "policy.toml"
    path.write_text("mine")
    code, _, err = run_cli("policy", "init", "--out", path)
    assert code == 2
    assert "exists and is not overwritten" in err
    assert path.read_text() == "mine"
    assert run_cli("policy", "init", "--out", tmp_path / "none" / "p.toml")[0] == 2
    assert run_cli("policy", "init", "--level", "strct", "--out", tmp_path / "q.toml")[0] == 2
    assert not (tmp_path / "q.toml").exists()


def test_explain_tells_the_whole_policy(run_cli: Cli, own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    code, out, err = run_cli("policy", "explain", own)
    assert (code, out) == (0, "")
    said = flat(err)
    for words in (
        "ours draft",
        "license of the weights apache-2.0",
        "territory EU",
        "terms accepted org/m: Ada, 2026-01-02",
        "review is passed by an approval",
        "an audit may be old 14 days",
        "can not be waived SEC001",
        "DUP001 Rows that repeat the text of an earlier row of the same split 25 % block",
        "largest group 7 review",
        "L2 No label promises commercial use that an input forbids block block",
        "L18 The contents of a database have a license too as the analysis has it pass, as a note",
        "the family CC-BY-SA under L3: block (r Ada, 2026-05-01)",
        "DUP001 train by design (owner Ann, approved by Bob, until 2099-01-01)",
    ):
        assert words in said
    assert "ours [draft]" in err  # brackets are no markup


def test_explain_one_code(run_cli: Cli, own: Path):
    said = flat(run_cli("policy", "explain", own, "dup001")[2])
    assert "in-batch negatives" in said  # what a finding means
    assert "PAIR002" not in said
    assert "L2" not in said
    said = flat(run_cli("policy", "explain", own, "L3")[2])
    assert "Share-alike data" in said
    assert "CC-BY-SA under L3" in said
    assert "DUP001" not in said
    assert "No waiver for L3." in run_cli("policy", "explain", own, "L3")[2]
    assert "SEC001 can not be waived" in run_cli("policy", "explain", own, "SEC001")[2]
    assert "nothing is said" in flat(run_cli("policy", "explain", own, "LEAK001")[2])
    code, _, err = run_cli("policy", "explain", own, "DUP01")
    assert code == 2
    assert "near it are DUP001" in err


def test_explain_as_json(run_cli: Cli, own: Path):
    code, out, err = run_cli("policy", "explain", own, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == load_policy(own).to_dict()
    assert run_cli("policy", "explain", "standart")[0] == 2


def test_validate_lists_all_problems(run_cli: Cli, tmp_path: Path):
    path = tmp_path / "p.toml"
    path.write_text(
        f'name = "x"\napproval_days = 0\n[intent]\ncomercial = true\n[[waivers]]\ncode = "DUP001"\n{RULE}alowed = 1\n'
        '[[rules]]\ncode = "DUP0021"\n'
    )
    code, out, err = run_cli("policy", "validate", path)
    assert (code, out) == (2, "")
    assert "5 problem(s)" in err
    for words in ("`commercial` for `comercial`", "the keys approver", "`allowed` for `alowed`", "DUP0021", "is 0"):
        assert words in err
    code, out, _ = run_cli("policy", "validate", path, "--json")
    told = json.loads(out)
    assert (code, told["valid"], told["digest"], len(told["problems"])) == (2, False, None, 5)
    path.write_text("name = ")
    assert "no valid TOML" in run_cli("policy", "validate", path)[2]
    assert run_cli("policy", "validate", tmp_path / "none.toml")[0] == 2


def test_validate_a_good_file(run_cli: Cli, own: Path):
    code, out, err = run_cli("policy", "validate", own, "--json")
    assert code == 0
    assert json.loads(out) == {"valid": True, "name": "ours [draft]", "digest": load_policy(own).digest, "problems": []}
    assert "can be used" in err
    assert run_cli("policy", "validate", "strict")[0] == 0
    own.with_name("company.toml").write_text('[[position]]\nlicense = "mitt"\ndecision = "block"\n')
    code, _, err = run_cli("policy", "validate", own)
    assert code == 2
    assert "its overlay `company.toml`" in err
