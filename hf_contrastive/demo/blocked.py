"""The push that must not happen: rows of a non-commercial license under a commercial policy."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.markup import escape

from audits.policy import load_policy
from audits.report_files import FINDINGS
from hf_contrastive.console import say, show_table
from hf_contrastive.errors import ContrastiveError, PushBlocked
from hf_contrastive.release.push import push
from hf_contrastive.release.sending.hub import hub_api
from model_cards.documents.evidence_json import read_evidence
from model_cards.facts import removed_ranges
from model_cards.licensing import rule_rows

BLOCKED_ROWS = 2000
TAINTED_ROWS = 200


def try_blocked_push(
    out: Path, trainer: Any, data: Any, options: dict[str, Any], *, seed: int
) -> tuple[PushBlocked, bool]:
    """Try to publish the model as trained on rows of a non-commercial license.

    Args:
        out: folder of the demo.
        trainer: after its push.
        data: the cleaned data.
        options: endpoint and token of the Hub.
        seed: of the draw of rows.

    Returns:
        The refusal, and whether the repository is as it was.

    Raises:
        ContrastiveError: the push went through.
    """
    part = data["train"].select(range(min(BLOCKED_ROWS, len(data["train"]))))
    rows = set(random.Random(seed).sample(range(len(part)), min(TAINTED_ROWS, len(part))))
    licenses = ["CC-BY-NC-4.0" if i in rows else license_id for i, license_id in enumerate(part["license"])]
    tainted = part.remove_columns("license").add_column("license", licenses)
    api = hub_api(**options)
    repo_id = trainer.push_receipt.repo_id
    before = _state(api, repo_id)
    say(f"Now {TAINTED_ROWS} of {len(part):,} rows get the license CC-BY-NC-4.0, and the policy is commercial:")
    try:
        push(
            out / "model",
            repo_id,
            data=tainted,
            policy=load_policy("standard"),
            license="apache-2.0",
            report_dir=out / "blocked",
            **options,
        )
    except PushBlocked as error:
        say(f"[bold]Blocked, as it should be.[/] {escape(str(error))}")
        _explain(out / "blocked")
        return error, _state(api, repo_id) == before
    msg = "The push of rows that forbid commercial use went through; this is a defect of the gate: report it."
    raise ContrastiveError(msg)


def _explain(report: Path) -> None:
    """Show what blocks: the rule, the clause, the rows, and what to do."""
    evidence = read_evidence(report / "evidence.json")
    blocking = [row for row in rule_rows(evidence) if row.decision == "block"]
    show_table(
        "What blocks, by rule",
        ("rule", "inputs", "clause", "what to do"),
        [
            tuple(
                map(
                    escape,
                    (f"{row.code} {row.title}", "; ".join(row.inputs), "\n".join(row.clauses[:2]), row.resolution),
                )
            )
            for row in blocking
        ],
    )
    rows = pq.read_table(report / FINDINGS / "LIC001.parquet")
    for finding in (item for item in (evidence.audit.findings if evidence.audit else ()) if item.code == "LIC001"):
        numbers = rows.filter(pc.field("split") == finding.split).column("row").to_pylist()
        say(
            f"The rows: {finding.total_rows:,} of {escape(finding.split)}, numbers {removed_ranges(tuple(numbers), 8)} "
            f"(all in {escape(str(report / FINDINGS / 'LIC001.parquet'))}). {escape(finding.remedy)} "
            "`remove_licenses(data, report)` does it."
        )


def _state(api: Any, repo_id: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    info = api.repo_info(repo_id)
    tags = tuple(sorted(f"{tag.name} {tag.target_commit}" for tag in api.list_repo_refs(repo_id).tags))
    return info.sha, tuple(sorted(item.rfilename for item in info.siblings)), tags


def blocking_codes(blocked: PushBlocked) -> tuple[str, ...]:
    """Return the codes of the outcomes that block, in order."""
    outcomes = blocked.verdict.outcomes if blocked.verdict is not None else ()
    return tuple(sorted({item.code for item in outcomes if item.decision == "block"}))
