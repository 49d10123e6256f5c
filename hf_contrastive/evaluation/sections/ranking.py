"""A retrieval at other depths: nDCG, MRR and Recall at 1 to 100, and MAP."""

from __future__ import annotations

from collections.abc import Iterable

from audits.findings import Table
from hf_contrastive.errors import NotComputableError
from hf_contrastive.evaluation.encodings import Texts
from hf_contrastive.evaluation.means import metric_comparison
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
    scores = [task.ranks(vectors).per_query(CUTOFFS) for vectors in asked.models]
    found = {
        key: metric_comparison(key, scores[1][key] if asked.before else None, values, asked.seed)
        for key, values in scores[0].items()
    }
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
