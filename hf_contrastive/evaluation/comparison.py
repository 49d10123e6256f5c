"""Two versions of a model on the same queries and documents: is the new one worse, and can stored vectors stay?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audits.findings import DatasetRef, Measurement
from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.bootstrap import share_interval
from hf_contrastive.evaluation.cost import latency, size_of_weights
from hf_contrastive.evaluation.means import bootstrapped_mean, metric_comparison, short, shortened
from hf_contrastive.evaluation.neighbours import cosines, flips, neighbour_overlap
from hf_contrastive.evaluation.pairs import K, RetrievalTask
from hf_contrastive.evaluation.reading import read_retrieval
from hf_contrastive.evaluation.report import PRIMARY, check_reach, check_seed_and_length
from hf_contrastive.evaluation.retrieval import RetrievalScores, scores_of, top_documents
from hf_contrastive.evaluation.search import Floats
from hf_contrastive.model_references import ModelReference, find_model
from model_cards.evidence import VersionComparison
from model_cards.version_comparison import CROSS, CROSS_LOSS, DIMENSIONS, SAME_TEXT, regressed

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

FEWEST_QUERIES = 10
"""Below this an interval over queries says nothing."""

METRICS = (f"ndcg@{K}", f"mrr@{K}", f"recall@{K}")

Progress = Callable[[int, int], None]


class LosingQuery(NamedTuple):
    """A query that the new version answers worse: its row in the data, and its scores. The text stays here."""

    row: int
    before: float
    after: float
    text: str


class Compared(NamedTuple):
    """A comparison, and the queries that lost most, the worst first."""

    comparison: VersionComparison
    losing: tuple[LosingQuery, ...]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """One model on the task: vectors, the nearest documents of each query, and scores."""

    queries: Floats
    documents: Floats
    top: npt.NDArray[np.int64]
    scores: RetrievalScores
    first_right: npt.NDArray[np.bool_]


def compare(
    published: Any,
    model: Any,
    dataset: Any,
    *,
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    split: str | None = None,
    limit: int | None = None,
    max_length: int | None = None,
    seed: int = 0,
    margin: float = 0.01,
    primary: str = PRIMARY,
    api: Any = None,
    on_progress: Progress | None = None,
) -> VersionComparison:
    """Measure a new version of a model beside an earlier one, on the same queries and documents.

    Each model encodes with its own prompts, pooling, normalisation and length. Differences are paired by query.

    Args:
        published: the earlier model: a folder, ``user/name``, ``user/name@TAG``, or anything that
            ContrastiveTrainer takes as ``model``.
        model: the new one, of the same kinds.
        dataset: what :func:`~hf_contrastive.evaluate` takes as ``dataset`` and searches: pairs in two columns, or
            queries, corpus and qrels; neither model should have seen its rows.
        anchor_column: the queries.
        positive_column: the documents.
        split: of ``dataset``; default: test, or the only one.
        limit: number of queries, drawn with ``seed``; their positives are the documents.
        max_length: tokens a text is cut to; default: each model's own.
        seed: of the draw and of the bootstrap.
        margin: a loss of the primary metric that is accepted.
        primary: the metric that decides: ndcg@10, mrr@10 or recall@10.
        api: an HfApi; default: the Hub that HF_ENDPOINT names.
        on_progress: called with (texts done, texts in all).

    Returns:
        The comparison; ``regression`` says whether the interval of the primary metric's difference lies below
        ``-margin`` as a whole.

    Raises:
        EvaluationError: the split or a column is missing, cells are no text, there are fewer than 10 queries, a model
            gives no finite vectors, or a setting is out of its range.
        ModelError: a model can not be read, or has no such revision.
        SourceError: the data can not be read.
        HubError: the Hub refused or could not be reached.
    """
    return compare_models(
        published,
        model,
        dataset,
        anchor_column=anchor_column,
        positive_column=positive_column,
        split=split,
        limit=limit,
        max_length=max_length,
        seed=seed,
        margin=margin,
        primary=primary,
        api=api,
        on_progress=on_progress,
    ).comparison


_CHECKED = ("margin", "primary", "seed", "max_length")


def compare_models(
    published: Any,
    model: Any,
    dataset: Any,
    *,
    anchor_column: str = "anchor",
    positive_column: str = "positive",
    split: str | None = None,
    limit: int | None = None,
    api: Any = None,
    **options: Any,
) -> Compared:
    """Compare as :func:`compare` does, and name the queries that lost most.

    Args:
        published: see :func:`compare`, as all others.
        model: the new one.
        dataset: with the two columns.
        anchor_column: the queries.
        positive_column: the documents.
        split: of ``dataset``.
        limit: number of queries.
        api: an HfApi.
        **options: of :func:`compare_encoders`.
    """
    check_settings(**{name: options[name] for name in _CHECKED if name in options})
    task, reference = read_retrieval(
        dataset,
        split=split,
        anchor_column=anchor_column,
        positive_column=positive_column,
        limit=limit,
        seed=options.get("seed", 0),
    )
    check_task(task)
    references = [find_model(told, api=api) for told in (published, model)]
    encoders = [item.load() for item in references]
    return compare_encoders(references[0], encoders[0], encoders[1], task, reference, **options)


def compare_encoders(
    published: ModelReference,
    before: TextEncoder,
    after: TextEncoder,
    task: RetrievalTask,
    dataset: DatasetRef,
    *,
    max_length: int | None = None,
    seed: int = 0,
    margin: float = 0.01,
    primary: str = PRIMARY,
    note: str = "",
    worst: int = 10,
    on_progress: Progress | None = None,
) -> Compared:
    """Encode the task with both and compare.

    Args:
        published: what ``before`` is.
        before: the earlier model.
        after: the new one.
        task: queries and documents.
        dataset: where they come from.
        max_length: see :func:`compare`, as ``seed``, ``margin`` and ``primary``.
        seed: of the bootstrap.
        margin: a loss that is accepted.
        primary: the metric that decides.
        note: kept in the comparison.
        worst: how many losing queries to name.
        on_progress: called with (texts done, texts in all).

    Raises:
        EvaluationError: see :func:`compare`.
    """
    check_settings(margin=margin, primary=primary, seed=seed, max_length=max_length)
    check_task(task)
    for encoder in (before, after):
        check_reach(encoder, max_length)
    total = 2 * (len(task.queries) + len(task.documents))
    old = _encode(before, "published", task, max_length, _shifted(on_progress, 0, total))
    new = _encode(after, "new", task, max_length, _shifted(on_progress, total // 2, total))
    scores = {name: (old.scores.per_query()[name], new.scores.per_query()[name]) for name in METRICS}
    changes = scores[primary][1] - scores[primary][0]
    comparison = VersionComparison(
        repo_id=published.repo_id or published.name,
        tag=published.tag,
        commit=published.commit,
        published_weights_sha256=before.weights_digest(),
        weights_sha256=after.weights_digest(),
        dataset=dataset,
        queries=len(task.queries),
        documents=len(task.documents),
        max_length=max_length if max_length is not None else after.spec.max_length,
        seed=seed,
        primary_metric=primary,
        metrics=tuple(metric_comparison(name, *pair, seed) for name, pair in scores.items()),
        wins=int((changes > 0).sum()),
        losses=int((changes < 0).sum()),
        ties=int((changes == 0).sum()),
        **_shares(old, new, seed),
        compatibility=_compatibility(old, new, task, primary, seed),
        margin=margin,
        note=note,
        cost=(latency(before, after, task.queries, max_length=max_length), size_of_weights(before, after)),
    )
    comparison = replace(comparison, regression=regressed(comparison))
    order = np.argsort(changes, kind="stable")[:worst]
    losing = tuple(
        LosingQuery(task.query_rows[i], float(scores[primary][0][i]), float(scores[primary][1][i]), task.queries[i])
        for i in order.tolist()
        if changes[i] < 0
    )
    return Compared(comparison, losing)


def check_settings(
    *, margin: float = 0.0, primary: str = PRIMARY, seed: int = 0, max_length: int | None = None
) -> None:
    """Refuse a margin, a metric, a seed or a length that can not be.

    Raises:
        EvaluationError: one of them.
    """
    if not 0.0 <= margin <= 1.0:
        msg = f"`margin` must lie between 0 and 1, as scores do, got {margin}; 0.01 accepts a loss of one point in 100."
        raise EvaluationError(msg)
    if primary not in METRICS:
        msg = f"`primary` is {primary!r}; the metrics that are measured are {', '.join(METRICS)}."
        raise EvaluationError(msg)
    check_seed_and_length(seed, max_length)


def check_task(task: RetrievalTask) -> None:
    """Refuse a task of too few queries.

    Raises:
        EvaluationError: there are fewer than :data:`FEWEST_QUERIES`.
    """
    if len(task.queries) < FEWEST_QUERIES:
        msg = (
            f"The data has {len(task.queries)} distinct queries; at least {FEWEST_QUERIES} are needed for an interval "
            "over queries, and some hundreds for one that is narrow enough to decide. Name larger data."
        )
        raise EvaluationError(msg)


def _shifted(on_progress: Progress | None, offset: int, total: int) -> Progress | None:
    return (lambda done, _: on_progress(offset + done, total)) if on_progress is not None else None


def _encode(
    encoder: TextEncoder, which: str, task: RetrievalTask, max_length: int | None, on_progress: Progress | None
) -> _Encoded:
    parts: list[Floats] = []
    for texts, prompt in ((task.queries, "query"), (task.documents, "document")):
        shift = len(task.queries) if parts else 0
        vectors = encoder.encode(
            texts, prompt=prompt, max_length=max_length, on_progress=_shifted(on_progress, shift, 0)
        )
        _check_vectors(vectors, which, prompt, task)
        parts.append(vectors)
    top = top_documents(*parts, k=K)
    first = np.fromiter((row[0] in found for row, found in zip(top, task.relevant, strict=True)), bool, len(top))
    scores = scores_of(top, task.relevant, k=K, documents=len(task.documents))
    return _Encoded(parts[0], parts[1], top, scores, first)


def _check_vectors(vectors: Floats, which: str, prompt: str, task: RetrievalTask) -> None:
    sound = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    if sound.all():
        return
    first = int(np.flatnonzero(~sound)[0])
    row = (task.query_rows if prompt == "query" else task.document_rows)[first]
    msg = (
        f"The {which} model gives no usable vector (NaN, infinite or zero) for {int((~sound).sum())} of {len(sound)} "
        f"{'queries' if prompt == 'query' else 'documents'}, first for that of row {row}, so that nothing can be "
        "compared. Look at its weights, or load it in float32."
    )
    raise EvaluationError(msg)


def _shares(old: _Encoded, new: _Encoded, seed: int) -> Mapping[str, Any]:
    turned = flips(old.first_right, new.first_right)
    shared = neighbour_overlap(old.top, new.top)
    return {
        "neighbour_overlap": bootstrapped_mean(
            f"shared among the {old.top.shape[1]} nearest documents", shared, seed=seed, unit="fraction"
        ),
        "negative_flips": _share("negative flips: right at rank 1 before, wrong now", turned.negative),
        "positive_flips": _share("positive flips: wrong at rank 1 before, right now", turned.positive),
    }


def _share(name: str, found: npt.NDArray[np.bool_]) -> Measurement:
    hits, size = int(found.sum()), len(found)
    low, high = share_interval(hits, size)
    return Measurement(
        name=name,
        value=hits / size,
        unit="fraction",
        sample_size=size,
        interval=(short(low), short(high)),
        method="95 % Wilson interval over queries",
    )


def _compatibility(
    old: _Encoded, new: _Encoded, task: RetrievalTask, primary: str, seed: int
) -> tuple[Measurement, ...]:
    """Measure the new queries on the vectors that the published model gave to the documents."""
    sizes = [
        Measurement(name=f"{DIMENSIONS}, {which}", value=int(part.documents.shape[1]), unit="")
        for which, part in (("published", old), ("new", new))
    ]
    if sizes[0].value != sizes[1].value:
        return tuple(sizes)
    top = top_documents(new.queries, old.documents, k=K)
    crossed = scores_of(top, task.relevant, k=K, documents=len(task.documents)).per_query()[primary]
    same = bootstrapped_mean(SAME_TEXT, cosines(old.documents, new.documents), seed=seed, unit="", of="documents")
    return (
        *sizes,
        shortened(same),
        bootstrapped_mean(CROSS.format(primary), crossed, seed=seed),
        bootstrapped_mean(CROSS_LOSS.format(primary), crossed, against=old.scores.per_query()[primary], seed=seed),
    )
