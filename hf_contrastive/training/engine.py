"""What a training step computes: embed the pool, take the loss, send its gradient back."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from hf_contrastive.training.batching import ChunkPlan, plan_chunks
from hf_contrastive.training.gathering import ProcessExchange
from hf_contrastive.training.gradient_cache import GraphBudget, embed_pool
from hf_contrastive.training.loss_stage import LossStage, loss_only, run_loss_stage, unit_length
from hf_contrastive.training.merged_lora import QuickLora
from hf_contrastive.training.objectives import Objective, loss_inputs
from hf_contrastive.training.passes import Passes, collected, parted, spread
from hf_contrastive.training.pooling import Pooling
from hf_contrastive.training.remade import checkpoints_activations
from hf_contrastive.training.text_terms import CorruptedTexts, add_averaged, head_parameters, run_text_stage
from hf_contrastive.training.trunk import FrozenTrunk
from hf_contrastive.training.workers import Workers

PLAN_FILE = "engine.json"

_ONE = Workers(1)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Engine:
    """Computes losses and gradients of batches that ContrastiveCollator made.

    Attributes:
        pooling: from token vectors to one vector a text.
        objective: the loss.
        pad_token_id: id that fills the rest of a row.
        chunk_tokens: padded tokens computed at once.
        budget: of the graphs that a step keeps.
        gather: whether the candidates of all processes are negatives.
        width_multiple: widths are rounded up to a multiple of it.
        max_length: tokens of the longest text that the model reads, or None.
        trunk: computes the frozen layers, where only the last ones are trained.
        objectives: the loss of each dataset by name, where there are several.
        workers: compute chunks side by side.
        draws: whether the model draws random numbers in training.
        quick: what the LoRA layers form once a step, while they are computed the quick way.
    """

    pooling: Pooling
    objective: Objective
    pad_token_id: int
    chunk_tokens: int
    budget: GraphBudget
    gather: bool = True
    width_multiple: int = 1
    max_length: int | None = None
    trunk: FrozenTrunk | None = None
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    workers: Workers = field(default_factory=Workers)
    draws: bool = True
    quick: QuickLora | None = None
    _planned: tuple[tuple[bytes, int, int, int | None], ChunkPlan] | None = field(default=None, init=False, repr=False)

    def write(self, checkpoint: Path) -> None:
        """Keep in a checkpoint how sums are ordered: a resumed run then computes the same bits."""
        threads = {"threads": torch.get_num_threads(), "workers": self.workers.count}
        plan = {"chunk_tokens": self.chunk_tokens, **threads}
        (checkpoint / PLAN_FILE).write_text(json.dumps(plan) + "\n", encoding="utf-8")

    def read(self, checkpoint: Path, *, chosen: int | None) -> None:
        """Go on as the run that wrote ``checkpoint`` did.

        Args:
            checkpoint: of this or another trainer; without a plan nothing changes.
            chosen: ``chunk_tokens`` as the user set it, which wins over the checkpoint's.
        """
        path = checkpoint / PLAN_FILE
        if not path.is_file():
            return
        plan = json.loads(path.read_text(encoding="utf-8"))
        if chosen is None:
            self.chunk_tokens = int(plan["chunk_tokens"])
        elif chosen != plan["chunk_tokens"]:
            text = "The checkpoint was made with chunk_tokens=%d; with %d the losses differ in their last digits."
            logger.warning(text, plan["chunk_tokens"], chosen)
        if plan["threads"] != torch.get_num_threads():
            text = "torch computes with %d threads as the checkpoint's run did, not %d: sums keep their order."
            logger.warning(text, plan["threads"], torch.get_num_threads())
            torch.set_num_threads(int(plan["threads"]))
        if plan.get("workers", self.workers.count) != self.workers.count:
            # each worker has its share of the threads
            self.workers.close()
            self.workers = Workers(int(plan["workers"]))

    def objective_of(self, inputs: Mapping[str, Any]) -> Objective:
        """Return the loss of the dataset that a batch is of."""
        return self.objectives.get(inputs.get("dataset", ""), self.objective)

    def plan(self, lengths: Any) -> ChunkPlan:
        """Return the chunks of a pool of texts of these lengths; those of one step are planned once."""
        counts = np.asarray(lengths, dtype=np.int64)
        key = (counts.tobytes(), self.chunk_tokens, self.width_multiple, self.max_length)
        if self._planned is None or self._planned[0] != key:
            _, budget, multiple, longest = key
            self._planned = key, plan_chunks(counts, budget, width_multiple=multiple, max_width=longest)
        return self._planned[1]

    def counted(self, inputs: Mapping[str, Any]) -> ChunkPlan:
        """Return the chunks of a training step with the tokens of every pass over them."""
        plan, objective = self.plan(inputs["lengths"]), self.objective_of(inputs)
        real, padded = (plan.real_tokens, plan.padded_tokens) if objective.contrasts else (0, 0)
        for corrupted in CorruptedTexts.of(objective, inputs, self.pad_token_id):
            real += int(corrupted.texts.lengths.sum())
            for rows, width in zip(plan.chunks, plan.widths, strict=True):
                padded += len(rows) * corrupted.width(rows, width, self.width_multiple)
        return replace(plan, real_tokens=real, padded_tokens=padded)

    def evaluate(
        self, model: Any, inputs: Mapping[str, Any]
    ) -> tuple[Tensor, tuple[Tensor, ...], Mapping[str, Tensor]]:
        """Return loss, unnormalised columns ``[n, dim]`` and the terms over texts without a graph.

        Every process has its own negatives.
        """
        self._forget()
        objective = self.objective_of(inputs)
        with torch.no_grad() if not torch.is_inference_mode_enabled() else contextlib.nullcontext():
            embedded = embed_pool(
                self._passes(inputs).over(model, whole=True),
                self.plan(inputs["lengths"]),
                GraphBudget(0.0),
                self._workers_of(model, self.plan(inputs["lengths"])),
                device=inputs["input_ids"].device,
            )
            pool, numbers = parted(spread(embedded.embeddings, inputs), len(objective.text_terms))
            told = run_text_stage(objective, numbers, inputs)
            loss = told.loss
            if objective.contrasts:
                loss = loss + loss_only(objective, pool, inputs["sizes"], loss_inputs(inputs))
        return loss, torch.split(pool, list(inputs["sizes"])), told.parts

    def step(self, model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, LossStage, ChunkPlan]:
        """Return the loss of a training batch, whose ``backward()`` adds all gradients, and what else is known.

        Args:
            model: the encoder, or DistributedDataParallel around it.
            inputs: a batch; tensors on the model's device.
        """
        self._forget()
        wrapped = isinstance(model, DistributedDataParallel)
        plain = model.module if wrapped else model
        objective = self.objective_of(inputs)
        passes = self._passes(inputs)
        embed = passes.over(plain, whole=objective.contrasts)
        # the gradients of all processes are exchanged when the wrapped model goes back: once, with the last chunk
        last = passes.over(model, whole=objective.contrasts) if wrapped else None
        plan, device = self.plan(inputs["lengths"]), inputs["input_ids"].device
        workers = self._workers_of(plain, plan)
        embedded = embed_pool(embed, plan, self.budget, workers, device=device, keep_last=not wrapped)
        trained = [parameter for parameter in plain.parameters() if parameter.requires_grad]
        heads = head_parameters(objective)
        exchange = ProcessExchange() if wrapped and self.gather else None
        pool, numbers = parted(spread(embedded.embeddings, inputs), len(objective.text_terms))
        told = run_text_stage(objective, numbers, inputs, exchange.total if exchange is not None else None)
        if objective.contrasts:
            stage = run_loss_stage(objective, pool, inputs["sizes"], loss_inputs(inputs), exchange=exchange)
        else:
            stage = _no_contrast(pool, inputs["sizes"])
        stage = replace(stage, loss=stage.loss + told.loss, parts=told.parts)
        gradient = collected(torch.cat([stage.gradient, told.gradient], dim=1), inputs, len(embedded.embeddings))
        if exchange is not None:
            # DistributedDataParallel averages over processes what has to be summed here
            gradient = gradient * exchange.world_size

        def go_back(scale: Tensor) -> None:
            before = [parameter.grad for parameter in heads]
            if wrapped:
                for parameter in heads:
                    parameter.grad = None
            embedded.backward(scale * gradient, embed, [*trained, *heads], workers, last=last)
            if wrapped:
                # the heads are no part of what DistributedDataParallel wraps
                add_averaged(heads, before)
            self._add_own_gradients(objective, stage, scale, average=wrapped and exchange is None)

        apply: Callable[..., Tensor] = _WithWayBack.apply
        return apply(_trigger(stage.loss), stage.loss, go_back), stage, self.counted(inputs)

    def _forget(self) -> None:
        if self.quick is not None:
            self.quick.forget()

    def _workers_of(self, model: Any, plan: ChunkPlan) -> Workers:
        """Return one worker, which has all threads, where chunks can not be computed side by side."""
        alone = (
            len(plan.chunks) < 2  # the threads of other workers would wait
            or (self.draws and model.training)  # random numbers come from one generator, in the order of the chunks
            or checkpoints_activations(model)
            or not isinstance(model, PreTrainedModel | PeftModel)  # a compiled model
        )
        return _ONE if alone else self.workers

    def _add_own_gradients(self, objective: Objective, stage: LossStage, scale: Tensor, *, average: bool) -> None:
        if not objective.contrasts:
            return
        parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
        for parameter, found in zip(parameters, stage.parameter_gradients, strict=True):
            if found is None:
                continue
            gradient = scale * found
            if average:
                distributed.all_reduce(gradient)
                gradient = gradient / distributed.get_world_size()
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _passes(self, inputs: Mapping[str, Any]) -> Passes:
        return Passes(
            inputs=inputs,
            corrupted=CorruptedTexts.of(self.objective_of(inputs), inputs, self.pad_token_id),
            pooling=self.pooling,
            pad_token_id=self.pad_token_id,
            width_multiple=self.width_multiple,
            trunk=self.trunk,
            draws=self.draws,
        )


def _no_contrast(pool: Tensor, sizes: Sequence[int]) -> LossStage:
    """Return the stage of an objective over texts alone, whose embeddings get no gradient."""
    columns = torch.split(unit_length(pool), list(sizes))
    return LossStage(columns[0].new_zeros(()), torch.zeros_like(pool), (), columns)


def _trigger(loss: Tensor) -> Tensor:
    return torch.zeros((), device=loss.device, requires_grad=True)


class _WithWayBack(torch.autograd.Function):
    """A loss whose gradients are added by a function instead of a graph, so that the Trainer need not know."""

    @staticmethod
    def forward(ctx: Any, trigger: Tensor, loss: Tensor, go_back: Callable[[Tensor], None]) -> Tensor:
        ctx.go_back = go_back
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        go_back, ctx.go_back = ctx.go_back, None
        if go_back is None:
            msg = "This loss has sent its gradients back already; compute it again to do so once more."
            raise RuntimeError(msg)
        go_back(gradients[0])
        return None, None, None
