"""Evaluations while a training runs: the numbers of evaluate, and a training that goes on as if nobody looked."""

import random

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainingArguments

from audits import source
from hf_contrastive import evaluate
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError, EvaluationError
from hf_contrastive.training.evaluation_callback import EvaluationCallback, undisturbed_draws


def weights(trainer):
    return {name: part.detach().clone() for name, part in trainer.model.named_parameters() if part.requires_grad}


@pytest.mark.parametrize("adapter", ["auto", None], ids=["LoRA", "full"])
def test_the_training_goes_on_bit_by_bit(make_trainer, tiny_encoder, topic_pairs, adapter):
    def trained(output, callbacks):
        # dropout and the order of the rows are drawn
        options = {"model": tiny_encoder("bert", 0.1), "peft_config": adapter, "max_steps": 7, "dropout": 0.1}
        trainer = make_trainer(output=output, callbacks=callbacks, **options)
        trainer.train()
        return trainer

    callback = EvaluationCallback(topic_pairs, every=2, sections="all", at_start=True, limit=20, sample=12)
    plain, watched = trained("plain", []), trained("watched", [callback])
    for name, part in weights(watched).items():
        assert torch.equal(part, weights(plain)[name]), name
    losses = [[entry["loss"] for entry in t.state.log_history if "loss" in entry] for t in (plain, watched)]
    assert losses[0] == losses[1]
    assert list(callback.reports) == [0, 2, 4, 6]


def test_what_is_logged_is_what_evaluate_says(make_trainer, topic_pairs):
    callback = EvaluationCallback(topic_pairs, every=3, name="words", sections=["geometry"])
    trainer = make_trainer(max_steps=6, callbacks=[callback])
    trainer.train()
    logs = {entry["step"]: entry for entry in trainer.state.log_history if "eval_words_ndcg@10" in entry}
    assert list(logs) == list(callback.reports) == [3, 6]
    report = evaluate(trainer.encoder, topic_pairs, sections=["geometry"])
    assert report.weights_sha256 == callback.reports[6].weights_sha256 != callback.reports[3].weights_sha256
    assert report.metrics == callback.reports[6].metrics
    for item in report.metrics:
        assert logs[6][f"eval_words_{item.after.name}"] == item.after.value
    for item in report.sections[0].metrics:
        assert logs[6][f"eval_words_geometry_{item.after.name}"] == pytest.approx(item.after.value, abs=1e-5)


def test_data_and_base_are_read_and_encoded_once(make_trainer, topic_pairs, tiny_bert, monkeypatch):
    base = TextEncoder.load(tiny_bert)
    encoded, read = [], []
    plain, opened = TextEncoder.encode, source.dataset_and_references

    def encode(self, texts, **options):
        encoded.append(self is base)
        return plain(self, texts, **options)

    def counted(data):
        read.append(data)
        return opened(data)

    monkeypatch.setattr(TextEncoder, "encode", encode)
    monkeypatch.setattr(source, "dataset_and_references", counted)
    foreign = Dataset.from_dict({"text": [f"foreign {i}" for i in range(25)]})
    options = {"sections": ["geometry", "out-of-distribution", "robustness"], "base": base, "ood": {"far": foreign}}
    callback = EvaluationCallback(topic_pairs, every=2, at_start=True, sample=12, **options)
    trainer = make_trainer(max_steps=4, callbacks=[callback])
    read.clear()
    trainer.train()
    assert list(callback.reports) == [0, 2, 4]
    assert sum(part is topic_pairs for part in read) == 1
    assert sum(part is foreign for part in read) == 1
    assert encoded.count(True) * 3 == encoded.count(False) > 0
    report = evaluate(trainer.encoder, topic_pairs, sample=12, **options)
    for name in ("metrics", "sections", "dataset"):
        assert getattr(report, name) == getattr(callback.reports[4], name), name


def test_each_epoch_and_a_callback_added_later(make_trainer, topic_pairs):
    callback = EvaluationCallback(topic_pairs, every="epoch")
    trainer = make_trainer(max_steps=-1, num_train_epochs=2)
    trainer.add_callback(callback)
    trainer.train()
    assert list(callback.reports) == [5, 10]
    assert sum("eval_ndcg@10" in entry for entry in trainer.state.log_history) == 2


def test_draws_are_put_back_even_after_an_error():
    # the global generators are those that other code draws from
    def seeded():
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)

    def draws():
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    def disturbed():
        with undisturbed_draws():
            draws()
            raise ValueError

    seeded()
    expected = draws()
    seeded()
    with pytest.raises(ValueError, match=r"^$"):
        disturbed()
    assert draws() == expected


def test_wrong_data_shows_before_the_first_step(make_trainer):
    callback = EvaluationCallback(Dataset.from_dict({"question": ["a"]}), every=100)
    trainer = make_trainer(callbacks=[callback])
    with pytest.raises(EvaluationError, match="no column 'anchor'"):
        trainer.train()
    assert trainer.state.global_step == 0


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"every": 0}, ConfigurationError, "`every` must be a number of steps"),
        ({"every": "step"}, ConfigurationError, "or 'epoch', got 'step'"),
        ({"every": 5, "limits": 3}, ConfigurationError, "no option 'limits'"),
        ({"every": 5, "sections": ["shape"]}, EvaluationError, "no section 'shape'"),
    ],
)
def test_wrong_settings(topic_pairs, options, error, told):
    with pytest.raises(error, match=told):
        EvaluationCallback(topic_pairs, **options)


def test_another_trainer_is_told_what_to_do(topic_pairs, tmp_path):
    model = torch.nn.Linear(2, 2)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", max_steps=1)
    data = [{"x": torch.zeros(2)}]
    trainer = Trainer(model, args, train_dataset=data, callbacks=[EvaluationCallback(topic_pairs, every=1)])
    with pytest.raises(ConfigurationError, match=r"call hf_contrastive\.evaluate"):
        trainer.train()
