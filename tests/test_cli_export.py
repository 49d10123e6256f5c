"""``hf-contrastive export``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from hf_contrastive.inference.records import ExportRecord

Cli = Callable[..., tuple[int, str, str]]


def test_json_is_the_record_that_was_written(run_cli: Cli, tiny_bert: Path, tmp_path: Path):
    code, out, err = run_cli("export", tiny_bert, "--out", tmp_path / "out", "--pooling", "mean", "--int8", "--json")
    assert code == 0, err
    assert json.loads(out) == json.loads((tmp_path / "out" / "export.json").read_text())
    record = ExportRecord.from_dict(json.loads(out))
    assert record.int8[-1].kept
    assert set(record.files) == {"model.onnx", "model_int8.onnx", "tokenizer.json"}


@pytest.mark.slow
def test_without_json_words_on_stderr(run_cli: Cli, tiny_bert: Path, tmp_path: Path):
    code, out, err = run_cli("export", tiny_bert, "--out", tmp_path / "out", "--pooling", "cls")
    assert (code, out) == (0, "")
    assert "largest difference" in err
    assert "export.json, model.onnx, tokenizer.json" in " ".join(err.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "no pooling configuration"),
        (("--pooling", "max"), "must be one of cls, lasttoken, mean, weightedmean, got 'max'"),
        (("--format", "gguf"), "gguf"),
    ],
    ids=str,
)
def test_bad_options_are_usage_errors(
    run_cli: Cli, tiny_bert: Path, tmp_path: Path, options: tuple[str, ...], told: str
):
    code, out, err = run_cli("export", tiny_bert, "--out", tmp_path / "out", *options)
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())
    assert not (tmp_path / "out").exists()


def test_a_cross_encoder_is_a_usage_error(run_cli: Cli, tiny_bert: Path, tmp_path: Path):
    model = tmp_path / "ranker"
    shutil.copytree(tiny_bert, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"architectures": ["BertForSequenceClassification"]}))
    code, out, err = run_cli("export", model, "--out", tmp_path / "out", "--pooling", "mean")
    assert (code, out) == (2, "")
    assert "ranker is a BertForSequenceClassification" in " ".join(err.split())


def test_a_missing_model_is_a_usage_error(run_cli: Cli, tmp_path: Path):
    code, _, err = run_cli("export", "no/such/folder", "--out", tmp_path / "out")
    assert code == 2
    assert "no/such/folder" in err


def test_a_missing_extra_is_told_with_its_command(
    run_cli: Cli, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import importlib.util

    true = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else true(name))
    code, out, err = run_cli("export", tiny_bert, "--out", tmp_path / "out", "--pooling", "mean")
    assert (code, out) == (3, "")
    assert 'pip install "hf-contrastive[onnx]"' in " ".join(err.split())
