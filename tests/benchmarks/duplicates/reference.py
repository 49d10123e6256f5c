"""Which rows repeat an earlier one, by comparing every pair: slow, and written apart from what is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from audits.text.normalise import normalise

_WORD = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff]+")
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)


class EveryPair:
    """Jaccard similarity of every pair of texts that share a run of words (or of characters, for short ones)."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        ids: dict[object, int] = {}
        columns, offsets = list[int](), [0]
        for text in texts:
            columns.extend(sorted({ids.setdefault(run, len(ids)) for run in _runs(normalise(text))}))
            offsets.append(len(columns))
        shape = (len(texts), max(len(ids), 1))
        rows = sparse.csr_array((np.ones(len(columns), np.int32), columns, offsets), shape=shape)
        sizes = np.diff(offsets)
        self.similar: list[npt.NDArray[np.int64]] = []
        for start in range(0, len(texts), 1000):
            shared = (rows[start : start + 1000] @ rows.T).tocsr()
            for i in range(shared.shape[0]):
                others = shared.indices[shared.indptr[i] : shared.indptr[i + 1]]
                common = shared.data[shared.indptr[i] : shared.indptr[i + 1]]
                union = sizes[start + i] + sizes[others] - common
                self.similar.append(np.sort(others[common >= threshold * union]))

    def repeated(self) -> npt.NDArray[np.int64]:
        """Return the rows that are similar to an earlier one which is not such a row itself, and the first of those."""
        partner = np.full(len(self.similar), -1)
        for row, others in enumerate(self.similar):
            earlier = others[others < row]
            kept = earlier[partner[earlier] < 0]
            if len(kept):
                partner[row] = kept[0]
        rows = np.flatnonzero(partner >= 0)
        return np.stack([rows, partner[rows]], axis=1)

    def quality(self, rows: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Return the recall and the precision of ``rows``, those that would be removed.

        The share of :meth:`repeated` of which one is removed, whichever; and the share of ``rows`` that are similar to
        any other row.
        """
        removed = np.zeros(len(self.similar), bool)
        removed[rows] = True
        recall = float(removed[self.repeated()].any(axis=1).mean()) if len(self.repeated()) else 1.0
        right = [bool((self.similar[row] != row).any()) for row in rows.tolist()]
        return recall, float(np.mean(right)) if right else 1.0


def _runs(text: str) -> frozenset[object]:
    units = list[str]()
    for word in _WORD.findall(text):
        for part in _UNSPACED.split(word):
            units += part if len(part) > 64 else filter(None, [part])
    if len(units) >= 5:
        return frozenset(zip(*(units[i:] for i in range(5)), strict=False))
    return frozenset(text[i : i + 5] for i in range(max(len(text) - 4, 1))) if text else frozenset()
