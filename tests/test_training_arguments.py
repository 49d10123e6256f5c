"""What of the training arguments is recorded: numbers and words of closed vocabularies, whatever is put into them."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainingArguments

from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.training.arguments import recorded_arguments
from model_cards.documents.training_args import WITHHELD

POISON = {
    "token": "hf_" + "aB3" * 11,
    "key": "AKIA" + "Q2W3E4R5T6Z7U2IO",
    "path": "/home/ada/runs/secret",
    "relative path": "../ada/secret",
    "windows path": "C:\\Users\\ada\\secret",
    "host": "gpu-box-7.lab.internal",
    "user": "ada.lovelace",
    "user and name": "ada lovelace secret run",
    "address": "ada@example.org",
}
NAMES = [item.name for item in fields(ContrastiveConfig) if item.init]


@pytest.fixture(scope="module")
def defaults() -> ContrastiveConfig:
    return ContrastiveConfig(output_dir="out")


def changed(defaults: ContrastiveConfig, **values: Any) -> ContrastiveConfig:
    made = object.__new__(ContrastiveConfig)
    made.__dict__.update(vars(defaults))
    # past every check of the constructor, as a callback could
    made.__dict__.update(values)
    return made


def leaks(told: dict[str, Any], poison: str) -> bool:
    return poison in json.dumps(told, ensure_ascii=False) or json.dumps(poison)[1:-1] in json.dumps(told)


@pytest.mark.parametrize("kind", POISON)
def test_no_argument_leaks_what_is_put_into_it(defaults: ContrastiveConfig, kind: str):
    poison = POISON[kind]
    nested: list[Any] = [[poison], [[poison]], {"name": poison}, {"deep": {"name": [poison]}}, {poison}]
    shapes = [poison, Path(poison), poison.encode(), object(), *nested]
    for name in NAMES:
        for value in shapes:
            told = recorded_arguments(changed(defaults, **{name: value}))
            assert not leaks(told, poison), (name, value)


def test_a_token_as_a_key_withholds_the_table(defaults: ContrastiveConfig):
    token = "hf_" + "abcdefghij" * 3 + "klmn"
    told = recorded_arguments(changed(defaults, lr_scheduler_kwargs={token: 1}))
    assert told["lr_scheduler_kwargs"] == WITHHELD


@given(st.sampled_from(NAMES), st.text(min_size=4, max_size=40))
def test_no_free_text_is_recorded(name: str, text: str):
    # made anew: hypothesis and a fixture of the module do not mix
    told = recorded_arguments(changed(DEFAULTS, **{name: text}))
    assert told.get(name, WITHHELD) in (WITHHELD, *_words(name, text))


DEFAULTS = ContrastiveConfig(output_dir="out")


def _words(name: str, text: str) -> tuple[str, ...]:
    """Free text that may stand there all the same: it is a word that the argument knows."""
    return (text,) if name in ("loss", "guide_model", "lora_layers") else ()


def test_what_differs_is_told_and_the_rest_is_not(tmp_path: Path):
    config = ContrastiveConfig(
        output_dir=str(tmp_path),
        hub_token="hf_" + "aB3" * 11,
        hub_model_id="ada/model",
        run_name=str(tmp_path / "run"),
        max_steps=3,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr": 1e-6, "name": "secret"},
        accelerator_config={"split_batches": True},
        eval_strategy="steps",
        eval_steps=10,
        loss="infonce + 0.5 * cross_entropy",
        matryoshka_dims=[384, 128],
        guide_model="owner/teacher",
        lora_layers="top-2",
        pooling="cls",
        policy="strict",
        normalize=False,
        query_prompt="query: ",
        license="mit",
    )
    assert recorded_arguments(config) == {
        "accelerator_config": {"split_batches": True},
        "eval_steps": 10,
        "eval_strategy": "steps",
        "guide_model": "owner/teacher",
        "hub_model_id": WITHHELD,
        "hub_token": WITHHELD,
        "lora_layers": "top-2",
        "loss": "infonce + 0.5 * cross_entropy",
        "lr_scheduler_kwargs": {"min_lr": 1e-6, "name": WITHHELD},
        "lr_scheduler_type": "cosine_with_min_lr",
        "matryoshka_dims": [384, 128],
        "max_steps": 3,
        "normalize": False,
        "output_dir": WITHHELD,
        "policy": "strict",
        "pooling": "cls",
        "run_name": WITHHELD,
    }


def test_a_guide_that_is_a_folder_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    config = ContrastiveConfig(output_dir="out", guide_model="clients/acme")
    assert recorded_arguments(config)["guide_model"] == "clients/acme"
    (tmp_path / "clients" / "acme").mkdir(parents=True)
    assert recorded_arguments(config)["guide_model"] == WITHHELD


def test_defaults_are_not_told():
    assert set(recorded_arguments(DEFAULTS)) == {"output_dir"}
    assert set(recorded_arguments(TrainingArguments(output_dir="out", use_cpu=True))) == {"output_dir", "use_cpu"}


def test_what_is_no_number_of_json_is_told_in_words(defaults: ContrastiveConfig):
    told = recorded_arguments(changed(defaults, weight_decay=float("inf"), learning_rate=float("nan")))
    assert (told["weight_decay"], told["learning_rate"]) == ("inf", "nan")


def test_the_record_of_a_training_holds_them(make_trainer: Any):
    trainer = make_trainer(max_steps=1, weight_decay=0.5)
    trainer.train()
    told = trainer.training_record().arguments
    assert told["weight_decay"] == 0.5
    assert told["output_dir"] == WITHHELD
    assert str(trainer.output_folder) not in json.dumps(dict(told))
