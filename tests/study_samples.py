"""Small labelled data that a tiny encoder can learn from, and small settings for it."""

from __future__ import annotations

import random
from typing import Any

import datasets

from hf_contrastive.study.settings import StudySettings
from tests.conftest import TOPICS

SMALL = StudySettings(
    arms=("A0", "A1", "A2"),
    budgets=(2, 4),
    seeds=(0, 1),
    test_rows=24,
    pretraining_texts=24,
    pretraining_batch=8,
    steps=(2, 3),
    batch=4,
    max_length=16,
)


def labelled_rows(size: int, *, seed: int, topics: int = 4) -> dict[str, list[str]]:
    """Return texts of four words of one topic each, no two equal, with a partner of the same topic."""
    draw = random.Random(seed)
    names = list(TOPICS)[:topics]
    rows: dict[str, list[str]] = {"text": [], "label": [], "partner": []}
    seen: set[str] = set()
    while len(rows["text"]) < size:
        topic = names[len(rows["text"]) % len(names)]
        words = TOPICS[topic].split()
        text = f"a {' '.join(draw.choices(words, k=4))} {seed}"
        if text not in seen:
            seen.add(text)
            rows["text"].append(text)
            rows["label"].append(topic)
            rows["partner"].append(f"the {' '.join(draw.choices(words, k=5))} of {topic}")
    return rows


def labelled_data(train: int = 40, test: int = 24) -> Any:
    """Return a DatasetDict with the splits train and test."""
    return datasets.DatasetDict(
        {
            "train": datasets.Dataset.from_dict(labelled_rows(train, seed=1)),
            "test": datasets.Dataset.from_dict(labelled_rows(test, seed=2)),
        }
    )
