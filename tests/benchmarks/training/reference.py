"""The loss and the adapter's gradient of one batch, computed in the plainest way, to compare the first step with.

Texts of one length stand together, so nothing is padded; PEFT's own forward, float64, the formula of InfoNCE
written out. Of the package under test only the name of the pooling is read.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from transformers import TrainerCallback

from hf_contrastive.training.loading import load_model
from tests.benchmarks.training.arms import build, training_pairs, watch
from tests.benchmarks.training.plan import TOLERANCE, Plan, Prepared, Skipped
from tests.benchmarks.training.preparation import adapted_model, tokenizer_of

SCALE = 20.0  # 1 / temperature, the default of all arms
_ROWS = 16

Gradients = dict[str, Tensor]


def verify(plan: Plan) -> dict[str, Any]:
    """Compare the first step of our arms with the reference, in fp32, and once more in the precision of the run."""
    loss, gradients = reference(plan)
    checks: dict[str, dict[str, float]] = {}
    for arm in [name for name in ("ours", "ours-cached") if name in plan.arms] or ["ours"]:
        for precision in dict.fromkeys(("fp32", plan.precision)):
            try:
                found = first_step(plan, arm, precision)
            except Skipped:
                continue
            checks[f"{arm} {precision}"] = compare(loss, gradients, *found)
    wrong = {
        name: check
        for name, check in checks.items()
        if name.endswith("fp32") and not max(check["loss"], check["gradient"]) <= TOLERANCE
    }
    return {"checks": checks, "wrong": wrong, "loss": loss}


def reference(plan: Plan) -> tuple[float, Gradients]:
    """Return loss and gradients of the first batch; chunk by chunk, so that any batch fits into memory."""
    model = adapted_model(plan, dtype=torch.float64).to(plan.device).double().eval()
    pool = load_model(str(plan.model_folder)).spec.pooling
    texts = _tokens(plan)
    groups = _of_one_length(texts)
    with torch.no_grad():
        parts = [_embed(model, pool, [texts[i] for i in group], plan.device) for group in groups]
    order = torch.tensor([i for group in groups for i in group], device=plan.device)
    embeddings = torch.empty_like(torch.cat(parts)).index_copy(0, order, torch.cat(parts)).requires_grad_()
    anchors, positives = normalize(embeddings, dim=-1).chunk(2)
    loss = cross_entropy(SCALE * anchors @ positives.T, torch.arange(len(anchors), device=plan.device))
    (cotangent,) = torch.autograd.grad(loss, embeddings)
    for group in groups:
        _embed(model, pool, [texts[i] for i in group], plan.device).backward(cotangent[group])
    return loss.item(), _gradients(model)


def first_step(plan: Plan, arm: str, precision: str) -> tuple[float, Gradients]:
    """Return loss and gradients of the first step of the trainer's own loop, before any clipping."""
    kept: Gradients = {}

    class KeepGradients(TrainerCallback):
        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            kept.update(_gradients(kwargs["model"]))

    trainer = build(plan, arm, steps=1, precision=precision, max_grad_norm=0.0)
    trainer.add_callback(KeepGradients())
    record = watch(trainer, plan.device)
    trainer.train()
    return float(record.losses[0]), kept


def compare(loss: float, gradients: Gradients, found_loss: float, found: Gradients) -> dict[str, float]:
    """Return relative errors: of the loss, of the gradient as one vector, and of the worst single matrix."""
    if gradients.keys() != found.keys():
        msg = f"Other parameters were trained than the adapter's: {sorted(gradients.keys() ^ found.keys())[:4]}."
        raise SystemExit(msg)
    differences = {name: (found[name] - gradient).norm().item() for name, gradient in gradients.items()}
    norms = {name: gradient.norm().item() for name, gradient in gradients.items()}
    return {
        "loss": abs(found_loss - loss) / abs(loss),
        "gradient": _length(differences) / _length(norms),
        "worst_matrix": max(differences[name] / norms[name] for name in norms),
    }


def _length(norms: dict[str, float]) -> float:
    return sum(value**2 for value in norms.values()) ** 0.5


def _gradients(model: Any) -> Gradients:
    return {
        name: parameter.grad.detach().double().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def _tokens(plan: Plan) -> list[list[int]]:
    batch = training_pairs(plan)[: plan.batch_size]
    length = Prepared.read(plan.folder).max_length
    texts = [*batch["anchor"], *batch["positive"]]
    return [list(ids) for ids in tokenizer_of(plan)(texts, truncation=True, max_length=length)["input_ids"]]


def _of_one_length(texts: list[list[int]]) -> list[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for index, ids in enumerate(texts):
        groups[len(ids)].append(index)
    return [group[i : i + _ROWS] for group in groups.values() for i in range(0, len(group), _ROWS)]


def _embed(model: Any, pool: str, rows: list[list[int]], device: str) -> Tensor:
    ids = torch.tensor(rows, device=device)
    hidden: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return {"mean": hidden.mean(1), "cls": hidden[:, 0], "lasttoken": hidden[:, -1]}[pool]
