"""What is saved loads in every library and encodes as the trained model did."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

from hf_contrastive.encoder import TextEncoder, embed
from hf_contrastive.training import saving
from hf_contrastive.training.encoding import EncodingSpec, read_spec
from hf_contrastive.training.pooling import POOLINGS
from hf_contrastive.training.saving import write_model

TEXTS = ["what is a cat", "the hammer belongs to tools , as everybody knows", "a", "violin " * 80]
SPECS = {
    "mean": EncodingSpec(pooling="mean", max_length=60),
    "cls": EncodingSpec(pooling="cls", max_length=60),
    "lasttoken": EncodingSpec(pooling="lasttoken", max_length=60),
    "weightedmean": EncodingSpec(pooling="weightedmean", max_length=60),
    "not normalised": EncodingSpec(normalize=False, max_length=60),
    "short": EncodingSpec(max_length=7),
}
MERGED = {
    "1_Pooling/config.json",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def adapted(folder, name="default"):
    """A model whose adapter changes it."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = AutoModel.from_pretrained(folder)
        excluded = [name for name, _ in encoder.named_modules() if name == "pooler.dense"] or None
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", exclude_modules=excluded)
        model = get_peft_model(encoder, config, adapter_name=name)
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.2)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


def by_transformers(model, tokenizer, spec):
    encoded = tokenizer(TEXTS, padding=True, truncation=True, max_length=spec.max_length, return_tensors="pt")
    with torch.no_grad():
        pool = embed(model.eval(), POOLINGS[spec.pooling], encoded["input_ids"], encoded["attention_mask"])
    return (torch.nn.functional.normalize(pool, dim=-1) if spec.normalize else pool).numpy()


def by_sentence_transformers(folder):
    return SentenceTransformer(str(folder), device="cpu").encode(TEXTS)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
def test_the_merged_layout_loads_in_each_way(tiny_encoder, tmp_path, architecture):
    base, spec = tiny_encoder(architecture), SPECS["mean"]
    model, tokenizer = adapted(base)
    expected = TextEncoder(model, tokenizer, spec).encode(TEXTS)
    plain = TextEncoder(AutoModel.from_pretrained(base), tokenizer, spec).encode(TEXTS)
    assert np.abs(expected - plain).max() > 0.01  # the adapter matters
    written = write_model(model, tokenizer, spec, tmp_path, base_model_id="someone/base")
    assert set(written) == files_in(tmp_path) == MERGED
    loaded_tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    close = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(by_sentence_transformers(tmp_path), expected, **close)
    np.testing.assert_allclose(
        by_transformers(AutoModel.from_pretrained(tmp_path), loaded_tokenizer, spec), expected, **close
    )
    again = PeftModel.from_pretrained(AutoModel.from_pretrained(base), tmp_path, subfolder="adapter")
    np.testing.assert_allclose(by_transformers(again, loaded_tokenizer, spec), expected, **close)
    np.testing.assert_allclose(TextEncoder.load(tmp_path).encode(TEXTS), expected, **close)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("save_format", ["merged", "adapter"])
def test_pooling_normalisation_and_length_survive(tiny_bert, tmp_path, spec, save_format):
    model, tokenizer = adapted(tiny_bert)
    expected = TextEncoder(model, tokenizer, spec).encode(TEXTS)
    write_model(model, tokenizer, spec, tmp_path, base_model_id=None, save_format=save_format)
    np.testing.assert_allclose(by_sentence_transformers(tmp_path), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(TextEncoder.load(tmp_path).encode(TEXTS), expected, rtol=0, atol=1e-5)


PROMPTS = {"query": "what is it : ", "document": "the text "}


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
@pytest.mark.parametrize("pooling", sorted(POOLINGS))
@pytest.mark.parametrize("pool_prompt", [True, False])
def test_prompts_are_pooled_as_in_sentence_transformers(tiny_encoder, tmp_path, architecture, pooling, pool_prompt):
    model, tokenizer = adapted(tiny_encoder(architecture))
    spec = EncodingSpec(pooling=pooling, pool_prompt=pool_prompt, max_length=60, prompts=PROMPTS)
    encoder = TextEncoder(model, tokenizer, spec)
    write_model(model, tokenizer, spec, tmp_path, base_model_id=None)
    assert json.loads((tmp_path / "1_Pooling" / "config.json").read_text())["include_prompt"] is pool_prompt
    theirs = SentenceTransformer(str(tmp_path), device="cpu")
    for name in (None, "query", "document"):
        ours = encoder.encode(TEXTS, prompt=name)
        np.testing.assert_allclose(theirs.encode(TEXTS, prompt_name=name), ours, rtol=0, atol=1e-5)
        np.testing.assert_allclose(TextEncoder.load(tmp_path).encode(TEXTS, prompt=name), ours, rtol=0, atol=1e-5)
        np.testing.assert_allclose(TextEncoder.load(theirs).encode(TEXTS, prompt=name), ours, rtol=0, atol=1e-5)
    both = EncodingSpec(pooling=pooling, pool_prompt=not pool_prompt, max_length=60, prompts=PROMPTS)
    other = TextEncoder(model, tokenizer, both).encode(TEXTS, prompt="query")
    # the last token is no prompt's
    assert (np.abs(other - encoder.encode(TEXTS, prompt="query")).max() > 1e-3) == (pooling != "lasttoken")


def test_the_adapter_layout_holds_the_adapter_alone(tiny_bert, tmp_path):
    model, tokenizer = adapted(tiny_bert)
    written = write_model(model, tokenizer, SPECS["cls"], tmp_path, base_model_id=None, save_format="adapter")
    assert {name for name in written if name.endswith(".safetensors")} == {"adapter_model.safetensors"}
    assert "config.json" not in written
    assert "README.md" not in written
    assert set(written) == files_in(tmp_path)


@pytest.mark.parametrize(("save_format", "where"), [("merged", "adapter/"), ("adapter", "")])
def test_the_adapter_names_the_hub_id_of_its_base(tiny_bert, tmp_path, save_format, where):
    model, tokenizer = adapted(tiny_bert)
    write_model(model, tokenizer, SPECS["cls"], tmp_path, base_model_id="someone/base", save_format=save_format)
    config = json.loads((tmp_path / f"{where}adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "someone/base"
    assert model.active_peft_config.base_model_name_or_path == str(tiny_bert)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or str(tiny_bert).encode() not in path.read_bytes(), path.name


def test_an_adapter_of_another_name_lies_where_it_is_looked_for(tiny_bert, tmp_path):
    model, tokenizer = adapted(tiny_bert, name="french")
    expected = TextEncoder(model, tokenizer, SPECS["mean"]).encode(TEXTS)
    written = write_model(model, tokenizer, SPECS["mean"], tmp_path, base_model_id=None)
    assert set(written) == MERGED
    again = PeftModel.from_pretrained(AutoModel.from_pretrained(tiny_bert), tmp_path, subfolder="adapter")
    np.testing.assert_allclose(by_transformers(again, tokenizer, SPECS["mean"]), expected, rtol=0, atol=1e-5)


def test_a_model_without_adapter_is_written_whole(tiny_bert, tmp_path):
    model, tokenizer = AutoModel.from_pretrained(tiny_bert), AutoTokenizer.from_pretrained(tiny_bert)
    expected = TextEncoder(model, tokenizer, SPECS["mean"]).encode(TEXTS)
    written = write_model(model, tokenizer, SPECS["mean"], tmp_path, base_model_id=None, save_format="adapter")
    assert set(written) == {name for name in MERGED if not name.startswith("adapter/")}
    np.testing.assert_allclose(by_sentence_transformers(tmp_path), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("first", ["merged", "adapter", "whole"])
@pytest.mark.parametrize("second", ["merged", "adapter", "whole"])
def test_saving_over_another_layout_leaves_nothing_that_would_be_applied_twice(tiny_bert, tmp_path, first, second):
    model, tokenizer = adapted(tiny_bert)

    def save(layout, folder):
        given = AutoModel.from_pretrained(tiny_bert) if layout == "whole" else model
        form = "merged" if layout == "whole" else layout
        write_model(given, tokenizer, SPECS["mean"], folder, base_model_id=None, save_format=form)
        return TextEncoder(given, tokenizer, SPECS["mean"]).encode(TEXTS)

    save(first, tmp_path / "both")
    (tmp_path / "both" / "notes.txt").write_text("mine")
    expected = save(second, tmp_path / "both")
    save(second, tmp_path / "alone")
    assert files_in(tmp_path / "both") == files_in(tmp_path / "alone") | {"notes.txt"}
    np.testing.assert_allclose(by_sentence_transformers(tmp_path / "both"), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("step", ["write_adapter", "_write_tokenizer", "write_spec"])
@pytest.mark.parametrize("save_format", ["merged", "adapter"])
def test_a_failure_in_the_middle_leaves_what_was_there(tiny_bert, tmp_path, monkeypatch, step, save_format):
    model, tokenizer = adapted(tiny_bert)
    write_model(model, tokenizer, SPECS["mean"], tmp_path, base_model_id=None)
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if "lora_B" in name).add_(1.0)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_model(model, tokenizer, SPECS["cls"], tmp_path, base_model_id=None, save_format=save_format)
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["1_Pooling", "adapter"]


@pytest.mark.parametrize("fault", ["a folder in the way", "a move that fails", "a removal that fails"])
def test_files_take_their_places_together(tiny_bert, tmp_path, monkeypatch, fault):
    model, tokenizer = adapted(tiny_bert)
    folder = tmp_path / "model"
    write_model(model, tokenizer, SPECS["mean"], folder, base_model_id=None)
    (folder / "adapter" / "notes.txt").write_text("mine")
    if fault == "a folder in the way":
        (folder / "modules.json").unlink()
        (folder / "modules.json").mkdir()
        (folder / "modules.json" / "mine.txt").write_text("mine")
    else:
        late = "tokenizer.json" if fault == "a move that fails" else "model.safetensors"
        replace = Path.replace

        def failing(path, target):
            if path.name == late and path.parent == folder:
                raise OSError(5, "Input/output error")
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", failing)
    before = {name: (folder / name).read_bytes() for name in files_in(folder)}
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if "lora_B" in name).add_(1.0)
    with pytest.raises(OSError, match=r"Input/output|modules\.json is a folder"):
        write_model(model, tokenizer, SPECS["cls"], folder, base_model_id=None, save_format="adapter")
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == before
    assert not list(tmp_path.rglob(".incomplete-*"))


def test_a_failure_makes_no_folder(tiny_bert, tmp_path, monkeypatch):
    model, tokenizer = adapted(tiny_bert)
    monkeypatch.setattr(saving, "_write_tokenizer", lambda *_: {}["missing"])
    with pytest.raises(KeyError):
        write_model(model, tokenizer, SPECS["mean"], tmp_path / "model", base_model_id=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("save_format", ["merged", "adapter"])
def test_saving_does_not_change_the_live_model(tiny_bert, tmp_path, save_format):
    model, tokenizer = adapted(tiny_bert)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trains = {name: p.requires_grad for name, p in model.named_parameters()}
    settings = tokenizer(["a cat " * 40], truncation=True, max_length=9, padding="max_length")["input_ids"]
    write_model(model, tokenizer, SPECS["short"], tmp_path, base_model_id="x/y", save_format=save_format)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name: p.requires_grad for name, p in model.named_parameters()} == trains
    assert model.training
    assert not model.active_peft_config.inference_mode
    assert tokenizer(["a cat " * 40], truncation=True, max_length=9, padding="max_length")["input_ids"] == settings
    assert tokenizer.model_max_length > 7


def test_the_saved_tokenizer_carries_no_settings_of_the_last_call(tiny_bert, tmp_path):
    model, tokenizer = adapted(tiny_bert)
    tokenizer(["a cat " * 40], truncation=True, max_length=5, padding="max_length")
    write_model(model, tokenizer, SPECS["mean"], tmp_path, base_model_id=None)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    assert saved["truncation"] is None
    assert saved["padding"] is None
    assert AutoTokenizer.from_pretrained(tmp_path).model_max_length == 60


# ---- the trainer's own saves ----------------------------------------------------------------------------


@pytest.mark.parametrize("save_format", ["merged", "adapter"])
@pytest.mark.parametrize("peft_config", ["auto", None])
def test_a_trained_model_is_published_as_it_encodes(make_trainer, save_format, peft_config):
    trainer = make_trainer(
        save_format=save_format, peft_config=peft_config, query_prompt="query : ", document_prompt="document : "
    )
    trainer.train()
    trainer.save_model()
    loaded = SentenceTransformer(str(trainer.output_folder), device="cpu")
    for prompt in ("query", "document"):
        expected = trainer.encoder.encode(TEXTS, prompt=prompt)
        np.testing.assert_allclose(loaded.encode(TEXTS, prompt_name=prompt), expected, rtol=0, atol=1e-5)
    # a search needs no prompt name: the model knows which text is which
    np.testing.assert_allclose(
        loaded.encode_query(TEXTS), trainer.encoder.encode(TEXTS, prompt="query"), rtol=0, atol=1e-5
    )


def test_saving_in_the_middle_does_not_change_what_follows(make_trainer):
    from transformers import TrainerCallback

    class Save(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 3:
                saved.save_model(str(saved.output_folder / "early"))

    plain = make_trainer(output="plain")
    plain.train()
    saved = make_trainer(output="saved", callbacks=[Save()])
    saved.train()
    assert (saved.output_folder / "early" / "model.safetensors").is_file()
    losses = [[e["loss"] for e in trainer.state.log_history if "loss" in e] for trainer in (plain, saved)]
    assert losses[0] == losses[1]


def test_bf16_autocast_is_not_baked_in(make_trainer):
    trainer = make_trainer(bf16=True)
    trainer.train()
    trainer.save_model()
    loaded = SentenceTransformer(str(trainer.output_folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(loaded, trainer.encoder.encode(TEXTS), rtol=0, atol=1e-5)
    assert AutoModel.from_pretrained(trainer.output_folder).dtype == torch.float32


def test_what_is_written_is_read_back(tmp_path, tiny_bert):
    model, tokenizer = adapted(tiny_bert)
    spec = EncodingSpec(
        pooling="lasttoken",
        normalize=False,
        max_length=9,
        prompts={"query": "query : ", "document": "document : "},
        similarity="dot",
    )
    write_model(model, tokenizer, spec, tmp_path, base_model_id=None)
    read = read_spec(lambda name: (tmp_path / name).read_text(), max_length=64, name="saved")
    assert read == spec
