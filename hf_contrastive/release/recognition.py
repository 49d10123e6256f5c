"""Is a commit that says it is a push of this content one? Its message alone proves nothing: anybody may copy it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelInfo
from huggingface_hub.errors import EntryNotFoundError

from hf_contrastive.release.plan import SIGNATURE, PlannedFile, PushPlan, is_document, planned
from hf_contrastive.release.rendering import render_all
from hf_contrastive.release.sending.arrival import is_listed_as
from hf_contrastive.release.signatures import signature_problems
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError, ModelCardError
from model_cards.evidence import Evidence

if TYPE_CHECKING:
    from hf_contrastive.release.sending.target import Target


def documents_of_push(target: Target, info: ModelInfo, plan: PushPlan, *, told: str) -> tuple[PlannedFile, ...] | None:
    """Return the documents of a revision that holds an evidence of the plan's content, and exactly what follows of it.

    None where it holds anything else: then it is no push of this content.

    Args:
        target: where it lies.
        info: the revision, with its files' ids.
        plan: what was to be published; its own documents may have other times.
        told: digest of the evidence that the commit's message names.
    """
    evidence = _evidence_at(target, info)
    if evidence is None or evidence.digest != told:
        return None
    if plan.content_digest and evidence.content_digest != plan.content_digest:
        return None
    if not plan.content_digest and evidence.digest != plan.evidence_digest:
        return None
    try:
        wanted = render_all(evidence, published=True)
    except ModelCardError:
        return None
    listed = {item.rfilename: item for item in info.siblings or []}
    if {path for path in listed if is_document(path)} - {SIGNATURE} != wanted.keys():
        return None
    files = {path: planned(path, content) for path, content in wanted.items()}
    if not all(is_listed_as(listed[path], item, wanted[path]) for path, item in files.items()):
        return None
    model = tuple(item for item in plan.files if not is_document(item.path))
    if not all(item.path in listed and _may_be(listed[item.path], item) for item in model):
        return None
    signature = target.file(info, SIGNATURE) if SIGNATURE in listed else None
    there = tuple(files.values())
    if signature is not None:
        there = (*there, planned(SIGNATURE, signature))
    return None if signature_problems(signature, (*model, *there), evidence.signing_key) else there


def _may_be(listed: Any, item: PlannedFile) -> bool:
    """Compare what the Hub lists without reading the file; the rest is compared before the tag."""
    if listed.size is not None and listed.size != item.size:
        return False
    return listed.lfs is None or str(listed.lfs.sha256) == item.sha256


def _evidence_at(target: Target, info: ModelInfo) -> Evidence | None:
    try:
        content = target.file(info, evidence_json.filename)
        return evidence_json.parse(content.decode("utf-8", "replace"), evidence_json.filename)
    except (EntryNotFoundError, EvidenceError):
        return None
