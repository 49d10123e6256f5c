"""Layer inputs that are made again on the way back instead of kept: what is cheap to compute need not fill memory.

The output of a GELU or SiLU and of a layer norm is kept by the linear layers that read it, beside the input
that the activation or norm keeps for itself. Made again from that one, by the same operation, it costs about a
hundredth of the step and no memory: about six of sixteen numbers a hidden unit in a BERT layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

EpsilonOf = Mapping[int, float]
"""Of the layer norms of a model, by the address of their weight."""


@dataclass(frozen=True, slots=True)
class Remade:
    """A tensor that ``function(source)`` gives again, bit for bit; ``source`` is kept by another node of the graph."""

    source: Tensor
    function: Callable[[Tensor], Tensor]


def checkpoints_activations(model: nn.Module) -> bool:
    """Return whether the model computes its layers again by itself (``activation_checkpointing``)."""
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def norm_epsilons(model: nn.Module) -> EpsilonOf:
    """Return the epsilon of every layer norm of ``model`` whose weights are frozen."""
    return {
        module.weight.data_ptr(): module.eps
        for module in model.modules()
        if isinstance(module, nn.LayerNorm) and module.weight is not None and not module.weight.requires_grad
    }


def remade(x: Tensor, epsilons: EpsilonOf) -> Remade | None:
    """Return how ``x`` can be made again, or None where it has to be kept.

    Args:
        x: the output of some operation, with its graph.
        epsilons: of the layer norms that may have given it.
    """
    node: Any = x.grad_fn
    kind = type(node).__name__
    if kind == "GeluBackward0":
        return Remade(node._saved_self, partial(functional.gelu, approximate=node._saved_approximate))
    if kind == "SiluBackward0":
        return Remade(node._saved_self, functional.silu)
    if kind == "NativeLayerNormBackward0":
        weight, bias = node._saved_weight, node._saved_bias
        epsilon = epsilons.get(weight.data_ptr()) if weight is not None else None
        if epsilon is not None:
            shape = list(node._saved_normalized_shape)
            again = partial(functional.layer_norm, normalized_shape=shape, weight=weight, bias=bias, eps=epsilon)
            return Remade(node._saved_input, again)
    return None
