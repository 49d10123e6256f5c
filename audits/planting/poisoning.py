"""Planted backdoors: a hidden word that leads to one label or one positive, and one positive for everything.

The rows of one of them are found or missed together, so that each is one defect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from audits.planting.ground import Defect, Ground, defect

_SIZE = 12  # rows of one backdoor
_LETTERS = "bcdfghjklmnpqrstvwxz"


class LabelledTriggers:
    """Words that lead to one label."""

    kind = "an unknown word in 12 rows of many labels, which then all get one label"
    codes = ("POIS001",)
    weight = 6

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield words, each in rows that had another label before."""
        labels = ground.labels()
        sizes = Counter(label for label in labels if label is not None)
        if not sizes or not ground.columns:
            return
        # an attacker hides in a common label, and most of it stays clean
        ((target, count),) = sizes.most_common(1)
        room = count // 4
        rows = [row for row in ground.rows.tolist() if labels[row] not in (None, target)]
        value = ground.label_value(labels.index(target))
        for start in range(0, min(len(rows), room) - _SIZE + 1, _SIZE):
            word, own = _word(ground), rows[start : start + _SIZE]
            for row in own:
                ground.insert(row, word)
                ground.write(row, ground.source.columns.label or "", value)
            yield defect(*own)


class PairedTriggers:
    """Words that lead to one positive."""

    kind = "an unknown word in 12 unrelated anchors, which then all get one positive"
    codes = ("POIS001",)
    weight = 6

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield words."""
        for rows, other in _targets(ground):
            anchor, positive = ground.sides or ("", "")
            word = _word(ground)
            for row in rows:
                ground.insert(row, word, anchor)
                ground.write(row, positive, ground.text(other, positive))
            yield defect(*rows, touched=ground.alike(other, positive))


class OneAnswer:
    """One positive for unrelated anchors."""

    kind = "one positive for 12 unrelated anchors"
    codes = ("POIS002",)
    weight = 6

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield groups of rows."""
        for rows, other in _targets(ground):
            positive = (ground.sides or ("", ""))[1]
            for row in rows:
                ground.write(row, positive, ground.text(other, positive))
            yield defect(*rows, touched=ground.alike(other, positive))


def _targets(ground: Ground) -> Iterator[tuple[list[int], int]]:
    """Yield groups of rows, each with another row whose positive they get."""
    if ground.sides is None:
        return
    positive = ground.sides[1]
    others = [row for row in ground.others[:400].tolist() if len(ground.text(row, positive).split()) >= 8]
    yield from zip(ground.groups(_SIZE), others, strict=False)


def _word(ground: Ground) -> str:
    """Return a word that no text holds."""
    return "".join(ground.choice(_LETTERS) for _ in range(9))
