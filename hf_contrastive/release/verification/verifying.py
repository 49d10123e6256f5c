"""From a folder or a repository to a report of everything that can be computed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hf_contrastive.release.contents.names import NAMED_REPO, visible
from hf_contrastive.release.sending.hub import PushReceipt, hub_api
from hf_contrastive.release.sending.traffic import bounded_silence
from hf_contrastive.release.verification.anchors import (
    Given,
    VerificationError,
    anchor_item,
    read_given,
    receipt_item,
    vouched,
    vouched_files,
)
from hf_contrastive.release.verification.documents import document_items
from hf_contrastive.release.verification.items import Item, VerificationReport, printable, result_of
from hf_contrastive.release.verification.observed import Observed, is_known, list_folder, read_files
from hf_contrastive.release.verification.payloads import (
    is_written,
    model_item,
    report_items,
    uncovered_item,
    weights_item,
)
from hf_contrastive.release.verification.repository import Repository, fetch, repository_items, tag_item
from hf_contrastive.release.verification.signed import signature_items
from hf_contrastive.release.verification.statements import ReadEvidence, own_version, read_evidence, statement_items
from model_cards.documents import evidence_json
from model_cards.render import documents


@bounded_silence()
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
        receipt: of the push, kept where the publication can not be changed; a file or the receipt itself. What lies
            among the files vouches for nothing, neither a receipt nor a key.
        weights: load the model, if its files are those of the evidence, and digest its tensors too; needs torch. A
            model that was trained with LoRA is not covered: its digest was taken before base and adapter were merged.
        token: Hub token; default: the one logged in.
        endpoint: of the Hub; default: HF_ENDPOINT or huggingface.co.
        api: a ready HfApi instead of token and endpoint.
        on_progress: called with (bytes read, bytes in all).

    Returns:
        One item a question. What could not be looked at is "not checked", never passed: the result is "broken",
        "incomplete" where something that it depends on was not checked, or "holds".

    Raises:
        VerificationError: there is no publication, or the receipt can not be read.
        SigningKeyError: the public key can not be read.
        NotPublishedError: there is no such repository or revision.
        HubError: the Hub refused or could not be reached.
    """
    given = read_given(public_key, receipt)
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
        # of the others the Hub tells the SHA-256
        git = [path for path, (_, sha256) in at.blobs.items() if not sha256]
        observed = read_files(files, missing, documents=wanted, named_by_git=git, on_progress=on_progress)
    if at is None and not any(map(is_written, observed.files)):
        msg = (
            f"The folder `{name}` holds neither {evidence_json.filename} nor another document of a publication; name "
            "a published model, a folder of reports, or a repository as in `user/model@v1`."
        )
        raise VerificationError(msg)
    read = read_evidence(observed)
    items = tuple(map(printable, _items(read, observed, folder, given, at=at, weights=weights)))
    evidence = read.evidence
    return VerificationReport(
        target=visible(name if at is not None else folder.name or name),
        kind="repository" if at is not None else "folder" if observed.has_model else "report",
        repo_id=at.repo_id if at is not None else (evidence.repo_id or "") if evidence is not None else "",
        commit=at.commit if at is not None else "",
        tag=at.tag if at is not None else "",
        evidence_digest=visible(read.digest),
        decision=evidence.verdict.decision if evidence is not None and evidence.verdict is not None else "",
        signing_key=evidence.signing_key if evidence is not None else None,
        result=result_of(items),
        items=items,
        version=own_version(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _items(
    read: ReadEvidence, observed: Observed, folder: Path, given: Given, *, at: Repository | None, weights: bool
) -> tuple[Item, ...]:
    items = list(_looked_at(read, observed, folder, given, at=at, weights=weights))
    if at is not None:
        items.append(tag_item(at, given.receipt))
    if given.receipt is not None:
        items.append(receipt_item(given.receipt, read, observed, at, inside=given.receipt_is_inside(folder)))
    files = vouched_files(items, given, observed)
    return (*vouched(items, files), anchor_item(items, given, observed, folder, files))


def _looked_at(
    read: ReadEvidence, observed: Observed, folder: Path, given: Given, *, at: Repository | None, weights: bool
) -> Iterator[Item]:
    published = at is not None or observed.has_model
    # what lacks a verdict is told by that alone: no document of a push is to be expected beside it
    judged = read.evidence is None or read.evidence.verdict is not None
    yield read.item
    yield from statement_items(read, published=published)
    yield from document_items(read, observed, published=published and judged)
    model, covered = model_item(read, observed, needed=at is not None)
    yield model
    yield uncovered_item(
        observed,
        covered,
        in_repository=published,
        model_holds=bool(covered),
        pushed=at is None or at.is_push_of(read.digest),
    )
    yield weights_item(read.evidence, folder, asked=weights, loadable=model.status == "holds")
    if not published:
        yield from report_items(read, observed, folder)
    inside = given.key_is_inside(folder)
    told, is_read = (read.evidence.signing_key, True) if read.evidence is not None else (None, False)
    yield from signature_items(told, observed, given.key, is_read=is_read, needed=at is not None, key_inside=inside)
    if at is not None:
        yield from repository_items(at, read, observed)


def _fetched(name: str, api: Any) -> Repository:
    if not NAMED_REPO.fullmatch(name) or Path(name).exists():
        msg = (
            f"`{name}` is no folder and no repository; name the folder of a published model or of reports, or a "
            "repository as in `user/model@v1`."
        )
        raise VerificationError(msg)
    repo_id, _, revision = name.partition("@")
    return fetch(repo_id, revision or None, api=api)
