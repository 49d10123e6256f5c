"""The parts of objectives that restore texts: how texts are corrupted, and the heads over the vocabulary."""

import shutil

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from hf_contrastive.training.corruption import Asked, Corruption
from hf_contrastive.training.vocabulary import (
    CREATED,
    SHIPPED,
    VocabularyHead,
    input_embeddings,
    new_head,
    shipped_head,
)

# ---- corruption -----------------------------------------------------------------------------------------

SPECIAL, MASK, WORDS = frozenset({0, 1, 2}), 2, np.arange(3, 1000)


def corruption(probability=0.15, deletion=0.6, seed=0, terms=("masked_lm", "denoising"), alone=False):
    return Corruption(
        asked={"": Asked(terms=terms, alone=alone)}, special=SPECIAL, words=WORDS, mask=MASK, probability=probability,
        deletion=deletion, seed=seed,
    )  # fmt: skip


def parts(texts, prompts=None, epoch=0, **settings):
    arrays = [np.array(ids, np.int64) for ids in texts]
    prompts = np.zeros(len(texts), np.int64) if prompts is None else np.array(prompts)
    return corruption(**settings).parts(arrays, prompts, epoch=epoch, dataset="")


def split(batch, name="input_ids", lengths="lengths"):
    return [part.tolist() for part in batch[name].split(batch[lengths].tolist())]


TEXTS = st.lists(
    st.lists(st.integers(0, 999), min_size=1, max_size=30).map(lambda ids: [1, *ids, 0]), min_size=1, max_size=6
).filter(lambda texts: any(set(ids) - SPECIAL for ids in texts))


@given(TEXTS, st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.integers(0, 5))
def test_what_is_taken_can_be_put_back(texts, probability, deletion, prompt):
    prompts = [min(prompt, len(ids) - 1) for ids in texts]
    if not any(set(ids[skipped:]) - SPECIAL for ids, skipped in zip(texts, prompts, strict=True)):
        return
    found = parts(texts, prompts, probability=probability, deletion=deletion)
    masked = found["masked_lm"]
    total = 0
    for ids, skipped, given_ids, targets in zip(
        texts, prompts, split(masked), split(masked, "targets", "target_lengths"), strict=True
    ):
        assert [old if asked == -100 else asked for old, asked in zip(given_ids, targets, strict=True)] == ids
        places = [i for i, token in enumerate(ids) if i >= skipped and token not in SPECIAL]
        asked = [i for i, target in enumerate(targets) if target != -100]
        assert set(asked) <= set(places)
        assert len(asked) == (max(1, round(probability * len(places))) if places else 0)
        total += len(asked)
    assert masked["read"] == total == int(masked["counts"].sum())
    kept = found["denoising"]
    for ids, skipped, given_ids, bag in zip(
        texts, prompts, split(kept), split(kept, "targets", "target_lengths"), strict=True
    ):
        places = [i for i, token in enumerate(ids) if i >= skipped and token not in SPECIAL]
        assert bag == sorted({ids[i] for i in places})
        rest = iter(ids)
        assert all(token in rest for token in given_ids)  # in the order of the text
        assert given_ids[: min(1, skipped)] == ids[: min(1, skipped)]
        assert len(given_ids) >= len(ids) - len(places) + bool(places)
    assert kept["counts"].tolist() == [int(bool(bag)) for bag in split(kept, "targets", "target_lengths")]


def test_tokens_are_masked_in_berts_shares():
    rng = np.random.default_rng(0)
    texts = [[1, *rng.integers(3, 1000, 100).tolist(), 0] for _ in range(400)]
    masked = parts(texts)["masked_lm"]
    asked = masked["targets"] != -100
    given_ids, targets = masked["input_ids"][asked], masked["targets"][asked]
    assert len(targets) == 400 * 15
    shares = [(given_ids == MASK).float().mean(), (given_ids == targets).float().mean()]
    # five standard errors of a share of 6,000
    assert shares[0].item() == pytest.approx(0.8, abs=0.026)
    assert shares[1].item() == pytest.approx(0.1, abs=0.02)
    replaced = given_ids[(given_ids != MASK) & (given_ids != targets)]
    assert replaced.min() >= 3
    assert len(replaced.unique()) > 300  # of 600 drawn from 997
    places = torch.cat([part.nonzero().flatten() for part in asked.split(102)])
    assert torch.bincount(places, minlength=102)[1:-1].min() > 30  # 60 of 400 are expected at each place


def test_tokens_are_deleted_in_the_share_that_was_set():
    texts = [[1, *range(3, 103), 0] for _ in range(100)]
    for number, text in enumerate(texts):
        text[1] = 200 + number  # texts that are equal would lose the same tokens
    for share in (0.1, 0.6):
        kept = parts(texts, deletion=share)["denoising"]
        assert (kept["lengths"] - 2).mean() == pytest.approx(100 * (1 - share), abs=2.5)


def test_seed_epoch_and_text_alone_decide():
    texts = [[1, *range(3 + i, 43 + i), 0] for i in range(6)]
    whole, one = parts(texts), parts(texts[2:3])
    for term in ("masked_lm", "denoising"):
        assert split(one[term])[0] == split(whole[term])[2]
        assert split(parts([*texts, texts[0]])[term])[-1] == split(whole[term])[0]
        for other in (parts(texts, epoch=1), parts(texts, seed=1)):
            assert all(mine != theirs for mine, theirs in zip(split(other[term]), split(whole[term]), strict=True))


def test_a_dataset_that_asks_for_nothing_gets_nothing():
    given_asked = {"first": Asked(terms=("masked_lm",)), "other": Asked()}
    made = Corruption(
        asked=given_asked, special=SPECIAL, words=WORDS, mask=MASK, probability=0.15, deletion=0.6, seed=0
    )
    texts, prompts = [np.array([1, 5, 6, 0])], np.zeros(1, np.int64)
    assert made.parts(texts, prompts, epoch=0, dataset="other") == {}
    assert set(made.parts(texts, prompts, epoch=0, dataset="first")) == {"masked_lm"}
    assert made.of("another") == given_asked["first"]


# ---- heads ----------------------------------------------------------------------------------------------


def mlm_of(architecture):
    size = {"vocab_size": 60, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    size |= {"hidden_size": 32, "max_position_embeddings": 40, "initializer_range": 0.3, "pad_token_id": 0}
    config = {
        "bert": lambda: transformers.BertConfig(**size),
        "roberta": lambda: transformers.RobertaConfig(**size),
        "electra": lambda: transformers.ElectraConfig(**size, embedding_size=16),
        "albert": lambda: transformers.AlbertConfig(**size, embedding_size=16),
        "mpnet": lambda: transformers.MPNetConfig(**size),
        "distilbert": lambda: transformers.DistilBertConfig(
            vocab_size=60, dim=32, n_layers=1, n_heads=2, hidden_dim=48, initializer_range=0.3
        ),
        "modernbert": lambda: transformers.ModernBertConfig(
            **size, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2, norm_bias=False
        ),
    }[architecture]()
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
    return model


ARCHITECTURES = ["bert", "roberta", "distilbert", "modernbert", "electra", "albert", "mpnet"]
TOKENS = {"input_ids": torch.tensor([[1, 7, 9, 2]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}


class FixedTokens:
    """Stands for a tokenizer; the vocabulary of a random model has no words."""

    def __call__(self, texts, return_tensors):
        return TOKENS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_head_of_a_checkpoint_gives_the_logits_of_its_model(architecture, tmp_path):
    torch.manual_seed(0)
    whole = mlm_of(architecture)
    whole.save_pretrained(tmp_path)
    encoder = AutoModel.from_pretrained(tmp_path)
    before = torch.get_rng_state()
    head = shipped_head(encoder, FixedTokens())
    assert torch.equal(torch.get_rng_state(), before)
    assert head.source == SHIPPED
    ids = torch.tensor([[1, 20, 30, 40, 50, 2]])
    with torch.no_grad():
        hidden = encoder.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        expected = whole(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    torch.testing.assert_close(head(hidden, input_embeddings(encoder)), expected, rtol=1e-4, atol=1e-4)
    assert input_embeddings(encoder) not in set(head.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_checkpoint_without_a_head_gets_a_new_one(architecture, tmp_path):
    mlm_of(architecture).base_model.save_pretrained(tmp_path)
    encoder = AutoModel.from_pretrained(tmp_path)
    before = torch.get_rng_state()
    assert shipped_head(encoder, FixedTokens()) is None
    assert torch.equal(torch.get_rng_state(), before)
    head = new_head(encoder)
    assert head.source == CREATED
    size, width = input_embeddings(encoder).shape
    assert head(torch.zeros(3, encoder.config.hidden_size), input_embeddings(encoder)).shape == (3, size)
    assert head.dense.weight.shape == (width, encoder.config.hidden_size)


def test_a_decoder_of_its_own_is_not_taken_for_a_tied_one(tmp_path, caplog):
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        tie_word_embeddings=False,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    assert shipped_head(AutoModel.from_pretrained(tmp_path), FixedTokens()) is None
    assert "but one of another form; a new one is trained" in caplog.text


def test_a_checkpoint_that_is_gone_brings_no_head(tmp_path, caplog):
    mlm_of("bert").save_pretrained(tmp_path / "model")
    encoder = AutoModel.from_pretrained(tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    assert shipped_head(encoder, FixedTokens()) is None
    assert "brings a head for its vocabulary is not known: OSError" in caplog.text


def test_a_model_from_nowhere_brings_no_head():
    config = transformers.BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
    )
    assert shipped_head(transformers.BertModel(config), FixedTokens()) is None


def test_the_head_of_an_adapters_base_is_found(tiny_bert, tmp_path):
    from peft import LoraConfig, get_peft_model

    transformers.AutoModelForMaskedLM.from_pretrained(tiny_bert).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    adapted = get_peft_model(AutoModel.from_pretrained(tmp_path), LoraConfig(target_modules=["query"]))
    assert shipped_head(adapted, tokenizer).source == SHIPPED


def test_losses_are_cross_entropy_over_bags():
    torch.manual_seed(0)
    head, tied = VocabularyHead(8, 6, 20, deviation=0.5).double(), torch.randn(20, 6).double()
    vectors = torch.randn(4, 8).double()
    targets = torch.tensor([[3, 5, 7], [4, -100, -100], [-100, -100, -100], [0, -100, 19]])
    found = head.losses(vectors, targets, tied)
    log_p = head(vectors, tied).log_softmax(1)
    expected = [-log_p[0, [3, 5, 7]].mean(), -log_p[1, 4], torch.zeros(()).double(), -log_p[3, [0, 19]].mean()]
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-12)
    assert head.losses(vectors[:0], targets[:0], tied).shape == (0,)


def test_the_cast_of_frozen_embeddings_follows_them():
    torch.manual_seed(0)
    head, tied = VocabularyHead(8, 6, 20, deviation=0.5), torch.randn(20, 6)
    head.autocast = torch.bfloat16
    vectors = torch.randn(4, 8)
    first = head(vectors, tied)
    assert first.dtype == torch.float32
    assert torch.equal(head(vectors, tied), first)
    tied.mul_(2)
    torch.testing.assert_close(head(vectors, tied), 2 * first, rtol=1e-2, atol=1e-2)
    other = torch.randn(20, 6)
    assert not torch.equal(head(vectors, other), head(vectors, tied))
