"""Two views of a text: crops, deleted tokens, or dropout alone."""

from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hf_contrastive import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training import setup
from hf_contrastive.training.collator import ContrastiveCollator
from hf_contrastive.training.formats import recognise
from hf_contrastive.training.tokenising import Tokeniser
from hf_contrastive.training.views import independent_crop, token_deletion


def collator(tokenizer, data_format, *, max_length, prompts=None, **options):
    return ContrastiveCollator(Tokeniser(tokenizer, data_format, max_length=max_length, prompts=prompts), **options)


@pytest.fixture(scope="module")
def texts(topic_pairs):
    return topic_pairs.select_columns(["positive"]).rename_column("positive", "text")


@pytest.fixture
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


def texts_in(batch, tokenizer):
    return [tokenizer.decode(row) for row in batch["input_ids"].split(batch["lengths"].tolist())]


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_views_of_a_text_are_spans_within_special_tokens(tiny_encoder, architecture):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder(architecture))
    text = "cat dog horse mouse bird fish sheep cow goat lion bread apple soup cheese rice pear"
    collate = collator(tokenizer, recognise(["text"]), max_length=32)
    batch = collate([{"text": text}] * 4)
    assert batch["sizes"] == (4, 4)
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    before, after = tokenizer.cls_token_id, tokenizer.sep_token_id
    for row in batch["input_ids"].split(batch["lengths"].tolist()):
        first, *span, last = row.tolist()
        assert (first, last) == (before, after)
        assert any(plain[i : i + len(span)] == span for i in range(len(plain)))
        assert 0.2 * len(plain) - 1 <= len(span) <= 0.6 * len(plain) + 1


@pytest.mark.parametrize("view", ["crop", "deletion"])
def test_views_depend_on_seed_epoch_and_text_alone(tokenizer, view):
    def views(text, *, seed=0, epoch=0, others=()):
        collate = collator(tokenizer, recognise(["text"]), max_length=32, seed=seed, view=view, view_deletion=0.4)
        collate.epoch = epoch
        batch = collate([{"text": other} for other in (*others, text)])
        found = texts_in(batch, tokenizer)
        return found[len(others)], found[-1]

    text = "cat dog horse mouse bird fish sheep cow goat lion bread apple soup cheese rice pear"
    assert views(text) == views(text, others=("a dog", "the cat"))
    assert views(text)[0] != views(text)[1]
    assert len({views(text, epoch=epoch) for epoch in range(5)}) > 1
    assert len({views(text, seed=seed) for seed in range(5)}) > 1


def test_short_texts_are_kept_whole():
    assert independent_crop([1, 2, 3, 4], Random(0)) == [1, 2, 3, 4]
    assert all(4 <= len(independent_crop(range(5), Random(seed))) <= 5 for seed in range(20))


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 99), st.floats(0.01, 0.99))
def test_deletion_keeps_the_order_and_at_least_one(tokens, seed, share):
    kept = token_deletion(list(enumerate(tokens)), Random(seed), share=share)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(enumerate(tokens))
    assert bool(kept) == bool(tokens)


def test_deletion_takes_its_share():
    kept = len(token_deletion(range(10_000), Random(0), share=0.3))
    assert 0.68 < kept / 10_000 < 0.72


def test_deleted_tokens_differ_between_views(tokenizer):
    text = "cat dog horse mouse bird fish sheep cow goat lion bread apple soup cheese rice pear"
    collate = collator(tokenizer, recognise(["text"]), max_length=32, view="deletion", view_deletion=0.4)
    first, second = texts_in(collate([{"text": text}]), tokenizer)
    assert first != second
    for view in (first, second):
        words = view.removeprefix("[CLS] ").removesuffix(" [SEP]").split()
        assert [word for word in text.split() if word in words] == words


# ---- dropout --------------------------------------------------------------------------------------------


def columns_of(trainer, rows=6):
    """Embeddings of both views, as a training step sees them."""
    model = trainer.model.train()
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(rows)])
    assert "index" not in batch  # equal texts are embedded twice
    assert batch["sizes"] == (rows, rows)
    tokens = batch["input_ids"].split(batch["lengths"].tolist())
    assert all(torch.equal(one, other) for one, other in zip(tokens[:rows], tokens[rows:], strict=True))
    loss, stage, _ = trainer._engine.step(model, batch)
    loss.backward()
    return stage.columns


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
@pytest.mark.parametrize("own", [0.0, 0.1])
def test_views_by_dropout_differ(make_trainer, tiny_encoder, texts, architecture, own):
    trainer = make_trainer(
        model=tiny_encoder(architecture, own), train_dataset=texts, view="dropout", view_dropout=None if own else 0.1
    )
    first, second = columns_of(trainer)
    assert (first - second).abs().max(dim=1).values.min() > 1e-3
    encoded = trainer.encoder.encode(texts["text"][:3])
    np.testing.assert_array_equal(encoded, trainer.encoder.encode(texts["text"][:3]))  # none when encoding
    trainer.train()
    expected = "(text), two views by " + ("the model's dropout" if own else "dropout of 0.1")
    assert trainer.training_record().data_format == expected


def test_an_encoder_without_any_place_for_dropout_gets_one(make_trainer, texts, monkeypatch):
    monkeypatch.setattr(setup, "set_dropout", lambda model, probability: None)
    trainer = make_trainer(train_dataset=texts, view="dropout", view_dropout=0.2)
    first, second = columns_of(trainer)
    assert (first - second).abs().max(dim=1).values.min() > 1e-3
    np.testing.assert_array_equal(trainer.encoder.encode(["a cat"]), trainer.encoder.encode(["a cat"]))


def test_the_dropout_of_the_published_config_stays(make_trainer, tiny_bert, texts, tmp_path):
    trainer = make_trainer(train_dataset=texts, view="dropout", view_dropout=0.3, max_steps=1)
    trainer.train()
    trainer.save_model()
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert config.hidden_dropout_prob == AutoConfig.from_pretrained(tiny_bert).hidden_dropout_prob == 0.0


@pytest.mark.parametrize("budget", [0.0, 1.0])
def test_chunks_that_are_computed_again_draw_the_same_dropout(make_trainer, texts, budget):
    runs = []
    for memory in (budget, 0.0):
        trainer = make_trainer(
            train_dataset=texts, view="dropout", view_dropout=0.1, max_memory=memory, chunk_tokens=48, max_steps=3
        )
        trainer.train()
        runs.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert runs[0] == runs[1]


def test_dropout_can_be_turned_off_or_set(make_trainer, tiny_encoder):
    model = tiny_encoder("bert", 0.1)
    off, none = make_trainer(model=model, dropout=0.0), make_trainer(model=tiny_encoder("bert"), output="none")
    for trainer in (off, none):
        trainer.train()
    losses = [[entry["loss"] for entry in t.state.log_history if "loss" in entry] for t in (off, none)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert not off._engine.draws
    assert off.data_collator.deduplicate
    # the published model has the dropout that it had
    assert off.model.config.hidden_dropout_prob == 0.1
    drawn = make_trainer(model=tiny_encoder("bert"), dropout=0.3, output="drawn")
    assert drawn._engine.draws
    assert not drawn.data_collator.deduplicate


def test_who_draws_dropout_on_several_cores_is_told(make_trainer, tiny_encoder, monkeypatch, caplog):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    make_trainer(model=tiny_encoder("bert", 0.1), output="drawn")
    assert "with `dropout=0.0` training is faster" in caplog.text
    caplog.clear()
    make_trainer(model=tiny_encoder("bert", 0.1), dropout=0.0)
    assert "training is faster" not in caplog.text


def test_views_by_dropout_need_one(make_trainer, texts):
    with pytest.raises(ConfigurationError, match=r"every dropout of this model is 0.*Set `view_dropout`, e\.g\. 0\.1"):
        make_trainer(train_dataset=texts, view="dropout")


@pytest.mark.parametrize("view", ["deletion", "dropout"])
def test_views_are_of_raw_text(make_trainer, view):
    with pytest.raises(
        ConfigurationError, match=r"`view` is '\w+', but the training data has the format \(anchor, pos"
    ):
        make_trainer(view=view)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"view": "mask"}, "`view` must be one of crop, deletion, dropout, got 'mask'"),
        ({"view": "deletion", "view_deletion": 1.0}, "`view_deletion` must be between 0 and 1, got 1.0"),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1"),
        ({"dropout": -0.1}, "got -0.1; 0 draws none"),
        ({"dropout": 0.0, "view": "dropout"}, "`view='dropout'` is set by `view_dropout`"),
        ({"view_dropout": 0.1}, "`view_dropout` must be between 0 and 1 and belongs to `view='dropout'`, got 0.1"),
        ({"view": "dropout", "view_dropout": 1.5}, "got 1.5 with 'dropout'"),
        ({"view": "dropout", "view_dropout": 0.0}, "got 0.0 with 'dropout'"),
    ],
)
def test_settings_that_are_not_allowed(tmp_path, settings, told):
    with pytest.raises(ConfigurationError) as caught:
        ContrastiveConfig(output_dir=str(tmp_path), report_to="none", **settings)
    assert told in str(caught.value)


def test_training_on_deleted_tokens_learns(make_trainer, texts):
    trainer = make_trainer(train_dataset=texts, view="deletion", view_deletion=0.3, max_steps=20)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert trainer.training_record().data_format == "(text), two views by deletion of 0.3 of the tokens"
