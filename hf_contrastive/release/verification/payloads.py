"""The model's files, and files that nothing speaks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path, PurePosixPath

from audits.licenses.license_files import FOLDER as RETRIEVED
from audits.licenses.license_files import INDEX
from audits.report_files import FINDINGS
from hf_contrastive.release.approvals import APPROVAL_FILE
from hf_contrastive.release.contents.files import must_be_refused
from hf_contrastive.release.plan import (
    LICENSE_COPIES,
    is_document,
    is_legal,
    is_model_file,
    payload_digest,
)
from hf_contrastive.release.report_folder import RECEIPT, WITH_EXCERPTS
from hf_contrastive.release.verification.items import Item, broken, holds, named, not_checked
from hf_contrastive.release.verification.observed import Observed, ObservedFile
from hf_contrastive.release.verification.statements import FILENAME, ReadEvidence
from hf_contrastive.release.versioning.changelog import CHANGES
from model_cards.evidence import Evidence
from model_cards.questions import describes_model
from model_cards.render import documents

_LOOSE = (RECEIPT, APPROVAL_FILE, *CHANGES)
_OF_REPORTS = (WITH_EXCERPTS, FINDINGS, RETRIEVED, *_LOOSE)
_MOST_FOR_PAIRS = 40


def is_written(path: str) -> bool:
    """Whether ``path`` is one that a push writes from the evidence."""
    return is_document(path) or path in {document.filename for document in documents().values()}


def is_of_reports(path: str) -> bool:
    """Whether ``path`` belongs to a folder of reports and is never published."""
    return any(PurePosixPath(path).is_relative_to(item) for item in _OF_REPORTS)


def model_item(read: ReadEvidence, observed: Observed, *, needed: bool) -> tuple[Item, frozenset[str]]:
    """Compare the model's files with the digest in the evidence.

    Args:
        read: the evidence.
        observed: what is here.
        needed: whether they must be here.

    Returns:
        The item, and the files that the digest covers.
    """
    key, evidence = "files.model", read.evidence
    found = {path: item for path, item in observed.files.items() if is_model_file(path) or is_legal(path)}
    found = {path: item for path, item in found.items() if not is_written(path)}
    if evidence is None:
        return not_checked(key, f"{FILENAME} does not hold or can not be read"), frozenset()
    if not evidence.payload_digest:
        words = "the evidence is about no files of a model"
        if needed or observed.has_model:
            return broken(key, f"{words}, and this is a model", [FILENAME]), frozenset()
        return not_checked(key, words, needed=describes_model(evidence)), frozenset()
    if not observed.has_model:
        words = "the model's files are not here"
        return (broken(key, words) if needed else not_checked(key, words)), frozenset()
    covered = _covered(found, evidence.payload_digest)
    if covered is None:
        words = (
            f"the {len(found)} files are not those of the evidence ({evidence.payload_digest}): some were changed, "
            "renamed, added or removed"
        )
        return broken(key, words), frozenset()
    extra = sorted(set(found) - covered)
    if any(not is_legal(path) for path in extra):
        words = f"{named(extra)} was added to the {len(covered)} files of the evidence"
        return broken(key, words, extra), covered
    return holds(key, f"{len(covered)} files have the digest in the evidence", sorted(covered)), covered


def _covered(found: Mapping[str, ObservedFile], wanted: str) -> frozenset[str] | None:
    """Return which of the files have the digest together, so that what was added can be named; None if none do."""
    # in the order in which a plan lists them
    names = sorted(found, key=PurePosixPath)

    def fits(without: Iterable[str]) -> bool:
        left_out = set(without)
        return payload_digest(tuple(found[name].planned for name in names if name not in left_out)) == wanted

    legal = [name for name in names if is_legal(name)]
    for size in range(len(legal) + 1 if len(legal) < 6 else 1):
        for without in combinations(legal, size):
            if fits(without):
                return frozenset(names) - set(without)
    for size in (1, 2) if len(names) <= _MOST_FOR_PAIRS else (1,):
        for without in combinations(names, size):
            if fits(without):
                return frozenset(names) - set(without)
    return None


def uncovered_item(
    observed: Observed, covered: frozenset[str], *, in_repository: bool, model_holds: bool, pushed: bool = True
) -> Item:
    """Name the files that neither the evidence nor a document speaks for.

    Args:
        observed: what is here.
        covered: what the digest of the model's files covers.
        in_repository: files of a folder of reports have no place there.
        model_holds: otherwise those files may be the model's, and are not counted here.
        pushed: False for a commit that no push has made: what nothing covers came with it, or may have.
    """
    key = "files.uncovered"
    rest = {
        path: item.source
        for path, item in observed.files.items()
        if path not in covered and not is_written(path) and (in_repository or not is_of_reports(path))
    }
    if not model_holds:
        rest = {path: source for path, source in rest.items() if not (is_model_file(path) or is_legal(path))}
    dangerous = sorted([*(path for path, source in rest.items() if _may_run(path, source)), *observed.strange])
    if dangerous:
        told = [f"{path} ({observed.strange[path]})" if path in observed.strange else path for path in dangerous]
        others = sorted(set(rest) - set(dangerous))
        more = f"; nor is {named(others)}" if others else ""
        words = f"{named(told)} is no part of what was published, and loading it may run code{more}"
        return broken(key, words, [*dangerous, *others])
    if rest and not pushed:
        words = f"{named(rest)} is no part of what was published, and this commit is no push of hf-contrastive"
        return broken(key, words, sorted(rest))
    if rest:
        words = f"nothing here speaks for {named(rest)}: no digest covers what is in it"
        return not_checked(key, words, sorted(rest))
    return holds(key, "every file is one of the model, a document or a signature")


def _may_run(path: str, source: Path) -> bool:
    return not path.startswith(LICENSE_COPIES) and (is_model_file(path) or must_be_refused(path, source))


def weights_item(evidence: Evidence | None, folder: Path, *, asked: bool, loadable: bool) -> Item:
    """Load the model and compare its tensors with those that were trained.

    Args:
        evidence: that names the trained weights.
        folder: with the model.
        asked: whether loading was asked for.
        loadable: whether its files are those of the evidence; others are not loaded.
    """
    key = "files.weights"
    training = evidence.training if evidence is not None else None
    if training is None or not training.weights_sha256:
        return not_checked(key, "the evidence names no weights that were trained", needed=asked)
    if training.adapter is not None or training.base.adapter_sha256:
        words = (
            "what was trained with LoRA was digested as base and adapter apart, before they were merged, which can not "
            "be told from what is published; the digest of the model's files was taken when they were saved"
        )
        return not_checked(key, words, needed=asked)
    if not asked:
        return not_checked(key, "loading them was not asked for (--weights)", needed=False)
    if not loadable:
        return not_checked(key, "the files are not those of the evidence, so they were not loaded")
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "peft")
    from hf_contrastive.encoder import TextEncoder

    found = TextEncoder.load(folder).weights_digest()
    if found == training.weights_sha256:
        return holds(key, f"all tensors as loaded have the digest {found}")
    words = f"all tensors as loaded have the digest {found}, those that were trained {training.weights_sha256}"
    return broken(key, words)


def report_items(read: ReadEvidence, observed: Observed, folder: Path) -> Iterator[Item]:
    """Yield what a folder of reports holds besides the documents."""
    evidence = read.evidence
    below = {name: [p for p in observed.files if p.startswith(f"{name}/")] for name in _OF_REPORTS}
    loose = [name for name in _LOOSE if name in observed.files]
    if loose:
        yield not_checked("report.others", f"the evidence says nothing about {named(loose)}", loose)
    if below[FINDINGS]:
        yield _findings(evidence, folder, below[FINDINGS])
    if below[RETRIEVED]:
        yield _retrieved(evidence, observed, below[RETRIEVED])
    if below[WITH_EXCERPTS]:
        words = "they have an evidence of their own: verify that folder by itself"
        yield not_checked("report.excerpts", words, [WITH_EXCERPTS])


def _findings(evidence: Evidence | None, folder: Path, here: list[str]) -> Item:
    from audits.errors import SchemaError, SourceError
    from audits.report_files import read_findings

    key = "report.findings"
    if evidence is None or evidence.audit is None:
        return not_checked(key, "there is no audit to compare them with", here)
    codes = {finding.code for finding in evidence.audit.findings if finding.rows_digest}
    strays = sorted(set(here) - {f"{FINDINGS}/{code}.parquet" for code in codes})
    try:
        read_findings(evidence.audit, folder)
    except (SchemaError, SourceError) as error:
        # the message names the file by its path on this machine
        return broken(key, str(error).replace(f"{folder}/", ""), here)
    if strays:
        return broken(key, f"no finding of the audit is about {named(strays)}", strays)
    return holds(key, f"the rows of {len(codes)} checks have the digests in the audit", here)


def _retrieved(evidence: Evidence | None, observed: Observed, here: list[str]) -> Item:
    key = "report.retrieved"
    if evidence is None or evidence.lineage is None:
        return not_checked(key, "the evidence names no texts that were retrieved", here)
    told = {path: digest.removeprefix("sha256:") for path, digest in evidence.lineage.files}
    listed = {*told, *here} - {f"{RETRIEVED}/{INDEX}"}
    wrong = sorted(
        path for path in listed if path not in observed.files or observed.files[path].sha256 != told.get(path)
    )
    if wrong:
        return broken(key, f"{named(wrong)} is not as it was retrieved", wrong)
    return holds(key, f"{len(told)} texts are as they were retrieved", here)
