"""Weights as int8: the plainest way that keeps the vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hf_contrastive.errors import ModelError
from hf_contrastive.inference.onnx_model import OnnxEncoder
from hf_contrastive.inference.parity import INT8_BOUND, Batch, Vectors, batch_cosines, text_cosines
from hf_contrastive.inference.records import INT8_FILE, MODEL_FILE, Int8Attempt

_BLOCK = 32


def write_int8(
    folder: Path, given: Sequence[Batch], texts: dict[str, Vectors], *, bound: float = INT8_BOUND
) -> tuple[Int8Attempt, ...]:
    """Write int8 weights beside ``model.onnx``; each way is tried until one keeps every cosine above the bound.

    Args:
        folder: of a whole export.
        given: batches with the vectors of the original.
        texts: the original's vectors of the sample texts.
        bound: lowest cosine with the original that is allowed.

    Returns:
        What was tried; the last one was kept.

    Raises:
        ModelError: no way keeps the bound.
    """
    tried = try_int8(folder, given, texts, bound=bound)
    if tried[-1].kept:
        return tried
    msg = (
        f"Int8 weights do not keep the vectors of this model: the cosine with the original must be at least {bound:g} "
        f"for every text ({int8_words(tried)}). Nothing was written. Export without `--int8`."
    )
    raise ModelError(msg)


def try_int8(
    folder: Path, given: Sequence[Batch], texts: dict[str, Vectors], *, bound: float = INT8_BOUND
) -> tuple[Int8Attempt, ...]:
    """Do what :func:`write_int8` does; where no way keeps the bound, no file is left and the last one is not kept."""
    tried: list[Int8Attempt] = []
    target = folder / INT8_FILE
    for method, write in METHODS.items():
        write(folder / MODEL_FILE, target)
        exported = OnnxEncoder(folder, int8=True)
        on_texts, on_batches = text_cosines(exported, texts), batch_cosines(exported, given)
        # a mean over real texts; ids drawn at random are no texts, and bound the worst case alone
        lowest = float(min(on_texts.min(), on_batches.min()))
        kept = lowest >= bound
        tried.append(Int8Attempt(method=method, lowest_cosine=lowest, mean_cosine=float(on_texts.mean()), kept=kept))
        if kept:
            return tuple(tried)
    target.unlink(missing_ok=True)
    return tuple(tried)


def int8_words(tried: Sequence[Int8Attempt]) -> str:
    """Return what was tried in words."""
    return "; ".join(f"{item.method}: lowest {item.lowest_cosine:.4f}, mean {item.mean_cosine:.4f}" for item in tried)


def _dynamic(source: Path, target: Path) -> None:
    """Quantise each column of the weights, and each activation as a whole while it runs."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _marked_as_prepared(source) as path, _quietly():
        quantize_dynamic(path, target, weight_type=QuantType.QInt8, per_channel=True)


def _blockwise(level: int, source: Path, target: Path) -> None:
    """Quantise blocks of 32 weights, so that an outlier spoils its block alone, and each row of a table of vectors.

    Args:
        level: 4 quantises activations in blocks too while it runs; 1 keeps them in fp32, which is more exact.
        source: fp32 graph.
        target: what is written.
    """
    import onnx

    with _quietly():
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        model = onnx.load(source)
        quantise_tables(model)
        quantiser = MatMulNBitsQuantizer(model, bits=8, block_size=_BLOCK, is_symmetric=True, accuracy_level=level)
        quantiser.process()
        quantiser.model.save_model_to_file(str(target), False)


def quantise_tables(model: Any) -> None:
    """Store the tables that vectors are looked up in as int8, with one step a row; they are most of a small model.

    onnxruntime's own quantiser takes one step for a whole table, which its rare tokens set.

    Args:
        model: an ONNX model; it is changed.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    tables = {item.name: item for item in graph.initializer}
    nodes, used = [], set()
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2 or axis != 0:
            nodes.append(node)
            continue
        name, ids, result = table.name, node.input[1], node.output[0]
        if name not in used:
            weights = numpy_helper.to_array(table)
            steps = np.abs(weights).max(axis=1, keepdims=True) / 127.0
            steps[steps == 0] = 1.0
            graph.initializer.extend(
                [
                    numpy_helper.from_array(np.rint(weights / steps).astype(np.int8), f"{name}.codes"),
                    numpy_helper.from_array(steps.astype(np.float32), f"{name}.steps"),
                ]
            )
            used.add(name)
        nodes += [
            helper.make_node("Gather", [f"{name}.codes", ids], [f"{result}.codes"], axis=0),
            helper.make_node("Gather", [f"{name}.steps", ids], [f"{result}.steps"], axis=0),
            helper.make_node("Cast", [f"{result}.codes"], [f"{result}.numbers"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{result}.numbers", f"{result}.steps"], [result]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    still = {name for node in nodes for name in node.input}
    for name in used - still:
        graph.initializer.remove(tables[name])


METHODS: dict[str, Callable[[Path, Path], None]] = {
    "by column, activations as a whole": _dynamic,
    f"in blocks of {_BLOCK}": partial(_blockwise, 4),
    f"in blocks of {_BLOCK}, activations in fp32": partial(_blockwise, 1),
}


@contextmanager
def _marked_as_prepared(source: Path) -> Iterator[Path]:
    """Give a copy that says it was prepared: the exporter has folded constants and told the shapes."""
    import onnx

    path = source.with_suffix(".prepared")
    model = onnx.load(source)
    entry = model.metadata_props.add()
    entry.key, entry.value = "onnx.quant.pre_process", "onnxruntime.quant"
    onnx.save(model, path)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the quantisers quiet, one of which sets up logging for the whole process when it is imported."""
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
