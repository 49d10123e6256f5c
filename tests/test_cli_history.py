"""``hf-contrastive history`` and ``affected``: what they print, and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audits.findings import AuditReport, CheckResult, DatasetRef
from audits.intent import Intent
from audits.licenses import hub_clients
from audits.licenses.analysis import LicenseAnalysis, RuleResult
from audits.licenses.inputs import LicensedInput
from audits.policy import Policy, Rule, judge
from hf_contrastive.history import Head, HistoryEntry, HistoryError, append, read, verify
from hf_contrastive.history import recheck as recheck_module
from hf_contrastive.history.recording import record_audit, record_push
from hf_contrastive.release.sending.hub import PushReceipt
from model_cards.evidence import Evidence

Cli = Callable[..., tuple[int, str, str]]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REF = DatasetRef(repo_id="owner/pairs", split="train", revision=COMMIT, fingerprint="sha256:" + "1" * 64, num_rows=9)
POLICY = Policy(name="mine", rules=(Rule(code="DUP001"),))
REPORT = AuditReport(datasets=(REF,), results=(CheckResult(code="DUP001", status="ran"),))


def analysis(decision: Any = "pass") -> LicenseAnalysis:
    result = RuleResult(
        code="L1", title="NC", result="pass" if decision == "pass" else "conflict", decision=decision, reason="[why]"
    )
    used = LicensedInput(name="owner/pairs", role="training", kind="dataset", license="MIT", revision=COMMIT)
    return LicenseAnalysis(
        decision=decision, results=(result,), inputs=(used,), intent=Intent(), facts_date="2026-01-01", facts_digest="f"
    )


def pushed(path: Path, *, licenses: LicenseAnalysis | None = None, tag: str = "v1") -> HistoryEntry:
    receipt = PushReceipt(
        repo_id="ada/model", commit=COMMIT, tag=tag, url="u", plan_digest="p", evidence_digest="e", decision="pass"
    )
    told = Evidence(audit=REPORT, policy=POLICY, verdict=judge(REPORT, POLICY), licenses=licenses or analysis())
    return record_push(told, receipt, path=path)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "state" / "h.jsonl"
    monkeypatch.setenv("HF_CONTRASTIVE_HISTORY", str(place))
    return place


@pytest.fixture
def written(path: Path) -> Path:
    record_audit(REPORT, judge(REPORT, POLICY), POLICY)
    pushed(path)
    return path


def test_no_history_yet(run_cli: Cli, path: Path):
    code, out, err = run_cli("history", "--json")
    assert (code, json.loads(out)["entries"], json.loads(out)["head"]) == (0, [], None)
    code, out, err = run_cli("history")
    assert (code, out) == (0, "")
    assert "no history" in err
    assert not path.parent.exists()
    code, _, err = run_cli("history", "--verify")
    assert code == 1
    assert "does not exist" in err


def test_it_is_shown_as_a_table_and_as_one_document(run_cli: Cli, written: Path):
    code, out, err = run_cli("history")
    assert (code, out) == (0, "")
    for part in ("audit", "verdict", "push", "owner/pairs", "ada/model v1", "pass"):
        assert part in err
    code, out, err = run_cli("history", "--json")
    document = json.loads(out)
    assert [item["kind"] for item in document["entries"]] == ["audit", "verdict", "push"]
    assert document["head"] == str(read(written)[-1].head)
    assert document["problems"] == []
    assert "no head" in document["not_covered"].casefold()


def test_people_and_waivers_stand_in_the_table(run_cli: Cli, path: Path):
    append(path, "approval", {"by": "Grace [bold]", "repo_id": "a/b"})
    waiver = {"waiver": {"approver": "Lin", "code": "DUP001"}, "observed": ["1 row"]}
    append(path, "verdict", {"decision": "pass", "waivers": [waiver], "datasets": [{"fingerprint": "sha256:77"}]})
    _, _, err = run_cli("history")
    for part in ("Grace [bold]", "Lin", "pass (1 waived)", "sha256:77"):
        assert part in err


def test_verify_says_what_it_can_not_tell(run_cli: Cli, written: Path):
    code, _, err = run_cli("history", "--verify")
    assert code == 0
    assert "No change was found in 3 line(s)" in err
    assert "can not tell whether its last lines were removed" in err
    code, _, err = run_cli("history", "--verify", "--head", read(written)[-1].head)
    assert code == 0
    assert "can not tell" not in err


def test_an_edit_is_found_and_does_not_hide_the_rest(run_cli: Cli, written: Path):
    written.write_bytes(written.read_bytes().replace(b'"decision":"pass"', b'"decision":"review"', 1))
    code, _, err = run_cli("history", "--verify")
    assert code == 1
    assert "Line 2 was edited" in err
    code, out, err = run_cli("history", "--json")
    assert code == 0
    assert [item["line"] for item in json.loads(out)["problems"]] == [2]
    assert "Line 2 was edited" in err


@pytest.mark.parametrize("place", ["receipt", "tag", "option"])
def test_truncation_is_found_with_the_head_of_a_receipt_or_tag(run_cli: Cli, written: Path, tmp_path: Path, place: str):
    head = str(read(written)[-1].head)
    (tmp_path / "receipt").write_text(json.dumps({"repo_id": "ada/model", "history_head": head}))
    (tmp_path / "tag").write_text(f"evidence sha256:{'2' * 64}\nhistory {head}\n")
    options = ("--head", head) if place == "option" else ("--receipt", tmp_path / place)
    assert run_cli("history", "--verify", *options)[0] == 0
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join(lines[:2]))
    assert run_cli("history", "--verify")[0] == 0
    code, _, err = run_cli("history", "--verify", *options)
    assert code == 1
    assert "entry 3 was recorded elsewhere, and the history ends with entry 2" in err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--head", "3:abc"), ["3:abc", "SEQUENCE:sha256:HEX"]),
        (("--receipt", "gone.json"), ["gone.json", "No such file"]),
        (("--receipt", "empty"), ["empty", "names no head"]),
        (("--receipt", "binary"), ["binary", "no UTF-8"]),
        (("--add", "empty"), ["empty", "no line"]),
        (("--add", "wrong"), ["Line 2", "wrong"]),
        (("--online",), ["--online", "--recheck"]),
        (("--policy", "strict"), ["--policy", "--recheck"]),
        (("--recheck", "--policy", "strct"), ["strct", "strict"]),
    ],
)
def test_usage_errors(
    run_cli: Cli, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, told: list[str]
):
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    Path("binary").write_bytes(b"\xff\xfe\x00")
    Path("wrong").write_text('{"kind": "audit", "created_at": "x", "payload": {}}\n{"kind": "audit"}\n')
    content = written.read_bytes()
    code, out, err = run_cli("history", *options)
    assert (code, out) == (2, "")
    assert all(part in err for part in told), err
    assert written.read_bytes() == content


def test_a_history_that_can_not_be_read_is_no_traceback(run_cli: Cli, tmp_path: Path):
    code, out, err = run_cli("history", "--history", tmp_path)
    assert (code, out) == (3, "")
    assert "can not be read" in err
    assert "Traceback" not in err


def test_what_could_not_be_recorded_is_added_once(run_cli: Cli, path: Path, tmp_path: Path):
    blocked = tmp_path / "file" / "h.jsonl"
    blocked.parent.touch()
    with pytest.raises(HistoryError) as caught:
        pushed(blocked)
    (tmp_path / "pending").write_text(caught.value.pending)
    for added in (1, 0):
        code, _, err = run_cli("history", "--add", tmp_path / "pending")
        assert code == 0
        assert f"Recorded {added} of 1" in err
    (entry,) = read(path)
    assert (entry.kind, entry.payload["commit"]) == ("push", COMMIT)
    assert verify(path, [entry.head]) == []


# ---- recheck --------------------------------------------------------------------------------------------


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    original = recheck_module.recheck

    def decide(decision: Any) -> None:
        monkeypatch.setattr(
            recheck_module,
            "recheck",
            lambda entries, **told: original(entries, **told | {"analyse": lambda *_a, **_k: analysis(decision)}),
        )

    return decide


def test_a_release_that_asks_for_more_today_is_exit_code_4(run_cli: Cli, written: Path, today: Any):
    today("block")
    code, out, err = run_cli("history", "--recheck", "--json")
    (result,) = json.loads(out)["recheck"]
    assert (code, result["worse"], result["before"], result["after"]) == (4, True, "pass", "block")
    assert "L1: pass / pass then, conflict / block now" in err
    assert "[why]" in err
    last = read(written)[-1]
    assert (last.kind, last.payload["releases"][0]["after"]) == ("recheck", "block")
    assert verify(written, [last.head]) == []


def test_nothing_new_is_exit_code_0(run_cli: Cli, written: Path, today: Any):
    today("pass")
    code, _, err = run_cli("history", "--recheck")
    assert code == 0
    assert "pass then, pass now" in err


def test_what_can_not_be_rechecked_is_no_pass(run_cli: Cli, path: Path, today: Any):
    today("pass")
    append(path, "push", {"repo_id": "ada/old", "commit": COMMIT})
    code, _, err = run_cli("history", "--recheck")
    assert code == 3
    assert "ada/old" in err
    assert "not rechecked" in err


def test_a_hub_that_can_not_be_asked_is_no_pass(
    run_cli: Cli, written: Path, today: Any, monkeypatch: pytest.MonkeyPatch
):
    today("pass")
    # which has a copy of nothing
    monkeypatch.setattr(hub_clients, "OnlineHub", lambda: hub_clients.FolderHub(written.parent))
    code, _, err = run_cli("history", "--recheck", "--online")
    assert code == 3
    assert "not looked up, counted as recorded: owner/pairs" in err


# ---- affected -------------------------------------------------------------------------------------------


def test_releases_that_used_the_data_are_listed(run_cli: Cli, written: Path):
    code, out, err = run_cli("affected", "--dataset", f"owner/pairs@{COMMIT}", "--json")
    document = json.loads(out)
    (release,) = document["releases"]
    assert (code, release["repo_id"], release["commit"], release["tag"]) == (0, "ada/model", COMMIT, "v1")
    assert [use["how"] for use in release["uses"]] == ["audited (train)", "training"]
    code, out, err = run_cli("affected", "--fingerprint", "1" * 64)
    assert (code, out) == (0, "")
    assert COMMIT[:12] in err
    assert "1 recorded release(s)" in err


def test_nothing_found_offers_near_ids(run_cli: Cli, written: Path):
    code, out, err = run_cli("affected", "--dataset", "owner/pair", "--json")
    assert (code, json.loads(out)["releases"], json.loads(out)["near"]) == (0, [], ["owner/pairs"])
    assert "owner/pairs" in err


def test_a_damaged_history_is_told_with_the_answer(run_cli: Cli, written: Path):
    written.write_bytes(written.read_bytes().replace(b'"kind":"push"', b'"kind":"pish"'))
    code, out, err = run_cli("affected", "--dataset", "owner/pairs", "--json")
    assert (code, json.loads(out)["releases"]) == (0, [])
    assert "releases may be missing here: Line 3 was edited" in err


def test_a_question_that_is_none(run_cli: Cli, written: Path):
    code, out, err = run_cli("affected", "--dataset", "owner/pairs@main")
    assert (code, out) == (2, "")
    assert "commit" in err


@pytest.mark.parametrize("command", ["history", "affected"])
def test_help(run_cli: Cli, command: str):
    code, out, _ = run_cli(command, "--help")
    assert code == 0
    assert "--history" in out


def test_the_history_needs_no_torch():
    code = (
        "import sys, hf_contrastive.cli, hf_contrastive.history.recording, hf_contrastive.history.recheck\n"
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_head_round_trips_through_a_receipt():
    head = Head(sequence=12, digest="sha256:" + "a" * 64)
    assert Head.parse(str(head)) == head
