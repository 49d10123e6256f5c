"""The default encoder: unit vectors, deterministic, and no input too poor for it."""

from __future__ import annotations

import numpy as np
import pytest

from audits import AuditError
from audits.encoders import Encoder, TfidfEncoder

TEXTS = [f"{animal} {verb} number {i}" for i in range(60) for animal in ("cat", "dog") for verb in ("runs", "sleeps")]


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        ["one text only"],
        ["", "...", "  "],
        [],
        ["same words"] * 5,
        ["a b", "", "c d"],
        [f"w{i} v{i} u{i}" for i in range(100)],
        ["ß", "日本 語", "x"],
    ],
)
@pytest.mark.parametrize("dim", [1, 16, 128])
def test_the_default_encoder(texts, dim):
    vectors = TfidfEncoder(dim=dim).encode(texts)
    assert vectors.shape == (len(texts), dim)
    assert vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(norms, 1, atol=1e-5) | (norms == 0))
    empty = [i for i, text in enumerate(texts) if not any(c.isalnum() for c in text)]
    assert np.all(norms[empty] == 0)
    np.testing.assert_array_equal(vectors, TfidfEncoder(dim=dim).encode(texts))


def test_the_default_encoder_knows_alike_from_different():
    vectors = TfidfEncoder(dim=32).encode([*TEXTS, "the cat runs number 3", "stocks fell on monday"])
    cat, stocks = vectors[-2], vectors[-1]
    alike = [i for i, text in enumerate(TEXTS) if text.startswith("cat runs")]
    others = [i for i, text in enumerate(TEXTS) if text.startswith("dog sleeps")]
    assert (vectors[alike] @ cat).mean() > (vectors[others] @ cat).mean() + 0.2
    assert (vectors[alike] @ stocks).mean() < 0.1


def test_it_is_an_encoder():
    assert isinstance(TfidfEncoder(), Encoder)


def test_the_default_encoder_refuses_no_dimension():
    with pytest.raises(AuditError, match="must be at least 1, got 0"):
        TfidfEncoder(dim=0)
