"""``hf-contrastive train``: every field of ContrastiveConfig is a flag."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn

import typer

from hf_contrastive.console import say, show_table

# typer hands everything on: the flags are derived from the dataclasses by HfArgumentParser
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
USAGE = "hf-contrastive train SOURCE --model MODEL [--eval-split SPLIT] [any flag of --help]"


@dataclass
class TrainArguments:
    """What is trained, and on what."""

    source: str = field(metadata={"help": "Hub id, saved dataset, or csv, jsonl, parquet file or folder."})
    model: str = field(metadata={"help": "Hub id or folder of the encoder."})
    split: str = field(default="train", metadata={"help": "Split to train on."})
    eval_split: str | None = field(default=None, metadata={"help": "Split to evaluate on, by default every epoch."})
    lora_r: int = field(default=16, metadata={"help": "Rank of the adapter."})
    lora_alpha: int = field(default=32, metadata={"help": "Scale of the adapter, in units of 1 / rank."})
    no_lora: bool = field(default=False, metadata={"help": "Train all weights, without an adapter."})

    def __post_init__(self) -> None:
        """Check the values that can be wrong."""
        from hf_contrastive.errors import ConfigurationError

        for name in ("lora_r", "lora_alpha"):
            if getattr(self, name) < 1:
                flag = "--" + name.replace("_", "-")
                msg = (
                    f"`{flag}` must be >= 1, got {getattr(self, name)}; 8-64 is usual, `--no-lora` trains all weights."
                )
                raise ConfigurationError(msg)


def command(context: typer.Context) -> None:
    """Train an encoder contrastively: train SOURCE --model M; every ContrastiveConfig field is a flag too."""
    from hf_contrastive.errors import require

    require("train", "torch", "transformers", "accelerate", "peft")
    settings, config = _parse(context.args)
    from hf_contrastive.trainer import ContrastiveTrainer

    splits = _read(settings)
    # the Trainer prints its logs on stdout
    with redirect_stdout(sys.stderr):
        with _settings_in_one_paragraph():
            trainer = ContrastiveTrainer(
                model=settings.model,
                args=config,
                train_dataset=splits["train"],
                eval_dataset=splits.get("validation"),
                peft_config=_adapter(settings),
            )
        trainer.train(resume_from_checkpoint=_resume(config.resume_from_checkpoint))
        if config.eval_strategy != "no" and not any("eval_loss" in entry for entry in trainer.state.log_history):
            trainer.evaluate()  # the run was shorter than the interval of its evaluations
        folder = trainer.output_folder / "model"
        trainer.write_model(folder)
        record = trainer.training_record()
        rows = [("steps", str(record.steps)), ("seconds", f"{record.seconds:.1f}"), ("pairs", str(record.examples))]
        rows += [(item.name, f"{item.value:.4f}") for item in record.metrics]
        show_table(f"Trained; the model is in {folder}", ("", "value"), rows)
        if config.push_to_hub:
            receipt = trainer.push_to_hub()
            say(f"Published: {receipt.commit_url}")


def _parse(arguments: list[str]) -> tuple[TrainArguments, Any]:
    from transformers import HfArgumentParser

    from hf_contrastive.config import ContrastiveConfig
    from hf_contrastive.errors import ConfigurationError

    parser = HfArgumentParser(
        (TrainArguments, ContrastiveConfig),  # type: ignore[arg-type]
        prog="hf-contrastive train",
        usage=USAGE,
        allow_abbrev=False,
    )
    given = list(arguments)
    if given and not given[0].startswith("-"):
        given = ["--source", *given]
    flags = {argument.partition("=")[0].replace("_", "-") for argument in given}
    if "--eval-split" in flags and "--eval-strategy" not in flags:
        # TrainingArguments would read the split and never evaluate on it
        given += ["--eval_strategy", "steps" if "--eval-steps" in flags else "epoch"]
    parser.error = _fail  # type: ignore[method-assign]
    with _settings_in_one_paragraph(TypeError):
        settings, config, rest = parser.parse_args_into_dataclasses(
            given, return_remaining_strings=True, look_for_args_file=False
        )
    if rest:
        known = [flag for action in parser._actions for flag in action.option_strings]
        near = get_close_matches(rest[0].partition("=")[0], known, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        msg = f"`train` has no flag or place for {' '.join(rest)}.{hint} See `hf-contrastive train --help`."
        raise ConfigurationError(msg)
    return settings, config


@contextmanager
def _settings_in_one_paragraph(*also: type[Exception]) -> Iterator[None]:
    """Turn what TrainingArguments and Trainer say of the settings, each in its own words, into our error."""
    from hf_contrastive.errors import ConfigurationError, ContrastiveError

    kinds: tuple[type[Exception], ...] = (ValueError, ImportError, RuntimeError, *also)
    try:
        yield
    except ContrastiveError:
        raise
    except kinds as error:
        # a reporting integration that is not installed is a RuntimeError, as are many defects
        if isinstance(error, RuntimeError) and "to be installed" not in str(error):
            raise
        words = " ".join(str(error).split()).rstrip(".")
        msg = f"The settings can not be used: {words}. See `hf-contrastive train --help`."
        raise ConfigurationError(msg) from error


def _fail(message: str) -> NoReturn:
    """Stand in for ``ArgumentParser.error``, which would print the usage of two hundred flags first."""
    from hf_contrastive.errors import ConfigurationError

    msg = f"{message[:1].upper()}{message[1:]}. The form is `{USAGE}`; see `hf-contrastive train --help`."
    raise ConfigurationError(msg)


def _resume(value: str | None) -> str | bool | None:
    """Return what ``--resume_from_checkpoint`` means: a folder, or true for the last complete checkpoint."""
    return {"true": True, "false": None}.get((value or "false").lower(), value)


def _read(settings: TrainArguments) -> dict[str, Any]:
    from audits.source import dataset_of
    from hf_contrastive.errors import DataFormatError

    splits = dataset_of(settings.source)
    wanted = {"train": settings.split, "validation": settings.eval_split}
    found = {}
    for role, name in wanted.items():
        if name is None:
            continue
        if name not in splits:
            option = "--split" if role == "train" else "--eval-split"
            msg = f"{settings.source} has no split {name!r}; it has {', '.join(splits)}. Name one with `{option}`."
            raise DataFormatError(msg)
        found[role] = splits[name]
    return found


def _adapter(settings: TrainArguments) -> Any:
    if settings.no_lora:
        return None
    from peft import LoraConfig

    return LoraConfig(r=settings.lora_r, lora_alpha=settings.lora_alpha, target_modules="all-linear")
