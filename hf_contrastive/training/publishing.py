"""A Trainer that publishes through the gate alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from transformers.trainer_utils import HubStrategy

from audits.findings import AuditReport, RemedyRecord
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.evaluation_callback import EvaluatingTrainer
from model_cards.evidence import EvaluationReport, Statement

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

    from hf_contrastive.inference.records import InferenceReport
    from hf_contrastive.release.previews import Preview
    from hf_contrastive.release.sending.hub import PushReceipt
    from hf_contrastive.study.records import StudyReport
    from hf_contrastive.trainer import ContrastiveTrainer

logger = logging.getLogger(__name__)


class PublishingTrainer(EvaluatingTrainer):
    """Pushes by one commit behind the gate; a checkpoint is never pushed.

    Attributes:
        evidence_items: what is known besides the training itself.
        push_receipt: of the last push.
    """

    evidence_items: list[AuditReport | RemedyRecord | EvaluationReport | Statement]
    push_receipt: PushReceipt | None

    def add_evidence(
        self, *items: AuditReport | RemedyRecord | EvaluationReport | InferenceReport | StudyReport | Statement
    ) -> None:
        """Keep reports, remedies, evaluations and statements for the documents of a push.

        What ``benchmark_inference`` and ``run_study`` return is kept as an evaluation.

        Raises:
            EvaluationError: an InferenceReport that was measured without data.
        """
        from hf_contrastive.inference.records import InferenceReport
        from hf_contrastive.study.records import StudyReport

        self.evidence_items.extend(
            [item.as_evaluation() if isinstance(item, InferenceReport | StudyReport) else item for item in items]
        )

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Note the repository's name; it is made by the push, behind the gate."""
        del token, private
        self.hub_model_id = self.args.hub_model_id or Path(self.args.output_dir or "contrastive-model").absolute().name  # type: ignore[assignment]
        self.push_in_progress = None

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs: Any,
    ) -> CommitInfo:
        """Audit the data that was trained on, write the documents, pass the gate, push one commit.

        Args:
            commit_message: of the commit.
            blocking: must be True: a gate that closes in the background would be missed.
            token: Hub token; default: ``args.hub_token``, else the one logged in.
            revision: branch; default: main.
            private: make a new repository private.
            **kwargs: passed to :func:`hf_contrastive.release.publish`.

        Returns:
            The commit; ``trainer.push_receipt`` holds it with tag and digests.

        Raises:
            PushBlocked: the policy, or what would be published, forbids it. Nothing left the machine.
            HubError: the Hub refused or could not be reached.
        """
        from hf_contrastive.release.training_run import push_training_run

        if not blocking:
            msg = "`blocking` must be True: the gate's decision is an exception, which a background push would lose."
            raise ConfigurationError(msg)
        self.push_receipt = push_training_run(
            cast("ContrastiveTrainer", self),
            commit_message=commit_message or "End of training",
            token=token or self.args.hub_token,
            revision=revision or self.args.hub_revision,
            private=private if private is not None else self.args.hub_private_repo,
            **kwargs,
        )
        return self.push_receipt.commit_info()

    def preview_push(
        self,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs: Any,
    ) -> Preview:
        """Do what :meth:`push_to_hub` does before it sends, and tell what it would publish and what speaks against it.

        Nothing leaves the machine and no repository is made; the model and the reports are written to
        ``args.output_dir``.

        Args:
            token: Hub token, to read what the repository holds.
            revision: branch; default: main.
            private: whether a new repository would be private.
            **kwargs: of :meth:`push_to_hub`.
        """
        from hf_contrastive.release.training_run import preview_training_run

        return preview_training_run(
            cast("ContrastiveTrainer", self),
            token=token or self.args.hub_token,
            revision=revision or self.args.hub_revision,
            private=private if private is not None else self.args.hub_private_repo,
            **kwargs,
        )

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            # nobody asked for it
            return
        text = "%s is not pushed: it has not passed the gate; call `trainer.push_to_hub()` after training."
        logger.warning(text, Path(checkpoint_folder).name)
