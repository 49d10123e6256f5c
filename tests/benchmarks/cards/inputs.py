"""What every library is given: one tiny encoder, one tiny language model, and 40 pairs, on a Hub of their own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch
import transformers

_PLACES = "river stone amber cloud field garden violin copper window harbor meadow lantern forest canyon marble"
WORDS = [*_PLACES.split(), *"where is the it stands near and of house".split()]  # noqa: SIM905
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_CARD = "---\nlicense: mit\nlanguage: en\n---\n# {}\n\nRandom weights.\n"


def write_inputs(folder: Path) -> dict[str, Path]:
    """Write ``encoder``, ``language_model`` and ``pairs`` below ``folder`` and return their folders."""
    torch.manual_seed(0)
    tokenizer = transformers.BertTokenizer(vocab={word: number for number, word in enumerate(_vocabulary())})
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    common: dict[str, Any] = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "intermediate_size": 32}
    models = {
        "encoder": transformers.BertModel(transformers.BertConfig(**size, **common)),
        "language_model": transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**size, **common, pad_token_id=0, bos_token_id=2, eos_token_id=3)
        ),
    }
    for name, model in models.items():
        if name == "language_model":
            tokenizer.eos_token = "[SEP]"  # without which TRL does not train
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        (folder / name / "README.md").write_text(_CARD.format(name), encoding="utf-8")
    pairs = folder / "pairs"
    pairs.mkdir()
    (pairs / "README.md").write_text(_CARD.format("pairs"), encoding="utf-8")
    for split, seed in (("train", 0), ("test", 1)):
        lines = "".join(json.dumps(row) + "\n" for row in _rows(seed))
        (pairs / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return {name: folder / name for name in (*models, "pairs")}


def _vocabulary() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return [*_SPECIAL, *WORDS, *letters, *(f"##{letter}" for letter in letters)]


def _rows(seed: int) -> list[dict[str, str]]:
    draw = random.Random(seed)
    rows = []
    for number in range(40):
        first, second, *others = draw.sample(WORDS[:15], 9)
        place = number * 7 + seed
        rows.append(
            {
                "anchor": f"where is the {first} {second} {place}",
                "positive": f"it stands near the {' and '.join(others)} of house {place}",
                "license": "MIT",
            }
        )
    return rows
