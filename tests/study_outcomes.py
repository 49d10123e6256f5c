"""Outcomes of studies that never ran, with a known truth."""

from collections.abc import Mapping, Sequence

import numpy as np

from audits.findings import DatasetRef
from hf_contrastive.study.records import (
    ArmRecord,
    Cell,
    Cost,
    Outcome,
    Predictions,
    PretrainingRecord,
    Skipped,
    StudySetup,
)
from model_cards.evidence import BaseModel, Environment

NAMES = {
    "A0": "TF-IDF and logistic regression",
    "A1": "linear probe on the base",
    "A2": "fine-tuning",
    "A2L": "LoRA fine-tuning",
    "A3": "contrastive pretraining, then a probe",
    "A4": "contrastive pretraining, then fine-tuning",
    "A5": "masked words at equal compute, then fine-tuning",
    "A5P": "masked words at equal compute, then a probe",
    "A6": "contrastive and denoising pretraining, then fine-tuning",
    "A7": "contrast between labelled rows",
}
PRETRAINING = {"A3": "contrastive", "A4": "contrastive", "A5": "masked", "A5P": "masked", "A6": "hybrid"}
CLASSES = ("billing", "delivery", "returns", "account")


def labels_of(budget, classes):
    return 4000 if budget is None else budget * classes


def outcome(
    accuracies: Mapping[str, Sequence[float | None]],
    budgets: Sequence[int | None],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    rows: int = 2000,
    spread: float = 0.01,
    seed: int = 0,
    missing: Sequence[tuple[str, int | None, int]] = (),
    classes: Sequence[str] = CLASSES,
    costs: Mapping[str, Cost] | None = None,
    pretraining_costs: Mapping[str, Cost] | None = None,
    skipped: Sequence[Skipped] = (),
    **setup,
) -> Outcome:
    """Draw an outcome: ``accuracies`` by arm, one a budget, None where it was not run.

    Whether a row is right depends on how hard it is, for all alike; ``spread`` is the standard deviation of the true
    accuracy over seeds, drawn for each arm and seed.
    """
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, len(classes), rows)
    hardness = generator.random(rows)
    cells, predictions = [], {}
    for arm, values in accuracies.items():
        luck = spread * generator.normal(size=len(seeds))
        for budget, value in zip(budgets, values, strict=True):
            for place, number in enumerate(seeds):
                if value is None or (arm, budget, number) in missing:
                    continue
                chance = np.clip(value + luck[place] + 0.6 * (0.5 - hardness) * min(value, 1 - value) * 2, 0, 1)
                right = generator.random(rows) < chance
                told = np.where(right, truth, (truth + 1) % len(classes))
                sure = generator.uniform(0.5, 0.98, rows)
                probabilities = np.full((rows, len(classes)), 0.0)
                probabilities[:] = ((1 - sure) / (len(classes) - 1))[:, None]
                probabilities[np.arange(rows), told] = sure
                predictions[arm, budget, number] = Predictions(probabilities.astype(np.float32))
                rows_used = labels_of(budget, len(classes))
                cells.append(
                    Cell(
                        arm=arm,
                        budget=budget,
                        seed=number,
                        labels=rows_used,
                        accuracy=float(right.mean()),
                        macro_f1=float(right.mean()) - 0.01,
                        nll=1.2 - float(right.mean()),
                        cost=(costs or {}).get(arm)
                        or Cost(
                            seconds=0.01 * rows_used + (0.1 if arm == "A0" else 5.0),
                            tokens=rows_used * 300,
                            flops=None if arm == "A0" else 1e9 * rows_used,
                            energy_kwh=1e-6 * rows_used,
                            peak_memory_gb=1.5,
                        ),
                        setting="learning rate 3e-05, of 3 by validation rows",
                        trials=5 if arm in ("A0", "A1", "A3", "A5P", "A6P") else 3,
                    )
                )
    arms = tuple(
        ArmRecord(code=code, name=NAMES[code], description=f"{NAMES[code]}.", pretraining=PRETRAINING.get(code, ""))
        for code in accuracies
    )
    named = dict.fromkeys(arm.pretraining for arm in arms if arm.pretraining)
    default = Cost(seconds=300, tokens=4_000_000, flops=4e12, energy_kwh=0.004, peak_memory_gb=2.0)
    return Outcome(
        setup=StudySetup(
            base=BaseModel(model_id="lab/tiny-encoder", revision="0" * 40, weights_sha256="sha256:" + "1" * 64),
            dataset=DatasetRef(
                repo_id="lab/support-mails", split="test", fingerprint="sha256:" + "2" * 64, num_rows=rows
            ),
            text_column="text",
            label_column="label",
            classes=tuple(classes),
            train_rows=4000,
            test_rows=rows,
            pretraining_texts=12_000,
            decontaminated=37,
            budgets=tuple(budgets),
            seeds=tuple(seeds),
            trials=3,
            max_length=64,
            settings={"batch size": "32", "pretraining steps": "400"},
            **setup,
        ),
        arms=arms,
        cells=tuple(cells),
        pretrainings=tuple(
            PretrainingRecord(
                name=name, seed=seeds[0], objective=name, texts=12_000, steps=400,
                cost=(pretraining_costs or {}).get(name, default),
            )
            for name in named
        ),
        skipped=tuple(skipped),
        truth=truth.astype(np.int64),
        predictions=predictions,
        environment=Environment(device="cpu", processor="a processor", cores=2, versions={"torch": "2.10.0"}),
    )  # fmt: skip


BUDGETS = (2, 4, 8, 16, 32, 64, None)


def typical(**options) -> Outcome:
    """Contrast saves labels and is the cause; with all rows nothing differs."""
    return outcome(
        {
            "A0": [0.38, 0.44, 0.52, 0.60, 0.66, 0.71, 0.84],
            "A1": [0.45, 0.52, 0.58, 0.63, 0.67, 0.70, 0.76],
            "A2": [0.40, 0.47, 0.56, 0.66, 0.76, 0.82, 0.90],
            "A3": [0.62, 0.68, 0.73, 0.77, 0.79, 0.80, 0.82],
            "A4": [0.55, 0.64, 0.74, 0.82, 0.86, 0.88, 0.90],
            "A5": [0.43, 0.51, 0.60, 0.70, 0.79, 0.84, 0.90],
            "A6": [0.54, 0.63, 0.72, 0.80, 0.85, 0.87, 0.90],
            "A7": [0.58, 0.66, 0.72, 0.76, 0.78, 0.79, None],
        },
        BUDGETS,
        skipped=[
            Skipped(arm="A7", budget=None, seeds=(0, 1, 2, 3, 4), reason="pairs grow with the square of the rows")
        ],
        **options,
    )
