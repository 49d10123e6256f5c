"""Hard negatives: texts that a model finds near an anchor, and that are not its positives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError, DataFormatError, ModelError
from hf_contrastive.training.formats import DataFormat, check_rows, recognise
from hf_contrastive.training.negatives import Criteria, Sampling, positive_scores, select_negatives
from hf_contrastive.training.setup import as_dataset, refuse_transform

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
Output = Literal["triplets", "n-tuples"]

SCORES = "scores"
_ROWS_AT_ONCE = 10_000


def mine_hard_negatives(
    dataset: Dataset,
    model: Any,
    *,
    num_negatives: int = 3,
    range_min: int = 0,
    range_max: int | None = None,
    margin: float | None = None,
    relative_margin: float | None = None,
    min_score: float | None = None,
    max_score: float | None = None,
    sampling: Sampling = "top",
    corpus: Iterable[str] | None = None,
    output: Output = "triplets",
    with_scores: bool = False,
    max_length: int | None = None,
    block_size: int = 512,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Dataset:
    """Add to each pair the documents that ``model`` finds near its anchor and that are not its positives.

    The documents are the positives of all rows and the texts of ``corpus``; equal texts are one document. The
    positives of an anchor are those of all rows with the same anchor: none of them is mined for it, nor is its own
    text. A score is the cosine of the embeddings of anchor and document, which have the model's prompts ``query`` and
    ``document`` before them. Every distinct text is embedded once a side. All documents are compared, not a sample.

    A negative must meet all conditions at once. Its rank, counted from 0 over the documents that may be mined, from
    the nearest on, lies in ``range_min`` to ``range_max - 1``; its score s lies in ``min_score`` to ``max_score``; and
    with p, the score of the anchor's farthest positive, s < p - ``margin`` and s <= p - ``relative_margin`` |p| (the
    positive-aware mining TopK-MarginPos and TopK-PercPos of Moreira et al., NV-Retriever, 2024). sentence-transformers
    instead passes over ``range_min`` of those documents that its other conditions have left, and keeps s = p - margin.

    The result depends on data, model, settings and ``seed``, not on ``block_size``: scores are summed without
    rounding, and documents of equal score stand in the order in which they occur (positives, then ``corpus``).

    Args:
        dataset: pairs; the columns are recognised as in training, and others are kept.
        model: anything that ContrastiveTrainer takes as ``model``, or a TextEncoder.
        num_negatives: negatives wanted for each row.
        range_min: so many of the nearest documents are passed over, since they may be positives that nobody marked.
        range_max: rank behind the last that is considered. Default: all ranks, or with ``sampling="random"`` the
            ``10 * num_negatives`` from ``range_min`` on.
        margin: least distance below the positive's score, 0 to 2; 0 refuses what is as near as the positive, up to
            the encoder's own rounding (1e-6).
        relative_margin: the same as a fraction of the positive's score, 0 to 1; 0.05 means at least 5 % below.
        min_score: lowest score, -1 to 1.
        max_score: highest score, -1 to 1.
        sampling: ``top`` takes the nearest that meet the conditions, ``random`` draws among them with ``seed``.
        corpus: more texts to find negatives in.
        output: ``triplets`` gives a row for each negative found, with the column ``negative``: up to
            ``num_negatives`` for each row of ``dataset``, fewer where fewer are found, and none where none is.
            ``n-tuples`` gives one row with ``negative``, ``negative_2``, …; rows with fewer than ``num_negatives``
            are left out. In both, rows that are left out are counted in a warning of the log. The order of the
            rows stays; of one row the nearest negative is first.
        with_scores: add the column ``scores``: those of the positive and of each negative, in the order of the columns.
        max_length: tokens a text is cut to; default: the model's own.
        block_size: anchors compared at a time, with 16 times as many documents: 16 ``block_size``² scores of 8 bytes
            are in memory (34 MB), at most twice, beside the embeddings; with ``random`` also ``range_max`` an anchor.
        seed: of the draw.
        on_progress: called with (steps done, steps in all): each distinct text embedded and each distinct anchor
            searched is one.

    Returns:
        A new Dataset, which can be trained on as it is.

    Raises:
        ConfigurationError: a setting is not allowed, or no document meets the conditions for any row.
        DataFormatError: no Dataset of pairs, no rows, cells that are no text, or a column that would be overwritten.
        ModelError: the model can not be read, or gives vectors that are zero or not finite.
    """
    criteria = Criteria(
        num_negatives=num_negatives,
        range_min=range_min,
        range_max=range_max,
        margin=margin,
        relative_margin=relative_margin,
        min_score=min_score,
        max_score=max_score,
        sampling=sampling,
        seed=seed,
    )
    if output not in ("triplets", "n-tuples"):
        msg = f'`output` must be "triplets" or "n-tuples", got {output!r}; both can be trained on.'
        raise ConfigurationError(msg)
    if block_size < 1:
        msg = f"`block_size` must be >= 1, got {block_size}; 512 takes 34 MB for the scores."
        raise ConfigurationError(msg)
    data_format = _pairs(dataset, with_scores)
    anchor, positive = data_format.texts
    rows = dataset.with_format(None)
    texts = _Texts.of(rows[anchor], rows[positive], corpus)
    steps = 2 * len(texts.anchors) + len(texts.documents)

    def progress(offset: int) -> Progress | None:
        return (lambda done, _: on_progress(offset + done, steps)) if on_progress is not None else None

    encoder = TextEncoder.load(model)
    anchors, documents = (
        _units(encoder.encode(side, prompt=prompt, max_length=max_length, on_progress=progress(offset)), side, encoder)
        for side, prompt, offset in (
            (texts.anchors, "query", 0),
            (texts.documents, "document", len(texts.anchors)),
        )
    )
    pairs, pair_of = np.unique(texts.anchor_of * len(texts.documents) + texts.document_of, return_inverse=True)
    scores = positive_scores(anchors, documents, pairs, block_size=block_size)
    lowest = np.full(len(anchors), np.inf)
    np.minimum.at(lowest, pairs // len(documents), scores)
    found, found_scores = select_negatives(
        anchors,
        documents,
        np.union1d(pairs, texts.own),
        lowest,
        criteria,
        block_size=block_size,
        on_progress=progress(len(anchors) + len(documents)),
    )
    kept, places = _kept(found[texts.anchor_of], output, criteria, len(documents))
    taken = texts.anchor_of[kept][:, None], places
    columns = {
        ("negative" if number == 0 else f"negative_{number + 1}"): [texts.documents[i] for i in ids]
        for number, ids in enumerate(found[taken].T)
    }
    if with_scores:
        columns[SCORES] = np.column_stack([scores[pair_of[kept]], found_scores[taken]]).tolist()
    return _with_columns(rows, kept, columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """Distinct texts of both sides, and where those of each row stand among them, ``[rows]``."""

    anchors: list[str]
    documents: list[str]
    anchor_of: npt.NDArray[np.int64]
    document_of: npt.NDArray[np.int64]
    own: npt.NDArray[np.int64]
    """``anchor * documents + document`` where they are the same text."""

    @classmethod
    def of(cls, anchors: Iterable[str], positives: Iterable[str], corpus: Iterable[str] | None) -> _Texts:
        rows = list(anchors), list(positives)
        queries = {text: i for i, text in enumerate(dict.fromkeys(rows[0]))}
        documents = {text: i for i, text in enumerate(dict.fromkeys([*rows[1], *_corpus(corpus)]))}
        own = [i * len(documents) + documents[text] for text, i in queries.items() if text in documents]
        return cls(
            anchors=list(queries),
            documents=list(documents),
            anchor_of=np.array([queries[text] for text in rows[0]], dtype=np.int64),
            document_of=np.array([documents[text] for text in rows[1]], dtype=np.int64),
            own=np.array(own, dtype=np.int64),
        )


def _pairs(dataset: Any, with_scores: bool) -> DataFormat:
    """Return the format of ``dataset``, which must be of pairs that nothing stands in the way of."""
    refuse_transform(as_dataset(dataset, "dataset"), "dataset")
    data_format = recognise(dataset.features)
    if data_format.kind != "pairs":
        step = (
            "Remove the negatives with `dataset.remove_columns(...)`; their texts may be part of `corpus`."
            if data_format.kind == "triplets"
            else "Keep the rows that are such pairs, in two columns named so: `dataset.filter`, `rename_columns`."
        )
        found = data_format.description
        msg = f"`dataset` has the format {found}; negatives are mined for pairs, (anchor, positive). {step}"
        raise DataFormatError(msg)
    if with_scores and SCORES in dataset.column_names:
        msg = (
            f"`dataset` has a column `{SCORES}` already, which `with_scores=True` would write. Rename it with "
            f"`dataset.rename_column({SCORES!r}, ...)`."
        )
        raise DataFormatError(msg)
    if not len(dataset):
        msg = "`dataset` has no rows; at least one pair is needed, and another document to be its negative."
        raise DataFormatError(msg)
    check_rows(dataset, data_format, name="dataset", minimum=1)
    first = dataset[0]
    for name in data_format.texts:
        if not isinstance(first[name], str):
            msg = (
                f"Column `{name}` of `dataset` holds a {type(first[name]).__name__} a row; negatives are mined for one "
                "text. Write a row for each: rows of one anchor share their positives."
            )
            raise DataFormatError(msg)
    return data_format


def _corpus(corpus: Iterable[Any] | None) -> Iterator[str]:
    if isinstance(corpus, str):
        msg = f"`corpus` is one text, {corpus[:40]!r}; it must be a list of texts, or one column of a dataset."
        raise DataFormatError(msg)
    for number, text in enumerate(corpus if corpus is not None else ()):
        if not isinstance(text, str):
            msg = (
                f"`corpus` holds {type(text).__name__} {str(text)[:40]!r} at {number}; all must be texts. Pass a "
                "column such as `documents['text']`, and leave out what is null."
            )
            raise DataFormatError(msg)
        yield text


def _units(embeddings: npt.NDArray[np.float32], texts: Sequence[str], encoder: TextEncoder) -> npt.NDArray[np.float32]:
    """Give every row of ``embeddings`` the length 1, in place."""
    norms = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
    bad = np.flatnonzero(~((norms > 0) & np.isfinite(norms)))
    if bad.size:
        msg = (
            f"The model {encoder.name} gives {bad.size} of {len(texts)} texts a vector that is zero or not finite, "
            f"first {texts[bad[0]][:40]!r}; such a vector has no cosine. Leave the text out if it is empty, else load "
            "the model in float32, or use another one: its training may have diverged."
        )
        raise ModelError(msg)
    embeddings /= norms[:, None]
    return embeddings


def _kept(
    found: npt.NDArray[np.int64], output: Output, criteria: Criteria, documents: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return which row of ``dataset`` each row of the result is, and its negatives' places ``[rows, columns]``."""
    rows, columns = found.shape
    if output == "triplets":
        kept, places = np.nonzero(found >= 0)
        places, wanted = places[:, None], "a negative"
        missing = int((found < 0).all(axis=1).sum())
    else:
        kept = np.flatnonzero((found >= 0).all(axis=1))
        places = np.broadcast_to(np.arange(columns), (len(kept), columns))
        wanted, missing = f"{columns} negatives" if columns > 1 else "a negative", rows - len(kept)
    advice = criteria.advice(whole_rows=output == "n-tuples")
    if not len(kept):
        msg = f"None of the {rows} rows has {wanted} that meets the conditions among {documents} documents. {advice}"
        raise ConfigurationError(msg)
    if missing:
        logger.warning("%d of %d rows do not have %s and are left out. %s", missing, rows, wanted, advice)
    return kept, places


def _with_columns(dataset: Dataset, rows: npt.NDArray[np.int64], columns: dict[str, list[Any]]) -> Dataset:
    """Return the given rows, ascending, with more columns; in memory."""
    import datasets
    import pyarrow as pa

    arrow = dataset.with_format("arrow")
    tables = []
    # in parts: one Arrow array of texts ends at 2 GiB
    for start in range(0, len(dataset), _ROWS_AT_ONCE):
        first, last = np.searchsorted(rows, [start, start + _ROWS_AT_ONCE])
        table = arrow[start : start + _ROWS_AT_ONCE].take(pa.array(rows[first:last] - start))
        for name, values in columns.items():
            kind = pa.list_(pa.float64()) if name == SCORES else pa.string()
            table = table.append_column(name, pa.array(values[first:last], kind))
        tables.append(table)
    table = pa.concat_tables(tables)
    info = dataset.info.copy()
    info.features = datasets.Features(
        {**dataset.features, **datasets.Features.from_arrow_schema(table.select(list(columns)).schema)}
    )
    return datasets.Dataset(table, info=info, split=dataset.split)
