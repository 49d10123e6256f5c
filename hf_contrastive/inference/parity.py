"""Is an exported graph the same function? Compared with the original over lengths, batch sizes and whole texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import ModelError
from hf_contrastive.evaluation.vectors import scaled_rows
from hf_contrastive.inference.onnx_model import Ids, OnnxEncoder
from hf_contrastive.inference.records import ParityCell
from hf_contrastive.inference.samples import SAMPLES

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

LENGTHS = (1, 2, 7, 64, 128)
BATCH_SIZES = (1, 2, 17)
BOUND = 1e-5
INT8_BOUND = 0.995
_LONG = 1024

Vectors = npt.NDArray[np.float32]


class Batch:
    """Rows of ids with the vectors that the original gives to each row alone.

    Attributes:
        batch_size: number of rows.
        length: tokens of the longest row; the others are shorter, so that padding is compared too.
    """

    def __init__(self, rows: Ids, expected: Vectors) -> None:
        self.rows = rows
        self.expected = expected
        self.batch_size = len(rows)
        self.length = max(map(len, rows))


def batches(encoder: TextEncoder, *, seed: int = 0) -> list[Batch]:
    """Draw ids and encode each row alone, without padding, by the original.

    Beyond 1,024 tokens the batches of 17 are left out: attention over them would take gigabytes.

    Args:
        encoder: the original.
        seed: of the ids.
    """
    import torch

    from hf_contrastive.encoder import evaluating

    generator = np.random.default_rng(seed)
    special = set(encoder.tokenizer.all_special_ids)
    known = [i for i in range(min(len(encoder.tokenizer), encoder.model.config.vocab_size)) if i not in special]
    found = []
    with evaluating(encoder.model), torch.inference_mode():
        for length, size in _shapes(encoder.spec.max_length):
            lengths = [length, *generator.integers(1, length + 1, size=size - 1)]
            rows = [[int(i) for i in generator.choice(known, size=count)] for count in lengths]
            vectors = [encoder.embed(ids, torch.ones_like(ids)).float() for ids in (torch.tensor([r]) for r in rows)]
            found.append(Batch(rows, scaled_rows(torch.cat(vectors).numpy())))
    return found


def compare_batches(exported: OnnxEncoder, given: Sequence[Batch]) -> tuple[ParityCell, ...]:
    """Return the largest difference of each batch.

    Args:
        exported: what is compared.
        given: of :func:`batches`.
    """
    return tuple(
        ParityCell(
            batch_size=batch.batch_size,
            length=batch.length,
            worst_difference=float(np.abs(scaled_rows(exported.vectors(batch.rows)) - batch.expected).max()),
        )
        for batch in given
    )


def text_vectors(encoder: TextEncoder) -> dict[str, Vectors]:
    """Return the original's vectors of the sample texts, by prompt; "" is without one.

    Vectors have the length 1 wherever they are compared, so that one bound suits models that do not normalise.
    """
    prompts = ["", *(name for name, text in encoder.spec.prompts.items() if text)]
    return {name: scaled_rows(encoder.encode(SAMPLES, prompt=name or None)) for name in prompts}


def compare_texts(exported: OnnxEncoder, expected: dict[str, Vectors]) -> float:
    """Return the largest difference over the sample texts, from tokenizer to vector."""
    return max(
        float(np.abs(scaled_rows(exported.encode(SAMPLES, prompt=name or None)) - vectors).max())
        for name, vectors in expected.items()
    )


def text_cosines(exported: OnnxEncoder, expected: dict[str, Vectors]) -> npt.NDArray[np.float64]:
    """Return the cosine of each sample text's vectors."""
    parts = [
        (scaled_rows(exported.encode(SAMPLES, prompt=name or None)) * vectors).sum(axis=1)
        for name, vectors in expected.items()
    ]
    return np.concatenate(parts).astype(np.float64)


def batch_cosines(exported: OnnxEncoder, given: Sequence[Batch]) -> npt.NDArray[np.float64]:
    """Return the cosine of each row of the batches."""
    parts = [(scaled_rows(exported.vectors(batch.rows)) * batch.expected).sum(axis=1) for batch in given]
    return np.concatenate(parts).astype(np.float64)


def check_parity(cells: Sequence[ParityCell], text_difference: float, *, bound: float) -> None:
    """Raise where a graph differs from the original.

    Raises:
        ModelError: naming the batches that differ.
    """
    # a comparison that NaN fails
    failed = [cell for cell in cells if not cell.worst_difference <= bound]
    if failed:
        worst = ", ".join(f"{c.batch_size} × {c.length} tokens: {c.worst_difference:.2g}" for c in failed)
        msg = (
            f"The exported graph is not the same function: vectors differ by more than {bound:g} in {len(failed)} of "
            f"{len(cells)} batches ({worst}). Nothing was written. Try another release of torch or onnxruntime."
        )
        raise ModelError(msg)
    if not text_difference <= bound:
        msg = (
            f"The exported graph gives the vectors of the original, but whole texts differ by {text_difference:.2g} "
            f"(allowed: {bound:g}): its tokenizer.json splits them otherwise than the tokenizer in Python. Nothing was "
            "written. Save the tokenizer again with `tokenizer.save_pretrained` and export from that folder."
        )
        raise ModelError(msg)


def _shapes(longest: int) -> Iterator[tuple[int, int]]:
    for length in sorted({*(length for length in LENGTHS if length < longest), longest}):
        for size in BATCH_SIZES:
            if length <= _LONG or size < max(BATCH_SIZES):
                yield length, size
