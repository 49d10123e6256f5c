"""Text encoders for checks that compare meaning; the default needs no neural network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from audits.errors import AuditError


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns texts into vectors."""

    name: str

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return L2-normalised vectors, ``[len(texts), dim]``."""
        ...


SVD_SAMPLE = 5000


class TfidfEncoder:
    """TF-IDF of words and word pairs, reduced by a truncated SVD (latent semantic analysis).

    Deerwester et al., "Indexing by Latent Semantic Analysis", 1990; the randomised SVD is Halko et al.,
    2011; beyond 5,000 texts its directions come from a seeded sample. It is fitted on the texts of each
    call: compare only vectors of one call with each other.

    Args:
        dim: length of the vectors; where the texts hold fewer features, the rest is zero.
        seed: of the randomised SVD.
        max_features: the most frequent words and pairs that are kept.
    """

    def __init__(self, dim: int = 128, seed: int = 0, max_features: int = 50_000) -> None:
        if dim < 1 or max_features < 1:
            msg = f"`dim` and `max_features` must be at least 1, got {dim} and {max_features}."
            raise AuditError(msg)
        self.dim = dim
        self.seed = seed
        self.max_features = max_features
        self.name = f"tfidf-svd-{dim}"

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return L2-normalised vectors, ``[len(texts), dim]``; a text without a word is the zero vector."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second to import
        from sklearn.utils.extmath import randomized_svd

        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not any(re.search(r"\w", text) for text in texts):
            return vectors
        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2),
            token_pattern=r"(?u)\w+",
            sublinear_tf=True,
            max_features=self.max_features,
            dtype=np.float32,
        )
        weights = vectorizer.fit_transform(list(texts))
        features = weights.shape[1]
        if features <= self.dim:
            reduced = weights.toarray()
        else:
            sample = weights
            if len(texts) > SVD_SAMPLE:
                # the leading directions of a sample serve all rows, in a third of the time
                chosen = np.random.default_rng(self.seed).choice(len(texts), SVD_SAMPLE, replace=False)
                sample = weights[np.sort(chosen)]
            size = min(self.dim, len(texts))
            _, _, directions = randomized_svd(sample, n_components=size, n_iter=4, random_state=self.seed)
            reduced = weights @ directions.T
        vectors[:, : reduced.shape[1]] = reduced
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        # a text whose every feature lies outside the kept ones is left with rounding noise: no direction
        vectors[norms[:, 0] < 1e-6] = 0.0
        np.divide(vectors, norms, out=vectors, where=norms >= 1e-6)
        return vectors
