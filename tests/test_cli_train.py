"""``hf-contrastive train``: flags from the dataclasses, the model in its published layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi

from hf_contrastive import ContrastiveConfig
from hf_contrastive.cli.train import TrainArguments, _parse
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.local_hub import serve
from hf_contrastive.release.sending import hub as release_hub
from model_cards.documents.evidence_json import read_evidence

Cli = Callable[..., tuple[int, str, str]]
QUICK = (
    *("--max_steps", "2", "--per_device_train_batch_size", "8", "--save_strategy", "no"),
    *("--dataloader_pin_memory", "false", "--disable_tqdm", "true"),
)


@pytest.fixture
def split_data(permissive_rows: list[dict[str, str]], tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for split, part in (("train", permissive_rows[:30]), ("validation", permissive_rows[30:])):
        pq.write_table(pa.Table.from_pylist(part), folder / f"{split}.parquet")
    return folder


def test_train_then_push_needs_no_review(run_cli: Cli, tiny_bert: Path, split_data: Path, tmp_path: Path, monkeypatch):
    out = tmp_path / "run"
    flags = ("--lora-r", "4", "--lora-alpha", "8", "--learning_rate", "0.01", "--temperature", "0.1", "--seed", "3")
    flags += ("--query_prompt", "query: ", "--base-model-id", "base-owner/tiny", "--output-dir", out)
    code, stdout, err = run_cli("train", split_data, "--model", tiny_bert, "--eval-split", "validation", *flags, *QUICK)
    assert (code, stdout) == (0, ""), err
    assert str(out / "model") in err
    record = read_evidence(out / "model" / "evidence.json").training
    assert (record.adapter.rank, record.adapter.alpha) == (4, 8)
    assert (record.learning_rate, record.temperature, record.seed, record.steps) == (0.01, 0.1, 3, 2)
    assert record.prompts["query"] == "query: "
    assert {ref.split: ref.num_rows for ref in record.datasets} == {"train": 30, "validation": 10}
    assert TextEncoder.load(out / "model").encode(["where"]).shape == (1, 32)
    with serve(tmp_path / "hub") as hub:
        hub.seed("base-owner/tiny", tiny_bert)
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        monkeypatch.setattr(release_hub, "HfApi", lambda **told: api)
        code, stdout, err = run_cli("push", out / "model", "local/model", "--data", split_data, "--json")
        assert (code, json.loads(stdout)["decision"]) == (0, "pass"), err


def test_push_to_hub_as_a_flag(run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path, monkeypatch):
    flags = ("--push_to_hub", "--hub_model_id", "local/flagged", "--base_model_id", "base-owner/tiny")
    with serve(tmp_path / "hub") as hub:
        hub.seed("base-owner/tiny", tiny_bert)
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        monkeypatch.setattr(release_hub, "HfApi", lambda **told: api)
        code, stdout, err = run_cli(
            "train", permissive_file, "--model", tiny_bert, "--output_dir", tmp_path / "run", *flags, *QUICK
        )
        assert (code, stdout) == (0, ""), err
        assert "Published: " in err
        assert api.list_repo_refs("local/flagged").tags[0].name == "v1"


def test_without_an_adapter_all_weights_are_trained(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path
):
    run = ("train", permissive_file, "--model", tiny_bert, "--no-lora", "--output_dir", tmp_path / "run", *QUICK)
    code, _, err = run_cli(*run)
    assert code == 0, err
    assert read_evidence(tmp_path / "run" / "model" / "evidence.json").training.adapter is None
    assert not (tmp_path / "run" / "model" / "adapter").exists()


def test_help_lists_every_field_and_exits_0(run_cli: Cli):
    code, out, _ = run_cli("train", "--help")
    assert code == 0
    names = [field.name for kind in (TrainArguments, ContrastiveConfig) for field in fields(kind) if field.init]
    assert [name for name in names if f"--{name}" not in out] == []
    assert "SOURCE --model MODEL" in out


@pytest.mark.parametrize("name", ["temperature", "chunk_tokens", "query_prompt", "save_format", "eval_strategy"])
def test_flags_with_dashes_and_underscores_are_the_same(name: str):
    value = {"save_format": "adapter", "eval_strategy": "no"}.get(name, "2")
    told = [
        getattr(_parse(["data", "--model", "m", f"--{flag}", value])[1], name)
        for flag in (name, name.replace("_", "-"))
    ]
    assert told[0] == told[1]
    assert str(getattr(told[0], "value", told[0])) in (value, "2.0")


def test_the_device_may_choose_the_chunks():
    assert _parse(["data", "--model", "m", "--chunk_tokens", "auto"])[1].chunk_tokens is None
    assert _parse(["data", "--model", "m", "--chunk-tokens", "700"])[1].chunk_tokens == 700


def test_the_source_may_stand_anywhere_as_a_flag():
    settings, _ = _parse(["--model", "m", "--source", "data", "--lora_r", "2"])
    assert (settings.source, settings.lora_r, settings.lora_alpha, settings.no_lora) == ("data", 2, 32, False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], ["source", "model", "required"]),
        (["data"], ["--model"]),
        (["data", "more", "--model", "m"], ["no flag or place for more"]),
        (["data", "--model", "m", "--temprature", "0.1"], ["--temprature", "Did you mean --temperature"]),
        (["data", "--model", "m", "--temp", "0.1"], ["--temp"]),
        (["data", "--model", "m", "--lora-r", "many"], ["--lora", "'many'"]),
        (["data", "--model", "m", "--lora-r", "0"], ["`--lora-r`", ">= 1", "got 0"]),
        (["data", "--model", "m", "--lora-alpha", "-1"], ["`--lora-alpha`"]),
        (["data", "--model", "m", "--chunk_tokens", "many"], ["`chunk_tokens`", "'auto'", "'many'"]),
        (["data", "--model", "m", "--temperature", "0"], ["`temperature` must be > 0"]),
        (["data", "--model", "m", "--temperature", "nan"], ["`temperature` must be > 0"]),
        (["data", "--model", "m", "--loss", "triplex"], ["`loss`", "infonce", "'triplex'"]),
        (["data", "--model", "m", "--save_strategy", "often"], ["often"]),
        (["data", "--model", "m", "--load_best_model_at_end", "true"], ["settings can not be used"]),
        (["data", "--model", "m", "--per_device_train_batch_size", "1"], [">= 2, got 1"]),
        (["data", "--model", "m", "--lora-r"], ["expected one argument"]),
        (["data", "--model", "m", "--policy", "strct"], ["`policy`", "`strct`", "Did you mean `strict`"]),
        (["data", "--model", "m", "--license", "apache"], ["`license`", "'apache'", "apache-2.0", "must be"]),
    ],
    ids=" ".join,
)
def test_wrong_flags_are_one_paragraph(run_cli: Cli, arguments: list[str], told: list[str], tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_cli("train", *arguments)
    assert (code, out) == (2, "")
    assert all(part in err for part in told), err
    assert "--help" in err or "must be" in err or "Did you mean" in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--eval-split", "dev"), ["'dev'", "train", "--eval-split"]),
        (("--split", "dev"), ["'dev'", "`--split`"]),
        (("--model", "no/such/folder"), ["'no/such/folder'", "Hub id"]),
        (("--per_device_train_batch_size", "64"), ["40 rows", "64", "per_device_train_batch_size"]),
        (("--eval_strategy", "steps"), ["settings can not be used", "eval_strategy", "--help"]),
        (("--report_to", "nope"), ["settings can not be used", "nope", "--help"]),
        (("--report_to", "azure_ml"), ["settings can not be used", "AzureML", "installed"]),
        (("--resume_from_checkpoint", "true"), ["no complete checkpoint", "resume_from_checkpoint"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_does_not_fit_the_data_is_said_before_training(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path, options: tuple[str, ...], told: list[str]
):
    out = tmp_path / "run"
    given = ("train", permissive_file, "--model", tiny_bert, "--output_dir", out, *QUICK, *options)
    code, stdout, err = run_cli(*given)
    assert (code, stdout) == (2, "")
    assert all(part in err for part in told), err
    assert "Traceback" not in err
    assert not (out / "model").exists()


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ((), "no"),
        (("--eval-split", "validation"), "epoch"),
        (("--eval_split=validation",), "epoch"),
        (("--eval-split", "validation", "--eval_steps", "3"), "steps"),
        (("--eval-split", "validation", "--eval-strategy", "no"), "no"),
        (("--eval-split", "validation", "--eval_strategy=steps"), "steps"),
    ],
    ids=" ".join,
)
def test_a_split_to_evaluate_on_is_evaluated_on(options: tuple[str, ...], strategy: str):
    assert _parse(["data", "--model", "m", *options])[1].eval_strategy.value == strategy


@pytest.mark.parametrize("options", [(), ("--eval_steps", "50")], ids=["shorter than an epoch", "than an interval"])
def test_a_short_run_is_evaluated_at_its_end(
    run_cli: Cli, tiny_bert: Path, split_data: Path, tmp_path: Path, options: tuple[str, ...]
):
    given = ("train", split_data, "--model", tiny_bert, "--eval-split", "validation", "--output_dir", tmp_path / "run")
    code, _, err = run_cli(*given, *QUICK, *options)
    assert code == 0, err
    table = err[err.index("Trained") :]
    record = read_evidence(tmp_path / "run" / "model" / "evidence.json").training
    assert {"eval_loss", "eval_ndcg@10"} <= {item.name for item in record.metrics}
    assert all(item.name in table for item in record.metrics)


def test_a_defect_in_the_trainer_stays_a_defect(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path, monkeypatch
):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("hf_contrastive.trainer.ContrastiveTrainer.__init__", fail)
    code, _, err = run_cli("train", permissive_file, "--model", tiny_bert, "--output_dir", tmp_path / "run", *QUICK)
    assert code == 3
    assert "a defect of hf-contrastive" in err


@pytest.mark.parametrize("license_id", ["other", "Apache-2.0", "mit"])
def test_a_license_of_the_hub_is_accepted(license_id: str):
    assert _parse(["data", "--model", "m", "--license", license_id])[1].license == license_id


def test_a_policy_of_ones_own_is_read_before_training(tmp_path: Path):
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\n[[rules]]\ncode = "DUP001"\n')
    assert ContrastiveConfig(output_dir=str(tmp_path), policy=str(path)).policy == str(path)
    path.write_text('name = "own"\n[[rules]]\ncode = "DUP01"\n')
    with pytest.raises(ConfigurationError, match="unknown check DUP01"):
        ContrastiveConfig(output_dir=str(tmp_path), policy=str(path))
