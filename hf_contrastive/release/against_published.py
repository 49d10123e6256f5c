"""The new model beside the version that it would replace: what is compared, on which data, or why nothing was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from huggingface_hub.errors import RevisionNotFoundError

from audits.findings import AuditReport, DatasetRef
from audits.policy import Policy
from hf_contrastive.errors import EvaluationError, HubError, ModelError
from hf_contrastive.release.faults import Patience, is_unreachable, passes
from hf_contrastive.release.plan import PushPlan, is_document, is_replaced, payload, payload_digest
from hf_contrastive.release.published import FAILURES, NotPublishedError, explained, last_published, version_tags
from hf_contrastive.release.traffic import bounded_silence
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence, VersionComparison
from model_cards.typesetting import one_line, redact

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

    from hf_contrastive.encoder import TextEncoder
    from hf_contrastive.evaluation.pairs import RetrievalTask

MOST_QUERIES = 2000
"""Queries that a push compares with, drawn from the data; ``hf-contrastive compare`` takes all."""

Prepared = tuple[PushPlan, Evidence, dict[str, bytes]]

_T = TypeVar("_T")
_SEED = 0
_LONGEST_REASON = 400
_SPLITS = ("test", "validation")
# what other libraries keep weights in; what this one does is known to the plan
_WEIGHTS = (".bin", ".h5", ".msgpack", ".onnx", ".pt", ".pth", ".safetensors")
_logger = logging.getLogger(__name__)


class NotComparedError(Exception):
    """Nothing can be compared; the message is the reason, for the evidence."""


class Pairs(NamedTuple):
    """Queries with their documents, and the data that they are from."""

    task: RetrievalTask
    reference: DatasetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """How a push compares.

    Attributes:
        pairs: gives the data; raises :class:`NotComparedError` where there is none.
        encoder: gives the new model; default: it is loaded from the folder that is published.
    """

    pairs: Callable[[], Pairs]
    encoder: Callable[[], TextEncoder] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The version that is published, as it was seen before the gate.

    ``evidence`` is None where it can not be read, is gone, or where a model was put there by other means.
    """

    repo_id: str
    commit: str
    tag: str
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What looking at the branch gave: the version that it holds, None where there is none, or why it is not known."""

    seen: Seen | None = None
    problem: str = ""


def look_at_published(repo_id: str, *, api: Any, revision: str | None = None) -> Looked:
    """Look which version the branch holds; a Hub that does not answer is no error here.

    The push itself tells that, after the gate has spoken, and refuses to replace a version that was not seen.

    Args:
        repo_id: ``user/name``.
        api: an HfApi.
        revision: the branch; default: main.
    """
    try:
        found = _patiently(lambda: last_published(repo_id, revision, api=api))
    except EvidenceError:
        return _without_evidence(repo_id, api=api, revision=revision, told=True)
    except HubError as error:
        return Looked(problem=str(error))
    except NotPublishedError:
        return Looked()
    if found is None:
        return _without_evidence(repo_id, api=api, revision=revision)
    return Looked(seen=Seen(repo_id=repo_id, commit=found.commit, tag=found.tag, evidence=found.evidence))


def _patiently(call: Callable[[], _T]) -> _T:
    """Repeat what reads the Hub while its faults pass; where nobody listens, that is told at once."""
    patience = Patience()
    while True:
        try:
            with bounded_silence():
                return call()
        except HubError as error:
            faults = list(_causes(error))
            fault = next((item for item in faults if passes(item)), None)
            if fault is None or any(map(is_unreachable, faults)) or not patience.allows(fault):
                raise


def _causes(error: BaseException) -> Iterator[Exception]:
    cause = error.__cause__
    while isinstance(cause, Exception):
        yield cause
        cause = cause.__cause__


def _without_evidence(repo_id: str, *, api: Any, revision: str | None, told: bool = False) -> Looked:
    """Look for a version whose evidence is gone, was changed, or that was never published with any.

    Args:
        repo_id: ``user/name``.
        api: an HfApi.
        revision: the branch.
        told: whether an evidence.json that can not be used lies there.
    """
    try:
        info = _patiently(lambda: _answer(repo_id, api, lambda: api.model_info(repo_id, revision=revision)))
        tags = _patiently(lambda: _answer(repo_id, api, lambda: version_tags(repo_id, api=api)))
    except NotPublishedError:
        return Looked()
    except HubError as error:
        return Looked(problem=str(error))
    if not told and not tags and not _holds_model(info):
        return Looked()
    tag = next((name for name, target in reversed(tags) if target == info.sha), "")
    return Looked(seen=Seen(repo_id=repo_id, commit=str(info.sha), tag=tag))


def _answer(repo_id: str, api: Any, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except RevisionNotFoundError as error:
        msg = f"{repo_id} has no such branch."
        raise NotPublishedError(msg) from error
    except FAILURES as error:
        raise explained(error, repo_id, api) from error


def _holds_model(info: ModelInfo) -> bool:
    """Whether a revision holds files of a model, whoever put them there."""
    paths = [item.rfilename for item in info.siblings or []]
    return any((is_replaced(path) and not is_document(path)) or path.endswith(_WEIGHTS) for path in paths)


def require_seen(head: ModelInfo, *, repo_id: str, looked: Looked) -> None:
    """Refuse to replace a version that nothing was compared with.

    Args:
        head: the revision that the commit would go onto.
        repo_id: of the push.
        looked: what was there before the gate.

    Raises:
        HubError: ``head`` holds another version.
    """
    seen = looked.seen
    holds_version = any(item.rfilename == evidence_json.filename for item in head.siblings or []) or _holds_model(head)
    if not holds_version or (seen is not None and seen.commit == head.sha):
        return
    if looked.problem:
        msg = (
            f"A version is published as {repo_id}, and it could not be looked at before "
            f"({looked.problem.rstrip('.')}), so that nothing was compared with it; nothing was changed. Push again, "
            "which compares."
        )
        raise HubError(msg)
    other = f"this one was compared with commit {seen.commit[:8]}" if seen is not None else "none was seen"
    msg = (
        f"Another version was published to {repo_id} meanwhile (commit {str(head.sha)[:8]}; {other}); nothing was "
        "changed. Push again, which compares again."
    )
    raise HubError(msg)


def beside_published(
    folder: Path,
    evidence: Evidence,
    policy: Policy,
    published: Seen | None,
    comparing: Comparing | None,
    *,
    prepare: Callable[[Evidence], Prepared],
    api: Any,
) -> tuple[Evidence, Prepared]:
    """Add the comparison with the published version, where there is one, and prepare the push.

    The same content again says what was said when it was published: compared with itself, it would become another
    evidence, and another commit.

    Args:
        folder: the new model's files.
        evidence: without verdict.
        policy: its margin counts.
        published: the version that is there.
        comparing: on what; None compares nothing.
        prepare: judges, renders and plans.
        api: an HfApi.

    Returns:
        The evidence with the comparison, and what was prepared from it.

    Raises:
        EvaluationError: data that was named for the comparison can not be used.
    """
    if published is None:
        return evidence, prepare(evidence)
    before = published.evidence
    if before is not None and before.payload_digest == payload_digest(payload(folder)[0]):
        again = replace(evidence, comparison=before.comparison)
        prepared = prepare(again)
        if prepared[0].content_digest == before.content_digest:
            return again, prepared
    comparison = compare_with_published(folder, evidence, policy, published, comparing, api=api)
    evidence = replace(evidence, comparison=comparison)
    return evidence, prepare(evidence)


def compare_with_published(
    folder: Path, evidence: Evidence, policy: Policy, published: Seen, comparing: Comparing | None, *, api: Any
) -> VersionComparison:
    """Measure the new model beside the published one; where that can not be done, say why.

    Args:
        folder: the new model's files.
        evidence: what is known of it.
        policy: its margin counts.
        published: the version that is there.
        comparing: on what; None compares nothing.
        api: an HfApi, which brings the published files.

    Raises:
        EvaluationError: data that was named for the comparison can not be used.
    """
    trained = evidence.training.weights_sha256 if evidence.training is not None else ""
    earlier = published.evidence.training if published.evidence is not None else None
    base = VersionComparison(
        repo_id=published.repo_id,
        tag=published.tag,
        commit=published.commit,
        published_weights_sha256=earlier.weights_sha256 if earlier is not None else "",
        weights_sha256=trained,
        margin=policy.versions.margin,
        seed=_SEED,
    )
    files = payload_digest(payload(folder)[0])
    if published.evidence is not None and published.evidence.payload_digest == files:
        same = trained or base.published_weights_sha256 or files
        return replace(
            base,
            published_weights_sha256=same,
            weights_sha256=same,
            note="not compared: the model's files are those of the published version",
        )
    try:
        measured = _measured(folder, base, comparing, api, trained_on=_trained_on(evidence))
    except NotComparedError as why:
        # the reason is published: neither paths nor tokens of this machine
        told = redact(one_line(str(why))).rstrip(".")[:_LONGEST_REASON]
        name = f"{published.repo_id}@{published.tag or published.commit[:8]}"
        _logger.warning("The new model was not compared with %s, which is published: %s.", name, told)
        return replace(base, note=f"not compared: {told}")
    return replace(
        measured,
        published_weights_sha256=base.published_weights_sha256 or measured.published_weights_sha256,
        weights_sha256=trained or measured.weights_sha256,
    )


def _trained_on(evidence: Evidence) -> frozenset[str]:
    """Return the fingerprints of what the new model was trained on; held-out splits are measured on alone."""
    if evidence.training is not None:
        told: tuple[DatasetRef, ...] = evidence.training.datasets
    else:
        told = evidence.audit.datasets if evidence.audit is not None else ()
    return frozenset(item.fingerprint for item in told if item.split.partition("/")[0] not in _SPLITS)


def _measured(
    folder: Path, base: VersionComparison, comparing: Comparing | None, api: Any, *, trained_on: frozenset[str]
) -> VersionComparison:
    if comparing is None:
        msg = "no data was named for it"
        raise NotComparedError(msg)
    pairs = comparing.pairs()
    if pairs.reference.fingerprint in trained_on:
        msg = "the data that was named for it is what the new model was trained on; name rows that it has not seen"
        raise NotComparedError(msg)
    from hf_contrastive.console import progress
    from hf_contrastive.encoder import TextEncoder
    from hf_contrastive.evaluation.comparison import compare_encoders
    from hf_contrastive.model_references import ModelReference, download_model

    try:
        reference = _patiently(lambda: download_model(base.repo_id, base.commit, api=api))
        before = reference.load()
    except (ModelError, HubError, NotPublishedError) as error:
        msg = f"the published version can not be loaded ({error})"
        raise NotComparedError(msg) from error
    try:
        after = comparing.encoder() if comparing.encoder is not None else TextEncoder.load(folder)
    except ModelError as error:
        msg = f"the new model can not be loaded ({error})"
        raise NotComparedError(msg) from error
    named = ModelReference(
        name=base.repo_id, given=reference.given, repo_id=base.repo_id, commit=base.commit, tag=base.tag
    )
    with progress("Compare with the published version") as update:
        try:
            return compare_encoders(
                named,
                before,
                after,
                pairs.task,
                pairs.reference,
                seed=_SEED,
                margin=base.margin,
                on_progress=update,
            ).comparison
        except EvaluationError as error:
            raise NotComparedError(str(error)) from error


def pairs_named(data: Any) -> Pairs:
    """Return the pairs of data that a person named for the comparison.

    Args:
        data: a Dataset, Hub id or path with two text columns, of the split test, validation, or the only one.

    Raises:
        MissingExtraError: torch is not installed.
        EvaluationError: it has no pairs, too few, or several other splits.
        SourceError: it can not be read.
    """
    from audits.source import open_source
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    source = open_source(data)
    splits = list(source.tables)
    split = next((name for name in (*_SPLITS, *splits[:1]) if name in splits), splits[0])
    if len(splits) > 1 and split not in _SPLITS:
        msg = (
            f"The data for the comparison has the splits {', '.join(splits)}, and none of them is called test or "
            "validation. Name data with one split, e.g. a file."
        )
        raise EvaluationError(msg)
    return _pairs_of(source, split)


def pairs_of_data(data: Any, report: AuditReport) -> Pairs:
    """Return the pairs of the test split, else of the validation split, of the data that a push was given.

    Args:
        data: what was trained on, or an audit of it.
        report: its audit.

    Raises:
        NotComparedError: there are none.
    """
    from importlib.util import find_spec

    from audits.errors import AuditError
    from audits.source import open_source

    if isinstance(data, AuditReport):
        msg = "an audit was given and not the data; name some with `compare_data`"
        raise NotComparedError(msg)
    split = next((name for name in _SPLITS if any(ref.split == name for ref in report.datasets)), None)
    if split is None:
        msg = "the data has no split test or validation; name other data with `compare_data`"
        raise NotComparedError(msg)
    if report.columns.anchor is None or report.columns.positive is None:
        msg = "the data has no pairs of texts; name other data with `compare_data`"
        raise NotComparedError(msg)
    if missing := [name for name in ("torch", "transformers", "peft") if find_spec(name) is None]:
        msg = f"{' and '.join(missing)} is not installed (the extra `train` brings it)"
        raise NotComparedError(msg)
    try:
        columns = (report.columns.anchor, report.columns.positive)
        return _pairs_of(open_source(data, split=split, text_columns=columns), split)
    except (AuditError, EvaluationError) as error:
        raise NotComparedError(str(error)) from error


def _pairs_of(source: Any, split: str) -> Pairs:
    from hf_contrastive.evaluation.comparison import check_task

    columns = source.columns
    if columns.anchor is None or columns.positive is None:
        msg = (
            f"The data for the comparison has the text columns {', '.join(columns.texts)}; two are needed, queries and "
            "their documents, e.g. named anchor and positive."
        )
        raise EvaluationError(msg)
    table = source.tables[split]
    task = task_of(table.column(columns.anchor).to_pylist(), table.column(columns.positive).to_pylist())
    check_task(task)
    return Pairs(task, next(ref for ref in source.refs if ref.split == split))


def task_of(anchors: list[Any], positives: list[Any]) -> RetrievalTask:
    """Return the retrieval task of two columns, whose positives may be lists; some queries are drawn from many.

    Args:
        anchors: texts.
        positives: texts, or lists of texts.
    """
    from hf_contrastive.evaluation.pairs import RetrievalTask

    if any(isinstance(cell, list | tuple) for cell in positives):
        lists = [cell if isinstance(cell, list | tuple) else [cell] for cell in positives]
        anchors = [anchor for anchor, cell in zip(anchors, lists, strict=True) for _ in cell]
        positives = [text for cell in lists for text in cell]
    return RetrievalTask.from_pairs(anchors, positives, limit=MOST_QUERIES, seed=_SEED)
