"""Predicates on decisions, on what is published, and on what people said."""

from __future__ import annotations

from model_cards.evidence import Evidence
from model_cards.frameworks.predicates import Found, found, predicate
from model_cards.typesetting import plural


@predicate
def verdict_reached(evidence: Evidence) -> Found:
    """A policy was applied to this audit, and decided."""
    verdict = evidence.verdict
    if verdict is None:
        return found("no", "No policy was applied.")
    pairs = (
        ("audit", evidence.audit, verdict.report_digest),
        ("policy", evidence.policy, verdict.policy_digest),
    )
    foreign = [name for name, record, told in pairs if record and told not in (record.digest, record.content_digest)]
    if foreign:
        return found("no", f"The verdict is of another {' and another '.join(foreign)}.")
    absent = [name for name, record, _ in pairs if record is None]
    words = (
        f"Policy “{verdict.policy_name or 'without a name'}” decided {verdict.decision} on "
        f"{plural(len(verdict.outcomes), 'outcome')}"
    )
    if absent:
        words = f"{words}. But: the {' and the '.join(absent)} is not in this evidence."
        return found("partial", words, ["/verdict"])
    return found("yes", f"{words}.", ["/verdict", "/audit", "/policy"])


@predicate
def approval_recorded(evidence: Evidence) -> Found:
    """Where the verdict asks for a person's decision, a named one is bound to it that held when this was written."""
    verdict = evidence.verdict
    if verdict is None:
        return found("no", "No policy was applied, so nothing could be approved.")
    if verdict.decision == "pass":
        return found("moot", "The verdict asks for no approval.", ["/verdict"])
    written = evidence.created_at[:10]
    bound = [
        item
        for item in evidence.approvals
        if item.verdict_digest in (verdict.digest, verdict.content_digest)
        and not (item.expires and written and item.expires < written)
    ]
    if verdict.decision == "block" or not bound:
        return found("no", f"The verdict is {verdict.decision}; no approval that holds is bound to it.")
    told = [f"{item.by}{f' ({item.role})' if item.role else ''}, until {item.expires or 'no date'}" for item in bound]
    return found("yes", f"Approved by {'; '.join(told)}.", ["/approvals", "/verdict"])


@predicate
def waivers_listed(evidence: Evidence) -> Found:
    """The exceptions from the policy are listed, each with its owner and end; none is a list too."""
    policy = evidence.policy
    if policy is None:
        return found("no", "No policy is recorded.")
    told = [
        f"{item.code} ({item.scope}) owned by {item.owner}, approved by {item.approver}, until {item.expires}"
        for item in policy.waivers
    ]
    words = f"Policy “{policy.name}” has {plural(len(policy.waivers), 'waiver')}{': ' if told else ''}"
    return found("yes", f"{words}{'; '.join(told)}.", ["/policy"])


@predicate
def files_digested(evidence: Evidence) -> Found:
    """The files of the model are identified by a digest."""
    if not evidence.payload_digest:
        return found("no", "The files of the model have no digest.")
    return found("yes", f"The files of the model are {evidence.payload_digest}.", ["/payload_digest"])


@predicate
def license_chosen(evidence: Evidence) -> Found:
    """The license of the model is named."""
    if not evidence.license:
        return found("no", "No license of the model is named.")
    return found("yes", f"{evidence.license}, as stated.", ["/license"])


@predicate
def languages_named(evidence: Evidence) -> Found:
    """The languages of the model are named."""
    if not evidence.language:
        return found("no", "No language is named.")
    return found("yes", f"{', '.join(evidence.language)}, as stated.", ["/language"])


@predicate
def intended_use_stated(evidence: Evidence) -> Found:
    """A person said what the model is for."""
    return _stated(evidence, "direct_use")


@predicate
def out_of_scope_stated(evidence: Evidence) -> Found:
    """A person said what the model must not be used for."""
    return _stated(evidence, "out_of_scope_use")


@predicate
def limitations_stated(evidence: Evidence) -> Found:
    """A person said where the model fails."""
    return _stated(evidence, "limitations")


@predicate
def bias_stated(evidence: Evidence) -> Found:
    """A person said whom the model serves worse."""
    return _stated(evidence, "bias")


@predicate
def risks_stated(evidence: Evidence) -> Found:
    """A person said which harms are foreseeable."""
    return _stated(evidence, "risks")


@predicate
def data_choice_stated(evidence: Evidence) -> Found:
    """A person said where the data is from, and why this data."""
    return _stated(evidence, "training_data")


@predicate
def developer_stated(evidence: Evidence) -> Found:
    """A person said who developed the model."""
    return _stated(evidence, "developed_by")


@predicate
def contact_stated(evidence: Evidence) -> Found:
    """A person said who answers questions about the model."""
    return _stated(evidence, "contact")


def _stated(evidence: Evidence, key: str) -> Found:
    """Return whether somebody answered the question ``key`` of the model card."""
    statement = evidence.statement(key)
    if statement.origin == "unanswered" or not statement.text.strip():
        return found("no", f"Nobody answered `{key}`.")
    by = f" by {statement.by}" if statement.by else ", by whom is not recorded"
    date = f" on {statement.date}" if statement.date else ", without a date"
    where = [f"/statements/{evidence.statements.index(statement)}"]
    return found("yes", f"`{key}` was {statement.origin}{by}{date}.", where)
