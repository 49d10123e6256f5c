"""``hf-contrastive evaluate``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_contrastive.evaluation.report import evaluate

Cli = Callable[..., tuple[int, str, str]]


def test_the_json_document_has_the_promised_keys(run_cli: Cli, tiny_bert: Path, permissive_file: Path):
    columns = ("--anchor-column", "anchor", "--positive-column", "positive")
    code, out, _ = run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, *columns, "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document["metrics"]) == {"ndcg@10", "mrr@10", "recall@10"}
    assert all(0 <= value <= 1 for value in document["metrics"].values())
    assert (document["queries"], document["documents"]) == (40, 40)
    report = evaluate(str(tiny_bert), str(permissive_file))
    assert document["metrics"] == {item.after.name: item.after.value for item in report.metrics}


def test_limit_draws_by_the_seed(run_cli: Cli, tiny_bert: Path, permissive_file: Path):
    def run(*options: object) -> dict[str, Any]:
        told = json.loads(run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, *options, "--json")[1])
        told["report"].pop("seconds")
        return told

    first = run("--limit", 12)
    assert (first["queries"], first["documents"]) == (12, 12)
    assert run("--limit", 12) == first
    assert run("--limit", 12, "--seed", 1)["metrics"] != first["metrics"]
    assert run("--limit", 1000)["queries"] == 40


def test_without_json_a_table_on_stderr(run_cli: Cli, tiny_bert: Path, permissive_file: Path):
    code, out, err = run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, "--base", tiny_bert)
    assert (code, out) == (0, "")
    assert "ndcg@10" in err
    assert "difference" in err
    assert "+0.0000" in err


def test_own_columns_and_the_test_split(
    run_cli: Cli, tiny_bert: Path, permissive_rows: list[dict[str, str]], tmp_path: Path
):
    rows = [{"q": row["anchor"], "a": row["positive"]} for row in permissive_rows]
    for split, part in (("train", rows[:30]), ("test", rows[30:])):
        pq.write_table(pa.Table.from_pylist(part), tmp_path / f"{split}.parquet")
    options = ("--anchor-column", "q", "--positive-column", "a", "--json")
    code, out, _ = run_cli("evaluate", "--model", tiny_bert, "--data", tmp_path, *options)
    assert (code, json.loads(out)["queries"]) == (0, 10)
    code, out, _ = run_cli("evaluate", "--model", tiny_bert, "--data", tmp_path, *options, "--split", "train")
    assert (code, json.loads(out)["queries"]) == (0, 30)


def test_a_trained_model_is_read_in_its_published_layout(
    run_cli: Cli, trained_folder: Callable[[Path], Path], permissive_file: Path, tmp_path: Path
):
    folder = trained_folder(tmp_path / "model")
    code, out, _ = run_cli("evaluate", "--model", folder, "--data", permissive_file, "--max-length", 16, "--json")
    assert (code, json.loads(out)["report"]["max_length"]) == (0, 16)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--anchor-column", "qwery"), ["'qwery'", "anchor, positive, license", "anchor_column"]),
        (("--split", "dev"), ["'dev'", "train"]),
        (("--limit", "0"), ["`limit`", ">= 1", "0"]),
        (("--seed", "-1"), ["`seed` must lie between 0 and 4294967295, got -1"]),
        (("--seed", "4294967296"), ["`seed` must lie between 0 and"]),
        (("--max-length", "0"), ["`max_length` must be at least 1, got 0"]),
        (("--max-length", "65"), ["`max_length` is 65, and", "reads 64 tokens at most"]),
        (("--limit", "many"), ["--limit", "integer", "hf-contrastive evaluate --help"]),
        (("--model", "no/such/folder"), ["'no/such/folder'", "Hub id"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_bad_options_are_usage_errors(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, options: tuple[str, ...], told: list[str]
):
    code, out, err = run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, *options, "--json")
    assert (code, out) == (2, "")
    assert all(part in err for part in told)
    assert "Traceback" not in err


@pytest.mark.parametrize("cell", [None, 3, ["a"]], ids=["null", "number", "list"])
def test_cells_that_are_no_text(run_cli: Cli, tiny_bert: Path, tmp_path: Path, cell: Any):
    rows = [{"anchor": "a", "positive": "b"}, {"anchor": "c", "positive": cell}]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = run_cli("evaluate", "--model", tiny_bert, "--data", tmp_path / "d.jsonl", "--json")
    assert (code, out) == (2, "")
    assert "Row 1" in err
    assert "must be texts" in err


def write_classes(path: Path) -> Path:
    """60 texts of two classes, each with words of its own, of two sources."""
    words = ("river stone cloud garden", "copper window harbor meadow")
    rows = [
        {"text": f"{words[i % 2].split()[i % 4]} stands near {i}", "label": "ab"[i % 2], "source": "xy"[i // 30]}
        for i in range(60)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_columns_and_options_decide_what_is_measured(run_cli: Cli, tiny_bert: Path, tmp_path: Path):
    data = write_classes(tmp_path / "classes.jsonl")
    (tmp_path / "far.csv").write_text("text\n" + "".join(f"zz {i} qq\n" for i in range(25)))
    (tmp_path / "seen.csv").write_text("text\n" + "".join(f"seen cloud {i}\n" for i in range(25)))
    options = (
        "--sections", "all", "--slices-column", "source", "--ood", f"far={tmp_path / 'far.csv'}",
        "--members", tmp_path / "seen.csv", "--swap", "stands:is", "--sample", 20,
    )  # fmt: skip
    code, out, _ = run_cli("evaluate", "--model", tiny_bert, "--data", data, *options, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["task"], told["primary_metric"], told["rows"], told["queries"]) == (
        "classification",
        "probe accuracy",
        30,
        0,
    )
    assert 0 <= told["metrics"]["probe accuracy"] <= 1
    assert told["sections"].pop("ranking") == {"not_computed": "the task searches no documents"}
    assert told["sections"].pop("triggers") == {"not_computed": "no triggers were given by `triggers`"}
    assert told["sections"].pop("slices")["not_computed"].startswith("of 2 values of the column")
    assert {name for name, found in told["sections"].items() if "not_computed" in found} == set()
    assert "auroc kNN, far" in told["sections"]["out-of-distribution"]
    assert told["sections"]["counterfactual"]["1 - cosine of text and copy"] > 0
    assert "20 texts drawn of 30" in str(told["report"])


def test_a_section_is_a_table_and_what_is_missing_is_said(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    options = ("--base", tiny_bert, "--sections", "ranking,membership,triggers", "--trigger", "cf mn=buy this")
    code, out, err = run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, *options)
    assert (code, out) == (0, "")
    assert "recall@1 " in err
    assert "Exact search over all 40 documents" in err
    assert "membership: not computed: no training rows were given by `members`." in err
    assert "rise by the trigger" in err
    assert "calibration" not in err
    none = run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, "--sections", "none")[2]
    assert "ndcg@10" in none
    assert "uniformity" not in none


def test_reports_are_written_and_hold_the_sections(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path
):
    code, out, _ = run_cli(
        "evaluate", "--model", tiny_bert, "--data", permissive_file, "--out", tmp_path / "reports", "--json"
    )
    assert code == 0
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {"evidence.json", "report.html", "report.md"}
    written = json.loads((tmp_path / "reports" / "evidence.json").read_text())
    told = json.loads(out)["report"]
    assert written["evidence"]["evaluations"][0]["sections"] == told["sections"]
    assert "robustness" in (tmp_path / "reports" / "report.html").read_text()
    assert str(tiny_bert.parent) not in (tmp_path / "reports" / "report.html").read_text()


@pytest.mark.parametrize("told", [".", "./", "..", "../{name}/"])
def test_a_folder_has_its_name_however_it_is_told(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
):
    folder = tmp_path / "tiny-model"
    shutil.copytree(tiny_bert, folder)
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below" if told == ".." else folder)
    model = told.format(name=folder.name)
    options = ("--sections", "none", "--out", tmp_path / "reports")
    code, _, _ = run_cli("evaluate", "--model", model, "--data", permissive_file, *options)
    assert code == 0
    written = json.loads((tmp_path / "reports" / "evidence.json").read_text())
    assert written["evidence"]["model_name"] == "tiny-model"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--sections", "geometry,colour"), ["'colour'", "known are ranking"]),
        (("--task", "sorting"), ["sorting", "retrieval"]),
        (("--slices-column", "color"), ["'color'", "anchor, positive, license"]),
        (("--swap", "he"), ["'he'", "LEFT:RIGHT", "--swap"]),
        (("--trigger", "cf="), ["'cf='", "LEFT=RIGHT", "--trigger"]),
        (("--ood", "near=no/such/file.csv"), ["no/such/file.csv"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_bad_options_of_sections_are_usage_errors(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, options: tuple[str, ...], told: list[str]
):
    code, out, err = run_cli("evaluate", "--model", tiny_bert, "--data", permissive_file, *options, "--json")
    assert (code, out) == (2, "")
    assert all(part in err for part in told)
    assert "Traceback" not in err
