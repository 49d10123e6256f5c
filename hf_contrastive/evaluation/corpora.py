"""Queries, a corpus and which documents are relevant: the layout of BEIR, and of sentence-transformers' evaluator."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.findings import DatasetRef
from audits.records import digest_of
from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.pairs import RetrievalTask
from hf_contrastive.evaluation.splits import draw

_NEEDED = ("queries", "corpus")
_RELEVANT = ("relevant", "qrels", "relevant_docs")
_IDS = ("_id", "id")
_QUERY_IDS = ("query-id", "query_id", "qid")
_DOCUMENT_IDS = ("corpus-id", "corpus_id", "doc_id", "docid")
_KINDS = {".csv", ".json", ".jsonl", ".parquet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A retrieval task, and the columns of its queries."""

    task: RetrievalTask
    reference: DatasetRef
    columns: Mapping[str, Sequence[Any]]
    note: str


def is_collection(data: Any) -> bool:
    """Whether ``data`` is a mapping, or a folder of files, with queries and a corpus."""
    if isinstance(data, Mapping):
        return all(name in data for name in _NEEDED)
    return bool(_files(data))


def read_collection(data: Any, *, split: str | None = None, limit: int | None = None, seed: int = 0) -> Collection:
    """Read queries, corpus and which documents are relevant to which query.

    Args:
        data: a mapping, or a folder of csv, jsonl or parquet files, of ``queries`` (``{id: text}``, or a Dataset
            with ``_id`` or ``id`` and ``text``), ``corpus`` (the same; a ``title`` stands before the text) and
            ``relevant`` or ``qrels`` (``{id: ids}``, or a Dataset with ``query-id``, ``corpus-id`` and, if it likes,
            ``score``: those above 0 are relevant). Queries without a relevant document are left out. In a folder
            ``qrels`` may be a folder itself, with a tsv file a split, as BEIR has it.
        split: of such a folder ``qrels``; default: test, or the only one.
        limit: number of queries, drawn with ``seed``; the corpus stays whole.
        seed: of the draw.

    Raises:
        EvaluationError: a part or a column is missing, ids are not unique or name nothing, or no query has a relevant
            document.
        SourceError: a file can not be read.
    """
    parts = dict(data) if isinstance(data, Mapping) else _files(data)
    key = next((name for name in _RELEVANT if name in parts), None)
    which = "relevance"
    # what a mapping names may be a saved dataset, which is a folder too
    if key is not None and not isinstance(data, Mapping) and isinstance(parts[key], Path) and parts[key].is_dir():
        parts[key] = _split_of(parts[key], split)
        which = f"relevance of {parts[key].stem}"
    if key is None:
        msg = (
            f"The data has queries and a corpus, but nothing says which documents are relevant: it has "
            f"{', '.join(map(str, parts))}. Add `relevant` or `qrels`."
        )
        raise EvaluationError(msg)
    origins: list[DatasetRef] = []
    queries, columns, query_digest = _texts("queries", parts["queries"], origins)
    documents, _, corpus_digest = _texts("corpus", parts["corpus"], origins)
    relevant, digest = _relevance(key, parts[key], origins)
    task, note = _task(queries, documents, relevant, limit, seed)
    repositories = {(ref.repo_id, ref.revision) for ref in origins} if len(origins) == 3 else set()
    repo_id, revision = repositories.pop() if len(repositories) == 1 else (None, None)
    reference = DatasetRef(
        repo_id=repo_id,
        revision=revision,
        split=f"queries, corpus and {which}",
        fingerprint=digest_of([query_digest, corpus_digest, digest]),
        num_rows=len(queries),
    )
    return Collection(task=task, reference=reference, columns=columns, note=note)


def _task(
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    relevant: Mapping[str, set[str]],
    limit: int | None,
    seed: int,
) -> tuple[RetrievalTask, str]:
    for what, named, known in (
        ("query", set(relevant), queries),
        ("document", {document for found in relevant.values() for document in found}, documents),
    ):
        unknown = sorted(named - set(known))
        if unknown:
            msg = (
                f"The relevance names {len(unknown)} ids that no {what} has, first {unknown[0]!r}; "
                "queries, corpus and relevance must be of one collection."
            )
            raise EvaluationError(msg)
    # equal documents are one, so that no copy of the right one counts as wrong
    places: dict[str, int] = {}
    first_rows: list[int] = []
    place_of: dict[str, int] = {}
    for row, (name, text) in enumerate(documents.items()):
        if text not in places:
            places[text] = len(places)
            first_rows.append(row)
        place_of[name] = places[text]
    answered: dict[str, set[int]] = {}
    rows: dict[str, int] = {}
    silent = 0
    for row, (name, text) in enumerate(queries.items()):
        found = relevant.get(name, set())
        if not found:
            silent += 1
            continue
        rows.setdefault(text, row)
        answered.setdefault(text, set()).update(place_of[document] for document in found)
    if not answered:
        msg = f"None of {len(queries)} queries has a relevant document, so that nothing can be measured."
        raise EvaluationError(msg)
    asked = list(answered)
    chosen = [asked[place] for place in draw(len(asked), limit, seed)]
    note = "each query has one or more relevant documents (a score above 0); equal texts are one"
    if silent:
        note += f"; {silent} queries without a relevant document are left out"
    return (
        RetrievalTask(
            tuple(chosen),
            tuple(places),
            tuple(tuple(sorted(answered[text])) for text in chosen),
            tuple(rows[text] for text in chosen),
            tuple(first_rows),
        ),
        note,
    )


def _texts(name: str, part: Any, origins: list[DatasetRef]) -> tuple[dict[str, str], Mapping[str, Sequence[Any]], str]:
    """Return the text of each id, the columns, and a digest; where they came from is added to ``origins``."""
    if isinstance(part, Mapping) and not hasattr(part, "column_names"):
        found = {str(key): value for key, value in part.items()}
        columns: Mapping[str, Sequence[Any]] = {"id": list(found), "text": list(found.values())}
        if len(found) < len(part):
            msg = f"Ids of `{name}` are not unique once they are texts; name each row by another id."
            raise EvaluationError(msg)
    else:
        columns = _columns(part, origins)
        key = next((one for one in _IDS if one in columns), None)
        if key is None or "text" not in columns:
            msg = f"`{name}` needs the columns _id (or id) and text; it has {', '.join(columns)}."
            raise EvaluationError(msg)
        titles = columns.get("title", [""] * len(columns[key]))
        found = {}
        for row, (one, title, text) in enumerate(zip(columns[key], titles, columns["text"], strict=True)):
            if str(one) in found:
                msg = f"The id {one!r} stands twice in `{name}`, again in row {row}; ids must be unique."
                raise EvaluationError(msg)
            found[str(one)] = f"{title} {text}" if title and isinstance(text, str) else text
    for row, text in enumerate(found.values()):
        if not isinstance(text, str):
            msg = f"Row {row} of `{name}` holds {text!r:.40}; it must be a text. Remove rows with nulls first."
            raise EvaluationError(msg)
    if not found:
        msg = f"`{name}` is empty; at least one row is needed."
        raise EvaluationError(msg)
    return found, columns, digest_of([[one, text] for one, text in found.items()])


def _relevance(name: str, part: Any, origins: list[DatasetRef]) -> tuple[dict[str, set[str]], str]:
    found: dict[str, set[str]] = {}
    if isinstance(part, Mapping) and not hasattr(part, "column_names"):
        for query, documents in part.items():
            scored = documents.items() if isinstance(documents, Mapping) else ((one, 1) for one in documents)
            found[str(query)] = {str(one) for one, score in scored if score > 0}
    else:
        is_tsv = isinstance(part, str | Path) and Path(part).suffix == ".tsv"
        columns = _tsv_columns(Path(part)) if is_tsv else _columns(part, origins)
        query_ids = next((one for one in _QUERY_IDS if one in columns), None)
        document_ids = next((one for one in _DOCUMENT_IDS if one in columns), None)
        if query_ids is None or document_ids is None:
            msg = f"`{name}` needs the columns query-id and corpus-id; it has {', '.join(columns)}."
            raise EvaluationError(msg)
        scores = columns.get("score", [1] * len(columns[query_ids]))
        for query, document, score in zip(columns[query_ids], columns[document_ids], scores, strict=True):
            if score > 0:
                found.setdefault(str(query), set()).add(str(document))
    return found, digest_of([[query, sorted(documents)] for query, documents in sorted(found.items())])


def _columns(part: Any, origins: list[DatasetRef]) -> dict[str, list[Any]]:
    from audits.source import dataset_and_references

    splits, found = dataset_and_references(part)
    if len(splits) > 1:
        msg = f"A part of a collection must be one split, got {', '.join(splits)}."
        raise EvaluationError(msg)
    origins += found
    table = next(iter(splits.values()))
    return {name: list(table[name]) for name in table.column_names}


def _tsv_columns(path: Path) -> dict[str, list[Any]]:
    """Return the columns of a file of relevance with a header, scores as numbers."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        msg = f"`{path.name}` can not be read as a table with tabs and a header: {error}. Write it again."
        raise EvaluationError(msg) from error
    found: dict[str, list[Any]] = {name: [] for name in header}
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            values = [float(cell) if name == "score" else cell for name, cell in zip(header, row, strict=True)]
        except ValueError as error:
            msg = (
                f"Line {number} of `{path.name}` is {row!r:.80}; it must have the {len(header)} columns "
                f"{', '.join(header)}, and a score that is a number."
            )
            raise EvaluationError(msg) from error
        for name, value in zip(header, values, strict=True):
            found[name].append(value)
    return found


def _files(data: Any) -> dict[str, Any]:
    """Return the files of a folder that holds a collection, by their names; {} where it holds none."""
    folder = Path(data).expanduser() if isinstance(data, str | Path) else None
    if folder is None or not folder.is_dir():
        return {}
    found: dict[str, Any] = {
        path.stem: str(path)
        for path in sorted(folder.iterdir())
        if path.suffix in _KINDS or (path.suffix == ".tsv" and path.stem in _RELEVANT)
    }
    if not all(name in found for name in _NEEDED):
        return {}
    found |= {name: folder / name for name in _RELEVANT if name not in found and (folder / name).is_dir()}
    return {name: path for name, path in found.items() if name in (*_NEEDED, *_RELEVANT)}


def _split_of(folder: Path, split: str | None) -> Path:
    """Return the file of one split in a folder of relevance.

    Raises:
        EvaluationError: there is none, or which one is not said.
    """
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in {".tsv", *_KINDS}}
    known = f"`{folder.name}` has the splits {', '.join(files) or 'none'}"
    if split is None and len(files) > 1 and "test" not in files:
        msg = f"{known}; say which one with `split`."
        raise EvaluationError(msg)
    name = split or ("test" if "test" in files or not files else next(iter(files)))
    if name not in files:
        msg = f"{known}, and not {name!r}; each is a tsv file with the columns query-id, corpus-id and score."
        raise EvaluationError(msg)
    return files[name]
