"""How a model encodes is read from sentence-transformers' files, and refused where it is not understood."""

import json
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import ConfigurationError, ModelError
from hf_contrastive.training.encoding import EncodingSpec, read_spec, write_spec
from hf_contrastive.training.pooling import POOLINGS, cls, last, mean, pooling, weightedmean


def reader(files):
    return lambda name: json.dumps(files[name]) if name in files else None


def modules(*kinds, prefix="sentence_transformers.models"):
    paths = [f"{i}_{kind}" if i else "" for i, kind in enumerate(kinds)]
    return [{"idx": i, "name": str(i), "path": paths[i], "type": f"{prefix}.{kind}"} for i, kind in enumerate(kinds)]


def test_a_plain_encoder_is_pooled_by_the_mean_and_normalised():
    assert read_spec(reader({}), max_length=64, name="x") == EncodingSpec(max_length=64)
    assert read_spec(reader({}), max_length=8192, name="x").max_length == 512


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode_weightedmean_tokens": True, "pooling_mode_mean_tokens": False}, "weightedmean"),
        ({"pooling_mode": "weightedmean"}, "weightedmean"),
        ({"pooling_mode": ["lasttoken"]}, "lasttoken"),
        ({"word_embedding_dimension": 32}, "mean"),
    ],
)
def test_pooling_is_read_in_old_and_new_files(config, expected):
    files = {"modules.json": modules("Transformer", "Pooling"), "1_Pooling/config.json": config}
    assert read_spec(reader(files), max_length=64, name="x").pooling == expected


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": ["mean", "cls"]},
        {"pooling_mode": "mean_sqrt_len_tokens"},
    ],
)
def test_other_poolings_are_refused(config):
    files = {"modules.json": modules("Transformer", "Pooling"), "1_Pooling/config.json": config}
    with pytest.raises(ModelError, match="one of mean, cls, weightedmean, lasttoken is supported"):
        read_spec(reader(files), max_length=64, name="x")


def test_lengths_prompts_and_similarity_are_read():
    files = {
        "modules.json": modules("Transformer", "Pooling", "Normalize"),
        "1_Pooling/config.json": {"pooling_mode_cls_token": True},
        "sentence_bert_config.json": {"max_seq_length": 40},
        "config_sentence_transformers.json": {"prompts": {"query": "q: ", "document": ""}, "similarity_fn_name": "dot"},
    }
    spec = read_spec(reader(files), max_length=64, name="x")
    assert (spec.normalize, spec.max_length, dict(spec.prompts), spec.similarity) == (True, 40, {"query": "q: "}, "dot")
    assert read_spec(reader(files), max_length=16, name="x").max_length == 16  # positions end there
    files["sentence_bert_config.json"] = {"max_seq_length": None}
    assert read_spec(reader(files), max_length=64, name="x").max_length == 64


def test_modules_that_would_be_left_out_are_refused():
    files = {"modules.json": modules("Transformer", "Pooling", "Dense")}
    with pytest.raises(ModelError, match="modules Transformer, Pooling, Dense; only Transformer, Pooling, Normalize"):
        read_spec(reader(files), max_length=64, name="x")


def test_a_damaged_file_is_named():
    with pytest.raises(ModelError, match=r"The file modules\.json of the model x is no JSON"):
        read_spec(lambda name: "{", max_length=64, name="x")


@given(
    st.builds(
        EncodingSpec,
        pooling=st.sampled_from(sorted(POOLINGS)),
        pool_prompt=st.booleans(),
        normalize=st.booleans(),
        max_length=st.integers(1, 64),
        prompts=st.dictionaries(st.sampled_from(["query", "document"]), st.text(min_size=1, max_size=20)),
        similarity=st.sampled_from(["cosine", "dot"]),
    )
)
def test_files_hold_the_whole_specification(tmp_path_factory, spec):
    folder = tmp_path_factory.mktemp("spec")
    write_spec(spec, folder, dimension=32)
    assert read_spec(lambda name: (folder / name).read_text("utf-8"), max_length=64, name="x") == spec


# ---- pooling --------------------------------------------------------------------------------------------

HIDDEN = torch.arange(24, dtype=torch.float64).view(2, 4, 3)


@pytest.mark.parametrize("mask", [[[1, 1, 1, 0], [1, 0, 0, 0]], [[0, 1, 1, 1], [0, 0, 0, 1]]], ids=["right", "left"])
def test_poolings_read_real_tokens_only(mask):
    mask = torch.tensor(mask)
    rows = [HIDDEN[i][mask[i].bool()] for i in range(2)]
    assert torch.equal(mean(HIDDEN, mask), torch.stack([row.mean(0) for row in rows]))
    assert torch.equal(cls(HIDDEN, mask), torch.stack([row[0] for row in rows]))
    assert torch.equal(last(HIDDEN, mask), torch.stack([row[-1] for row in rows]))
    weights = [torch.arange(1, len(row) + 1, dtype=torch.float64)[:, None] for row in rows]
    expected = torch.stack([(row * weight).sum(0) / weight.sum() for row, weight in zip(rows, weights, strict=True)])
    torch.testing.assert_close(weightedmean(HIDDEN, mask), expected)


@pytest.mark.parametrize("name", sorted(POOLINGS))
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("prompt", [0, 1, 2])
def test_poolings_without_a_prompt_equal_sentence_transformers(name, side, prompt):
    from sentence_transformers.sentence_transformer.modules import Pooling

    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 0]])
    mask = mask if side == "right" else mask.flip(1)
    hidden = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theirs = Pooling(5, pooling_mode=name, include_prompt=False)
    features = {"token_embeddings": hidden, "attention_mask": mask, "prompt_length": prompt}
    expected = theirs(features)["sentence_embedding"]
    found = POOLINGS[name](hidden, mask, torch.tensor([prompt] * 3))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    each = torch.tensor([prompt, 0, 2])  # texts of several columns share a chunk
    one_by_one = [POOLINGS[name](hidden[i : i + 1], mask[i : i + 1], each[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(POOLINGS[name](hidden, mask, each), torch.cat(one_by_one), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "weightedmean"])
def test_half_precision_is_summed_in_fp32(name):
    hidden = torch.full((1, 600, 2), 1.0, dtype=torch.bfloat16)
    mask = torch.ones(1, 600, dtype=torch.long)
    assert POOLINGS[name](hidden, mask).tolist() == [[1.0, 1.0]]
    assert POOLINGS[name](hidden, mask).dtype == torch.float32


def test_an_unknown_pooling_is_named():
    with pytest.raises(
        ConfigurationError, match="`pooling` must be one of cls, lasttoken, mean, weightedmean, got 'max'"
    ):
        pooling("max")


# ---- what encodes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
def test_a_plain_encoder_equals_sentence_transformers(tiny_encoder, architecture):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    folder = tiny_encoder(architecture)
    texts = ["what is a cat", "hammer " * 100, "", "the violin belongs to music"]
    encoder = TextEncoder.load(folder)
    theirs = SentenceTransformer(
        modules=[
            Transformer(str(folder), max_seq_length=encoder.spec.max_length),
            Pooling(32, pooling_mode="mean"),
            Normalize(),
        ],
        device="cpu",
    )
    np.testing.assert_allclose(encoder.encode(texts), theirs.encode(texts), rtol=0, atol=1e-6)
    # RoBERTa's positions start behind the padding index, 1
    assert encoder.spec.max_length == (62 if architecture == "roberta" else 64)


def test_no_text_is_longer_than_the_positions(tiny_encoder):
    for architecture in ("bert", "roberta"):
        encoder = TextEncoder.load(tiny_encoder(architecture))
        long = "cat dog " * 200
        assert encoder.count_tokens([long])[0] > 64
        assert np.isfinite(encoder.encode([long])).all()
        assert not np.allclose(encoder.encode([long], max_length=8), encoder.encode([long]), atol=1e-4)


def test_loading_twice_gives_the_same_digest_and_names_no_folder(tiny_bert):
    from hf_contrastive.training.loading import load_model

    first, second = load_model(tiny_bert), load_model(tiny_bert, base_model_id="someone/base")
    assert first.base.weights_sha256 == second.base.weights_sha256
    assert (first.base.model_id, second.base.model_id) == (None, "someone/base")
    assert first.base.architecture == "BertModel"
    assert first.base.num_parameters == sum(p.numel() for p in first.model.parameters())
    assert first.base.revision is None
    assert TextEncoder.load(TextEncoder.load(tiny_bert)).name == tiny_bert.name


def test_the_digest_of_the_base_ignores_the_adapter(make_trainer, tiny_bert):
    from hf_contrastive.training.loading import load_model

    trainer = make_trainer(max_steps=2)
    trainer.train()
    again = load_model(trainer.model, tokenizer=trainer.processing_class)
    assert again.base.weights_sha256 == load_model(tiny_bert).base.weights_sha256 == trainer.base.weights_sha256


def test_the_declared_license_of_a_base_is_copied(tiny_bert, tmp_path):
    import shutil

    from hf_contrastive.training.loading import load_model

    shutil.copytree(tiny_bert, tmp_path / "model")
    (tmp_path / "model" / "README.md").unlink()
    assert load_model(tmp_path / "model").base.license is None
    (tmp_path / "model" / "README.md").write_text("---\nlicense: mit\n---\n# A base\n")
    loaded = load_model(tmp_path / "model")
    assert loaded.base.license == "mit"
    assert "not verified" in loaded.base.license_source
    assert loaded.base_card.startswith("---")


@pytest.mark.parametrize(
    ("kind", "warns"),
    [("EntryNotFoundError", False), ("LocalEntryNotFoundError", True), ("HfHubHTTPError", True)],
)
def test_a_hub_that_does_not_answer_is_not_taken_for_a_plain_encoder(monkeypatch, caplog, kind, warns):
    from huggingface_hub import errors

    from hf_contrastive.training import model_files

    def fail(*args, **kwargs):
        answer = {"response": MagicMock(status_code=503, headers={})} if kind == "HfHubHTTPError" else {}
        raise getattr(errors, kind)("no", **answer)

    monkeypatch.setattr(model_files, "hf_hub_download", fail)
    assert model_files.ModelFiles("someone/model", None)("modules.json") is None
    assert ("How someone/model pools is not known" in caplog.text) == warns
    caplog.clear()
    assert model_files.ModelFiles("someone/model", None)("README.md") is None
    assert not caplog.text
