"""What every attempt uses: models of each kind, a folder, a Hub, and the list that it enters itself in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from huggingface_hub import (
    HfApi,
)
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
from tests.benchmarks.bypasses.names import SECRET

_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
WORDS = tuple(
    "river stone amber cloud field garden violin copper window harbor meadow lantern forest canyon marble".split()  # noqa: SIM905
)


class Place:
    """What the attempts use: a folder, a model of each kind, and the Hub that HF_ENDPOINT names."""

    def __init__(self, work: Path) -> None:
        torch.manual_seed(0)
        self.work, self.api, self.stand_in = work, HfApi(), (work / "stand-in").read_text()
        words = [*_SPECIAL.values(), *WORDS]
        inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
        inner.pre_tokenizer = Whitespace()
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **_SPECIAL)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        self.config = BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)
        self.model = BertModel(self.config).eval()
        self.folder = work / "folder"
        self.model.save_pretrained(self.folder)
        self.tokenizer.save_pretrained(self.folder)
        (self.folder / "rows.txt").write_bytes(SECRET)
        self.file = self.folder / "rows.txt"

    def repo(self, name: str, **options: Any) -> str:
        """Make an empty repository."""
        return str(self.api.create_repo(f"local/{name}", exist_ok=True, **options).repo_id)

    def trainer(self, name: str, strategy: str) -> Trainer:
        """Return a plain Trainer that pushes."""
        arguments = TrainingArguments(
            output_dir=str(self.work / name), push_to_hub=True, hub_model_id=f"local/{name}", max_steps=2,
            hub_strategy=strategy, save_steps=1, per_device_train_batch_size=2, use_cpu=True, disable_tqdm=True,
            report_to="none", hub_always_push=True,
        )  # fmt: skip
        rows = [{"input_ids": [2, 5, 3], "attention_mask": [1, 1, 1], "labels": 0}] * 4
        return Trainer(BertForSequenceClassification(self.config), arguments, train_dataset=rows)

    def contrastive(self, name: str, **settings: Any) -> ContrastiveTrainer:
        """Return our trainer, on data that the gate lets through."""
        arguments = ContrastiveConfig(
            output_dir=str(self.work / name), push_to_hub=True, hub_model_id=f"local/{name}", max_steps=2, save_steps=1,
            per_device_train_batch_size=8, use_cpu=True, disable_tqdm=True, base_model_id="base-owner/tiny",
            license="mit", **settings,
        )  # fmt: skip
        return ContrastiveTrainer(
            self.model, arguments, Dataset.from_list(rows()), processing_class=self.tokenizer, peft_config=None
        )


def rows() -> list[dict[str, str]]:
    """Return 40 pairs under MIT that the policy ``standard`` passes."""
    made = []
    for number in range(40):
        words = [WORDS[(number * 7 + step * (2 + number % 5)) % len(WORDS)] for step in range(9)]
        positive = f"it stands near the {' and '.join(words[2:])} of house {number * 7}"
        made.append({"anchor": f"where is the {words[0]} {words[1]} {number}", "positive": positive, "license": "MIT"})
    return made


Attempt = Callable[[Place, str], Any]
ATTEMPTS: dict[str, tuple[str, Attempt]] = {}
"""What is tried and how, by the name of its repository."""


def attempt(name: str, told: str) -> Callable[[Attempt], Attempt]:
    """Enter a function."""

    def entered(function: Attempt) -> Attempt:
        enter(name, told, function)
        return function

    return entered


def enter(name: str, told: str, function: Attempt) -> None:
    """Enter an attempt by the name of its repository."""
    ATTEMPTS[name] = (told, function)
