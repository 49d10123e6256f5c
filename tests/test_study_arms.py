"""Every arm learns from labelled rows alone, is counted, and draws the same for a seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.study.arms import ARMS, Arm, Fitted, Labelled, Task, chosen_arms
from hf_contrastive.study.data import StudyData, read_data
from hf_contrastive.study.preparation import load_checkpoint
from hf_contrastive.study.pretraining import CONTRAST, DENOISED, LOSSES, MASKED, Pretrainings
from hf_contrastive.study.records import Cost
from hf_contrastive.study.training import Start, quiet
from tests.study_samples import SMALL, labelled_data

STEPS = replace(SMALL, steps=(60, 60), batch=8, rate=2e-3, lora_rate=5e-3, head_rate=0.05)


@pytest.fixture(scope="module")
def data() -> StudyData:
    return read_data(labelled_data(), SMALL)


@pytest.fixture(scope="module")
def start(tiny_bert: Path) -> Start:
    return Start("", load_checkpoint(str(tiny_bert), SMALL).encoder)


def task(data: StudyData, start: Start, folder: Path, **changes: Any) -> Task:
    rows = Labelled(texts=data.texts, codes=data.codes).take(data.rows_of(8, 0))
    given: dict[str, Any] = {
        "rows": rows,
        "test_texts": data.test_texts,
        "classes": 4,
        "start": start,
        "settings": STEPS,
        "seed": 0,
        "folder": folder,
    }
    return Task(**{**given, **changes})


def told_by(arm: Arm, given: Task) -> tuple[Fitted, np.ndarray]:
    with quiet():
        arm.prepare(given)
        fitted = arm.fit(given)
        return fitted, fitted.predict(given.test_texts)


def weights(start: Start) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in start.encoder.model.state_dict().items()}


@pytest.mark.parametrize("code", [code for code in ARMS if code not in ("A3", "A4", "A5", "A5P", "A6", "A6P")])
def test_an_arm_learns_is_counted_and_leaves_its_start_as_it_was(
    code: str, data: StudyData, start: Start, tmp_path: Path
):
    before = weights(start)
    fitted, told = told_by(ARMS[code], task(data, start, tmp_path))
    assert told.shape == (24, 4)
    assert np.allclose(told.sum(axis=1), 1)
    accuracy = (told.argmax(axis=1) == data.test_codes).mean()
    assert accuracy > 0.6, fitted.setting
    assert (fitted.cost.flops is None) == (code == "A0")
    assert (fitted.cost.tokens == 0) == (code == "A0")
    assert all(torch.equal(value, start.encoder.model.state_dict()[name]) for name, value in before.items())
    again = told_by(ARMS[code], task(data, start, tmp_path))[1]
    assert np.array_equal(told, again)


def test_a_probe_is_the_cheapest_network(data: StudyData, start: Start, tmp_path: Path):
    settings = replace(STEPS, steps=(8, 8))
    found = {
        code: told_by(ARMS[code], task(data, start, tmp_path, settings=settings))[0].cost.flops or 0.0
        for code in ("A1", "A2", "A2L")
    }
    assert 0 < found["A1"] < min(found["A2"], found["A2L"])


def test_a_rate_is_chosen_on_labelled_rows_and_every_trial_is_counted(data: StudyData, start: Start, tmp_path: Path):
    settings = replace(STEPS, trials=3, steps=(6, 6))
    three, told = told_by(ARMS["A2"], task(data, start, tmp_path, settings=settings))
    single, _ = told_by(ARMS["A2"], task(data, start, tmp_path, settings=replace(settings, trials=1)))
    assert single.trials == 1
    assert three.trials == 3
    assert (three.cost.flops or 0) > 3 * (single.cost.flops or 0)
    assert "of 0.002, 0.0006, 0.006, chosen on 8 of the labelled rows" in three.setting
    assert told.shape == (24, 4)


def test_two_rows_a_class_leave_none_to_choose_by(data: StudyData, start: Start, tmp_path: Path):
    rows = Labelled(texts=data.texts, codes=data.codes).take(data.rows_of(2, 0))
    settings = replace(STEPS, trials=3, steps=(2, 2))
    for code in ("A2", "A7"):
        fitted, told = told_by(ARMS[code], task(data, start, tmp_path, rows=rows, settings=settings))
        assert "2 rows of a class leave none to choose by" in fitted.setting
        assert told.shape == (24, 4)


def test_pretrainings_get_as_many_operations_as_contrast_and_change_the_weights(
    data: StudyData, start: Start, tmp_path: Path
):
    settings = replace(SMALL, pretraining_epochs=4)
    made = Pretrainings(start.encoder, data, settings, tmp_path / "kept")
    flops, digests = {}, set()
    for name in LOSSES:
        pretrained = made.start(name, 0)
        record = made.record(name, 0)
        assert record is not None
        assert record.name == name
        assert record.texts == 24
        flops[name] = record.cost.flops
        digests.add(pretrained.encoder.weights_digest())
        assert record.cost.seconds > 0
        assert record.cost.peak_memory_gb > 0
    assert len(digests | {start.encoder.weights_digest()}) == 4
    for name in (MASKED, DENOISED):
        assert flops[name] == pytest.approx(flops[CONTRAST], rel=0.25), "steps are whole"
    assert made.start("", 0).encoder is start.encoder


def test_a_pretraining_is_kept_given_back_and_made_again_where_its_weights_are_gone(
    data: StudyData, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "kept"
    first = Pretrainings(start.encoder, data, SMALL, folder).start(CONTRAST, 1).encoder.weights_digest()
    trained = []
    plain = Pretrainings._pretrain
    monkeypatch.setattr(Pretrainings, "_pretrain", lambda self, *told: (trained.append(told), plain(self, *told)))
    again = Pretrainings(start.encoder, data, SMALL, folder)
    assert again.start(CONTRAST, 1).encoder.weights_digest() == first
    assert trained == []
    again.drop_weights()
    assert again.record(CONTRAST, 1) is not None
    anew = Pretrainings(start.encoder, data, SMALL, folder)
    assert anew.start(CONTRAST, 1).encoder.weights_digest() == first
    assert len(trained) == 1


def test_a_pretraining_that_fails_leaves_nothing(
    data: StudyData, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "hf_contrastive.study.pretraining.save_model", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    made = Pretrainings(start.encoder, data, SMALL, tmp_path / "kept")
    with pytest.raises(OSError, match="full"):
        made.start(MASKED, 0)
    assert list((tmp_path / "kept").iterdir()) == []


def test_pairs_are_contrasted_where_there_are_partners(start: Start, tmp_path: Path):
    paired = read_data(labelled_data(), SMALL, pair_column="partner")
    made = Pretrainings(start.encoder, paired, SMALL, tmp_path)
    for name in LOSSES:
        made.start(name, 0)
    alone = Pretrainings(start.encoder, read_data(labelled_data(), SMALL), SMALL, tmp_path / "alone")
    record, other = made.record(CONTRAST, 0), alone.record(CONTRAST, 0)
    assert record is not None
    assert other is None
    assert made.start(CONTRAST, 0).encoder.weights_digest() != alone.start(CONTRAST, 0).encoder.weights_digest()


class Majority(Arm):
    """An arm of one's own."""

    def fit(self, task: Task) -> Fitted:
        shares = np.bincount(task.rows.codes, minlength=task.classes) / len(task.rows.codes)
        return Fitted(predict=lambda texts: np.tile(shares, (len(texts), 1)), cost=Cost(seconds=0.0))


def test_arms_are_taken_by_code_or_as_they_are_in_a_fixed_order():
    own = Majority("X1", "majority", "the share of each class")
    assert [arm.code for arm in chosen_arms([own, "a2", "A0"])] == ["A0", "A2", "X1"]
    with pytest.raises(ConfigurationError, match="twice"):
        chosen_arms(["A1", "a1"])
    with pytest.raises(ConfigurationError, match="known are A0, A1"):
        chosen_arms(["nothing"])


@pytest.mark.parametrize("code", list(ARMS))
def test_an_arm_is_described(code: str):
    record = ARMS[code].record
    assert record.code == code
    assert record.name
    assert record.description
    assert record.pretraining in ("", *LOSSES)
