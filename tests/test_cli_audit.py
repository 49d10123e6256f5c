"""``hf-contrastive audit``: every kind of source, one document on stdout, reports whole or not at all."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audits.report_files import read_report
from hf_contrastive.release.local_hub import hub_environment, serve

Cli = Callable[..., tuple[int, str, str]]
FINDING = {"code", "title", "measurement", "evidence", "total_rows", "remedy"}
RESULT = {"code", "status", "reason", "findings", "seconds"}


def table(rows: list[dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def as_csv(rows: list[dict[str, str]], folder: Path) -> Path:
    with (folder / "d.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "d.csv"


def as_jsonl(rows: list[dict[str, str]], folder: Path) -> Path:
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder / "d.jsonl"


def as_parquet(rows: list[dict[str, str]], folder: Path) -> Path:
    pq.write_table(table(rows), folder / "d.parquet")
    return folder / "d.parquet"


def as_saved(rows: list[dict[str, str]], folder: Path) -> Path:
    from datasets import Dataset

    Dataset(table(rows)).save_to_disk(folder / "saved", num_shards=1)
    return folder / "saved"


def as_folder(rows: list[dict[str, str]], folder: Path) -> Path:
    (folder / "files").mkdir()
    pq.write_table(table(rows), folder / "files" / "train-0.parquet")
    return folder / "files"


FORMS = [as_csv, as_jsonl, as_parquet, as_saved, as_folder]


@pytest.mark.parametrize("write", FORMS)
def test_every_kind_of_file_gives_one_and_the_same_audit(
    run_cli: Cli, permissive_rows: list[dict[str, str]], permissive_file: Path, tmp_path: Path, write: Any
):
    code, out, _err = run_cli("audit", write(permissive_rows, tmp_path), "--json")
    assert code == 0
    document = json.loads(out)
    expected = json.loads(run_cli("audit", permissive_file, "--json")[1])
    for item in (document, expected):
        for result in item["results"]:
            result.pop("seconds")
    assert document["results"] == expected["results"]
    assert document["datasets"][0]["fingerprint"] == expected["datasets"][0]["fingerprint"]


def test_the_json_document_has_the_promised_keys(run_cli: Cli, permissive_rows: list[dict[str, str]], tmp_path: Path):
    rows = [
        *permissive_rows,
        *permissive_rows[:30],
        permissive_rows[0] | {"positive": "write to ada@lovelace-works.com now"},
    ]
    code, out, _err = run_cli("audit", as_jsonl(rows, tmp_path), "--json")
    document = json.loads(out)
    assert (code, document["decision"]) == (4, "review")
    assert out.count("\n{") == 0
    assert all(set(result) >= RESULT for result in document["results"])
    findings = [finding for result in document["results"] for finding in result["findings"]]
    assert {"DUP001", "PII001"} <= {finding["code"] for finding in findings}
    assert all(set(finding) >= FINDING for finding in findings)
    assert next(item for item in findings if item["code"] == "DUP001")["total_rows"] == 30
    assert "ada@lovelace-works.com" not in out
    assert {result["status"] for result in document["results"]} <= {"ran", "skipped", "errored"}


def test_without_json_nothing_goes_to_stdout(run_cli: Cli, permissive_file: Path):
    code, out, err = run_cli("audit", permissive_file)
    assert (code, out) == (0, "")
    assert "pass under the policy standard" in err


@pytest.mark.parametrize(
    ("license_id", "policy", "code", "decision"),
    [
        ("MIT", "standard", 0, "pass"),
        ("CC-BY-NC-4.0", "standard", 1, "block"),
        ("GPL-3.0-only", "standard", 4, "review"),
        ("", "permissive", 4, "review"),
        ("CC-BY-NC-4.0", "permissive", 1, "block"),
        ("", "strict", 1, "block"),
    ],
)
def test_the_exit_code_is_the_decision(
    run_cli: Cli,
    permissive_rows: list[dict[str, str]],
    tmp_path: Path,
    license_id: str,
    policy: str,
    code: int,
    decision: str,
):
    path = as_jsonl([row | {"license": license_id} for row in permissive_rows], tmp_path)
    got, out, _ = run_cli("audit", path, "--policy", policy, "--json")
    assert (got, json.loads(out)["decision"]) == (code, decision)


def test_columns_split_and_policy_file_are_taken(run_cli: Cli, permissive_rows: list[dict[str, str]], tmp_path: Path):
    (tmp_path / "data").mkdir()
    rows = [
        {"q": row["anchor"], "a": row["positive"], "kind": str(i % 2), "terms": "MIT"}
        for i, row in enumerate(permissive_rows)
    ]
    for split in ("train", "test"):
        pq.write_table(table(rows), tmp_path / "data" / f"{split}.parquet")
    rules = '[[rules]]\ncode = "LIC001"\nrequired = true\n[[rules]]\ncode = "LABEL001"\nallowed = 1\n'
    (tmp_path / "own.toml").write_text(f'name = "own"\n{rules}')
    options = ("--text-columns", "q, a", "--label-column", "kind", "--license-column", "terms", "--json")
    code, out, _ = run_cli("audit", tmp_path / "data", *options, "--policy", tmp_path / "own.toml")
    document = json.loads(out)
    told = {name: value for name, value in document["columns"].items() if value}
    assert told == {"anchor": "q", "positive": "a", "label": "kind", "license": "terms"}
    assert [ref["split"] for ref in document["datasets"]] == ["train", "test"]
    leak = next(result for result in document["results"] if result["code"] == "LEAK001")
    assert leak["findings"][0]["total_rows"] == len(rows)
    # the leak has no rule in that file: a matter of review
    assert code == 4
    code, out, _ = run_cli("audit", tmp_path / "data", *options, "--split", "test", "--policy", tmp_path / "own.toml")
    assert [ref["split"] for ref in json.loads(out)["datasets"]] == ["test"]
    assert code == 0


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_out_holds_the_whole_report(run_cli: Cli, permissive_rows: list[dict[str, str]], tmp_path: Path):
    path = as_jsonl([*permissive_rows, *permissive_rows[:5]], tmp_path)
    out = tmp_path / "deep" / "er" / "out"
    _code, stdout, err = run_cli("audit", path, "--out", out, "--json")
    assert set(written(out)) >= {"report.json", "report.html", "findings/DUP001.parquet"}
    assert (out / "report.json").read_text(encoding="utf-8") == stdout
    assert pq.read_table(out / "findings" / "DUP001.parquet").column("row").to_pylist() == [40, 41, 42, 43, 44]
    assert "DUP001" in (out / "report.html").read_text(encoding="utf-8")
    assert len(read_report(out).result("DUP001").findings[0].rows) == 5
    assert "report.html" in err
    assert [item.name for item in out.parent.iterdir()] == ["out"]


def test_out_replaces_an_earlier_report_and_leaves_the_rest(
    run_cli: Cli, permissive_rows: list[dict[str, str]], permissive_file: Path, tmp_path: Path
):
    out = tmp_path / "out"
    run_cli("audit", as_jsonl([*permissive_rows, *permissive_rows[:5]], tmp_path), "--out", out)
    (out / "notes.md").write_text("mine")
    _code, stdout, _ = run_cli("audit", permissive_file, "--out", out, "--json")
    files = written(out)
    assert "findings/DUP001.parquet" not in files
    assert files["notes.md"] == b"mine"
    assert files["report.json"].decode() == stdout


@pytest.mark.parametrize("existing", [False, True], ids=["new folder", "earlier report"])
@pytest.mark.parametrize("fault", ["write_text", "write_bytes", "replace"])
def test_a_fault_while_writing_leaves_the_folder_as_it_was(
    run_cli: Cli,
    permissive_rows: list[dict[str, str]],
    permissive_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    existing: bool,
):
    out = tmp_path / "home" / "out"
    if existing:
        run_cli("audit", as_jsonl([*permissive_rows, *permissive_rows[:5]], tmp_path), "--out", out)
    before = written(out)
    original = getattr(Path, fault)

    def fail(path: Path, *arguments: Any, **options: Any) -> Any:
        # the move of the last file into place is the worst moment
        late = "report.json" in path.name if existing else "home" in str(path)
        if fault != "replace" or (late and "new" in path.parts):
            raise OSError(28, "No space left on device", str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr(Path, fault, fail)
    code, stdout, err = run_cli("audit", permissive_file, "--out", out, "--json")
    monkeypatch.undo()
    assert code in (2, 3)
    assert stdout == ""
    assert "No space left on device" in err
    assert "Traceback" not in err
    assert written(out) == before
    assert out.exists() == existing
    assert [item.name for item in out.parent.iterdir()] == (["out"] if existing else [])


def test_a_dataset_on_the_hub(permissive_rows: list[dict[str, str]], tmp_path: Path):
    (tmp_path / "data").mkdir()
    as_jsonl([{k: v for k, v in row.items() if k != "license"} for row in permissive_rows], tmp_path / "data")
    (tmp_path / "data" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Pairs\n")
    with serve(tmp_path / "hub") as hub:
        commit = hub.seed("somebody/pairs", tmp_path / "data", repo_type="dataset")
        # HF_ENDPOINT is read when the libraries are imported
        done = subprocess.run(
            [sys.executable, "-c", "from hf_contrastive.cli import main; main()", "audit", "somebody/pairs", "--json"],
            env={"PATH": "", "HF_HOME": str(tmp_path / "home"), **hub_environment(hub)},
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (reference,) = document["datasets"]
    assert (reference["repo_id"], reference["revision"], reference["num_rows"]) == ("somebody/pairs", commit, 40)
    # its card's license holds for rows that state none
    assert next(item for item in document["results"] if item["code"] == "LIC002")["findings"] == []


@pytest.mark.parametrize(("told", "columns"), [("anchor,,positive", 2), (" anchor ,", 1)])
def test_empty_names_of_columns_are_left_out(run_cli: Cli, permissive_file: Path, told: str, columns: int):
    code, out, err = run_cli("audit", permissive_file, "--text-columns", told, "--json")
    assert code in (0, 4), err
    named = json.loads(out)["columns"]
    assert len([name for name in (named["anchor"], named["positive"], named["text"]) if name]) == columns


@pytest.mark.parametrize("told", ["", ",", " , "])
def test_no_name_of_a_column_at_all(run_cli: Cli, permissive_file: Path, told: str):
    code, out, err = run_cli("audit", permissive_file, "--text-columns", told)
    assert (code, out) == (2, "")
    assert "`--text-columns" in err
    assert "names no column" in err


def test_push_says_what_it_removes(run_cli: Cli):
    code, out, _ = run_cli("push", "--help")
    assert code == 0
    assert "files of an earlier version of the model" in " ".join(out.replace("│", " ").split())
