"""Predicates on where data and base model came from, what was changed, and under which licenses."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from audits.findings import DatasetRef
from model_cards.evidence import Evidence
from model_cards.facts import name_of
from model_cards.frameworks.audit_evidence import foreign_data
from model_cards.frameworks.predicates import Found, found, graded, predicate
from model_cards.typesetting import number, plural


@predicate
def data_origin_recorded(evidence: Evidence) -> Found:
    """Every split that was audited names its dataset and its commit, and what was trained on is among them."""
    audit = evidence.audit
    if audit is None or not audit.datasets:
        return found("no", "No data is recorded.")
    pinned = [i for i, ref in enumerate(audit.datasets) if ref.repo_id and ref.revision]
    told = [
        f"{ref.split} is {name_of(ref)}{f' at {ref.revision}' if ref.revision else ', its commit not recorded'}"
        for ref in audit.datasets
    ]
    words = f"{'; '.join(told)}. A fingerprint of the content of each is recorded."
    problems = foreign_data(evidence, audit)
    if problems:
        words = f"{words} But: {'; '.join(problems)}."
    state = graded(pinned, len(audit.datasets), problems)
    return found(state, words, [f"/audit/datasets/{i}/revision" for i in pinned])


@predicate
def lineage_traced(evidence: Evidence) -> Found:
    """What was used was followed to where it came from, each node at a commit."""
    lineage = evidence.lineage
    if lineage is None or not lineage.inputs:
        return found("no", "No lineage is recorded.")
    nodes = [item for item in lineage.inputs if item.kind != "rows"]
    loose = [item.name for item in nodes if item.revision is None]
    problems = []
    if loose:
        problems.append(f"{plural(len(loose), 'node')} without a commit: {', '.join(loose)}")
    if lineage.problems:
        problems.append(f"{plural(len(lineage.problems), 'node')} could not be read")
    depth = max((item.depth for item in lineage.inputs), default=0)
    words = f"{plural(len(lineage.inputs), 'input')}, at most {plural(depth, 'step')} away"
    tail = f". But: {'; '.join(problems)}" if problems else ""
    return found(graded(lineage.inputs, 0, problems), f"{words}{tail}.", ["/lineage"])


@predicate
def generators_named(evidence: Evidence) -> Found:
    """Models that wrote rows are named."""
    inputs = evidence.lineage.inputs if evidence.lineage is not None else ()
    named = [(i, item) for i, item in enumerate(inputs) if item.role == "generator"]
    if not named:
        return found("no", "The lineage names no model that wrote rows; that there is none is not shown.")
    words = f"Rows were written by {', '.join(item.name for _, item in named)}; their share is not measured."
    # any one of several is enough, so the list is what it rests on
    where = [f"/lineage/inputs/{named[0][0]}"] if len(named) == 1 else ["/lineage/inputs"]
    return found("yes", words, where)


@predicate
def licenses_analysed(evidence: Evidence) -> Found:
    """The license rules were applied to data and base model, each of a known license, and no question stayed open."""
    analysis = evidence.licenses
    if analysis is None:
        return found("no", "No license rule was applied.")
    by_result = {kind: sum(item.result == kind for item in analysis.results) for kind in ("conflict", "undetermined")}
    words = (
        f"{plural(len(analysis.results), 'rule')} on {plural(len(analysis.inputs), 'input')} under license facts of "
        f"{analysis.facts_date or 'unknown date'}: {number(by_result['conflict'])} in conflict, "
        f"{number(by_result['undetermined'])} undetermined, {plural(len(analysis.obligations), 'obligation')}"
    )
    if not analysis.results or not analysis.inputs:
        return found("no", f"{words}.")
    unknown = [item.name for item in analysis.inputs if item.license is None]
    roles = {item.role for item in analysis.inputs}
    problems = [f"the license of {', '.join(unknown)} is not known"] if unknown else []
    problems += ["no data that was trained on is among the inputs"] if "training" not in roles else []
    problems += ["the base model is not among the inputs"] if evidence.training and "base" not in roles else []
    problems += ["a question stayed open"] if analysis.undetermined else []
    tail = f". But: {'; '.join(problems)}" if problems else ""
    return found("partial" if problems else "yes", f"{words}{tail}.", ["/licenses"])


@predicate
def obligations_listed(evidence: Evidence) -> Found:
    """What must go along with the model is listed; moot where the rules ask for nothing."""
    analysis = evidence.licenses
    if analysis is None:
        return found("no", "No license rule was applied.")
    if not analysis.obligations and any(item.result == "obligation" for item in analysis.results):
        return found("no", "The license rules ask for something to go along, but it is not listed.")
    if not analysis.obligations:
        return found("moot", "The license rules ask for nothing to go along.", ["/licenses"])
    kinds = sorted({item.kind.replace("_", " ") for item in analysis.obligations})
    words = f"{plural(len(analysis.obligations), 'obligation')}: {', '.join(kinds)}."
    return found("yes", words, ["/licenses/obligations"])


@predicate
def license_texts_kept(evidence: Evidence) -> Found:
    """License, card and gating texts were kept as retrieved, for every input that has a repository."""
    lineage = evidence.lineage
    if lineage is None or not lineage.files:
        return found("no", "No text of a license, card or gate was kept.")
    kept = {digest for _, digest in lineage.files}
    bare = [
        item.name
        for item in lineage.inputs
        if item.kind != "rows" and not any(statement.sha256 in kept for statement in item.statements)
    ]
    words = f"{plural(len(lineage.files), 'file')} as retrieved, each with its SHA-256"
    tail = f". But: none of {', '.join(bare)}" if bare else ""
    return found("partial" if bare else "yes", f"{words}{tail}.", ["/lineage/files"])


@predicate
def removals_recorded(evidence: Evidence) -> Found:
    """Which rows were removed, and why, is recorded step by step, up to the data that was audited."""
    remedies, audit = evidence.remedies, evidence.audit
    if not remedies:
        return found("no", "No removal of rows is recorded.")
    rows = sum(item.removed_rows for item in remedies)
    names = ", ".join(f"{item.name} ({', '.join(item.codes)})" for item in remedies)
    words = f"{plural(rows, 'row')} removed by {plural(len(remedies), 'step')}: {names}"

    linked = all(_prints(one.after) == _prints(two.before) for one, two in pairwise(remedies))
    last = _prints(remedies[-1].after)
    reached = audit is not None and bool(last) and last <= _prints(audit.datasets)
    if not (linked and reached):
        return found("partial", f"{words}. But: the steps do not lead to the audited data.", ["/remedies"])
    return found("yes", f"{words}; the data after them was audited.", ["/remedies", "/audit"])


@predicate
def base_pinned(evidence: Evidence) -> Found:
    """The model that was adapted is known by its commit or by the digest of its weights."""
    if evidence.training is None:
        return found("no", "No training was seen.")
    base = evidence.training.base
    name = base.model_id or "local files"
    told = [f"commit {base.revision}"] if base.revision else []
    told += [f"weights {base.weights_sha256}"] if base.weights_sha256 else []
    if not told:
        return found("no", f"{name}: neither a commit nor a digest of the weights is recorded.")
    return found("yes", f"{name}: {', '.join(told)}.", ["/training/base"])


@predicate
def base_license_declared(evidence: Evidence) -> Found:
    """What the base model's own card declares as its license was read."""
    base = evidence.training.base if evidence.training is not None else None
    if base is None or not base.license:
        return found("no", "No license of a base model was read.")
    where = f" ({base.license_source})" if base.license_source else ""
    return found("yes", f"{base.license}, as declared{where}; text not verified.", ["/training/base/license"])


def _prints(refs: Iterable[DatasetRef]) -> set[str]:
    return {ref.fingerprint for ref in refs}
