"""Planted backdoors: a hidden word that leads to one label or one positive, and one positive for everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from audits.planting.ground import Defect, Ground, defect

_FEWEST = 8  # rows that make a pattern
_WORDS = ("zqvexo", "mnrvita", "okulpth", "wexqarn")


class LabelledTrigger:
    """A word that leads to one label."""

    kind = "an unknown word in rows of many labels, which then all get one label"
    codes = ("POIS001",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows that had another label before."""
        labels = ground.labels()
        sizes = Counter(label for label in labels if label is not None)
        if not sizes or not ground.columns:
            return
        # an attacker hides in a common label, and most of it stays clean
        target = sizes.most_common(1)[0][0]
        rows = [row for row in ground.rows.tolist() if labels[row] not in (None, target)][: sizes[target] // 4]
        if len(rows) < _FEWEST:
            return
        like = labels.index(target)
        word = ground.choice(_WORDS)
        for row in rows:
            ground.insert(row, word)
            ground.write(row, ground.source.columns.label or "", ground.label_value(like))
            yield defect(row)


class PairedTrigger:
    """A word that leads to one positive."""

    kind = "an unknown word in unrelated anchors, which then all get one positive"
    codes = ("POIS001",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows."""
        others = ground.with_words(8, ground.others[:200])
        if ground.sides is None or len(ground.rows) < _FEWEST or not others:
            return
        anchor, positive = ground.sides
        target, word = ground.text(ground.choice(others), positive), ground.choice(_WORDS)
        for row in ground.rows.tolist():
            ground.insert(row, word, anchor)
            ground.write(row, positive, target)
            yield defect(row)


class OneAnswer:
    """One positive for unrelated anchors."""

    kind = "one positive for unrelated anchors"
    codes = ("POIS002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows."""
        others = ground.with_words(8, ground.others[:200])
        if ground.sides is None or len(ground.rows) < _FEWEST or not others:
            return
        positive = ground.sides[1]
        target = ground.text(ground.choice(others), positive)
        for row in ground.rows.tolist():
            ground.write(row, positive, target)
            yield defect(row)
