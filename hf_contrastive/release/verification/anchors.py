"""What was kept outside of the files: the receipt of the push and the signer's key, and which files they vouch for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from audits.errors import SchemaError
from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.plan import SIGNATURE, is_document, is_model_file
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.signing import load_public_key
from hf_contrastive.release.verification.items import Item, broken, holds, named, not_checked
from hf_contrastive.release.verification.observed import Observed
from hf_contrastive.release.verification.payloads import is_of_reports, is_written
from hf_contrastive.release.verification.repository import Repository
from hf_contrastive.release.verification.signed import signed_files
from hf_contrastive.release.verification.statements import FILENAME, ReadEvidence


class VerificationError(ContrastiveError, ValueError):
    """What was named can not be verified: it is no publication, or the receipt is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was given to compare with.

    Attributes:
        key: of who should have signed.
        receipt: of the push.
        key_path: where the key lies.
        receipt_path: where the receipt lies, None where it came as it is.
    """

    key: ec.EllipticCurvePublicKey | None = None
    receipt: PushReceipt | None = None
    key_path: Path | None = None
    receipt_path: Path | None = None

    def key_is_inside(self, folder: Path) -> bool:
        """Whether the key lies among the files that it should vouch for."""
        return _is_inside(self.key_path, folder)

    def receipt_is_inside(self, folder: Path) -> bool:
        """Whether the receipt lies among the files that it should vouch for."""
        return _is_inside(self.receipt_path, folder)


def read_given(public_key: str | Path | None, receipt: str | Path | PushReceipt | None) -> Given:
    """Read what was given.

    Raises:
        SigningKeyError: the key can not be read.
        VerificationError: the receipt can not be read.
    """
    path = None if receipt is None or isinstance(receipt, PushReceipt) else Path(receipt).expanduser()
    return Given(
        key=load_public_key(public_key) if public_key is not None else None,
        receipt=_read_receipt(path) if path is not None else receipt if isinstance(receipt, PushReceipt) else None,
        key_path=Path(public_key).expanduser() if public_key is not None else None,
        receipt_path=path,
    )


def _read_receipt(path: Path) -> PushReceipt:
    try:
        return PushReceipt.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        msg = f"The receipt `{path}` can not be read ({error.strerror}); name the receipt.json of the push's report."
        raise VerificationError(msg) from error
    except (ValueError, SchemaError, RecursionError) as error:
        msg = f"The receipt `{path}` is none ({error}); name the receipt.json of the push's report."
        raise VerificationError(msg) from error


def _is_inside(path: Path | None, folder: Path) -> bool:
    if path is None:
        return False
    root = folder.resolve()
    # a link out of the folder, or into it, is there as well
    return path.absolute().is_relative_to(folder.absolute()) or path.resolve().is_relative_to(root)


def receipt_item(
    receipt: PushReceipt, read: ReadEvidence, observed: Observed, at: Repository | None, *, inside: bool
) -> Item:
    """Compare a receipt with the evidence, the commit and every file that it lists.

    Args:
        receipt: of the push.
        read: the evidence.
        observed: what is here.
        at: what the Hub tells, None for a folder.
        inside: the receipt lies among the files.
    """
    item = _of_evidence(receipt, read, at)
    if item.status != "holds":
        return item
    changed, missing = _differing(receipt, read, observed)
    if changed or missing:
        parts = ((changed, "is not what the receipt lists"), (missing, "is listed in the receipt and not here"))
        words = "; ".join(f"{named(paths)} {what}" for paths, what in parts if paths)
        return broken(item.key, words, [*changed, *missing])
    listed = f"{item.words}; " + (
        f"{len(receipt.files)} files are listed in it, and those that are here are the same"
        if receipt.files
        else "it lists no files, as those of earlier versions"
    )
    if inside:
        words = f"{listed}; it lies among the files, so that whoever wrote them anew could write it anew too"
        return not_checked(item.key, words, needed=False)
    return holds(item.key, listed)


def _differing(receipt: PushReceipt, read: ReadEvidence, observed: Observed) -> tuple[list[str], list[str]]:
    """Return which of the listed files are others here, and which are missing."""
    # the report of the same content at another time has other documents, which follow from its own evidence
    listed = {
        item.path: item.sha256
        for item in receipt.files
        if receipt.evidence_digest == read.digest or not is_document(item.path)
    }
    changed = sorted(p for p, digest in listed.items() if p in observed.files and observed.files[p].sha256 != digest)
    # a folder of reports has no model
    absent = (path for path in listed if path not in observed.files and (observed.has_model or is_written(path)))
    return changed, sorted(absent)


def _of_evidence(receipt: PushReceipt, read: ReadEvidence, at: Repository | None) -> Item:
    key = "receipt"
    if not read.digest:
        return not_checked(key, f"{FILENAME} names no digest to compare with")
    if at is not None and at.repo_id.casefold() != receipt.repo_id.casefold():
        return broken(key, f"the receipt is of {receipt.repo_id}, this is {at.repo_id}")
    if receipt.evidence_digest != read.digest and at is None and _same_content(receipt, read):
        return holds(key, f"it names the content of this evidence, at another time; commit {receipt.commit[:12]}")
    if receipt.evidence_digest != read.digest:
        words = f"the receipt names the evidence {receipt.evidence_digest}, the one here is {read.digest}"
        hint = ""
        if at is not None and receipt.commit != at.commit:
            hint = f"; it is of commit {receipt.commit[:12]}: verify {receipt.repo_id}@{receipt.tag or receipt.commit}"
        return broken(key, words + hint, [FILENAME])
    if at is None:
        return holds(key, f"it names the digest of this evidence; it was given for commit {receipt.commit[:12]}")
    plan = at.told.get("plan")
    if receipt.commit == at.commit and plan and plan != receipt.plan_digest:
        return broken(key, f"it names the plan {receipt.plan_digest}, the commit's message {plan}")
    if receipt.commit != at.commit:
        changed = at.changed_since(receipt.commit)
        if changed is None:
            return broken(key, f"it names this evidence, but its commit {receipt.commit[:12]} is not there any more")
        if changed:
            words = f"it names this evidence and commit {receipt.commit[:12]}; not as it was there: {named(changed)}"
            return broken(key, words, changed)
        return holds(key, f"it names this evidence and commit {receipt.commit[:12]}, whose files are the same")
    return holds(key, f"it names this evidence and this commit {at.commit[:12]}")


def _same_content(receipt: PushReceipt, read: ReadEvidence) -> bool:
    """Whether it is of the same evidence but for its times, as after a push that found all of it there already."""
    return (
        read.evidence is not None and read.comparable and receipt.content_digest == read.evidence.content_digest != ""
    )


def vouched_files(items: Iterable[Item], given: Given, observed: Observed) -> frozenset[str]:
    """Return the files of which something outside says what they are.

    A receipt vouches for those that it lists with this SHA-256, and for what follows from the evidence that it names:
    the evidence, documents written anew from it, and the model's files of the digest in it. A key vouches for what its
    signature lists.
    """
    by_key = {item.key: item for item in items}
    found: set[str] = set()
    if (receipt := given.receipt) is not None and _holds(by_key, "receipt"):
        listed = {item.path: item.sha256 for item in receipt.files}
        found.update(path for path, item in observed.files.items() if listed.get(path) == item.sha256)
        if _holds(by_key, "evidence"):
            found.add(FILENAME)
            for key, item in by_key.items():
                if item.status == "holds" and (key.startswith("document:") or key == "files.model"):
                    found.update(item.files)
            if _holds(by_key, "signature"):
                # of the key that this evidence names
                found.add(SIGNATURE)
    if _key_holds(by_key):
        found.update(signed_files(observed))
    return frozenset(found)


def anchor_item(items: Iterable[Item], given: Given, observed: Observed, folder: Path, vouched: frozenset[str]) -> Item:
    """Say whether whoever can write these files could have written all of them anew.

    Args:
        items: all others.
        given: what was given.
        observed: what is here.
        folder: where that lies.
        vouched: of :func:`vouched_files`.
    """
    listed = tuple(items)
    names = {"receipt": "the receipt", "signature.key": "the key"}
    by_key = {item.key: item for item in listed}
    held = {"receipt": _holds(by_key, "receipt"), "signature.key": _key_holds(by_key)}
    holding = [words for key, words in names.items() if held[key]]
    inside = {"the receipt": given.receipt_is_inside(folder), "the key": given.key_is_inside(folder)}
    if not holding and any(inside.values()):
        told = " and ".join(words for words, is_inside in inside.items() if is_inside)
        words = f"{told} that was given lies among the files, and is no more than one of them"
        return not_checked("anchor", f"{words}: give one that is kept elsewhere", needed=False)
    if not holding:
        words = (
            "digests show changes, not who made them: whoever can write all of these files can have written them anew, "
            "with digests that fit. Give the receipt of the push (--receipt) or the signer's public key (--public-key)"
        )
        return not_checked("anchor", words, needed=False)
    what = " and ".join(holding)
    left = sorted(set(_published(listed, observed)) - vouched)
    if left:
        words = (
            f"{what} that was given says nothing of {named(left)}, as {'they are' if len(left) > 1 else 'it is'} here"
        )
        return not_checked("anchor", words, left, needed=False)
    return holds("anchor", f"{what} that was given, as far as it was kept elsewhere, vouches for every file")


def vouched(items: Iterable[Item], files: frozenset[str]) -> Iterator[Item]:
    """Yield the items; a document that this version can not write anew needs no more than to be vouched for."""
    for item in items:
        is_document_ = item.key.startswith("document:") or item.key == "card"
        if item.status == "not checked" and is_document_ and item.files and files >= {*item.files}:
            words = f"{item.words}; byte for byte, it is what was published, as what was given tells"
            yield replace(item, words=words, needed=False)
        else:
            yield item


def _published(items: Iterable[Item], observed: Observed) -> Iterator[str]:
    """Yield what is here and is no part of the reports alone, and documents that may be missing."""
    for path in (*observed.files, *observed.strange):
        if is_model_file(path) or is_written(path) or observed.has_model or not is_of_reports(path):
            yield path
    for item in items:
        if item.status == "not checked" and item.key.startswith("document:"):
            yield from item.files


def _key_holds(items: dict[str, Item]) -> bool:
    """Whether the signature is of the key that was given, and nothing about it is broken."""
    broken_ones = [item for key, item in items.items() if key.startswith("signature") and item.status == "broken"]
    return _holds(items, "signature.key") and not broken_ones


def _holds(items: dict[str, Item], key: str) -> bool:
    return key in items and items[key].status == "holds"
