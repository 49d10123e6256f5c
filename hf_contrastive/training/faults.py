"""What stops a training: a loss that is no number, and memory that does not suffice; both in words of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from hf_contrastive.errors import TrainingDivergedError, TrainingMemoryError

SHOWN = 8
_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")

_CALMER = (
    "Lower `learning_rate`, raise `temperature` or `warmup_steps`, set `max_grad_norm`, or use bf16 instead of fp16; "
    "then go on with `resume_from_checkpoint=True`."
)


def refuse_no_number(loss: Tensor, columns: Sequence[Tensor], inputs: Mapping[str, Any], *, step: int) -> None:
    """Stop before a loss that is NaN or infinite reaches the weights.

    Args:
        loss: of the step.
        columns: embeddings ``[n, dim]`` that it was computed from.
        inputs: the batch; ``owners`` and ``rows`` say in which row of the dataset a text stands.
        step: counted from 1.

    Raises:
        TrainingDivergedError: the loss is no finite number.
    """
    if bool(torch.isfinite(loss)):
        return
    rows = inputs.get("rows")
    broken = (~torch.isfinite(torch.cat(list(columns))).all(1)).nonzero().flatten().tolist()
    found = {int(inputs["owners"][text]) for text in broken}
    named = sorted(int(rows[row]) if rows is not None else row for row in found)
    if named:
        where = "row" if rows is not None else "row of the batch"
        plural = "s" if len(named) > 1 else ""
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        dataset = f" of the dataset {inputs['dataset']!r}" if inputs.get("dataset") else ""
        cause = f"the embeddings of {where}{plural} {', '.join(map(str, named[:SHOWN]))}{more}{dataset} are no numbers"
    else:
        cause = "all embeddings are finite numbers, so it is the loss itself that overflows"
    msg = (
        f"The loss of step {step} is {loss.item()}: {cause}. It did not reach the weights, and the last checkpoint is "
        f"good. {_CALMER}"
    )
    raise TrainingDivergedError(msg)


def refuse_broken_weights(model: torch.nn.Module, *, step: int) -> None:
    """Refuse to write a checkpoint of weights that are no numbers: the last one is still good.

    Raises:
        TrainingDivergedError: a trained weight is NaN or infinite.
    """
    trained = ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
    broken = [name for name, weight in trained if not bool(torch.isfinite(weight).all())]
    if broken:
        msg = (
            f"After step {step}, {len(broken)} trained weights hold NaN or infinity, {broken[0]} among them; no "
            f"checkpoint is written of them, and the last one is good. {_CALMER}"
        )
        raise TrainingDivergedError(msg)


@contextmanager
def memory_named(args: Any, *, chunk_tokens: int) -> Iterator[None]:
    """Say which settings bound the memory when it does not suffice.

    Args:
        args: of the trainer.
        chunk_tokens: that are computed at once.

    Raises:
        TrainingMemoryError: an allocation failed meanwhile.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        words = str(error)
        failed = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(t in words.lower() for t in _NO_MEMORY)
        # the Trainer's own search for a batch size catches the original error
        if not failed or args.auto_find_batch_size:
            raise
        kept = "half of what was free" if args.max_memory is None else f"{args.max_memory:g} GB"
        first = words.strip().splitlines()[0] if words.strip() else type(error).__name__
        msg = (
            f"The memory of {args.device} does not suffice ({first}). Lower `max_memory` (graphs kept in a step, now "
            f"{kept}; 0 keeps none and computes every chunk twice), then `chunk_tokens` (now {chunk_tokens}) and "
            "`max_length`; `activation_checkpointing=True` helps where not even one chunk fits. The batch size need "
            "not shrink, memory hardly depends on it."
        )
        raise TrainingMemoryError(msg) from error
