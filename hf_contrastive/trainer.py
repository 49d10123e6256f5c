"""A ``transformers.Trainer`` for contrastive pretraining; it states the flow and delegates."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor
from transformers import set_seed
from transformers.trainer_utils import EvalLoopOutput, TrainOutput

from audits.findings import DatasetRef
from hf_contrastive.auditing import references
from hf_contrastive.config import ContrastiveConfig
from hf_contrastive.encoder import TextEncoder, evaluating
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.checkpoints import complete_checkpoint, last_complete_checkpoint
from hf_contrastive.training.collator import FollowEpochs
from hf_contrastive.training.data import TokenisedDatasets
from hf_contrastive.training.encoding import write_spec
from hf_contrastive.training.faults import memory_named, refuse_no_number
from hf_contrastive.training.guide import guide_of
from hf_contrastive.training.held_out import HeldOut
from hf_contrastive.training.history import History, weights_digest
from hf_contrastive.training.loading import load_model
from hf_contrastive.training.lora import PeftArgument, add_adapter
from hf_contrastive.training.losses import Loss
from hf_contrastive.training.merged_lora import QuickLora, merged_lora
from hf_contrastive.training.meter import Meter
from hf_contrastive.training.objective_state import (
    ForgetGradients,
    learned_parameters,
    learned_temperatures,
    make_objectives,
    read_objectives,
    refuse_late_group,
    with_parameters,
    write_objectives,
)
from hf_contrastive.training.objectives import loss_inputs
from hf_contrastive.training.plans import Settings, class_indices, name_of, named_splits, parts_of, plan_datasets
from hf_contrastive.training.publishing import PublishingTrainer
from hf_contrastive.training.record import Totals, flops, training_record
from hf_contrastive.training.saving import write_adapter, write_model
from hf_contrastive.training.setup import (
    make_engine,
    prepare_dropout,
    refuse_cache_of_views,
    refuse_transform,
    resolve_spec,
)
from hf_contrastive.training.text_terms import Heads, corruption_of, head_flops, set_autocast
from hf_contrastive.training.trunk import frozen_trunk
from model_cards.evidence import TrainingRecord

AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

logger = logging.getLogger(__name__)

_OWN_COLLATOR = "`data_collator` can not be replaced: the step reads what ContrastiveCollator gives. Leave it out."

_DRAWS = (
    "The model draws dropout, so that chunks are computed one after the other and equal texts each time; with "
    "`dropout=0.0` training is faster."
)


class ContrastiveTrainer(PublishingTrainer):
    """Train an encoder so that texts that belong together are near each other.

    Args:
        model: a Hub id, a folder, a PreTrainedModel, a PeftModel or a SentenceTransformer.
        args: a ContrastiveConfig.
        train_dataset: ``datasets.Dataset`` with the columns (anchor, positive), (anchor, positive,
            negative, …), lists of positives and ``negatives``, either with a teacher's ``scores``, (sentence1,
            sentence2, score), (text,) or (text, label); see
            :func:`~hf_contrastive.training.formats.recognise`. Several by name are mixed, one of them a step.
        eval_dataset: of the same format; pairs give ``eval_ndcg@10``, ``eval_mrr@10``, ``eval_recall@10``, graded
            pairs ``eval_spearman``.
        peft_config: ``"auto"`` (LoRA of rank 16 on every linear layer that gets a gradient), a
            ``peft.LoraConfig``, or None to train all weights.
        processing_class: the tokenizer; needed where ``model`` does not bring one.
        loss: a function of the losses' signature that replaces ``args.loss``.
        guide: the model that the loss ``guided_infonce`` asks; default: ``args.guide_model``.
        dataset_settings: of single datasets by name: ``query_prompt``, ``document_prompt``, ``loss``,
            ``label_column``, ``id_column``.
        **kwargs: Trainer's others (callbacks, optimizers, …).

    Raises:
        ConfigurationError: a setting is not allowed.
        DataFormatError: the data has no accepted format, too few rows, or cells that are no text.
        ModelError: the model can not be read.
    """

    # the loss is a mean over the batch: Trainer divides it by the accumulation steps
    loss_is_scaled_for_ga = False
    args: ContrastiveConfig

    def __init__(
        self,
        model: Any,
        args: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        *,
        peft_config: PeftArgument = "auto",
        processing_class: Any = None,
        loss: Loss | None = None,
        dataset_settings: Settings | None = None,
        guide: Any = None,
        **kwargs: Any,
    ) -> None:
        args = args if args is not None else ContrastiveConfig(output_dir="contrastive-model")
        if not isinstance(args, ContrastiveConfig):
            msg = f"`args` must be a ContrastiveConfig, got {type(args).__name__}; it takes all its arguments too."
            raise ConfigurationError(msg)
        if "data_collator" in kwargs:
            raise ConfigurationError(_OWN_COLLATOR)
        self.plans = plan_datasets(train_dataset, eval_dataset, args, dataset_settings)
        self.data_format = self.plans.first.data_format
        classes = class_indices((train_dataset, eval_dataset), self.plans)
        loaded = load_model(model, tokenizer=processing_class, base_model_id=args.base_model_id)
        self._tokenizer = loaded.tokenizer
        self.spec = resolve_spec(loaded.spec, args, self.plans.prompts())
        self.base, self.base_card = loaded.base, loaded.base_card
        # heads and adapter are drawn before Trainer sets the seed
        set_seed(args.seed)
        dimension = int(loaded.model.config.hidden_size)
        heads = Heads(loaded.model, loaded.tokenizer)
        given = loss or args.loss
        objectives = make_objectives(self.plans, given, args, classes=len(classes), dimension=dimension, heads=heads)
        self._guide = guide_of(guide, objectives.values(), args)
        adapter = peft_config is not None or isinstance(loaded.model, PeftModel)
        self._engine = make_engine(args, self.spec, loaded.tokenizer, objectives, adapter=adapter)
        self._totals, self._counted = Totals(), Totals()
        self._meter = Meter()
        self._history = History()
        self._own_metrics: dict[int, dict[str, float]] = {}
        self.evidence_items, self.push_receipt = [], None
        set_seed(args.seed)
        encoder = add_adapter(loaded.model, loaded.tokenizer, peft_config, layers=args.lora_layers)
        formats = [plan.data_format for plan in self.plans]
        refuse_cache_of_views(formats, args)
        drawn = prepare_dropout(encoder, loaded.tokenizer, formats, args)
        self._engine.draws = drawn
        if drawn and self._engine.workers.count > 1:
            logger.warning(_DRAWS)
        self.data_views = TokenisedDatasets(
            loaded.tokenizer, self.plans, self.spec, args, keep_texts=self._guide is not None
        )
        collator = self.data_views.collator(
            classes,
            deduplicate=args.deduplicate and not drawn,
            corruption=corruption_of(
                objectives,
                loaded.tokenizer,
                probability=args.masked_lm_probability,
                deletion=args.denoising_deletion,
                seed=args.seed,
            ),
        )
        self.epochs = FollowEpochs(collator)
        super().__init__(
            model=encoder,
            args=args,
            data_collator=collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=loaded.tokenizer,
            **kwargs,
        )
        self._engine.trunk = frozen_trunk(
            self._plain_model,
            loaded.tokenizer,
            layers=args.lora_layers,
            folder=args.trunk_cache,
            weights=str(self.base.weights_sha256),
            max_length=self.spec.max_length,
            autocast=AUTOCAST_TYPES.get(self.accelerator.mixed_precision),
        )
        set_autocast(objectives.values(), AUTOCAST_TYPES.get(self.accelerator.mixed_precision))
        # encoders have no loss of their own; ours is computed in compute_loss
        self.can_return_loss = True
        self.add_callback(self.epochs)
        self._learned = learned_parameters(objectives.values())
        self.add_callback(ForgetGradients(self._learned))

    @property
    def encoder(self) -> TextEncoder:
        """The model as it is now, as a function from texts to vectors."""
        return TextEncoder(self._plain_model, self._tokenizer, self.spec, name=self.base.model_id or "")

    @property
    def output_folder(self) -> Path:
        """Where checkpoints, the model and the reports are written."""
        return Path(self.args.output_dir or "contrastive-model")

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter is trained, and not all weights."""
        return isinstance(self._plain_model, PeftModel)

    @property
    def _plain_model(self) -> Any:
        return self.accelerator.unwrap_model(self.model)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Embed all texts of the step in one pool and return the loss (with the columns if asked)."""
        del num_items_in_batch  # the loss is a mean over anchors
        if self._guide is not None:
            inputs = self._guide.beside(inputs)
        if not (model.training and torch.is_grad_enabled()):
            loss, columns, parts = self._engine.evaluate(model, inputs)
        else:
            loss, stage, plan = self._engine.step(model, inputs)
            columns, parts = stage.columns, stage.parts
            refuse_no_number(loss, columns, inputs, step=self.state.global_step + 1)
            self._meter.add(plan, columns, loss_inputs(inputs), parts)
            heads = head_flops(self._engine.objective_of(inputs), inputs, self._plain_model)
            self._totals.add(inputs["sizes"][0], plan, heads)
        return (loss, {"columns": columns, "parts": parts}) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Do a step as Trainer does.

        Raises:
            TrainingDivergedError: the loss is no finite number.
            TrainingMemoryError: memory does not suffice.
        """
        with memory_named(self.args, chunk_tokens=self._engine.chunk_tokens):
            loss: Tensor = super().training_step(*args, **kwargs)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log speed, padding, memory, alignment and uniformity beside the training loss."""
        if "loss" in logs:
            logs |= self._meter.read(self.accelerator)
            logs |= learned_temperatures(self._engine.objectives)
        super().log(logs, start_time)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Make the optimizer as Trainer does; what the objective learns gets a group of its own, without decay."""
        optimizer: torch.optim.Optimizer = super().create_optimizer(*args, **kwargs)
        # a scheduler that the user made knows the groups that were there
        refuse_late_group(optimizer, self._learned, scheduled=self.lr_scheduler is not None)
        return with_parameters(optimizer, self._learned)

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Estimate a step's operations; see ``hf_contrastive.training.record``."""
        heads = head_flops(self._engine.objective_of(inputs), inputs, self._plain_model)
        return int(flops(self.model, self._engine.counted(inputs).padded_tokens) + heads)

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Measure the loss and what else the format allows; see :class:`~hf_contrastive.training.held_out.HeldOut`."""
        del description, prediction_loss_only, ignore_keys
        dataset = dataloader.dataset.source
        held_out = HeldOut(self.accelerator, dataset, dataloader.dataset.data_format)
        model: Any = self.model
        # a data loader draws its seed from the generator that dropout uses
        bounded = memory_named(self.args, chunk_tokens=self._engine.chunk_tokens)
        with bounded, evaluating(model), torch.inference_mode(), torch.random.fork_rng(devices=[]):
            for batch in dataloader:
                prepared = self._prepare_inputs(batch)
                loss, outputs = self.compute_loss(model, prepared, return_outputs=True)
                held_out.add(loss, outputs["columns"], prepared, outputs["parts"])
                self.control = self.callback_handler.on_prediction_step(self.args, self.state, self.control)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in held_out.metrics().items()}
        name = name_of(dataset, self.eval_dataset)
        if (dataset is self.eval_dataset or name) and metric_key_prefix == "_".join(filter(None, ("eval", name))):
            self._own_metrics.setdefault(self.state.global_step, {}).update(metrics)
        return EvalLoopOutput(predictions=np.empty(0), label_ids=None, metrics=metrics, num_samples=len(dataset))

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train; ``resume_from_checkpoint=True`` takes the last checkpoint that is complete.

        Raises:
            ConfigurationError: there is no complete checkpoint, or the one that was named is torn.
        """
        if self.train_dataset is None:
            msg = "There is nothing to train on: pass `train_dataset`."
            raise DataFormatError(msg)
        for part in parts_of(self.train_dataset, "train_dataset").values():
            refuse_transform(part, "train_dataset")
        checkpoint = None
        if resume_from_checkpoint is True:
            resume_from_checkpoint = str(last_complete_checkpoint(self.output_folder))
        if resume_from_checkpoint:
            checkpoint = complete_checkpoint(Path(resume_from_checkpoint))
            self._totals = Totals.read(checkpoint) if self.is_world_process_zero() else Totals()
            self._engine.read(checkpoint, chosen=self.args.chosen_chunk_tokens)
            read_objectives(self._engine.objectives, checkpoint)
        self._history.begin(self.dataset_references(), steps_done=self.state.global_step, checkpoint=checkpoint)
        self._totals.start()
        self._meter.start()
        with self._quick_adapter() as self._engine.quick:
            output: TrainOutput = super().train(resume_from_checkpoint, *args, **kwargs)
        self._totals.stop()
        self._history.weights = weights_digest(self._plain_model)
        self._counted = self._totals.over_processes(self.accelerator)
        return output

    def _quick_adapter(self) -> AbstractContextManager[QuickLora | None]:
        if self.args.torch_compile:
            # the compiler fuses what PEFT's forward does; the quick way would break its graph at every layer
            return nullcontext()
        return merged_lora(self._plain_model, remake=not self.args.checkpoints_activations)

    def _load_best_model(self) -> None:
        super()._load_best_model()
        if self.state.best_model_checkpoint is not None:
            read_objectives(self._engine.objectives, Path(self.state.best_model_checkpoint))

    def write_run_state(self, checkpoint: Path) -> None:
        """Keep beside a checkpoint what a resumed run goes on from: counters, data seen, how steps are computed."""
        totals = self._totals.over_processes(self.accelerator)
        if self.args.should_save:
            totals.write(checkpoint)
            self._history.write(checkpoint)
            self._engine.write(checkpoint)
            write_objectives(self._engine.objectives, checkpoint)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        # PEFT's own layout; no training_args.bin, a pickle that may hold the Hub token
        folder = Path(output_dir or self.output_folder)
        model = self._plain_model
        if isinstance(model, PeftModel):
            write_adapter(model, folder, self.base.model_id)
        else:
            model.save_pretrained(folder, state_dict=state_dict)
        self._tokenizer.save_pretrained(folder)
        write_spec(self.spec, folder, dimension=int(model.config.hidden_size))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model in the published layout; see ``args.save_format``."""
        if _internal_call:
            super().save_model(output_dir, _internal_call=True)
            return
        self.write_model(Path(output_dir or self.output_folder))
        if self.args.push_to_hub:
            self.push_to_hub(commit_message="Model save")

    def write_model(self, folder: Path) -> None:
        """Write the model in the published layout into ``folder``, with its training record."""
        if self.args.should_save:
            from hf_contrastive.release.training_run import write_evidence

            write_model(
                self._plain_model,
                self._tokenizer,
                self.spec,
                folder,
                base_model_id=self.base.model_id,
                save_format=self.args.save_format,
            )
            write_evidence(self, folder)

    def dataset_references(self) -> tuple[DatasetRef, ...]:
        """Return the fingerprints of the data as it is now, all columns included."""
        return references(**named_splits(self.train_dataset, self.eval_dataset))

    def recorded_training(self) -> TrainingRecord | None:
        """Return the record if the weights are those that training gave, else None: then nobody saw it."""
        return self.training_record() if self._history.weights == weights_digest(self._plain_model) else None

    def training_record(self) -> TrainingRecord:
        """Say what was trained, on what and how; read after :meth:`train`."""
        return training_record(
            model=self._plain_model,
            args=self.args,
            state=self.state,
            totals=self._counted,
            spec=self.spec,
            base=self.base,
            objective=self.plans.described(lambda plan: self._engine.objectives[plan.name].name),
            plans=self.plans,
            history=self._history,
            metrics=self._own_metrics,
            temperature=self._engine.objective.temperature if self._engine.objective.contrasts else None,
        )
