"""From a folder or a repository to a report of everything that can be computed anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from audits.errors import SchemaError
from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.hub import PushReceipt, hub_api
from hf_contrastive.release.signing import load_public_key
from hf_contrastive.release.verification.documents import document_items
from hf_contrastive.release.verification.items import Item, VerificationReport, holds, not_checked
from hf_contrastive.release.verification.observed import Observed, is_known, list_folder, read_files
from hf_contrastive.release.verification.payloads import (
    is_written,
    model_item,
    report_items,
    uncovered_item,
    weights_item,
)
from hf_contrastive.release.verification.repository import (
    Repository,
    fetch,
    receipt_item,
    repository_items,
    tag_item,
)
from hf_contrastive.release.verification.signed import signature_items
from hf_contrastive.release.verification.statements import ReadEvidence, own_version, read_evidence, statement_items
from model_cards.documents import evidence_json
from model_cards.render import documents

_REPO = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?:@[^@\s]+)?")


class VerificationError(ContrastiveError, ValueError):
    """What was named can not be verified: it is no publication, or the receipt is none."""


def verify(
    folder_or_repo: str | Path,
    *,
    public_key: str | Path | None = None,
    receipt: str | Path | PushReceipt | None = None,
    weights: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    api: Any = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Compute anew every digest and signature of a publication, and name what was changed since.

    Nothing is written, and nothing that was found is loaded or run, but for ``weights``.

    Args:
        folder_or_repo: a folder with a published model, the folder of reports of a push or an audit, or
            ``user/name[@REVISION]`` on the Hub (default: the head of main). A folder goes before a repository of that
            name.
        public_key: PEM file of the key that should have signed.
        receipt: of the push, kept where the publication can not be changed; a file or the receipt itself.
        weights: load the model, if its files are those of the evidence, and digest its tensors too; needs torch.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        api: a ready HfApi instead of token and endpoint.
        on_progress: called with (bytes read, bytes in all).

    Returns:
        One item a question. What could not be looked at is "not checked", never passed.

    Raises:
        VerificationError: there is no publication, or the receipt can not be read.
        SigningKeyError: the public key can not be read.
        NotPublishedError: there is no such repository or revision.
        HubError: the Hub refused or could not be reached.
    """
    key = load_public_key(public_key) if public_key is not None else None
    kept = _receipt(receipt)
    name = str(folder_or_repo)
    folder = Path(folder_or_repo).expanduser()
    wanted = [document.filename for document in documents().values()]
    at: Repository | None = None
    if folder.is_dir():
        observed = read_files(*list_folder(folder), documents=wanted, on_progress=on_progress)
    else:
        at = _fetched(name, api or hub_api(token=token, endpoint=endpoint))
        folder = at.folder
        here = {path: folder / path for path in at.blobs if not is_known(path)}
        missing = {path: "was not downloaded" for path, source in here.items() if not source.is_file()}
        files = {path: source for path, source in here.items() if path not in missing}
        observed = read_files(files, missing, documents=wanted, on_progress=on_progress)
    if at is None and not any(map(is_written, observed.files)):
        msg = (
            f"The folder `{name}` holds neither {evidence_json.filename} nor another document of a publication; name "
            "a published model, a folder of reports, or a repository as in `user/model@v1`."
        )
        raise VerificationError(msg)
    read = read_evidence(observed.content(evidence_json.filename))
    items = tuple(_items(read, observed, folder, key=key, receipt=kept, at=at, weights=weights))
    evidence = read.evidence
    return VerificationReport(
        target=name if at is not None else folder.name or name,
        kind="repository" if at is not None else "folder" if observed.has_model else "report",
        repo_id=at.repo_id if at is not None else (evidence.repo_id or "") if evidence is not None else "",
        commit=at.commit if at is not None else "",
        tag=at.tag if at is not None else "",
        evidence_digest=read.digest,
        decision=evidence.verdict.decision if evidence is not None and evidence.verdict is not None else "",
        signing_key=evidence.signing_key if evidence is not None else None,
        result="broken" if any(item.status == "broken" for item in items) else "holds",
        items=items,
        version=own_version(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _items(
    read: ReadEvidence,
    observed: Observed,
    folder: Path,
    *,
    key: ec.EllipticCurvePublicKey | None,
    receipt: PushReceipt | None,
    at: Repository | None,
    weights: bool,
) -> Iterator[Item]:
    # what a trainer writes beside the model before anything is judged is no publication yet
    judged = read.evidence is None or read.evidence.verdict is not None
    published = judged and (at is not None or observed.has_model)
    yield read.item
    yield from statement_items(read, published=published)
    yield from document_items(read, observed, published=published)
    model, covered = model_item(read, observed, needed=at is not None)
    yield model
    yield uncovered_item(
        observed, covered, in_repository=observed.has_model or at is not None, model_holds=bool(covered)
    )
    yield weights_item(read.evidence, folder, asked=weights, loadable=model.status == "holds")
    if at is None and not observed.has_model:
        yield from report_items(read, observed, folder)
    signature = tuple(signature_items(read, observed, key, needed=at is not None))
    yield from signature
    if at is not None:
        yield from repository_items(at, read, observed)
        yield tag_item(at, receipt)
    vouching = []
    if receipt is not None:
        held = receipt_item(receipt, read, at)
        yield held
        vouching.append(held)
    if key is not None and not any(item.status == "broken" for item in signature):
        vouching.extend(item for item in signature if item.key == "signature.key")
    yield _anchor(vouching)


def _anchor(vouching: list[Item]) -> Item:
    """Say whether whoever can write these files could have written all of them anew."""
    names = [item.key for item in vouching if item.status == "holds"]
    if names:
        what = " and ".join({"receipt": "the receipt", "signature.key": "the key"}[name] for name in names)
        return holds("anchor", f"{what} that was given, as far as it was kept elsewhere")
    words = (
        "digests show changes, not who made them: whoever can write all of these files can have written them anew, "
        "with digests that fit. Give the receipt of the push (--receipt) or the signer's public key (--public-key)"
    )
    return not_checked("anchor", words)


def _fetched(name: str, api: Any) -> Repository:
    if not _REPO.fullmatch(name) or Path(name).exists():
        msg = (
            f"`{name}` is no folder and no repository; name the folder of a published model or of reports, or a "
            "repository as in `user/model@v1`."
        )
        raise VerificationError(msg)
    repo_id, _, revision = name.partition("@")
    return fetch(repo_id, revision or None, api=api)


def _receipt(told: str | Path | PushReceipt | None) -> PushReceipt | None:
    if told is None or isinstance(told, PushReceipt):
        return told
    path = Path(told).expanduser()
    try:
        return PushReceipt.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        msg = f"The receipt `{path}` can not be read ({error.strerror}); name the receipt.json of the push's report."
        raise VerificationError(msg) from error
    except (ValueError, SchemaError, RecursionError) as error:
        msg = f"The receipt `{path}` is none ({error}); name the receipt.json of the push's report."
        raise VerificationError(msg) from error
