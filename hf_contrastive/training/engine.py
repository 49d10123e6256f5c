"""What a training step computes: embed the pool, take the loss, send its gradient back."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import PeftModel
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from hf_contrastive.training.batching import ChunkPlan, Pool, plan_chunks
from hf_contrastive.training.gathering import ProcessExchange
from hf_contrastive.training.gradient_cache import EmbedRows, GraphBudget, embed_pool
from hf_contrastive.training.loss_stage import LossStage, loss_only, run_loss_stage
from hf_contrastive.training.merged_lora import QuickLora
from hf_contrastive.training.objectives import Objective, loss_inputs
from hf_contrastive.training.pooling import Pooling
from hf_contrastive.training.remade import checkpoints_activations
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
        """Return the chunks of a pool of texts of these lengths."""
        return plan_chunks(lengths, self.chunk_tokens, width_multiple=self.width_multiple, max_width=self.max_length)

    def evaluate(self, model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return loss and unnormalised columns ``[n, dim]`` without a graph; every process has its own negatives."""
        self._forget()
        with torch.no_grad() if not torch.is_inference_mode_enabled() else contextlib.nullcontext():
            embedded = embed_pool(
                self._embed(model, inputs),
                self.plan(inputs["lengths"]),
                GraphBudget(0.0),
                self._workers_of(model),
                device=inputs["input_ids"].device,
            )
            pool = _spread(embedded.embeddings, inputs)
            loss = loss_only(self.objective_of(inputs), pool, inputs["sizes"], loss_inputs(inputs))
        return loss, torch.split(pool, list(inputs["sizes"]))

    def step(self, model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, LossStage, ChunkPlan]:
        """Return the loss of a training batch, whose ``backward()`` adds all gradients, and what else is known.

        Args:
            model: the encoder, or DistributedDataParallel around it.
            inputs: a batch; tensors on the model's device.
        """
        self._forget()
        wrapped = isinstance(model, DistributedDataParallel)
        plain = model.module if wrapped else model
        embed = self._embed(plain, inputs)
        # the gradients of all processes are exchanged when the wrapped model goes back: once, with the last chunk
        last = self._embed(model, inputs) if wrapped else None
        plan, device = self.plan(inputs["lengths"]), inputs["input_ids"].device
        workers = self._workers_of(plain)
        embedded = embed_pool(embed, plan, self.budget, workers, device=device, keep_last=not wrapped)
        trained = [parameter for parameter in plain.parameters() if parameter.requires_grad]
        exchange = ProcessExchange() if wrapped and self.gather else None
        objective = self.objective_of(inputs)
        stage = run_loss_stage(
            objective,
            _spread(embedded.embeddings, inputs),
            inputs["sizes"],
            loss_inputs(inputs),
            exchange=exchange,
        )
        gradient = _collected(stage.gradient, inputs, len(embedded.embeddings))
        if exchange is not None:
            # DistributedDataParallel averages over processes what has to be summed here
            gradient = gradient * exchange.world_size

        def go_back(scale: Tensor) -> None:
            embedded.backward(scale * gradient, embed, trained, workers, last=last)
            self._add_own_gradients(objective, stage, scale, average=wrapped and exchange is None)

        apply: Callable[..., Tensor] = _WithWayBack.apply
        return apply(_trigger(stage.loss), stage.loss, go_back), stage, plan

    def _forget(self) -> None:
        if self.quick is not None:
            self.quick.forget()

    def _workers_of(self, model: Any) -> Workers:
        """Return one worker where chunks can not be computed side by side."""
        alone = (
            (self.draws and model.training)  # random numbers come from one generator, in the order of the chunks
            or checkpoints_activations(model)
            or not isinstance(model, PreTrainedModel | PeftModel)  # a compiled model
        )
        return _ONE if alone else self.workers

    def _add_own_gradients(self, objective: Objective, stage: LossStage, scale: Tensor, *, average: bool) -> None:
        parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
        for parameter, found in zip(parameters, stage.parameter_gradients, strict=True):
            if found is None:
                continue
            gradient = scale * found
            if average:
                distributed.all_reduce(gradient)
                gradient = gradient / distributed.get_world_size()
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _embed(self, model: Any, inputs: Mapping[str, Any]) -> EmbedRows:
        pool = Pool(inputs["input_ids"], inputs["lengths"], self.pad_token_id)
        keys = inputs.get("keys")

        def embed(rows: npt.NDArray[np.int64], width: int) -> Tensor:
            input_ids, attention_mask = pool.take(rows, width)
            if self.trunk is None:
                hidden = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            else:
                asked = [keys[row] for row in rows] if keys is not None else None
                hidden = self.trunk(model, input_ids, attention_mask, keys=asked, lengths=pool.lengths[rows])
            skipped = inputs.get("prompt_lengths")
            left_out = torch.from_numpy(skipped[rows]).to(hidden.device) if skipped is not None else None
            return self.pooling(hidden, attention_mask, left_out)

        return embed


def _spread(embeddings: Tensor, inputs: Mapping[str, Any]) -> Tensor:
    """Return one row a text of the pool; equal texts were embedded once."""
    index = inputs.get("index")
    return embeddings if index is None else embeddings[index]


def _collected(gradient: Tensor, inputs: Mapping[str, Any], texts: int) -> Tensor:
    """Return the gradient of each distinct text: the sum over its occurrences."""
    index = inputs.get("index")
    if index is None:
        return gradient
    return gradient.new_zeros(texts, gradient.shape[1]).index_add_(0, index, gradient)


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
