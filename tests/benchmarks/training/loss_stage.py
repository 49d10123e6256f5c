"""Time and memory of the loss and its gradient on the embeddings alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from tests.benchmarks.memory import GB, current_rss, forget_peak, limit_memory, peak_rss
from tests.benchmarks.training.plan import LOSS_STAGE_DIM, SEED, Plan, Skipped
from tests.benchmarks.training.reference import SCALE
from tests.benchmarks.training.roofline import synchronize

Stage = Callable[[Tensor], tuple[float, Tensor]]
"""Embeddings of anchors and positives, ``[2 * batch, dim]`` -> the loss and its gradient on them."""

_REPEATS = 3
_ENOUGH_SECONDS = 20.0
_WARM_UP_ROWS = 64


def run_loss_stage_arm(plan: Plan, *, name: str, size: int) -> dict[str, Any]:
    """Measure one implementation at one batch size; the peak is what it needs beyond its input."""
    stage = {"ours": _ours, "dense": _dense, "st-cached": _sentence_transformers}[name](plan)
    generator = torch.Generator().manual_seed(SEED)
    anchors = torch.randn(size, LOSS_STAGE_DIM, generator=generator)
    noise = torch.randn(size, LOSS_STAGE_DIM, generator=generator)
    pool = torch.cat([anchors, anchors + 2 * noise]).to(plan.device)
    del anchors, noise
    small = torch.cat([pool[:_WARM_UP_ROWS], pool[size : size + _WARM_UP_ROWS]])
    stage(small)
    if plan.device == "cpu":
        limit_memory()
    before = _forget(plan.device)
    seconds: list[float] = []
    while len(seconds) < _REPEATS and sum(seconds) < _ENOUGH_SECONDS:
        started = time.perf_counter()
        loss, gradient = stage(pool)
        synchronize(plan.device)
        seconds.append(time.perf_counter() - started)
    return {
        "seconds": statistics.median(seconds),
        "peak_memory_gb": (_peak(plan.device) - before) / GB,
        "loss": loss,
        "gradient_norm": gradient.norm().item(),
    }


# ---- the seam: the only place that knows how run_loss_stage is called -----------------------------------------


def _ours(plan: Plan) -> Stage:
    if not find_spec("hf_contrastive.training.loss_stage"):
        msg = "hf_contrastive.training.loss_stage is not there"
        raise Skipped(msg)
    from hf_contrastive.training.loss_stage import run_loss_stage
    from hf_contrastive.training.losses import LossInputs
    from hf_contrastive.training.losses.infonce import infonce

    class Term:
        chunkable = True

        def __call__(self, columns: tuple[Tensor, ...], inputs: LossInputs) -> Tensor:
            return infonce(columns, inputs, scale=SCALE)

        def parameters(self) -> Iterator[torch.nn.Parameter]:
            return iter(())

    def stage(pool: Tensor) -> tuple[float, Tensor]:
        size = len(pool) // 2
        rows = torch.arange(size, device=pool.device)
        inputs = LossInputs(
            anchor_ids=rows,
            candidate_ids=rows + size,
            positive_indptr=torch.arange(size + 1, device=pool.device),
            positive_indices=rows,
        )
        result = run_loss_stage(Term(), pool, (size, size), inputs)
        return result.loss.item(), result.gradient

    return stage


# ---- what it is compared with ---------------------------------------------------------------------------------


def _dense(plan: Plan) -> Stage:
    """Return the loss on the whole matrix of similarities."""

    def stage(pool: Tensor) -> tuple[float, Tensor]:
        leaf = pool.detach().requires_grad_()
        anchors, positives = normalize(leaf, dim=-1).chunk(2)
        loss = cross_entropy(SCALE * anchors @ positives.T, torch.arange(len(anchors), device=pool.device))
        (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.item(), gradient

    return stage


def _sentence_transformers(plan: Plan) -> Stage:
    """Return the loss stage of the cached loss at its default mini-batch size."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.losses import CachedMultipleNegativesRankingLoss

    objective = CachedMultipleNegativesRankingLoss(SentenceTransformer(str(plan.model_folder), device=plan.device))

    def stage(pool: Tensor) -> tuple[float, Tensor]:
        columns = [
            [part.detach().requires_grad_() for part in column.split(objective.mini_batch_size)]
            for column in pool.chunk(2)
        ]
        loss = objective.calculate_loss(columns, with_backward=True)
        return loss.item(), torch.cat([part.grad for column in columns for part in column])

    return stage


def _forget(device: str) -> float:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return float(torch.cuda.memory_allocated())
    forget_peak()
    return current_rss()


def _peak(device: str) -> float:
    return float(torch.cuda.max_memory_allocated()) if device == "cuda" else peak_rss()
