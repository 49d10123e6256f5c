"""How texts become vectors: in chunks side by side, with the quick adapter, at any time."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoTokenizer, TrainerCallback

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.merged_lora import _QuickForward

TEXTS = [f"{'cat dog ' * (i % 11)}the violin {i} belongs to music" for i in range(60)]


@pytest.fixture
def adapted(tiny_bert):
    """Make an encoder whose adapter moves the vectors by far more than rounding does."""
    torch.manual_seed(0)
    model = get_peft_model(AutoModel.from_pretrained(tiny_bert), LoraConfig(target_modules=["query", "dense"]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)

    def make(**options):
        return TextEncoder(model, AutoTokenizer.from_pretrained(tiny_bert), EncodingSpec(max_length=64), **options)

    return make


def quick_layers(model):
    return sum(isinstance(vars(module).get("forward"), _QuickForward) for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chunks_side_by_side_give_what_peft_gives_at_once(adapted, dtype):
    encoder = adapted(chunk_tokens=100)
    encoder.model.to(dtype)
    used = []
    forward = encoder.embed
    encoder.embed = lambda *arguments: used.append(quick_layers(encoder.model)) or forward(*arguments)
    found = encoder.encode(TEXTS)
    assert len(used) > 10
    assert min(used) > 0
    assert quick_layers(encoder.model) == 0
    encoder.chunk_tokens, used[:] = 100_000, []
    at_once = encoder.encode(TEXTS)
    assert used == [0]
    np.testing.assert_allclose(found, at_once, rtol=0, atol=1e-6)
    with encoder.model.disable_adapter():
        encoder.chunk_tokens = 100
        assert np.abs(encoder.encode(TEXTS) - found).max() > 1e-2


def test_progress_is_told_chunk_by_chunk(adapted):
    told = []
    adapted(chunk_tokens=100).encode(TEXTS, on_progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (60, 60)
    assert len(told) > 10
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_no_threads_are_left(adapted):
    before = threading.active_count()
    adapted(chunk_tokens=100).encode(TEXTS)
    assert threading.active_count() == before


def test_several_threads_may_encode_with_one_model(adapted):
    encoder = adapted(chunk_tokens=100)
    expected = encoder.encode(TEXTS)
    with ThreadPoolExecutor(3) as pool:
        several = list(pool.map(lambda _: [encoder.encode(TEXTS) for _ in range(5)], range(3)))
    for vectors in (vectors for one in several for vectors in one):
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-6)
    assert quick_layers(encoder.model) == 0


def test_encoding_in_the_middle_of_a_training_changes_nothing(make_trainer):
    """A callback's vectors are those of the weights of that moment, and what is learnt does not depend on it."""
    seen = []

    class Watching(TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, **kwargs):
            before = quick_layers(model)
            encoder = TextEncoder(model, trainer.processing_class, trainer.spec, chunk_tokens=100)
            quick = encoder.encode(TEXTS)
            encoder.chunk_tokens = 100_000
            seen.append((before, quick_layers(model), quick, encoder.encode(TEXTS)))

        on_step_end = on_step_begin

    trainer = make_trainer(max_steps=3, callbacks=[Watching()])
    trainer.train()
    watched = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    assert len(seen) == 6
    for before, after, quick, at_once in seen:
        assert before == after > 0
        np.testing.assert_allclose(quick, at_once, rtol=0, atol=1e-6)
    assert np.abs(seen[0][2] - seen[-1][2]).max() > 1e-3
    alone = make_trainer(max_steps=3, output="alone")
    alone.train()
    for name, parameter in alone.model.named_parameters():
        assert torch.equal(parameter, watched[name]), name


def test_what_gives_other_vectors_has_another_fingerprint(tiny_bert, tmp_path):
    base = TextEncoder.load(str(tiny_bert))
    assert TextEncoder.load(str(tiny_bert)).fingerprint == base.fingerprint
    changed = TextEncoder.load(str(tiny_bert))
    with torch.no_grad():
        next(changed.model.parameters()).add_(1)
    cased = TextEncoder.load(str(tiny_bert))
    cased.tokenizer.backend_tokenizer.normalizer = None
    shorter = TextEncoder.load(str(tiny_bert))
    shorter.spec = replace(shorter.spec, max_length=4)
    prints = [encoder.fingerprint for encoder in (base, changed, cased, shorter)]
    # where it lies says nothing of its vectors
    moved = shutil.copytree(tiny_bert, tmp_path / "moved")
    assert TextEncoder.load(str(moved)).fingerprint == base.fingerprint
    assert len(set(prints)) == 4
