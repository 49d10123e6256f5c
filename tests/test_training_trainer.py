"""The trainer learns, from every format; what Trainer offers works with it."""

import json
import logging

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback

from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.evaluation.report import evaluate


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.fixture(scope="module")
def labelled(topic_pairs):
    topics = [text.split()[4] for text in topic_pairs["positive"]]
    return Dataset.from_dict({"text": topic_pairs["anchor"], "label": topics})


@pytest.fixture(scope="module")
def triplets(topic_pairs):
    return topic_pairs.add_column("negative", [*topic_pairs["positive"][20:], *topic_pairs["positive"][:20]])


def test_the_loss_falls_and_held_out_metrics_rise(make_trainer, topic_pairs):
    trainer = make_trainer(max_steps=30, eval_dataset=topic_pairs, eval_strategy="steps", eval_steps=10)
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    losses = losses_of(trainer)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert after["eval_loss"] < before["eval_loss"]
    assert after["eval_ndcg@10"] > before["eval_ndcg@10"]


@pytest.mark.parametrize("peft_config", ["auto", None])
def test_adapter_and_all_weights_train(make_trainer, peft_config):
    trainer = make_trainer(peft_config=peft_config, max_steps=20)
    frozen = {name: p.clone() for name, p in trainer.model.named_parameters() if not p.requires_grad}
    trainer.train()
    losses = losses_of(trainer)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert trainer.has_adapter == (peft_config == "auto")
    for name, value in frozen.items():
        assert torch.equal(trainer.model.get_parameter(name), value)


@pytest.mark.parametrize("architecture", ["distilbert", "roberta", "modernbert"])
def test_other_architectures_train(make_trainer, tiny_encoder, architecture):
    trainer = make_trainer(model=tiny_encoder(architecture), max_steps=15)
    trainer.train()
    losses = losses_of(trainer)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_raw_text_trains_on_two_views(make_trainer, topic_pairs):
    texts = topic_pairs.select_columns(["positive"]).rename_column("positive", "text")
    trainer = make_trainer(train_dataset=texts, max_steps=30)
    trainer.train()
    losses = losses_of(trainer)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert trainer.training_record().objective == "infonce"
    assert trainer.training_record().data_format == "(text)"


def test_every_epoch_sees_other_views(make_trainer, topic_pairs):
    texts = topic_pairs.select_columns(["positive"]).rename_column("positive", "text")
    trainer = make_trainer(train_dataset=texts, max_steps=-1, num_train_epochs=2, learning_rate=0.0)
    trainer.train()
    losses = losses_of(trainer)
    assert sorted(losses[:5]) != pytest.approx(sorted(losses[5:]), abs=1e-4)
    assert trainer.data_collator.epoch == 1


def test_labelled_text_trains_by_supcon(make_trainer, labelled):
    trainer = make_trainer(train_dataset=labelled, eval_dataset=labelled, max_steps=30)
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_loss"] < before["eval_loss"]
    assert "eval_ndcg@10" not in after
    assert trainer.training_record().objective == "supcon"


def test_triplets_train(make_trainer, triplets):
    trainer = make_trainer(train_dataset=triplets, eval_dataset=triplets, max_steps=10)
    trainer.train()
    assert losses_of(trainer)[-1] < losses_of(trainer)[0]
    assert "eval_ndcg@10" in trainer.evaluate()
    # 8 rows of three columns: each anchor is told from 15 other candidates
    assert losses_of(trainer)[0] > np.log(8)


def test_ragged_rows_train_and_every_positive_is_looked_for(make_trainer, topic_pairs):
    texts = topic_pairs["positive"][:]
    ragged = Dataset.from_dict(
        {
            "anchor": topic_pairs["anchor"],
            "positive": [[text, f"{text} too"][: 1 + i % 2] for i, text in enumerate(texts)],
            "negatives": [texts[i + 1 : i + 1 + i % 3] for i in range(len(texts))],
        }
    )
    trainer = make_trainer(train_dataset=ragged, eval_dataset=ragged.select(range(13)), max_steps=20)
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_loss"] < before["eval_loss"]
    # each pair stands for itself in the measure
    flat = [(row["anchor"], text) for row in ragged.select(range(13)) for text in row["positive"]]
    pairs = Dataset.from_dict({"anchor": [anchor for anchor, _ in flat], "positive": [text for _, text in flat]})
    (ndcg,) = (item.after.value for item in evaluate(trainer.encoder, pairs).metrics if item.after.name == "ndcg@10")
    assert after["eval_ndcg@10"] == pytest.approx(ndcg, abs=1e-6)
    assert trainer.training_record().data_format == "(anchor, positive: list, negatives: list)"


def test_graded_pairs_come_into_the_order_of_their_grades(make_trainer, topic_pairs):
    words = [text.split()[-1] for text in topic_pairs["anchor"]]
    pairs = [
        (f"what is a {a}", f"what is a {b}", i // 10 == j // 10)
        for i, a in enumerate(words)
        for j, b in enumerate(words)
    ]
    pairs = [(a, b, 0.9 if same else 0.1) for a, b, same in pairs[::9]]
    graded = Dataset.from_dict(dict(zip(("sentence1", "sentence2", "score"), zip(*pairs, strict=True), strict=True)))
    trainer = make_trainer(
        train_dataset=graded, eval_dataset=graded, max_steps=30, per_device_train_batch_size=16, learning_rate=2e-3
    )
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert after["eval_spearman"] > before["eval_spearman"] + 0.1
    assert after["eval_loss"] < before["eval_loss"]
    assert trainer.training_record().objective == "cosent"


def test_a_loss_may_be_a_function(make_trainer):
    seen = []

    def first_column(embeddings, batch, *, scale):
        seen.append((len(embeddings), scale))
        return embeddings[0].square().mean()

    trainer = make_trainer(loss=first_column, max_steps=1, temperature=0.25)
    trainer.train()
    assert seen == [(2, 4.0)]
    assert trainer.training_record().objective == "first_column"


def test_evaluation_reads_every_row_though_training_drops_the_last(make_trainer, topic_pairs):
    trainer = make_trainer(eval_dataset=topic_pairs.select(range(13)), per_device_eval_batch_size=8)
    measured = trainer.evaluate()
    assert measured["eval_loss"] > 0
    assert trainer.args.dataloader_drop_last
    small = make_trainer(eval_dataset=topic_pairs.select(range(3)), per_device_eval_batch_size=8)
    assert small.evaluate()["eval_recall@10"] == 1.0  # three documents, ten places
    assert small.predict(topic_pairs.select(range(3))).metrics["test_recall@10"] == 1.0


def test_evaluation_in_training_equals_evaluate(make_trainer, topic_pairs):
    trainer = make_trainer(eval_dataset=topic_pairs)
    measured = trainer.evaluate()
    report = evaluate(trainer.encoder, topic_pairs)
    for item in report.metrics:
        assert measured[f"eval_{item.after.name}"] == pytest.approx(item.after.value, abs=1e-6)


def test_evaluation_does_not_disturb_training(make_trainer, topic_pairs, tiny_encoder):
    options = {"model": tiny_encoder("bert", 0.1), "max_steps": 6}
    plain = make_trainer(**options)
    plain.train()
    measured = make_trainer(**options, eval_dataset=topic_pairs, eval_strategy="steps", eval_steps=2)
    measured.train()
    assert losses_of(plain) == losses_of(measured)


def test_a_seed_settles_everything_whatever_was_drawn_before(make_trainer, tiny_encoder):
    torch.manual_seed(123)
    first = make_trainer(model=tiny_encoder("bert", 0.1), max_steps=4, seed=7)
    first.train()
    torch.manual_seed(321)
    second = make_trainer(model=tiny_encoder("bert", 0.1), max_steps=4, seed=7)
    second.train()
    other = make_trainer(model=tiny_encoder("bert", 0.1), max_steps=4, seed=8)
    other.train()
    assert losses_of(first) == losses_of(second) != losses_of(other)


def test_chunks_do_not_change_the_losses(make_trainer):
    small = make_trainer(chunk_tokens=16)
    small.train()
    large = make_trainer(chunk_tokens=100_000)
    large.train()
    assert losses_of(small) == pytest.approx(losses_of(large), rel=1e-3)


def test_equal_positives_are_no_negatives(make_trainer, topic_pairs):
    data = Dataset.from_dict({"anchor": topic_pairs["anchor"], "positive": ["the same text"] * len(topic_pairs)})
    masked = make_trainer(train_dataset=data, max_steps=1)
    masked.train()
    counted = make_trainer(train_dataset=data, max_steps=1, mask_duplicates=False)
    counted.train()
    assert losses_of(masked) == [pytest.approx(0.0, abs=1e-5)]
    assert losses_of(counted) == [pytest.approx(np.log(8), abs=1e-4)]


# ---- gradient accumulation ------------------------------------------------------------------------------


class Gradients(TrainerCallback):
    """Keep every gradient that an optimiser step is about to use."""

    def __init__(self):
        self.kept = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.kept.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})


def test_accumulation_averages_losses_and_gradients(make_trainer):
    runs = {}
    for steps in (1, 2):
        gradients = Gradients()
        trainer = make_trainer(
            gradient_accumulation_steps=steps,
            max_steps=4 // steps,
            learning_rate=0.0,  # so that all batches see the same weights
            max_grad_norm=0.0,
            callbacks=[gradients],
            peft_config=None,
        )
        trainer.train()
        runs[steps] = (losses_of(trainer), gradients.kept)
    (single, apart), (double, together) = runs[1], runs[2]
    assert double == pytest.approx([(single[0] + single[1]) / 2, (single[2] + single[3]) / 2], rel=1e-6)
    for i, accumulated in enumerate(together):
        for name, gradient in accumulated.items():
            mean = (apart[2 * i][name] + apart[2 * i + 1][name]) / 2
            torch.testing.assert_close(gradient, mean, rtol=1e-4, atol=1e-7)


# ---- prompts and encoding -------------------------------------------------------------------------------


def test_prompts_are_trained_with_kept_and_used(make_trainer, tmp_path):
    trainer = make_trainer(query_prompt="query : ", document_prompt="document : ")
    assert trainer.data_collator.tokenise.prompts == {"anchor": "query : ", "positive": "document : "}
    trainer.train()
    trainer.save_model()
    settings = json.loads((tmp_path / "out" / "config_sentence_transformers.json").read_text())
    assert settings["prompts"] == {"query": "query : ", "document": "document : "}
    texts = ["what is a cat"]
    by_prompt = {prompt: trainer.encoder.encode(texts, prompt=prompt) for prompt in (None, "query", "document")}
    assert np.abs(by_prompt[None] - by_prompt["query"]).max() > 1e-3
    assert np.abs(by_prompt["query"] - by_prompt["document"]).max() > 1e-3
    assert np.array_equal(trainer.encoder.encode(["query : what is a cat"]), by_prompt["query"])


@pytest.mark.parametrize("pooling", ["mean", "weightedmean", "cls"])
def test_a_step_pools_as_the_encoder_does(make_trainer, topic_pairs, pooling):
    """Prompts left out of the pooling, in training and in what is published, equal texts embedded once or not."""
    data = topic_pairs.select(range(8)).map(lambda row: {"positive": "query : " + row["anchor"]})
    trainer = make_trainer(
        train_dataset=data, query_prompt="query : ", document_prompt="what ", pooling=pooling, pool_prompt=False
    )
    batch = trainer.data_collator([data[row] for row in range(8)])
    loss, columns, _ = trainer._engine.evaluate(trainer.model.eval(), batch)
    for name, prompt, column in zip(("anchor", "positive"), ("query", "document"), columns, strict=True):
        unit = torch.nn.functional.normalize(column, dim=-1).numpy()
        np.testing.assert_allclose(unit, trainer.encoder.encode(data[name], prompt=prompt), rtol=0, atol=1e-5)
    trainer.data_collator.deduplicate = False
    again, *_ = trainer._engine.evaluate(trainer.model.eval(), trainer.data_collator([data[row] for row in range(8)]))
    assert loss.item() == pytest.approx(again.item(), abs=1e-6)
    trainer.train()
    assert trainer.training_record().pooling == f"{pooling} without the prompt"


def test_equal_tokens_are_two_texts_where_only_one_has_a_prompt(make_trainer):
    data = Dataset.from_dict({"anchor": ["a cat"] * 8, "positive": ["query : a cat"] * 8})
    options = {"train_dataset": data, "query_prompt": "query : "}
    for pool_prompt, texts in ((True, 1), (False, 2)):
        trainer = make_trainer(**options, pool_prompt=pool_prompt)
        batch = trainer.data_collator([data[row] for row in range(8)])
        assert len(batch["lengths"]) == texts


def test_settings_override_what_the_model_brings(make_trainer, caplog):
    trainer = make_trainer(pooling="cls", normalize=False, max_length=1000)
    assert (trainer.spec.pooling, trainer.spec.normalize, trainer.spec.max_length) == ("cls", False, 64)
    assert "max_length is 64" in caplog.text


def test_the_encoder_does_not_care_about_the_order(make_trainer, topic_pairs):
    encoder = make_trainer().encoder
    texts = [*topic_pairs["anchor"][:5], *topic_pairs["positive"][:5], ""]
    vectors = encoder.encode(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(encoder.encode(texts[::-1]), vectors[::-1], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert encoder.encode([]).shape == (0, 32)
    assert encoder.count_tokens([]) == []
    assert encoder.count_tokens(["what is a cat", "cat"]) == [6, 3]


def test_encoding_reports_its_progress_and_leaves_the_mode(make_trainer, topic_pairs):
    encoder = make_trainer().encoder
    encoder.model.train()
    told = []
    encoder.encode(topic_pairs["anchor"], on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (40, 40)
    assert encoder.model.training


# ---- the record -----------------------------------------------------------------------------------------


def test_the_record_counts_what_was_computed(make_trainer, topic_pairs):
    trainer = make_trainer(max_steps=-1, num_train_epochs=2, chunk_tokens=32)
    trainer.train()
    record = trainer.training_record()
    assert (record.steps, record.epochs, record.batch_size, record.examples) == (10, 2.0, 8, 80)
    counted = trainer.encoder.count_tokens([*topic_pairs["anchor"], *topic_pairs["positive"]])
    assert record.tokens == 2 * sum(counted)  # no text is longer than the model reads
    assert record.tokens <= record.padded_tokens
    assert [step for step, _ in record.losses] == list(range(1, 11))
    assert record.seconds > 0
    assert record.flops > 0
    assert record.adapter.trainable_parameters == sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    (reference,) = record.datasets
    assert (reference.split, reference.num_rows) == ("train", 40)
    assert record == type(record).from_dict(record.to_dict())


def test_the_record_names_no_local_path(make_trainer, tmp_path, tiny_bert):
    trainer = make_trainer(max_steps=1)
    trainer.train()
    written = json.dumps(trainer.training_record().to_dict())
    assert str(tmp_path) not in written
    assert str(tiny_bert) not in written


def test_the_metrics_of_the_record_are_those_of_the_weights_that_are_kept(make_trainer, topic_pairs):
    trainer = make_trainer(
        eval_dataset=topic_pairs, eval_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=2,
        load_best_model_at_end=True, metric_for_best_model="eval_loss", greater_is_better=True, max_steps=6,
    )  # fmt: skip
    trainer.train()
    assert trainer.state.best_global_step < 6  # the loss falls, and the highest was asked for
    measured = {item.name: item.value for item in trainer.training_record().metrics}
    assert measured["eval_loss"] == pytest.approx(trainer.evaluate()["eval_loss"], rel=1e-5)


# ---- the Hub --------------------------------------------------------------------------------------------


def test_push_to_hub_touches_no_network_before_it_pushes(make_trainer, monkeypatch, caplog):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    monkeypatch.setattr(huggingface_hub.HfApi, "create_commit", refuse)
    monkeypatch.setattr(huggingface_hub.HfApi, "whoami", refuse)
    trainer = make_trainer(
        push_to_hub=True, hub_model_id="someone/model", save_strategy="steps", save_steps=2, max_steps=4
    )
    with caplog.at_level(logging.WARNING):
        trainer.train()
    told = [record.message for record in caplog.records if "is not pushed" in record.message]
    assert [message.split()[0] for message in told] == ["checkpoint-2", "checkpoint-4"]


def test_a_push_in_the_background_is_refused(make_trainer):
    with pytest.raises(ConfigurationError, match="`blocking` must be True"):
        make_trainer().push_to_hub(blocking=False)


def test_training_without_training_data_is_refused(make_trainer, topic_pairs):
    trainer = make_trainer(train_dataset=None, eval_dataset=topic_pairs)
    assert "eval_ndcg@10" in trainer.evaluate()
    with pytest.raises(DataFormatError, match="pass `train_dataset`"):
        trainer.train()
