"""One function a library: train a step as its documentation does, and push; the card is what then lies on the Hub.

The license and the language are told wherever the library has a parameter for them; TRL and PEFT have none. Nothing
else is filled in by hand.

Run in a process of its own, since the libraries read ``HF_ENDPOINT`` when they are imported::

    python -m tests.benchmarks.cards.writers LIBRARY REPO_ID ENCODER LANGUAGE_MODEL PAIRS
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Given(NamedTuple):
    """Ids or folders of the models and of the data, and where to push."""

    repo_id: str
    encoder: str
    language_model: str
    pairs: str
    work: Path


def sentence_transformers(given: Given) -> None:
    """A bi-encoder by SentenceTransformerTrainer, pushed with ``model.push_to_hub``."""
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerModelCardData,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    told = SentenceTransformerModelCardData(license="mit", language="en")
    model = SentenceTransformer(given.encoder, device="cpu", model_card_data=told)
    train, test = (_pairs(given, split).select_columns(["anchor", "positive"]) for split in ("train", "test"))
    numbers = range(len(test))
    evaluator = InformationRetrievalEvaluator(
        {f"q{i}": test[i]["anchor"] for i in numbers},
        {f"d{i}": test[i]["positive"] for i in numbers},
        {f"q{i}": {f"d{i}"} for i in numbers},
        name="test",
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(str(given.work), **_few_steps()),
        train_dataset=train,
        eval_dataset=test,
        loss=MultipleNegativesRankingLoss(model),
        evaluator=evaluator,
    )
    trainer.train()
    trainer.evaluate()
    model.push_to_hub(given.repo_id)


def trl(given: Given) -> None:
    """A language model by SFTTrainer, pushed with ``trainer.push_to_hub``."""
    from trl import SFTConfig, SFTTrainer

    rows = _pairs(given, "train")
    texts = rows.map(lambda row: {"text": f"{row['anchor']} {row['positive']}"}, remove_columns=rows.column_names)
    args = SFTConfig(str(given.work), **_few_steps(), hub_model_id=given.repo_id, bf16=False)
    trainer = SFTTrainer(given.language_model, args=args, train_dataset=texts)
    trainer.train()
    trainer.push_to_hub(**({} if Path(given.pairs).exists() else {"dataset_name": given.pairs}))


def peft(given: Given) -> None:
    """A LoRA adapter on an encoder, saved with ``save_pretrained`` and uploaded.

    ``push_to_hub`` of a PeftModel leaves transformers' card in the place of PEFT's, which names the base model.
    """
    from huggingface_hub import HfApi
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    model = AutoModel.from_pretrained(given.encoder)
    adapted: Any = get_peft_model(model, LoraConfig(r=2, target_modules=["query"], task_type="FEATURE_EXTRACTION"))
    adapted.save_pretrained(given.work)
    HfApi().create_repo(given.repo_id)
    HfApi().upload_folder(repo_id=given.repo_id, folder_path=given.work)


def transformers(given: Given) -> None:
    """A language model by Trainer, pushed with ``trainer.push_to_hub``."""
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(given.language_model)
    parts = [
        _pairs(given, split).map(
            lambda row: tokenizer(row["positive"]), remove_columns=["anchor", "positive", "license"]
        )
        for split in ("train", "test")
    ]
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(given.language_model),
        args=TrainingArguments(str(given.work), **_few_steps(), hub_model_id=given.repo_id),
        train_dataset=parts[0],
        eval_dataset=parts[1],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.evaluate()
    trainer.push_to_hub(license="mit", language="en")


def hf_contrastive(given: Given) -> None:
    """A bi-encoder by ContrastiveTrainer, pushed with ``trainer.push_to_hub``; nobody answered a question.

    It refuses to publish what was trained from a folder without the id of that model.
    """
    from hf_contrastive import ContrastiveConfig, ContrastiveTrainer

    base: dict[str, Any] = {"base_model_id": "tiny/encoder"} if Path(given.encoder).exists() else {}
    config = ContrastiveConfig(
        output_dir=str(given.work),
        **_few_steps(),
        **base,
        hub_model_id=given.repo_id,
        license="mit",
        dataloader_pin_memory=False,
    )
    trainer = ContrastiveTrainer(
        model=given.encoder, args=config, train_dataset=_pairs(given, "train"), eval_dataset=_pairs(given, "test")
    )
    trainer.train()
    trainer.push_to_hub(reviewed_by="Ada Lovelace")


WRITERS: dict[str, Callable[[Given], None]] = {
    "sentence-transformers": sentence_transformers,
    "trl": trl,
    "peft": peft,
    "transformers": transformers,
    "hf-contrastive": hf_contrastive,
}


def _pairs(given: Given, split: str) -> Any:
    from datasets import load_dataset

    return load_dataset(given.pairs, split=split)


def _few_steps() -> dict[str, Any]:
    return {
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        WRITERS[sys.argv[1]](Given(*sys.argv[2:6], work=Path(work)))
