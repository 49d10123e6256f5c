"""LoRA layers computed with fewer products than PEFT's own forward; the parameters stay PEFT's.

In fp32 (and fp64) the weight ``W + s B A`` is formed once a step and serves all chunks, so that a layer costs one
product forward; backward, the input's gradient uses the same weight, and those of A and B stay of rank r: ``W`` has
no gradient (Cherniuk et al., 2023, "RunLoRA", compare such orders of computing).

In half precision the merged weight would swallow the update: rounding ``W + s B A`` to bf16 leaves an error of the
size of the update itself when B is young, and so does adding the update to a product that was rounded before. There
``[x, x A^T]`` is multiplied by ``[W, s B]``, so that both are summed before anything is rounded; ``W`` is cast once.
"""

from __future__ import annotations

import logging
import threading
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

_FULL = (torch.float32, torch.float64)
_COLUMNS = 8

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
    if hasattr(layer.base_layer, "_hf_hook"):
        return "base weights that are brought where they are needed"
    if not isinstance(layer.lora_dropout[name], nn.Identity):
        return "lora_dropout"
    if layer.use_dora.get(name) or layer.lora_bias.get(name) or getattr(layer, "lora_variant", {}).get(name):
        return "DoRA, a LoRA bias or another variant"
    if layer.fan_in_fan_out or layer.base_layer.weight.requires_grad:
        return "a base weight that is transposed or trained"
    return None


@contextmanager
def merged_lora(model: nn.Module, *, remake: bool = True, say: bool = True) -> Iterator[QuickLora]:
    """Compute the LoRA layers of ``model`` the quick way meanwhile.

    Args:
        model: with its adapter.
        remake: whether inputs that are cheap to make again are not kept; False where the model is about to be told
            to compute its layers again by itself.
        say: whether to warn of layers that are not covered.

    Layers with settings that it does not cover (dropout, DoRA, quantised weights, several adapters) keep PEFT's own
    forward; a warning says so once.
    """
    layers: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    quick: list[Any] = []
    formed = QuickLora()
    epsilons = norm_epsilons(model) if remake and not checkpoints_activations(model) else None
    reasons: dict[str, int] = {}
    for layer in layers:
        if isinstance(vars(layer).get("forward"), _QuickForward):
            # within a training, as when a callback encodes texts: the layers are quick already
            layer.forward.forget()
            continue
        reason = uncovered_because(layer)
        if reason is None:
            layer.forward = _QuickForward(layer, formed, epsilons)
            quick.append(layer)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items() if say else ():
        logger.warning("%d LoRA layers are computed by PEFT's own, slower forward, because of %s.", count, reason)
    formed.layers = len(quick)
    # fused optimisers write without raising the tensors' version counters
    hook = register_optimizer_step_post_hook(lambda *args, **kwargs: formed.forget())
    try:
        yield formed
    finally:
        hook.remove()
        for layer in quick:
            # another thread that encodes with this model may have been first
            vars(layer).pop("forward", None)


class QuickLora:
    """What is formed once a step, of all layers.

    Attributes:
        layers: number of layers computed the quick way.
        generation: of what is formed.
    """

    def __init__(self) -> None:
        self.layers = 0
        self.generation = 0

    def forget(self) -> None:
        """Form everything anew: the weights may have been written to in a way that leaves no trace in a tensor."""
        self.generation += 1


class _QuickForward:
    """Stands in for a layer's forward; holds what is formed once a step."""

    def __init__(self, layer: Any, quick: QuickLora, epsilons: EpsilonOf | None) -> None:
        self._layer = layer
        self._quick = quick
        self._epsilons = epsilons
        self._original: Callable[..., Tensor] = layer.forward
        self._formed: tuple[object, Any] = (None, None)
        self._frozen: tuple[object, Any] = (None, None)
        self._forming = threading.Lock()

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layer = self._layer
        name = layer.active_adapters[0]
        if args or kwargs or layer.merged or layer.disable_adapters or len(layer.active_adapters) != 1:
            return self._original(x, *args, **kwargs)
        bias, scaling = layer.base_layer.bias, float(layer.scaling[name])
        a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else layer.base_layer.weight.dtype
        with torch.autocast(kind, enabled=False):
            formed = self._of_this_step(dtype, a, b, scaling)
            if dtype not in _FULL:
                return _apply(_LowRank, x.to(dtype), formed, bias, a, b, scaling)
            again = None
            if self._epsilons is not None and x.dtype == dtype and torch.is_grad_enabled():
                again = remade(x, self._epsilons)
            return _apply(_Merged, x.to(dtype), formed, bias, a, b, scaling, again)

    def forget(self) -> None:
        """Form the weights anew."""
        self._quick.forget()

    def __getstate__(self) -> dict[str, Any]:
        # a copy of the model, as one that is merged and written in the middle of a training, forms its own
        return self.__dict__ | {"_formed": (None, None), "_frozen": (None, None), "_forming": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forming = threading.Lock()

    def _of_this_step(self, dtype: torch.dtype, a: Tensor, b: Tensor, scaling: float) -> Any:
        """Return the merged weight, or in half precision what :meth:`_in_half` gives."""
        weight, bias = self._layer.base_layer.weight, self._layer.base_layer.bias
        tensors = [weight, a, b] if bias is None else [weight, a, b, bias]
        # what is formed stays right until one of them is written to or moved
        state = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
        key = (self._quick.generation, dtype, scaling, state)
        with self._forming:
            # chunks computed side by side wait for one of them
            if self._formed[0] != key:
                # not as tensors for inference alone: a graph that is made later may keep them
                with torch.inference_mode(False), torch.no_grad():
                    if dtype in _FULL:
                        formed: Any = torch.addmm(weight.to(dtype), b.to(dtype), a.to(dtype), alpha=scaling)
                    else:
                        formed = self._in_half(dtype, a, b, scaling)
                self._formed = (key, formed)
            return self._formed[1]

    def _in_half(
        self, dtype: torch.dtype, a: Tensor, b: Tensor, scaling: float
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return ``[W, s B]``, the bias and A in ``dtype``; the frozen weight is cast once, not once a step."""
        weight, bias = self._layer.base_layer.weight, self._layer.base_layer.bias
        outputs, inputs = weight.shape
        rank = a.shape[0]
        # a number of columns that tensor cores can be fed with; those that are added are zero
        columns = -(-rank // _COLUMNS) * _COLUMNS
        state = (dtype, weight.data_ptr(), weight._version, columns)
        if self._frozen[0] != state:
            wide = torch.zeros(outputs, inputs + columns, dtype=dtype, device=weight.device)
            wide[:, :inputs] = weight
            self._frozen = (state, wide)
        wide = self._frozen[1]
        wide[:, inputs : inputs + rank] = scaling * b
        tall = torch.zeros(columns, inputs, dtype=dtype, device=weight.device)
        tall[:rank] = a
        return wide, bias.to(dtype) if bias is not None else None, tall


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
    """``y = [x, x A^T] [W, s B]^T + bias`` in half precision, with the weights cast beforehand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, formed: Any, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float) -> Tensor:
        wide, offset, tall = formed
        inner = linear(x, tall)
        ctx.formed, ctx.scaling, ctx.rank = formed, scaling, a.shape[0]
        ctx.save_for_backward(x, inner)
        ctx.types = (a.dtype, b.dtype, bias.dtype if bias is not None else None)
        return linear(torch.cat([x, inner], -1), wide, offset)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, inner = ctx.saved_tensors
        (gradient,) = gradients
        wide, _, tall = ctx.formed
        weight, scaled_b = wide[:, : x.shape[-1]], wide[:, x.shape[-1] :]
        rows, outer = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1]).to(wide.dtype)
        through = outer @ scaled_b
        below = None
        if ctx.needs_input_grad[0]:
            below = (outer @ weight).addmm_(through, tall).view(x.shape)
        of_bias = outer.sum(0).to(ctx.types[2]) if ctx.needs_input_grad[2] else None
        of_a = (through.T @ rows)[: ctx.rank].to(ctx.types[0]) if ctx.needs_input_grad[3] else None
        of_b = None
        if ctx.needs_input_grad[4]:
            of_b = ctx.scaling * (outer.T @ inner.reshape(-1, inner.shape[-1]))[:, : ctx.rank].to(ctx.types[1])
        return below, None, of_bias, of_a, of_b, None
