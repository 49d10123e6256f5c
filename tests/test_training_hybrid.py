"""Objectives that restore texts beside contrasting them, or alone: `masked_lm` and `denoising`."""

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertTokenizer

from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.record import flops

HYBRIDS = ["masked_lm", "denoising"]
NEW = "by a new head tied to the input embeddings"


def figures(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def head_of(trainer, name):
    (term,) = [term for term in trainer._engine.objective.text_terms if term.name == name]
    return term.head


def trained_weights(trainer):
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def batch_of(trainer, rows=range(8)):
    return trainer.data_collator([trainer.train_dataset[row] for row in rows])


@pytest.fixture
def raw(topic_pairs):
    return Dataset.from_dict({"text": topic_pairs["positive"]})


# ---- learning -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HYBRIDS)
@pytest.mark.parametrize("settings", [{}, {"peft_config": None, "learning_rate": 2e-3}], ids=["lora", "full"])
def test_both_parts_of_a_hybrid_are_learned(make_trainer, topic_pairs, name, settings):
    trainer = make_trainer(loss=f"infonce + 0.1 * {name}", eval_dataset=topic_pairs, max_steps=40, **settings)
    before = trainer.evaluate()
    trainer.train()
    restored, whole = figures(trainer, f"{name}_loss"), figures(trainer, "loss")
    assert len(restored) == len(whole) == 40
    contrast = np.array(whole) - 0.1 * np.array(restored)
    assert np.mean(restored[-5:]) < 0.92 * np.mean(restored[:5])
    assert np.mean(contrast[-5:]) < 0.6 * np.mean(contrast[:5])
    after = trainer.evaluate()
    assert after[f"eval_{name}_loss"] < before[f"eval_{name}_loss"]
    assert after["eval_ndcg@10"] > before["eval_ndcg@10"]


@pytest.mark.parametrize("kind", ["pairs", "raw"])
@pytest.mark.parametrize("name", HYBRIDS)
def test_a_text_can_be_restored_without_contrast(make_trainer, topic_pairs, raw, name, kind):
    data = raw if kind == "raw" else topic_pairs
    trainer = make_trainer(loss=name, train_dataset=data, eval_dataset=data, max_steps=40)
    assert 0.5 * math.log(trainer.model.config.vocab_size) < trainer.evaluate()["eval_loss"]
    trainer.train()
    losses = figures(trainer, "loss")
    assert losses == pytest.approx(figures(trainer, f"{name}_loss"), abs=1e-4)
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])
    record = trainer.training_record()
    assert record.objective == f"{name} ({name} {NEW})"
    assert record.temperature is None
    assert record.metrics


def test_all_of_them_at_once(make_trainer, raw):
    trainer = make_trainer(loss="infonce + masked_lm + 2 * denoising", train_dataset=raw, max_steps=3)
    trainer.train()
    parts = [figures(trainer, f"{name}_loss") for name in HYBRIDS]
    assert all(loss > one + 2 * other for loss, one, other in zip(figures(trainer, "loss"), *parts, strict=True))
    assert trainer.training_record().objective == (
        f"infonce + masked_lm + 2 * denoising (masked_lm {NEW}, denoising {NEW})"
    )


# ---- what a hybrid computes -----------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["bert", "modernbert"])
def test_masked_lm_is_that_of_transformers(make_trainer, tiny_encoder, tmp_path, architecture):
    """The checkpoint's own head is used, and gives the loss of its own model on the masked texts."""
    torch.manual_seed(1)
    source = tiny_encoder(architecture)
    whole = AutoModelForMaskedLM.from_pretrained(source)
    for name, parameter in whole.named_parameters():
        if "embeddings" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    whole.save_pretrained(tmp_path / "mlm")
    AutoTokenizer.from_pretrained(source).save_pretrained(tmp_path / "mlm")
    trainer = make_trainer(model=tmp_path / "mlm", loss="masked_lm", chunk_tokens=60)
    assert trainer._engine.objective.name == "masked_lm (masked_lm by the checkpoint's own head)"
    batch = batch_of(trainer)
    loss, *_ = trainer._engine.step(trainer.model.train(), batch)
    lengths, given = batch["lengths"].tolist(), batch["masked_lm"]
    places = batch["index"] if "index" in batch else torch.arange(len(lengths))
    total = count = 0
    for ids, targets, times in zip(
        given["input_ids"].split(lengths), given["targets"].split(lengths), torch.bincount(places), strict=True
    ):
        logits = whole.eval()(input_ids=ids[None]).logits[0]
        total += times * cross_entropy(logits, targets, ignore_index=-100, reduction="sum")
        count += times * (targets != -100).sum()
    assert loss.item() == pytest.approx((total / count).item(), rel=1e-5)


def test_denoising_equals_its_formula(make_trainer):
    trainer = make_trainer(loss="denoising", chunk_tokens=40, deduplicate=False)
    batch = batch_of(trainer)
    loss, columns, parts = trainer._engine.evaluate(trainer.model.eval(), batch)
    head, embeddings = head_of(trainer, "denoising"), trainer.model.get_input_embeddings().weight
    given, texts = batch["denoising"], batch["input_ids"].split(batch["lengths"].tolist())
    losses = []
    for ids, text in zip(given["input_ids"].split(given["lengths"].tolist()), texts, strict=True):
        hidden = trainer.model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None]).last_hidden_state[0]
        vector = hidden.mean(0) / hidden.mean(0).norm() * hidden.shape[1] ** 0.5
        x = torch.nn.functional.gelu(head.dense(vector))
        logits = embeddings @ head.norm(x) + head.bias
        bag = {token for token in text.tolist() if token not in trainer.processing_class.all_special_ids}
        losses.append(-torch.stack([logits.log_softmax(0)[token] for token in bag]).mean().item())
        assert set(ids.tolist()) < set(text.tolist())
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-5)
    assert parts["denoising"].item() == pytest.approx(loss.item())
    assert len(columns) == 2


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("name", HYBRIDS)
def test_a_weight_of_zero_leaves_the_contrast_as_it_is(make_trainer, tiny_encoder, name, dropout):
    """Bit for bit: what is contrasted is not what is corrupted, and no random number is shared."""
    settings = {"model": tiny_encoder("bert", dropout), "chunk_tokens": 100, "max_steps": 4}
    plain = make_trainer(loss="infonce", output="plain", **settings)
    plain.train()
    # making a trainer sets the seed
    hybrid = make_trainer(loss=f"infonce + {name}", output="hybrid", **settings)
    hybrid._engine.objective.text_weights = (0.0,)
    hybrid.train()
    assert figures(plain, "loss") == figures(hybrid, "loss")
    assert figures(plain, "grad_norm") == figures(hybrid, "grad_norm")
    weights, others = trained_weights(plain), trained_weights(hybrid)
    assert weights.keys() == others.keys()
    for key, value in weights.items():
        assert torch.equal(value, others[key]), key
    assert figures(hybrid, f"{name}_loss")[0] > 1


def test_raw_text_is_read_whole_where_nothing_is_contrasted(make_trainer, raw):
    alone, beside = (make_trainer(train_dataset=raw, loss=loss) for loss in ("masked_lm", "infonce + masked_lm"))
    tokens = [len(ids) for ids in alone.processing_class(raw["text"][:8])["input_ids"]]
    assert sorted(batch_of(alone)["lengths"]) == sorted(tokens)
    assert batch_of(alone)["sizes"] == (8,)
    views = batch_of(beside)
    assert views["sizes"] == (8, 8)
    assert views["lengths"].max() < min(tokens)


def test_a_prompt_is_neither_masked_nor_deleted(make_trainer):
    trainer = make_trainer(loss="infonce + masked_lm + denoising", query_prompt="who knows ")
    prompt = trainer.processing_class("who knows", add_special_tokens=False)["input_ids"]
    asked = set()
    for epoch in range(30):
        trainer.data_collator.epoch = epoch
        batch = batch_of(trainer, range(4))
        targets = batch["masked_lm"]["targets"].split(batch["lengths"].tolist())
        for given in batch["denoising"]["input_ids"].split(batch["denoising"]["lengths"].tolist())[:4]:
            assert given[1 : 1 + len(prompt)].tolist() == prompt
        for text in targets[:4]:
            assert (text[: 1 + len(prompt)] == -100).all()
            asked |= set(text.tolist())
    assert asked - {-100}


# ---- heads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HYBRIDS)
def test_a_head_resumes_bit_for_bit_and_is_not_published(make_trainer, topic_pairs, name):
    options = {"loss": f"infonce + 0.3 * {name}", "max_steps": 8, "save_strategy": "steps", "save_steps": 3}
    whole = make_trainer(output="whole", **options)
    start = head_of(whole, name).dense.weight.detach().clone()
    whole.train()
    kept = load_file(whole.output_folder / "checkpoint-6" / "objective.safetensors")
    assert {key.rpartition("head.")[2] for key in kept} == {
        "dense.weight", "dense.bias", "norm.weight", "norm.bias", "bias",
    }  # fmt: skip
    resumed = make_trainer(output="resumed", **options)
    resumed.train(resume_from_checkpoint=str(whole.output_folder / "checkpoint-6"))
    assert figures(resumed, "loss") == figures(whole, "loss")
    assert figures(resumed, f"{name}_loss") == figures(whole, f"{name}_loss")
    for mine, theirs in zip(head_of(resumed, name).parameters(), head_of(whole, name).parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(start, head_of(whole, name).dense.weight)
    assert resumed.training_record().flops == pytest.approx(whole.training_record().flops, rel=1e-6)
    whole.save_model()
    published = load_file(whole.output_folder / "model.safetensors")
    vocabulary = whole.model.config.vocab_size
    assert [key for key, value in published.items() if vocabulary in value.shape] == [
        "embeddings.word_embeddings.weight"
    ]
    assert not list(whole.output_folder.glob("objective*"))


def test_datasets_share_the_head(make_trainer, topic_pairs, raw):
    topics = [text.split()[4] for text in topic_pairs["positive"]]
    data = {"pairs": topic_pairs, "raw": raw, "labelled": raw.add_column("label", topics)}
    options = {
        "train_dataset": data, "loss": "infonce + 0.2 * masked_lm", "multi_dataset_sampling": "round_robin",
        "dataset_settings": {"raw": {"loss": "masked_lm"}, "labelled": {"loss": "supcon"}},
        "save_strategy": "steps", "save_steps": 3, "max_steps": 6,
    }  # fmt: skip
    trainer = make_trainer(output="whole", **options)
    objectives = trainer._engine.objectives
    assert objectives["pairs"].text_terms[0] is objectives["raw"].text_terms[0]
    assert not objectives["labelled"].text_terms
    trainer.train()
    assert len(figures(trainer, "masked_lm_loss")) == 4
    assert len(figures(trainer, "loss")) == 6
    resumed = make_trainer(output="resumed", **options)
    resumed.train(resume_from_checkpoint=str(trainer.output_folder / "checkpoint-3"))
    assert figures(resumed, "loss") == figures(trainer, "loss")
    assert trainer.training_record().objective == (
        f"pairs: infonce + 0.2 * masked_lm (masked_lm {NEW}); raw: masked_lm (masked_lm {NEW}); labelled: supcon"
    )


def test_an_evaluation_draws_the_same_masks_each_time(make_trainer, topic_pairs):
    trainer = make_trainer(loss="masked_lm", eval_dataset=topic_pairs)
    first = trainer.evaluate()["eval_loss"]
    torch.rand(3)
    assert trainer.evaluate()["eval_loss"] == first


# ---- what it costs --------------------------------------------------------------------------------------


def test_every_pass_and_the_head_are_counted(make_trainer):
    found = {}
    for loss in ("infonce", "masked_lm", "denoising", "infonce + masked_lm", "infonce + masked_lm + denoising"):
        trainer = make_trainer(loss=loss, max_steps=2, output=loss, deduplicate=False)
        trainer.train()
        record = trainer.training_record()
        found[loss] = record
        assert record.examples == 16
        heads = record.flops - flops(trainer.model, record.padded_tokens)
        assert heads == pytest.approx(trainer._counted.head_flops, rel=1e-3, abs=100)
        assert ("heads over the vocabulary" in record.flops_method) == (loss != "infonce")
        assert trainer.state.total_flos == pytest.approx(record.flops, rel=1e-3)
    assert found["infonce"].tokens == found["masked_lm"].tokens
    assert found["infonce + masked_lm"].tokens == 2 * found["infonce"].tokens
    assert found["infonce + masked_lm"].padded_tokens == 2 * found["infonce"].padded_tokens
    share = (found["denoising"].tokens - 2 * 2 * 16) / (found["infonce"].tokens - 2 * 2 * 16)  # without [CLS], [SEP]
    assert share == pytest.approx(0.4, abs=0.1)
    assert found["infonce + masked_lm + denoising"].tokens == (2 * found["infonce"].tokens + found["denoising"].tokens)


def test_restoring_alone_embeds_no_text_whole(make_trainer):
    trainer = make_trainer(loss="masked_lm", chunk_tokens=10_000)
    batch = batch_of(trainer)
    seen = []
    trainer.model.get_input_embeddings().register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    loss, *_ = trainer._engine.step(trainer.model.train(), batch)
    loss.backward()
    (ids,) = seen
    assert (ids == trainer.processing_class.mask_token_id).any()


# ---- precision and memory -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HYBRIDS)
def test_bf16_learns_what_fp32_learns(make_trainer, name):
    losses = {}
    for bf16 in (False, True):
        trainer = make_trainer(loss=f"infonce + 0.3 * {name}", bf16=bf16, max_steps=10, output=f"bf16-{bf16}")
        trainer.train()
        losses[bf16] = figures(trainer, f"{name}_loss")
        assert {p.dtype for p in trainer._engine.objective.parameters()} == {torch.float32}
    assert losses[True] == pytest.approx(losses[False], rel=0.05)
    assert losses[True] != losses[False]


def test_bf16_gives_the_same_bits_whichever_graphs_are_kept(make_trainer):
    weights = []
    for limit in (0.0, 1.0):
        trainer = make_trainer(
            loss="infonce + masked_lm + denoising", bf16=True, max_memory=limit, chunk_tokens=60, max_steps=2,
            output=f"kept-{limit}",
        )  # fmt: skip
        trainer.train()
        weights.append([*trained_weights(trainer).values(), *trainer._engine.objective.parameters()])
    for mine, theirs in zip(*weights, strict=True):
        assert torch.equal(mine, theirs)


# ---- what is refused ------------------------------------------------------------------------------------


def test_a_tokenizer_without_a_mask_token_is_refused(make_trainer, tiny_bert):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.mask_token = None
    assert isinstance(tokenizer, BertTokenizer)
    with pytest.raises(ConfigurationError, match=r"the tokenizer BertTokenizer has no mask token\. Train"):
        make_trainer(loss="infonce + masked_lm", processing_class=tokenizer)
    make_trainer(loss="infonce + denoising", processing_class=tokenizer, max_steps=1).train()


@pytest.mark.parametrize("name", HYBRIDS)
def test_texts_of_nothing_that_is_known_are_refused(make_trainer, name):
    data = Dataset.from_dict({"text": ["", "§ §", "¶"] * 8})
    with pytest.raises(DataFormatError, match=f"A batch has no token that {name} could restore: its texts are"):
        make_trainer(train_dataset=data, loss=name).train()


def test_a_text_of_nothing_among_others_counts_for_nothing(make_trainer, raw):
    data = Dataset.from_dict({"text": ["", "§", *raw["text"][:6]]})
    trainer = make_trainer(train_dataset=data, loss="masked_lm + denoising")
    alone = make_trainer(
        train_dataset=raw.select(range(6)), loss="masked_lm + denoising", per_device_train_batch_size=6
    )
    loss, _, parts = trainer._engine.evaluate(trainer.model.eval(), batch_of(trainer))
    _, _, expected = alone._engine.evaluate(alone.model.eval(), batch_of(alone, range(6)))
    for name, value in parts.items():
        assert value.item() == pytest.approx(expected[name].item(), rel=1e-5)
    assert math.isfinite(loss)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
@pytest.mark.parametrize("setting", ["masked_lm_probability", "denoising_deletion"])
def test_a_share_out_of_range_is_refused(make_trainer, setting, share):
    with pytest.raises(ConfigurationError, match=f"`{setting}` must be between 0 and 1, got {share}; .* uses 0"):
        make_trainer(**{setting: share})


@pytest.mark.parametrize("settings", [{"learn_temperature": True}, {"matryoshka_dims": [16, 32]}])
def test_settings_of_the_contrast_need_one(make_trainer, settings):
    (setting,) = settings
    with pytest.raises(ConfigurationError, match=f"`{setting}` is about embeddings .*'masked_lm' has none. Leave it"):
        make_trainer(loss="masked_lm", **settings)


@pytest.mark.parametrize("settings", [{"view": "deletion"}, {"view": "dropout", "view_dropout": 0.1}])
def test_a_view_that_nothing_contrasts_is_refused(make_trainer, raw, settings):
    with pytest.raises(ConfigurationError, match=r"`view` is .*, but the loss contrasts no views: .* read whole"):
        make_trainer(train_dataset=raw, loss="masked_lm", **settings)
    make_trainer(train_dataset=raw, loss="infonce + masked_lm", max_steps=1, **settings).train()


@pytest.mark.parametrize("name", HYBRIDS)
def test_the_best_checkpoint_can_be_that_of_a_part(make_trainer, topic_pairs, name):
    trainer = make_trainer(
        loss=f"infonce + 0.1 * {name}", eval_dataset=topic_pairs, max_steps=6, load_best_model_at_end=True,
        metric_for_best_model=f"{name}_loss", save_strategy="steps", save_steps=2, eval_strategy="steps", eval_steps=2,
    )  # fmt: skip
    trainer.train()
    evaluated = {
        entry["step"]: entry[f"eval_{name}_loss"] for entry in trainer.state.log_history if "eval_loss" in entry
    }
    assert trainer.state.best_metric == min(evaluated.values())
    record = trainer.training_record()
    assert record.arguments["metric_for_best_model"] == f"{name}_loss"
    kept = {metric.name: metric.value for metric in record.metrics}
    assert kept[f"eval_{name}_loss"] == trainer.state.best_metric
