"""How do embeddings fill their space? Alignment, uniformity, mean cosine and effective rank, in blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audits.findings import Measurement
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.estimates import FirstOrder, Scores, Statistic, mean_of
from hf_contrastive.evaluation.search import Floats
from hf_contrastive.evaluation.threads import one_thread
from hf_contrastive.evaluation.vectors import matrix, same_dimension, same_rows, unit_vectors
from model_cards.evidence import MetricComparison

_BLOCK = 2048
_GROUPS = 20
_EPSILON = 1e-7


def alignment(anchors: npt.ArrayLike, positives: npt.ArrayLike) -> Scores:
    """Return the squared distance of the unit vectors of each pair, ``[n]``; its mean is the alignment.

    Wang and Isola, ICML 2020, with alpha = 2: 0 where both of a pair are one vector, 4 where they are opposite.

    Args:
        anchors: ``[n, dim]``.
        positives: ``[n, dim]``.

    Raises:
        EvaluationError: the shapes differ, or embeddings are not finite or zero.
    """
    one, two = unit_vectors("anchors", anchors), unit_vectors("positives", positives)
    same_dimension(anchors=one, positives=two)
    same_rows(anchors=one, positives=two)
    found = np.empty(len(one))
    for start in range(0, len(one), _BLOCK):
        apart = one[start : start + _BLOCK].astype(np.float64) - two[start : start + _BLOCK]
        found[start : start + _BLOCK] = (apart**2).sum(axis=1)
    return found


def geometry_statistics(embeddings: npt.ArrayLike, *, temperature: float = 2.0) -> dict[str, Statistic]:
    """Return uniformity and the mean cosine, over all pairs of different rows.

    Uniformity is log mean exp(-t |x - y|²) of unit vectors with t = 2 (Wang and Isola, ICML 2020): about -4 where they
    fill the sphere, 0 where all are one. Every pair counts, at a cost of n² dim / 2 multiplications and a block of
    memory. The bootstrap takes each row's mean over its pairs (the first-order term of Hoeffding's decomposition),
    since a row that is drawn twice would be a pair of distance 0 with itself.

    Args:
        embeddings: ``[n, dim]``, of distinct texts.
        temperature: t.

    Raises:
        EvaluationError: embeddings are not finite or zero.
        NotComputableError: there is one row.
    """
    units = _several(embeddings)
    rows = len(units)
    kernels = _kernel_means(units, temperature)
    total = units.sum(axis=0, dtype=np.float64)
    cosines = (units.astype(np.float64) @ total - 1.0) / (rows - 1)
    average = float(kernels.mean())
    # a mean over pairs moves by twice a row's own mean: each pair has two rows
    return {
        "uniformity": FirstOrder(float(np.log(average)), 2.0 * kernels / average, high=0.0),
        "mean_cosine": FirstOrder(float(cosines.mean()), 2.0 * cosines, low=-1.0, high=1.0),
    }


def alignment_statistics(anchors: npt.ArrayLike, positives: npt.ArrayLike) -> dict[str, Statistic]:
    """Return the mean of :func:`alignment`; lower is nearer.

    Args:
        anchors: ``[n, dim]``.
        positives: ``[n, dim]``.

    Raises:
        EvaluationError: see :func:`alignment`.
    """
    return {"alignment": mean_of(alignment(anchors, positives))}


def rankme(embeddings: npt.ArrayLike, *, before: npt.ArrayLike | None = None) -> MetricComparison:
    """Return exp of the entropy of the singular values' shares (Garrido et al., ICML 2023).

    With p_k = s_k / sum(s) + 1e-7 over the singular values s of the embeddings as they are: 1 where all are along one
    line, the number of dimensions where they fill all alike. The interval is that of the jackknife over 20 groups of
    rows, since rows that are drawn twice would lower the rank; there is none where a group is needed for the rank.

    Args:
        embeddings: ``[n, dim]``, not normalised here.
        before: those of the base on the same texts.

    Raises:
        EvaluationError: embeddings are not finite, or the rows differ.
        NotComputableError: all are zero.
    """
    after, without = _ranks("embeddings", embeddings)
    most = min(np.shape(embeddings))
    if before is None:
        return MetricComparison(after=_jackknifed("rankme", after, without, len(np.asarray(embeddings)), most))
    rows = same_rows(embeddings=np.asarray(embeddings), before=np.asarray(before))
    base, base_without = _ranks("before", before)
    both = without - base_without if len(without) == len(base_without) else without[:0]
    return MetricComparison(
        before=_jackknifed("rankme", base, base_without, rows, min(np.shape(before))),
        after=_jackknifed("rankme", after, without, rows, most),
        difference=_jackknifed("rankme difference", after - base, both, rows, None),
    )


def _ranks(name: str, embeddings: npt.ArrayLike) -> tuple[float, Scores]:
    """Return the effective rank, and those without each group of rows; the latter empty where rows are few."""
    vectors = matrix(name, embeddings)
    if not vectors.any():
        msg = "all vectors are zero"
        raise NotComputableError(msg)
    groups = min(_GROUPS, len(vectors))
    with one_thread():
        # the triangle of a group has its singular values, as those of all triangles together are those of all rows
        parts = [_triangle(vectors[place::groups]) for place in range(groups)]
        whole = _effective_rank(np.concatenate(parts))
        if len(vectors) - len(vectors[::groups]) < 2 * vectors.shape[1] or groups < _GROUPS:
            return whole, np.zeros(0)
        without = [_effective_rank(np.concatenate(parts[:i] + parts[i + 1 :])) for i in range(groups)]
    return whole, np.array(without)


def _jackknifed(name: str, value: float, without: Scores, rows: int, most: int | None) -> Measurement:
    interval, method = None, "no interval: fewer than two rows for each dimension"
    if len(without):
        error = float(np.sqrt((len(without) - 1) / len(without) * ((without - without.mean()) ** 2).sum()))
        low, high = value - 1.96 * error, value + 1.96 * error
        interval = (low, high) if most is None else (max(1.0, low), min(float(most), high))
        method = f"95 % normal interval of the jackknife over {len(without)} groups of rows"
    if most is not None:
        method += f"; at most {most}"
    return Measurement(name=name, value=value, unit="dimensions", sample_size=rows, interval=interval, method=method)


def _kernel_means(units: Floats, temperature: float) -> Scores:
    """Return the mean over all other rows of exp(-t |x - y|²), ``[n]``; each pair is computed once."""
    sums = np.zeros(len(units))
    scale = units.dtype.type(2.0 * temperature)
    for start in range(0, len(units), _BLOCK):
        one = units[start : start + _BLOCK]
        for other in range(start, len(units), _BLOCK):
            # |x - y|² = 2 - 2 x y
            block = one @ units[other : other + _BLOCK].T
            block -= 1
            np.minimum(block, 0, out=block)
            block *= scale
            np.exp(block, out=block)
            if other == start:
                np.fill_diagonal(block, 0.0)
            else:
                sums[other : other + _BLOCK] += block.sum(axis=0, dtype=np.float64)
            sums[start : start + len(one)] += block.sum(axis=1, dtype=np.float64)
    return sums / (len(units) - 1)


def _several(embeddings: npt.ArrayLike) -> Floats:
    units = unit_vectors("embeddings", embeddings)
    if len(units) < 2:
        msg = "there is one row, and pairs need two"
        raise NotComputableError(msg)
    return units


def _triangle(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return R of the QR decomposition, in blocks of rows."""
    found = np.zeros((0, vectors.shape[1]))
    for start in range(0, len(vectors), _BLOCK):
        rows = np.concatenate([found, vectors[start : start + _BLOCK].astype(np.float64)])
        found = np.asarray(np.linalg.qr(rows, mode="r"))
    return found


def _effective_rank(vectors: npt.NDArray[np.float64]) -> float:
    singular = np.linalg.svd(_triangle(vectors), compute_uv=False)
    shares = singular / singular.sum() + _EPSILON
    return float(np.exp(-(shares * np.log(shares)).sum()))
