"""How fast the machine multiplies matrices, and how many operations a step can not do without."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer

from tests.benchmarks.training.plan import Plan, Prepared

_LARGE = ((2048, 2048, 2048), (4096, 4096, 4096))
_ROWS = (1024, 4096)
_PROBE = (256, 256, 256)
_WORTHWHILE = 0.1  # of the speed in fp32
_SECONDS = 0.3
_REPEATS = 3


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """A layer with an adapter; ``needs_input_gradient`` tells whether anything below it is trained."""

    inputs: int
    outputs: int
    needs_input_gradient: bool


def linear_layers(model: Any, tokenizer: Any) -> list[LinearLayer]:
    """Return the adapted layers of a PEFT model, as one forward pass meets them."""
    found: list[LinearLayer] = []

    def note(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        base = module.get_base_layer()
        found.append(LinearLayer(base.in_features, base.out_features, inputs[0].requires_grad))

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]  # type: ignore[attr-defined]
    model(**tokenizer(["a text"], return_tensors="pt"))
    for hook in hooks:
        hook.remove()
    return found


def necessary_flops(lengths: Sequence[int], layers: Sequence[LinearLayer], config: Any, rank: int) -> float:
    """Return the operations of one step's matrix products that no way of computing it avoids; see ``plan.FORMULA``.

    A model whose attention sees a window only would need less than is counted here.
    """
    tokens = sum(lengths)
    linear = sum(2 * layer.inputs * layer.outputs * (1 + layer.needs_input_gradient) for layer in layers)
    adapters = sum(4 * rank * (layer.inputs + layer.outputs) for layer in layers)
    heads = config.num_attention_heads
    width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
    attention = config.num_hidden_layers * 12 * width * sum(length**2 for length in lengths)
    return float((linear + adapters) * tokens + attention)


def measure_gemm(plan: Plan) -> dict[str, Any]:
    """Return the best GFLOP/s of a matrix product, over large squares and the shapes of the model's own layers.

    A run in bf16 may use either type, so both are measured, unless the processor can not multiply bf16 at all and
    would take minutes to emulate it.
    """
    speeds = {shape: _speed(*shape, torch.float32, plan.device) for shape in _shapes(plan)}
    best = max(speeds, key=lambda shape: speeds[shape])
    found = {"gflops": speeds[best], "shape": best, "type": "fp32"}
    if plan.precision == "bf16" and _speed(*_PROBE, torch.bfloat16, plan.device) > _WORTHWHILE * found["gflops"]:
        speeds = {shape: _speed(*shape, torch.bfloat16, plan.device) for shape in _shapes(plan)}
        best = max(speeds, key=lambda shape: speeds[shape])
        if speeds[best] > found["gflops"]:
            found = {"gflops": speeds[best], "shape": best, "type": "bf16"}
    return found


def _shapes(plan: Plan) -> Iterator[tuple[int, int, int]]:
    yield from _LARGE
    for inputs, outputs in Prepared.read(plan.folder).linears:
        yield from ((rows, inputs, outputs) for rows in _ROWS)


def _speed(n: int, k: int, m: int, dtype: torch.dtype, device: str) -> float:
    left = torch.randn(n, k, device=device).to(dtype)
    right = torch.randn(k, m, device=device).to(dtype)
    best, started = float("inf"), time.perf_counter()
    repeats = 0
    while repeats < _REPEATS or time.perf_counter() - started < _SECONDS:
        before = time.perf_counter()
        left @ right
        synchronize(device)
        best = min(best, time.perf_counter() - before)
        repeats += 1
    return 2 * n * k * m / best / 1e9


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
