"""The second version is worse on purpose: it is caught, let through by a named person, and rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from hf_contrastive.console import progress, say, show_table
from hf_contrastive.errors import ContrastiveError, PushBlocked
from hf_contrastive.release.gate import awaits_review
from hf_contrastive.release.sending.hub import PushReceipt, hub_api
from hf_contrastive.release.versioning.rollback import RollbackReceipt, rollback
from hf_contrastive.release.versioning.versions import versions
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import VersionComparison

REVIEWER = "Ada Lovelace (of the demo)"
REASON = "A rehearsal: the rollback that follows is what is tried."


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondVersion:
    """What became of it: refused, let through as ``receipt``, and rolled back as ``rolled_back``."""

    refused: PushBlocked
    comparison: VersionComparison
    receipt: PushReceipt
    rolled_back: RollbackReceipt
    same_files: bool

    @property
    def as_announced(self) -> bool:
        """Whether it was found worse, awaited a person, and is gone from the head."""
        return self.comparison.regression and awaits_review(self.refused) and self.same_files

    def told(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        main = self.comparison.primary
        return {
            "tag": self.receipt.tag,
            "regression": self.comparison.regression,
            "before": main.before.value if main is not None and main.before is not None else None,
            "after": main.after.value if main is not None else None,
            "difference": main.difference.to_dict() if main is not None and main.difference is not None else None,
            "rolled_back_to": self.rolled_back.to,
            "rolled_back_as": self.rolled_back.tag,
            "same_files": self.same_files,
        }


def publish_a_worse_version(
    out: Path, trainer: Any, *, pairs: Any, options: Mapping[str, Any], push: Mapping[str, Any], to: PushReceipt
) -> SecondVersion:
    """Push a model that is worse than the published one, then go back.

    Args:
        out: folder of the reports of this version.
        trainer: of the worse model, after training, with the evidence that a push needs.
        pairs: both versions are measured on these.
        options: endpoint and token of the Hub.
        push: of ``push_to_hub``: policy and key.
        to: receipt of the version that is published.

    Raises:
        ContrastiveError: the gate let it through without a person.
    """
    api = hub_api(**options)
    say("Now a second version, trained at a learning rate that is far too high, is pushed to the same repository:")
    try:
        trainer.push_to_hub(compare_data=pairs, **push, **options)
    except PushBlocked as error:
        refused = error
        say(f"[bold]Not published without a person, as it should be.[/] {escape(str(error))}")
    else:
        msg = "A version that is worse went through without a person; this is a defect of the gate: report it."
        raise ContrastiveError(msg)
    say(f"{REVIEWER} lets it through: {REASON}")
    trainer.push_to_hub(compare_data=pairs, reviewed_by=REVIEWER, reason=REASON, **push, **options)
    receipt = trainer.push_receipt
    comparison = read_evidence(out / "report" / "evidence.json").comparison
    if comparison is None:
        msg = "The second version was not compared with the first; this is a defect: report it."
        raise ContrastiveError(msg)
    say(f"What changed since {to.tag}: {escape(str(out / 'report' / 'changes.md'))}")
    with progress(f"Roll back to {to.tag}") as update:
        back = rollback(to.repo_id, to.tag, reason="The second version is worse.", by=REVIEWER, api=api)
        update(1, 1)
    listed = versions(to.repo_id, api=api)
    columns = ("version", "decision", "approved by", "rolled back to", "current")
    rows = [
        (item.tag, item.decision or "?", ", ".join(item.approvals), item.rolled_back_to, "yes" if item.current else "")
        for item in listed.versions
    ]
    show_table(f"Versions of {to.repo_id}", columns, [tuple(map(escape, row)) for row in rows])
    return SecondVersion(
        refused=refused,
        comparison=comparison,
        receipt=receipt,
        rolled_back=back,
        same_files=_files(api, to.repo_id, to.commit) == _files(api, to.repo_id, back.commit),
    )


def _files(api: Any, repo_id: str, revision: str) -> dict[str, str]:
    info = api.model_info(repo_id, revision=revision, files_metadata=True)
    return {item.rfilename: item.blob_id for item in info.siblings}
