"""The gate: one place that decides whether a plan may leave, and lists every reason against it at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from audits.dates import utc_today
from audits.licenses.analysis import Obligation
from audits.licenses.obligations import unmet
from audits.policy import Verdict
from audits.verdicts import SEVERITY
from hf_contrastive.errors import PushBlocked
from hf_contrastive.release.approvals import binding_problem
from hf_contrastive.release.chain import broken_links
from hf_contrastive.release.contents.files import folder_problems, problems
from hf_contrastive.release.plan import SIGNATURE, PushPlan
from hf_contrastive.release.planned_files import (
    changed_files,
    changed_folder,
    foreign_documents,
    is_own_file,
    missing_parts,
    missing_shards,
)
from hf_contrastive.release.signatures import signature_problems
from model_cards.evidence import Evidence

_MOST_TEXT = 2**20
_NEEDS_YES = "A verdict of review needs a person's recorded yes"


def check(
    plan: PushPlan,
    evidence: Evidence,
    sources: Mapping[str, Path | bytes],
    *,
    folder: Path | None = None,
    today: date | None = None,
) -> None:
    """Let ``plan`` through, or raise with every reason against it.

    Args:
        plan: what would be published.
        evidence: the chain that the documents were rendered from.
        sources: content of each planned file.
        folder: of the model, where it shall hold what was planned and nothing besides.
        today: for waivers and approvals; default is now.

    Raises:
        PushBlocked: a digest does not match, data differs from what was trained on, a file may not be published,
            something that a license asks for does not go along, the audit is too old, the verdict is block, or it is
            review and nobody approved it.
    """
    today = today or utc_today()
    found = [*broken_links(plan, evidence, today), *changed_files(plan, sources), *foreign_documents(plan, evidence)]
    if folder is not None:
        found.extend(changed_folder(plan, folder))
    for item in plan.files:
        source = sources.get(item.path)
        if isinstance(source, bytes) or (source is not None and is_own_file(item.path, source)):
            found.extend(problems(item.path, source))
    found.extend(folder_problems(item.path for item in plan.files))
    found.extend(missing_shards(plan, sources))
    found.extend(missing_parts(plan, sources))
    found.extend(_foreign_base(evidence, sources))
    found.extend(_signature(plan, evidence, sources))
    found.extend(_obligations(plan, evidence, sources))
    verdict = evidence.verdict
    found.extend(_decision(verdict, evidence, today))
    if not found:
        return
    decision = verdict.decision if verdict is not None else "block"
    msg = (
        f"Nothing was published to {plan.repo_id}: {len(found)} reason(s) against it (the audit's decision is "
        f"{decision}).\n" + "\n".join(f"  - {line}" for line in found)
    )
    raise PushBlocked(msg, verdict=verdict, problems=tuple(found))


def awaits_review(blocked: PushBlocked) -> bool:
    """Whether a person's yes is all that was missing: nothing but the verdict of review stood against it."""
    verdict = blocked.verdict
    if verdict is None or verdict.decision != "review":
        return False
    against = set(_against(verdict))
    return all(line in against or line.startswith(_NEEDS_YES) for line in blocked.problems)


def _signature(plan: PushPlan, evidence: Evidence, sources: Mapping[str, Path | bytes]) -> tuple[str, ...]:
    listed = {item.path for item in plan.files}
    source = sources.get(SIGNATURE) if SIGNATURE in listed else None
    if isinstance(source, Path):
        source = source.read_bytes() if source.is_file() else b""
    return signature_problems(source, plan.files, evidence.signing_key)


def _obligations(plan: PushPlan, evidence: Evidence, sources: Mapping[str, Path | bytes]) -> list[str]:
    """Hold what would be published against what the licenses of the inputs ask for."""
    if evidence.licenses is None:
        return ["The license rules were not applied: not checked is not passed. Plan again."]
    texts = {item.path: _legal_text(item.path, sources.get(item.path)) for item in plan.files}
    due = evidence.licenses
    if evidence.policy is not None and evidence.policy.licenses.copies_by_policy == "at hand":
        due = replace(due, obligations=tuple(item for item in due.obligations if not _may_be_missing(item, evidence)))
    return list(unmet(due, repo_id=plan.repo_id, files=texts, card=texts.get("README.md") or ""))


def _may_be_missing(item: Obligation, evidence: Evidence) -> bool:
    """Whether a copy that no clause surely asks for may be left out, since its text is not at hand."""
    return item.kind == "license_copy" and item.basis == "policy" and item.license not in evidence.license_texts


def _legal_text(path: str, source: Path | bytes | None) -> str | None:
    """Return the text of a file that may hold notices or licenses; None for all others, such as weights."""
    name = path.rpartition("/")[2].casefold()
    if source is None or name.endswith((".safetensors", ".json", ".html", ".model", ".spm")):
        return None
    if isinstance(source, Path):
        if not source.is_file() or source.stat().st_size > _MOST_TEXT:
            return None
        source = source.read_bytes()
    return source.decode("utf-8", errors="replace")


def _foreign_base(evidence: Evidence, sources: Mapping[str, Path | bytes]) -> list[str]:
    if evidence.training is None:
        return []
    base = evidence.training.base.model_id
    found = []
    for name, source in sources.items():
        if name.rpartition("/")[2] != "adapter_config.json" or not (isinstance(source, bytes) or source.is_file()):
            continue
        try:
            config = json.loads(source if isinstance(source, bytes) else source.read_bytes())
        except ValueError:
            continue
        told = config.get("base_model_name_or_path") if isinstance(config, dict) else None
        if told != base:
            trained_on = f"the Hub id {base}" if base else "a local folder"
            found.append(
                f"{name} names the base model {told!r}, but it was trained from {trained_on}. Set `base_model_id` "
                "in ContrastiveConfig and train or save again."
            )
    return found


def _decision(verdict: Verdict | None, evidence: Evidence, today: date) -> list[str]:
    if verdict is None or verdict.decision == "pass":
        return []
    if verdict.decision == "block":
        return _against(verdict)
    given = {approval: binding_problem(approval, evidence, verdict, today) for approval in evidence.approvals}
    if None in given.values():
        return []
    alone = evidence.policy is None or evidence.policy.single_reviewer
    how = "push with `--reviewed-by NAME`, or `--approval FILE`" if alone else "push with `--approval FILE`"
    told = [f"{_NEEDS_YES}; that of {approval.by} does not hold: {why}." for approval, why in given.items()]
    ask = f"{_NEEDS_YES}: {how}, which `hf-contrastive approve` writes."
    return [*_against(verdict), *told, ask]


def _against(verdict: Verdict) -> list[str]:
    """Say every outcome that is not a pass, the worst first, so that one round of repairs can do."""
    outcomes = [item for item in verdict.outcomes if item.decision != "pass"]
    return [
        f"{item.code} ({item.decision}): {item.rule}; observed {item.observed}, allowed {item.allowed}."
        for item in sorted(outcomes, key=lambda item: -SEVERITY[item.decision])
    ]
