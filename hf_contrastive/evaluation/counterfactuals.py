"""Does a search change when one term is swapped, such as he for she?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.estimates import Scores
from hf_contrastive.evaluation.neighbours import cosines
from hf_contrastive.evaluation.retrieval import ranks_of
from hf_contrastive.evaluation.vectors import same_dimension, same_rows, unit_vectors


class SwapEffect(NamedTuple):
    """What the swap changes for each query, ``[n]`` each.

    ``cosine_change`` is |cosine to its document before - after|, ``rank_change`` the rank of its document after less
    that before (higher is worse).
    """

    cosine_change: Scores
    rank_change: npt.NDArray[np.int64]


def swap_terms(text: str, pairs: Sequence[tuple[str, str]]) -> str | None:
    """Return the text with each term of a pair in place of the other, or None if it has none of them.

    Whole words, in any case, which is kept: he → she, He → She, HE → SHE. All are swapped at once, so that a second
    swap gives the first text again where each term stands in one pair only.

    Args:
        text: of any language that writes spaces.
        pairs: the terms; a term in two pairs is swapped by the first.

    Raises:
        EvaluationError: no pairs, or a pair with an empty term or one term twice.
    """
    if not pairs or any(not first or not second or first.lower() == second.lower() for first, second in pairs):
        msg = f"`pairs` must hold pairs of two different terms, such as ('he', 'she'), got {list(pairs)[:3]}."
        raise EvaluationError(msg)
    other: dict[str, str] = {}
    for first, second in pairs:
        other.setdefault(first.lower(), second)
        other.setdefault(second.lower(), first)
    # the longest first, so that a term within another is not taken for it
    terms = "|".join(re.escape(term) for term in sorted(other, key=lambda term: (-len(term), term)))
    pattern = re.compile(rf"(?<!\w)(?:{terms})(?!\w)", re.IGNORECASE)
    swapped, count = pattern.subn(lambda match: _like(match[0], other[match[0].lower()]), text)
    return swapped if count else None


def swap_effect(
    queries: npt.ArrayLike,
    swapped: npt.ArrayLike,
    documents: npt.ArrayLike,
    target: Sequence[int] | npt.NDArray[np.int64],
) -> SwapEffect:
    """Compare queries with their swapped copies.

    Args:
        queries: ``[n, dim]``.
        swapped: those of the copies, ``[n, dim]``.
        documents: that are searched, ``[documents, dim]``.
        target: the document of each query, ``[n]``.

    Raises:
        EvaluationError: shapes do not fit, embeddings are not finite or zero, or a target names no document.
    """
    one, two = unit_vectors("queries", queries), unit_vectors("swapped", swapped)
    found = unit_vectors("documents", documents)
    same_dimension(queries=one, swapped=two, documents=found)
    same_rows(queries=one, swapped=two, target=target)
    wanted = np.asarray(target)
    before, after = ranks_of(queries, documents, wanted), ranks_of(swapped, documents, wanted)
    own = found[wanted]
    return SwapEffect(
        cosine_change=np.abs(cosines(one, own) - cosines(two, own)),
        rank_change=after - before,
    )


def _like(found: str, term: str) -> str:
    if len(found) > 1 and found.isupper():
        return term.upper()
    return term[:1].upper() + term[1:] if found[:1].isupper() else term
