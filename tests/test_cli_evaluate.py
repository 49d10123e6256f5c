"""``hf-contrastive evaluate``."""

from __future__ import annotations

import json
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
