"""Is a commit that says it is a push of this content one? Its message alone proves nothing: anybody may copy it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from huggingface_hub import ModelInfo, get_session
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status

from hf_contrastive.release.arrival import is_listed_as
from hf_contrastive.release.faults import asked
from hf_contrastive.release.plan import SIGNATURE, PlannedFile, PushPlan, is_document, planned
from hf_contrastive.release.signatures import signature_problems
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError, ModelCardError
from model_cards.evidence import Evidence
from model_cards.licensing import license_copies
from model_cards.render import documents, render

if TYPE_CHECKING:
    from hf_contrastive.release.committing import Target


def is_push_of(target: Target, info: ModelInfo, plan: PushPlan, *, told: str) -> bool:
    """Whether a revision holds an evidence of the plan's content, and exactly the documents that follow from it.

    Args:
        target: where it lies.
        info: the revision, with its files' ids.
        plan: what was to be published; its own documents may have other times.
        told: digest of the evidence that the commit's message names.
    """
    evidence = _evidence_at(target, info)
    if evidence is None or evidence.digest != told:
        return False
    if plan.content_digest and evidence.content_digest != plan.content_digest:
        return False
    if not plan.content_digest and evidence.digest != plan.evidence_digest:
        return False
    try:
        wanted = _documents_of(evidence)
    except ModelCardError:
        return False
    listed = {item.rfilename: item for item in info.siblings or []}
    if {path for path in listed if is_document(path)} - {SIGNATURE} != wanted.keys():
        return False
    files = {path: planned(path, content) for path, content in wanted.items()}
    if not all(is_listed_as(listed[path], item, wanted[path]) for path, item in files.items()):
        return False
    model = tuple(item for item in plan.files if not is_document(item.path))
    if not all(item.path in listed and _may_be(listed[item.path], item) for item in model):
        return False
    signature = _read(target, info, SIGNATURE) if SIGNATURE in listed else None
    signed = (*model, *files.values())
    if signature is not None:
        signed = (*signed, planned(SIGNATURE, signature))
    return not signature_problems(signature, signed, evidence.signing_key)


def _documents_of(evidence: Evidence) -> dict[str, bytes]:
    found = {
        document.filename: render(evidence, name).encode("utf-8")
        for name, document in documents().items()
        if document.published and document.applies(evidence)
    }
    return found | {path: text.encode("utf-8") for path, text in license_copies(evidence).items()}


def _may_be(listed: Any, item: PlannedFile) -> bool:
    """Compare what the Hub lists without reading the file; the rest is compared before the tag."""
    if listed.size is not None and listed.size != item.size:
        return False
    return listed.lfs is None or str(listed.lfs.sha256) == item.sha256


def _evidence_at(target: Target, info: ModelInfo) -> Evidence | None:
    try:
        content = _read(target, info, evidence_json.filename)
        return evidence_json.parse(content.decode("utf-8", "replace"), evidence_json.filename)
    except (EntryNotFoundError, EvidenceError):
        return None


def _read(target: Target, info: ModelInfo, path: str) -> bytes:
    """Read one file of a revision, past every cache: a download that finds no connection says that there is no file."""
    api = target.api

    def ask() -> bytes:
        headers = build_hf_headers(
            token=api.token, library_name=api.library_name, user_agent=api.user_agent, headers=api.headers
        )
        answer = get_session().get(f"{api.endpoint}/{target.repo_id}/resolve/{info.sha}/{quote(path)}", headers=headers)
        hf_raise_for_status(answer)
        return bytes(answer.content)

    return asked(ask, fresh=target.fresh)
