"""A retrieval at other depths: nDCG, MRR and Recall at 1 to 100, and MAP."""

from __future__ import annotations

from collections.abc import Iterable

from audits.findings import Table
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.encodings import Texts
from hf_contrastive.evaluation.estimates import mean_of
from hf_contrastive.evaluation.estimates import measure as measured
from hf_contrastive.evaluation.ranks import CUTOFFS
from hf_contrastive.evaluation.sections import Asked
from hf_contrastive.evaluation.tasks import Retrieval
from model_cards.evidence import EvaluationSection

name = "ranking"

_SHOWN = ("map", "recall@1", "recall@100")


def standard(asked: Asked) -> bool:
    """Whether it is measured unless somebody says otherwise: where documents are searched."""
    return isinstance(asked.task, Retrieval)


def texts(asked: Asked) -> Iterable[Texts]:
    """Return nothing: the task's vectors suffice."""
    _of(asked)
    return ()


def measure(asked: Asked) -> EvaluationSection:
    """Measure every cut-off in one pass; the table has all of them."""
    task = _of(asked)
    scores = [
        {key: mean_of(values) for key, values in task.ranks(vectors).per_query(CUTOFFS).items()}
        for vectors in asked.models
    ]
    before = scores[1] if asked.before is not None else None
    # one list of draws for all, the same as those of the task's own metrics
    items = measured(scores[0], (len(task.task.queries),), before=before, of="queries", seed=asked.seed)
    found = {item.after.name: item for item in items}
    columns = ["metric", "value", "low", "high"]
    if asked.before is not None:
        columns += ["base", "change", "change low", "change high"]
    rows = []
    for key, item in found.items():
        row: list[str | float] = [key, item.after.value, *(item.after.interval or ())]
        if item.before is not None and item.difference is not None:
            row += [item.before.value, item.difference.value, *(item.difference.interval or ())]
        rows.append(tuple(row))
    deepest = CUTOFFS[-1] < len(task.task.documents)
    return EvaluationSection(
        name=name,
        metrics=tuple(found[key] for key in _SHOWN if deepest or key != "recall@100"),
        tables=(Table(name="ranking by depth", columns=tuple(columns), rows=tuple(rows)),),
        method=f"Exact search over all {len(task.task.documents)} documents; MAP is over the whole ranking",
    )


def _of(asked: Asked) -> Retrieval:
    if not isinstance(asked.task, Retrieval):
        msg = "the task searches no documents"
        raise NotComputableError(msg)
    return asked.task
