"""evidence.json: is it as it was written, and does what it says follow from itself?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from audits.errors import SchemaError
from audits.findings import AuditReport
from audits.policy import Policy, Verdict, judge
from audits.versions import installed_versions
from hf_contrastive.release.chain import foreign_data
from hf_contrastive.release.decision import decide
from hf_contrastive.release.licensing import license_analysis
from hf_contrastive.release.verification.items import Item, broken, holds, not_checked
from hf_contrastive.release.verification.observed import LARGEST_DOCUMENT, Observed
from model_cards.approvals import days_of, problem_on_its_day
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence
from model_cards.questions import describes_model

FILENAME = evidence_json.filename
_PACKAGE = "hf-contrastive"
_Found = TypeVar("_Found", bound=Item | None)
_NOT_PUSHED = "nothing passes the gate without one: this was not pushed, or it was taken out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEvidence:
    """The evidence, if it holds, and what is known of the file in any case.

    Attributes:
        item: whether the file is as it was written.
        evidence: None where it does not hold or can not be read.
        digest: as it stands in the file, "" where none does.
        written_by: version of this package that wrote it, "" where it is not told.
        comparable: whether this version would write the same: it is the one that wrote it.
        digests: of each field as it stands there; one that came later has a default, and another digest, here.
    """

    item: Item
    evidence: Evidence | None = None
    digest: str = ""
    written_by: str = ""
    comparable: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def elsewhere(self) -> str:
        """Why nothing can be compared."""
        return f"written by version {self.written_by or 'unknown'}, not comparable by {own_version()}"


def own_version() -> str:
    """Return the version of this package, "" where it runs from a folder without being installed."""
    return installed_versions().get(_PACKAGE, "")


def too_large(path: str) -> str:
    """Say that a file can be no document."""
    return f"{path} is larger than {LARGEST_DOCUMENT:,} bytes, which no document of a push is"


def read_evidence(observed: Observed) -> ReadEvidence:
    """Read evidence.json and recompute its digests.

    Args:
        observed: what is here.
    """
    content = observed.content(FILENAME)
    if content is None:
        words = too_large(FILENAME) if observed.is_too_large(FILENAME) else f"{FILENAME} is missing"
        return ReadEvidence(item=broken("evidence", words, [FILENAME]))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return ReadEvidence(item=broken("evidence", f"{FILENAME} is no UTF-8 ({error.reason})", [FILENAME]))
    try:
        stored = evidence_json.read_stored(text, FILENAME)
    except EvidenceError as error:
        digest, written_by = _glance(text)
        unknown_shape = isinstance(error.__cause__, SchemaError) and written_by not in ("", own_version())
        make = not_checked if unknown_shape else broken
        return ReadEvidence(item=make("evidence", str(error), [FILENAME]), digest=digest, written_by=written_by)
    digests, written_by = stored.digests, stored.evidence.versions.get(_PACKAGE, "")
    words = f"the digests of {len(digests)} fields and of the whole are those that stand in it: {stored.digest}"
    return ReadEvidence(
        item=holds("evidence", words, [FILENAME]),
        evidence=stored.evidence,
        digest=stored.digest,
        written_by=written_by,
        comparable=stored.is_of_this_shape and written_by == own_version(),
        digests=digests,
    )


def _glance(text: str) -> tuple[str, str]:
    """Return the digest that stands in a file that does not hold, and the version that wrote it."""
    try:
        data = json.loads(text)
        return str(data["digest"]), str(data["evidence"].get("versions", {}).get(_PACKAGE, ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""


def statement_items(read: ReadEvidence, *, published: bool) -> Iterator[Item]:
    """Yield whether verdict, license analysis, approvals and data belong together.

    Args:
        read: of the file.
        published: whether the model lies beside it, so that somebody published it: nothing gets there without a
            verdict, and what lacks one was not pushed, or had it taken out.
    """
    keys = ("evidence.verdict", "evidence.licenses", "evidence.approvals", "evidence.data")
    evidence = read.evidence
    if evidence is None:
        yield from (not_checked(key, f"{FILENAME} does not hold or can not be read") for key in keys)
        return
    audit, policy, verdict = evidence.audit, evidence.policy, evidence.verdict
    if audit is None or policy is None or verdict is None:
        lacking = "audit" if audit is None else "policy" if policy is None else "verdict"
        words = f"the evidence holds no {lacking}"
        if published:
            yield broken(keys[0], f"{words}, and {_NOT_PUSHED}", [FILENAME])
        yield from (not_checked(key, words) for key in (keys[1:] if published else keys))
        return
    yield computed(keys[0], read, lambda: _verdict(read, evidence, audit, policy, verdict))
    yield computed(keys[1], read, lambda: _licenses(read, evidence, policy, published=published))
    yield computed(keys[2], read, lambda: _approvals(read, evidence, verdict, published=published))
    yield computed(keys[3], read, lambda: _data(evidence, audit))


def computed(
    key: str, read: ReadEvidence, compute: Callable[[], _Found], files: Iterable[str] = (FILENAME,)
) -> _Found | Item:
    """Return what ``compute`` says.

    Values of an evidence by another hand can be of the right types and make no sense together; that is what is wrong
    with the evidence, and nothing that a verification ends with.
    """
    try:
        return compute()
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        make = broken if read.comparable else not_checked
        words = f"it can not be computed from {FILENAME}, whose values do not fit together"
        return make(key, f"{words} ({type(error).__name__}: {str(error)[:200]})", files)


def _verdict(read: ReadEvidence, evidence: Evidence, audit: AuditReport, policy: Policy, verdict: Verdict) -> Item:
    key = "evidence.verdict"
    if verdict.report_digest not in (audit.digest, audit.content_digest, read.digests.get("audit")):
        if audit.digest != read.digests.get("audit"):
            return not_checked(key, f"{read.elsewhere}; the audit is of another shape there", [FILENAME])
        return broken(key, "the verdict is of another audit than the one beside it", [FILENAME])
    if verdict.policy_digest not in (policy.digest, read.digests.get("policy")):
        return broken(key, "the verdict is under another policy than the one beside it", [FILENAME])
    days = days_of(evidence)
    again = [_judged(evidence, audit, policy, day) for day in days]
    if verdict in again:
        return holds(key, f"judged again on the day of the evidence, it is {verdict.decision} with the same outcomes")
    if not read.comparable:
        return not_checked(key, f"{read.elsewhere}; judged again, it is not the same", [FILENAME])
    if not again:
        return not_checked(key, "the evidence names no day on which it was judged", [FILENAME])
    differing = sorted({item.code for item in {*again[0].outcomes} ^ {*verdict.outcomes}})
    told = f" (outcomes that differ: {', '.join(differing)})" if differing else ""
    words = f"it says {verdict.decision}, but this audit under this policy gives {again[0].decision}{told}"
    return broken(key, words, [FILENAME])


def _judged(evidence: Evidence, audit: AuditReport, policy: Policy, day: date) -> Verdict:
    if not describes_model(evidence):
        return judge(audit, policy, today=day)
    return decide(
        audit, policy, evidence.training, licenses=evidence.licenses, comparison=evidence.comparison, today=day
    )


def _licenses(read: ReadEvidence, evidence: Evidence, policy: Policy, *, published: bool) -> Item:
    key = "evidence.licenses"
    told = evidence.licenses
    if told is None and published:
        return broken(key, f"the evidence holds no analysis of licenses, and {_NOT_PUSHED}", [FILENAME])
    if told is None:
        words = "the evidence holds no analysis of licenses"
        return not_checked(key, words, needed=describes_model(evidence))
    again = license_analysis(evidence, policy)
    if told == again:
        return holds(key, f"{len(told.results)} rules on {len(told.inputs)} inputs say the same again")
    if told.facts_digest != again.facts_digest:
        words = (
            f"it can not be recomputed with today's license facts: it was made with those of "
            f"{told.facts_date or 'an unknown date'}, these are of {again.facts_date or 'an unknown date'}"
        )
        return not_checked(key, words, [FILENAME])
    if not read.comparable:
        return not_checked(key, f"{read.elsewhere}; analysed again, it is not the same", [FILENAME])
    differing = sorted(item.code for item in again.results if told.result(item.code) != item)
    rules = f" (rules that differ: {', '.join(differing)})" if differing else ""
    return broken(key, f"it does not follow from the inputs under the same license facts{rules}", [FILENAME])


def _approvals(read: ReadEvidence, evidence: Evidence, verdict: Verdict, *, published: bool) -> Item:
    key = "evidence.approvals"
    refuse = broken if published else not_checked
    if verdict.decision == "block":
        return refuse(key, "the verdict is block, which no approval lifts: this was not let through", [FILENAME])
    given = [(approval, problem_on_its_day(approval, evidence)) for approval in evidence.approvals]
    if verdict.decision == "pass" and not given:
        return holds(key, "the verdict is pass, which needs none")
    for approval, problem in given:
        if problem is None:
            role = f" ({approval.role})" if approval.role else ""
            until = f", until {approval.expires}" if approval.expires else ""
            words = f"a yes to this verdict on these files is recorded in the name of {approval.by}{role}{until}"
            return holds(key, f"{words}; who gave it is not proven")
    if given and not read.comparable:
        return not_checked(key, read.elsewhere, [FILENAME])
    if not given:
        return refuse(key, "the verdict is review, and nobody's yes stands in the evidence", [FILENAME])
    told = "; ".join(f"that of {approval.by}: {problem}" for approval, problem in given)
    return broken(key, f"no approval is for this verdict and these files: {told}", [FILENAME])


def _data(evidence: Evidence, audit: AuditReport) -> Item:
    key = "evidence.data"
    problems = foreign_data(evidence, audit)
    if problems:
        return broken(key, " ".join(problems), [FILENAME])
    if evidence.training is None:
        words = "no training was recorded: that the model saw the audited data alone is stated"
        return not_checked(key, words, needed=describes_model(evidence))
    prints = ", ".join(f"{item.split} {item.fingerprint[:19]}…" for item in evidence.training.datasets)
    return holds(key, f"the fingerprints of what was trained on are in the audit ({prints})")
