"""Planted label errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from audits.planting.ground import Defect, Ground, defect

_FEWEST = 5  # rows of a label that can be judged


class ChangedLabels:
    """Labels that are another one."""

    kind = "a label changed to any other"
    codes = ("LABEL001",)
    weight = 4  # few errors among many rows do not stand out

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows of labels that are not rare."""
        labels = ground.labels()
        sizes = Counter(label for label in labels if label is not None)
        known = {label: labels.index(label) for label, count in sorted(sizes.items()) if count >= _FEWEST}
        column = ground.source.columns.label or ""
        if len(known) < 2:
            return
        for row in ground.rows.tolist():
            others = [label for label in known if label != labels[row]]
            if labels[row] in known and any(ground.text(row, name).strip() for name in ground.columns):
                ground.write(row, column, ground.label_value(known[ground.choice(others)]))
                yield defect(row)
