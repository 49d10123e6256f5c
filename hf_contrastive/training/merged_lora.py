"""LoRA layers computed with fewer products than PEFT's own forward; the parameters stay PEFT's.

In fp32 (and fp64) the weight ``W + s B A`` is formed once a step and serves all chunks, so that a layer costs one
product forward; backward, the input's gradient uses the same weight, and those of A and B stay of rank r: ``W`` has
no gradient (Cherniuk et al., 2023, "RunLoRA", compare such orders of computing).

In half precision the merged weight would swallow the update: rounding ``W + s B A`` to bf16 leaves an error of the
size of the update itself when B is young. There ``W`` is cast once, and the update is added as its two small
products with weights cast once a step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.optim.optimizer import register_optimizer_step_post_hook

from hf_contrastive.training.remade import EpsilonOf, Remade, checkpoints_activations, norm_epsilons, remade

logger = logging.getLogger(__name__)


def uncovered_because(layer: nn.Module) -> str | None:
    """Return why PEFT's own forward must be used for ``layer``, or None when the quick one gives the same."""
    if type(layer) is not LoraLinear:
        return f"{type(layer).__name__} layers"
    return _uncovered_setting(layer)


def _uncovered_setting(layer: Any) -> str | None:
    active = layer.active_adapters
    if len(active) != 1 or layer.merged or layer.disable_adapters:
        return "several, merged or disabled adapters"
    name = active[0]
    if type(layer.base_layer) is not nn.Linear:
        return f"a base layer of type {type(layer.base_layer).__name__}"
    if not isinstance(layer.lora_dropout[name], nn.Identity):
        return "lora_dropout"
    if layer.use_dora.get(name) or layer.lora_bias.get(name) or getattr(layer, "lora_variant", {}).get(name):
        return "DoRA, a LoRA bias or another variant"
    if layer.fan_in_fan_out or layer.base_layer.weight.requires_grad:
        return "a base weight that is transposed or trained"
    return None


@contextmanager
def merged_lora(model: nn.Module, *, remake: bool = True) -> Iterator[int]:
    """Compute the LoRA layers of ``model`` the quick way meanwhile; yields how many.

    Args:
        model: with its adapter.
        remake: whether inputs that are cheap to make again are not kept; False where the model is about to be told
            to compute its layers again by itself.

    Layers with settings that it does not cover (dropout, DoRA, quantised weights, several adapters) keep PEFT's own
    forward; the log says so once.
    """
    layers: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    quick: list[Any] = []
    steps = _Steps()
    epsilons = norm_epsilons(model) if remake and not checkpoints_activations(model) else None
    reasons: dict[str, int] = {}
    for layer in layers:
        reason = uncovered_because(layer)
        if reason is None:
            layer.forward = _QuickForward(layer, steps, epsilons)
            quick.append(layer)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        logger.info("%d LoRA layers are computed by PEFT's own forward, because of %s.", count, reason)
    # fused optimisers write without raising the tensors' version counters
    hook = register_optimizer_step_post_hook(steps.count)
    try:
        yield len(quick)
    finally:
        hook.remove()
        for layer in quick:
            del layer.forward


class _Steps:
    """Counts the steps of all optimisers: what was formed before one is stale."""

    def __init__(self) -> None:
        self.taken = 0

    def count(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        self.taken += 1


class _QuickForward:
    """Stands in for a layer's forward; holds what is formed once a step."""

    def __init__(self, layer: Any, steps: _Steps, epsilons: EpsilonOf | None) -> None:
        self._layer = layer
        self._steps = steps
        self._epsilons = epsilons
        self._original: Callable[..., Tensor] = layer.forward
        self._formed: tuple[object, Any] = (None, None)

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layer = self._layer
        name = layer.active_adapters[0]
        if args or kwargs or layer.merged or layer.disable_adapters or len(layer.active_adapters) != 1:
            return self._original(x, *args, **kwargs)
        weight, bias = layer.base_layer.weight, layer.base_layer.bias
        a, b, scaling = layer.lora_A[name].weight, layer.lora_B[name].weight, float(layer.scaling[name])
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        # what is formed stays right until A or B are written to or moved
        key = (dtype, *((t.data_ptr(), t._version) for t in (weight, a, b)), scaling, self._steps.taken)
        with torch.autocast(kind, enabled=False):
            if dtype in (torch.float32, torch.float64):
                formed, merged = self._formed
                if formed != key:
                    with torch.no_grad():
                        merged = torch.addmm(weight.to(dtype), b.to(dtype), a.to(dtype), alpha=scaling)
                    self._formed = (key, merged)
                again = None
                if self._epsilons is not None and x.dtype == dtype and torch.is_grad_enabled():
                    again = remade(x, self._epsilons)
                return _apply(_Merged, x.to(dtype), merged, bias, a, b, scaling, again)
            if self._formed[0] != key:
                with torch.no_grad():
                    cast = self._formed[1][0] if self._formed[0] and self._same_base(key) else weight.to(dtype)
                    offset = bias.to(dtype) if bias is not None else None
                    self._formed = (key, (cast, offset, a.to(dtype), (scaling * b).to(dtype)))
            return _apply(_LowRank, x.to(dtype), self._formed[1], a, b, scaling)

    def _same_base(self, key: Any) -> bool:
        formed: Any = self._formed[0]
        return bool(formed[:2] == key[:2]) and isinstance(self._formed[1], tuple)


def _apply(function: Any, *arguments: Any) -> Tensor:
    output: Tensor = function.apply(*arguments)
    return output


class _Merged(torch.autograd.Function):
    """``y = x W'^T + bias`` with ``W' = W + s B A``; gradients of x, A and B."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        merged: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scaling: float,
        again: Remade | None,
    ) -> Tensor:
        # the merged weight is a constant of this step: no copy of it belongs to a graph
        ctx.merged, ctx.scaling = merged, scaling
        ctx.again = again.function if again is not None else None
        ctx.save_for_backward(x if again is None else again.source, a, b)
        return linear(x, merged, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, a, b = ctx.saved_tensors
        if ctx.again is not None:
            x = ctx.again(x.detach())
        (gradient,) = gradients
        rows, outer = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        below = (outer @ ctx.merged).view(x.shape) if ctx.needs_input_grad[0] else None
        of_bias = outer.sum(0) if ctx.needs_input_grad[2] else None
        of_a = of_b = None
        if ctx.needs_input_grad[3]:
            of_a = (outer @ (ctx.scaling * b).to(outer.dtype)).T @ rows
        if ctx.needs_input_grad[4]:
            of_b = ctx.scaling * (outer.T @ (rows @ a.T.to(rows.dtype)))
        return below, None, of_bias, of_a, of_b, None, None


class _LowRank(torch.autograd.Function):
    """``y = x W^T + (x A^T) (s B)^T + bias`` in half precision, with A, B and W cast beforehand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, formed: Any, a: Tensor, b: Tensor, scaling: float) -> Tensor:
        weight, bias, cast_a, scaled_b = formed
        inner = linear(x, cast_a)
        ctx.formed, ctx.scaling = formed, scaling
        ctx.save_for_backward(x, inner)
        ctx.types = (a.dtype, b.dtype)
        rows = linear(x, weight, bias).view(-1, weight.shape[0])
        return rows.addmm_(inner.view(-1, inner.shape[-1]), scaled_b.T).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, inner = ctx.saved_tensors
        (gradient,) = gradients
        weight, _, cast_a, scaled_b = ctx.formed
        rows, outer = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1]).to(weight.dtype)
        through = outer @ scaled_b
        below = None
        if ctx.needs_input_grad[0]:
            below = (outer @ weight).addmm_(through, cast_a).view(x.shape)
        of_a = (through.T @ rows).to(ctx.types[0]) if ctx.needs_input_grad[2] else None
        of_b = None
        if ctx.needs_input_grad[3]:
            of_b = ctx.scaling * (outer.T @ inner.reshape(-1, inner.shape[-1])).to(ctx.types[1])
        return below, None, of_a, of_b, None
