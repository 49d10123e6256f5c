"""Frozen layers below the adapter, and the cache of what leaves them."""

import logging
import shutil

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoTokenizer, TrainerCallback

from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.trunk import layer_list, trained_layers
from hf_contrastive.training.trunk_cache import RESERVE_BYTES, TrunkCache


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.fixture
def top_one(make_trainer, tmp_path):
    """``top_one(cached=True)`` trains the last of two layers for two epochs of five steps."""

    def make(*, cached=True, **settings):
        folder = str(tmp_path / "trunk") if cached else None
        return make_trainer(**{"lora_layers": "top-1", "trunk_cache": folder, "max_steps": 10, **settings})

    return make


def layers_of(trainer):
    return layer_list(trainer.model.get_base_model())[1]


def counted_passes(layer):
    """A list that grows by the number of rows of every pass through ``layer``."""
    rows = []
    layer.register_forward_pre_hook(lambda module, given, named: rows.append(len((given or (*named.values(),))[0])),
                                    with_kwargs=True)  # fmt: skip
    return rows


def states_of(tmp_path):
    (folder,) = (tmp_path / "trunk").iterdir()
    return folder / "states.bin", folder / "index.bin"


def test_only_the_last_layers_are_trained(top_one):
    trainer = top_one(cached=False)
    trainable = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert trainable
    assert all(".layer.1." in name for name in trainable)
    trainer.train()
    losses = losses_of(trainer)
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.2


def test_frozen_layers_draw_no_dropout(top_one, tiny_encoder):
    trainer = top_one(cached=False, model=tiny_encoder("bert", 0.1), max_steps=1)
    modes = {}

    class Look(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):
            layers = layers_of(trainer)
            modes.update(frozen=layers[0].training, trained=layers[1].training)
            modes["embeddings"] = model.get_base_model().embeddings.training

    trainer.add_callback(Look())
    trainer.train()
    assert modes == {"frozen": False, "embeddings": False, "trained": True}


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_cache_changes_no_loss(top_one, tiny_encoder, architecture, dropout):
    model = tiny_encoder(architecture, dropout)
    plain = top_one(cached=False, model=model)
    plain.train()
    cached = top_one(model=model, output="cached")
    passes = counted_passes(layers_of(cached)[0])
    cached.train()
    assert losses_of(cached) == pytest.approx(losses_of(plain), rel=2e-5)
    # the first epoch computes every text once (each batch of 8 pairs has 16), the second none
    assert sum(passes) == 80
    again = top_one(model=model, output="again")
    passes = counted_passes(layers_of(again)[0])
    again.train()
    assert losses_of(again) == pytest.approx(losses_of(plain), rel=2e-5)
    assert not passes


def test_other_weights_have_another_cache(top_one, tiny_bert, tiny_encoder, tmp_path):
    top_one(max_steps=2).train()
    top_one(max_steps=2, model=tiny_bert, output="same").train()
    assert len(list((tmp_path / "trunk").iterdir())) == 1
    # dropout is a setting of the same random weights; another architecture has other ones
    top_one(max_steps=2, model=tiny_encoder("roberta"), output="other").train()
    assert len(list((tmp_path / "trunk").iterdir())) == 2


def test_the_lower_layer_is_part_of_the_key(make_trainer, tmp_path):
    for layers in ("top-1", "top-2"):
        make_trainer(lora_layers=layers, trunk_cache=str(tmp_path / "trunk"), max_steps=1, output=layers).train()
    assert len(list((tmp_path / "trunk").iterdir())) == 2


@pytest.mark.parametrize("damage", ["torn index", "lost numbers", "no index", "negative length"])
def test_a_damaged_cache_is_read_as_far_as_it_is_whole(top_one, tmp_path, damage):
    first = top_one()
    first.train()
    states, index = states_of(tmp_path)
    if damage == "torn index":
        index.write_bytes(index.read_bytes()[:-5])
    elif damage == "lost numbers":
        states.write_bytes(states.read_bytes()[: states.stat().st_size // 2])
    elif damage == "no index":
        index.unlink()
    else:
        raw = bytearray(index.read_bytes())
        raw[24:32] = (-3).to_bytes(8, "little", signed=True)
        index.write_bytes(raw)
    again = top_one(output="again")
    passes = counted_passes(layers_of(again)[0])
    again.train()
    assert losses_of(again) == pytest.approx(losses_of(first), rel=2e-5)
    assert 0 < sum(passes) <= 80
    # what was missing has been added, and stands where the index says
    last = top_one(output="last")
    passes = counted_passes(layers_of(last)[0])
    last.train()
    assert not passes
    assert losses_of(last) == pytest.approx(losses_of(first), rel=2e-5)


def test_a_full_disk_ends_the_cache_not_the_training(top_one, monkeypatch, caplog):
    plain = top_one(cached=False)
    plain.train()
    usage = type("usage", (), {"free": RESERVE_BYTES + 10_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    trainer = top_one(output="full")
    with caplog.at_level(logging.WARNING):
        trainer.train()
    assert losses_of(trainer) == pytest.approx(losses_of(plain), rel=2e-5)
    said = [record.message for record in caplog.records if "nearly full" in record.message]
    assert len(said) == 1
    assert "texts are in the trunk cache" in said[0]


def test_resuming_goes_on_with_the_cache(top_one):
    whole = top_one(save_strategy="steps", save_steps=4)
    whole.train()
    resumed = top_one(output="resumed")
    resumed.train(resume_from_checkpoint=str(whole.output_folder / "checkpoint-4"))
    assert losses_of(resumed)[-6:] == losses_of(whole)[-6:]


@pytest.mark.parametrize(("setting", "layers", "found"), [("all", 6, 6), ("top-1", 6, 1), ("top-6", 6, 6)])
def test_a_setting_says_how_many_layers_are_trained(setting, layers, found):
    assert trained_layers(setting, layers) == found


@pytest.mark.parametrize("setting", ["top-0", "top-3", "top", "top--1", "TOP-1", "2", "top-1 "])
def test_layers_that_are_not_there_are_refused(top_one, setting):
    with pytest.raises(ConfigurationError, match=r"`lora_layers` must be 'all' or 'top-1' to 'top-2'.*got"):
        top_one(cached=False, lora_layers=setting)


def test_an_adapter_that_is_there_stays_where_it_is(top_one, tiny_bert):
    with pytest.raises(ConfigurationError, match="`peft_config` is None; leave `lora_layers` at 'all'"):
        top_one(peft_config=None)
    adapted = get_peft_model(AutoModel.from_pretrained(tiny_bert), LoraConfig(target_modules=["query"]))
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    with pytest.raises(ConfigurationError, match="`model` brings an adapter of its own"):
        top_one(model=adapted, processing_class=tokenizer)


def test_a_cache_without_frozen_layers_is_refused(make_trainer, tmp_path):
    with pytest.raises(ConfigurationError, match=r"`trunk_cache` needs `lora_layers='top-K'`.*leave it out"):
        make_trainer(trunk_cache=str(tmp_path))


def test_a_folder_that_can_not_be_written_is_named(top_one, tmp_path):
    (tmp_path / "trunk").write_text("a file")
    with pytest.raises(ConfigurationError, match="Name a folder that can be written"):
        top_one()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"bias": "all"}, "bias in them is trained"),
        ({"modules_to_save": ["word_embeddings"]}, "word_embeddings"),
    ],
)
def test_weights_that_are_trained_below_are_refused(top_one, settings, named):
    config = LoraConfig(target_modules=["query"], **settings)
    with pytest.raises(ConfigurationError, match=f"keeps the lower layers frozen, but .*{named}"):
        top_one(cached=False, peft_config=config)


def test_a_pattern_of_layers_stays_a_pattern(top_one):
    trainer = top_one(cached=False, peft_config=LoraConfig(target_modules=r".*\.(query|value)"))
    named = {name.rsplit(".lora_", 1)[0] for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in named} == {"query", "value"}
    assert all(".layer.1." in name for name in named)


def test_another_precision_has_a_cache_of_its_own(top_one, tmp_path):
    losses = {}
    for bf16 in (True, False):
        plain = top_one(cached=False, bf16=bf16, output=f"plain-{bf16}")
        cached = top_one(bf16=bf16, output=f"cached-{bf16}")
        for trainer in (plain, cached):
            trainer.train()
        losses[bf16] = losses_of(cached)
        assert losses_of(cached) == pytest.approx(losses_of(plain), rel=0.02 if bf16 else 2e-5)
    assert len(list((tmp_path / "trunk").iterdir())) == 2
    assert losses[True] != losses[False]


def test_weights_in_half_precision_are_cached_as_they_are(top_one, tiny_bert, tmp_path):
    AutoModel.from_pretrained(tiny_bert).bfloat16().save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "half")
    plain, cached = (top_one(cached=how, model=tmp_path / "half", output=f"half-{how}") for how in (False, True))
    for trainer in (plain, cached):
        trainer.train()
    assert cached._engine.trunk.cache.dtype == plain.model.dtype
    assert losses_of(cached) == pytest.approx(losses_of(plain), rel=0.02)


def test_raw_text_is_another_text_every_epoch(top_one, topic_pairs):
    text = topic_pairs.select_columns("positive").rename_column("positive", "text")
    with pytest.raises(ConfigurationError, match="the disk would fill and nothing be found"):
        top_one(train_dataset=text)
    with pytest.raises(ConfigurationError, match="`view='dropout'` needs dropout in every layer"):
        top_one(cached=False, train_dataset=text, view="dropout")


@pytest.mark.parametrize("setting", ["activation_checkpointing", "torch_compile"])
def test_what_does_not_notice_the_cache_is_refused(top_one, monkeypatch, setting):
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "no")
    with pytest.raises(ConfigurationError, match=f"which `{setting}` does not notice"):
        top_one(**{setting: True})


def test_two_runs_write_into_one_cache(tmp_path):
    generator = torch.Generator().manual_seed(0)
    first, second = (TrunkCache(tmp_path, key="a", width=4, dtype=torch.float32) for _ in range(2))
    written = {}
    for number in range(6):
        hidden = torch.randn(1, 3, 4, generator=generator)
        written[bytes([number]) * 16] = hidden
        (first, second)[number % 2].write([bytes([number]) * 16], hidden, np.array([3]))
    # another run was killed in the middle of a record
    with (first.folder / "index.bin").open("ab") as file:
        file.write(b"torn")
    hidden = torch.randn(1, 2, 4, generator=generator)
    written[b"z" * 16] = hidden
    second.write([b"z" * 16], hidden, np.array([2]))
    third = TrunkCache(tmp_path, key="a", width=4, dtype=torch.float32)
    assert len(third) == 7
    for key, expected in written.items():
        assert torch.equal(third.read([key], expected.shape[1]), expected)
    # each still reads what it has written itself
    assert torch.equal(first.read([bytes([4]) * 16], 3), written[bytes([4]) * 16])
    assert first.read([bytes([5]) * 16], 3) is None


def test_numbers_come_back_as_they_were(tmp_path):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 5, 4, generator=generator)
    keys = [bytes([i]) * 16 for i in range(3)]
    lengths = np.array([5, 2, 3])
    cache = TrunkCache(tmp_path, key="a", width=4, dtype=torch.float32)
    cache.write(keys[:2], hidden[:2], lengths[:2])
    assert cache.read(keys, 5) is None  # not all are here
    cache.write(keys, hidden, lengths)
    assert len(cache) == 3
    reopened = TrunkCache(tmp_path, key="a", width=4, dtype=torch.float32)
    for known in (cache, reopened):
        found = known.read([keys[2], keys[0], keys[1]], 6)
        assert found.shape == (3, 6, 4)
        for row, source in enumerate((2, 0, 1)):
            length = lengths[source]
            assert torch.equal(found[row, :length], hidden[source, :length])
            assert not found[row, length:].any()
    assert len(TrunkCache(tmp_path, key="b", width=4, dtype=torch.float32)) == 0
