"""The training benchmark compares like with like, counts what a step needs, and prints one document."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
KEYS = {
    "arms",
    "ratio_to_best_peer",
    "ratio_to_cached_default",
    "memory_ratio_to_best_peer",
    "roofline_fraction",
    "gradient_relative_error",
    "machine",
    "date",
    "versions",
    "gemm_gflops",
}
ARM_KEYS = {"name", "pairs_per_second", "peak_memory_gb", "losses"}
PEERS = ["st-plain", "st-cached", "st-cached-best"]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``benchmark("roofline")`` is that module of the benchmark, as its workers import it."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"tests.benchmarks.training.{name}")


def test_only_operations_that_can_not_be_avoided_are_counted(benchmark, tiny_bert, tmp_path):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    roofline, preparation, plan = (benchmark(name) for name in ("roofline", "preparation", "plan"))
    asked = plan.Plan(folder=str(tmp_path), lora_rank=4)
    preparation.copy_without_dropout(tiny_bert, asked.model_folder, 64)
    tokenizer = preparation.tokenizer_of(asked)
    base = preparation.AutoModel.from_pretrained(str(asked.model_folder), attn_implementation="eager")
    model = preparation.write_adapter(asked, base, tokenizer)
    layers = roofline.linear_layers(model, tokenizer)
    lengths = [7, 12]
    with FlopCounterMode(display=False) as counter:
        for length in lengths:
            ids = torch.randint(5, 20, (1, length))
            model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.sum().backward()
    # PEFT also adds B (x A^T) forward, and A^T (B^T dY) to the gradient of an input
    avoidable = sum(
        2 * asked.lora_rank * (layer.outputs + layer.inputs * layer.needs_input_gradient) for layer in layers
    )
    pooler = len(lengths) * 2 * base.config.hidden_size**2
    needed = roofline.necessary_flops(lengths, layers, base.config, asked.lora_rank)
    assert counter.get_total_flops() == needed + avoidable * sum(lengths) + pooler
    assert [layer.needs_input_gradient for layer in layers][:4] == [False, False, False, True]
    assert len(layers) == 12  # two layers of six; the pooler is none of them


def test_pairs_that_share_a_text_are_passed_over(benchmark, tiny_bert):
    preparation = benchmark("preparation")
    tokenizer = preparation.AutoTokenizer.from_pretrained(str(tiny_bert))
    pairs = [("cat", "a cat"), ("dog", "a dog"), ("Cat", "a lion"), ("cow", "a  dog"), ("goat", "goat")]
    chosen, lengths, passed = preparation.choose_pairs(pairs, tokenizer, 8, 2)
    assert len({anchor.lower() for anchor, _ in chosen}) == len({positive for _, positive in chosen}) == 2
    assert all(length == (3, 4) for length in lengths)
    assert passed <= 3
    with pytest.raises(SystemExit, match="3 pairs without a common text"):
        preparation.choose_pairs(pairs, tokenizer, 8, 3)


def test_the_command_that_is_kept_names_no_folder_of_this_machine(benchmark):
    given = ["--pairs", "/somewhere/x.parquet", "--model=/home/me/m", "--out", "tests/r.md"]
    kept = benchmark("__main__")._command(given)
    assert kept == "python -m tests.benchmarks.training --pairs x.parquet --model=m --out tests/r.md"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_arms_train_alike(tiny_bert, topic_pairs, tmp_path):
    topic_pairs.to_parquet(str(tmp_path / "pairs.parquet"))
    out = tmp_path / "results.md"
    command = [sys.executable, "-m", "tests.benchmarks.training", "--json", "--threads", "1"]
    command += ["--pairs", str(tmp_path / "pairs.parquet"), "--model", str(tiny_bert), "--max-length", "64"]
    command += ["--batch-size", "8", "--steps", "2", "--rounds", "1", "--out", str(out)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert set(result) >= KEYS
    assert [arm["name"] for arm in result["arms"]] == ["ours", "ours-lean", "ours-cached", *PEERS]
    assert all(set(arm) >= ARM_KEYS and arm["status"] == "ran" for arm in result["arms"])
    first = result["arms"][0]["losses"]
    assert len(first) == 4
    for arm in result["arms"]:
        assert arm["losses"] == pytest.approx(first, rel=1e-4)
        assert arm["pairs_per_second"] > 0
        assert arm["peak_memory_gb"] > 0
    assert first[0] != pytest.approx(first[1], rel=1e-3)  # the steps did train
    assert 0 < result["gradient_relative_error"] <= 1e-4
    assert 0 < result["roofline_fraction"] < 1
    assert result["ratio_to_best_peer"] <= result["ratio_to_cached_default"]
    assert result["gemm_gflops"] > 0
    text = out.read_text(encoding="utf-8")
    assert text.count("\n## ") == 1
    assert str(tmp_path) not in text
