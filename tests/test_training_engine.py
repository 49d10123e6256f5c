"""What the engine logs, what stops it, and what a resumed run goes on with."""

import json
import logging
import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.nn.functional import normalize
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback

from hf_contrastive.errors import ConfigurationError, TrainingDivergedError, TrainingMemoryError
from hf_contrastive.training import engine as engine_module
from hf_contrastive.training import resources
from hf_contrastive.training.batching import plan_chunks
from hf_contrastive.training.losses import LossInputs
from hf_contrastive.training.meter import alignment, uniformity
from hf_contrastive.training.resources import graph_budget


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


# ---- the log --------------------------------------------------------------------------------------------


def test_the_log_says_how_fast_and_how_well_padded(make_trainer):
    trainer = make_trainer(max_steps=4, logging_steps=2, chunk_tokens=100)
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(logged) == 2
    for entry in logged:
        assert entry["pairs_per_second"] > 0
        assert 0 < entry["padding_fraction"] < 0.5
        assert entry["tokens_per_second"] < entry["padded_tokens_per_second"]
        share = 1 - entry["tokens_per_second"] / entry["padded_tokens_per_second"]
        assert entry["padding_fraction"] == pytest.approx(share, abs=1e-4)
        assert entry["peak_memory_gb"] > 0.05
        assert 0 <= entry["alignment"] <= 4
        assert -8 <= entry["uniformity"] <= 0
        assert entry["grad_norm"] > 0
    # the figures of an interval are of that interval alone
    one = trainer.data_collator([trainer.train_dataset[i] for i in range(8)])
    assert logged[0]["tokens_per_second"] / logged[0]["pairs_per_second"] == pytest.approx(
        one["lengths"].sum() / 8, rel=0.5
    )


def test_a_step_is_planned_once_and_anew_where_its_settings_change(make_trainer, monkeypatch):
    planned = []

    def counted(lengths, *args, **kwargs):
        planned.append(lengths)
        return plan_chunks(lengths, *args, **kwargs)

    monkeypatch.setattr("hf_contrastive.training.engine.plan_chunks", counted)
    # of other lengths in each step
    rows = [{"anchor": "what is a cat", "positive": "the " * (2 + row // 8)} for row in range(24)]
    trainer = make_trainer(train_dataset=Dataset.from_list(rows), max_steps=3)
    monkeypatch.setattr(trainer, "_get_train_sampler", lambda *_: SequentialSampler(rows))
    trainer.train()
    assert len(planned) == 3
    engine = trainer._engine
    assert engine.plan(np.array([3, 9, 4])) is engine.plan([3, 9, 4])
    for name, value in (("chunk_tokens", 9), ("width_multiple", 8), ("max_length", 10)):
        setattr(engine, name, value)
        multiple, longest = engine.width_multiple, engine.max_length
        again = plan_chunks([3, 9, 4], engine.chunk_tokens, width_multiple=multiple, max_width=longest)
        assert engine.plan([3, 9, 4]).widths == again.widths
    assert len(planned) == 7


def test_alignment_and_uniformity_equal_their_definitions():
    generator = torch.Generator().manual_seed(0)
    anchors, positives = (normalize(torch.randn(7, 5, generator=generator).double(), dim=-1) for _ in range(2))
    inputs = LossInputs(
        anchor_ids=torch.arange(7),
        candidate_ids=torch.arange(7),
        positive_indptr=torch.arange(8),
        positive_indices=torch.arange(6, -1, -1),
    )
    expected = np.mean([float((anchors[i] - positives[6 - i]).square().sum()) for i in range(7)])
    assert alignment((anchors, positives), inputs).item() == pytest.approx(expected, abs=1e-12)
    pairs = [(anchors[i] - anchors[j]).square().sum().item() for i in range(7) for j in range(i)]
    expected = math.log(np.mean([math.exp(-2 * distance) for distance in pairs]))
    assert uniformity(anchors).item() == pytest.approx(expected, abs=1e-12)


def test_one_row_has_no_uniformity():
    assert uniformity(torch.ones(1, 3)).item() == 0.0


# ---- what stops a training ------------------------------------------------------------------------------


class Break(TrainerCallback):
    """Write NaN into the embedding of one word before a step."""

    def __init__(self, step, token):
        self.step, self.token = step, token

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.step:
            model.get_base_model().embeddings.word_embeddings.weight.data[self.token] = math.nan


def test_a_loss_that_is_no_number_stops_with_its_rows_and_keeps_the_checkpoint(make_trainer, topic_pairs):
    from transformers import AutoTokenizer

    made = make_trainer()
    token = AutoTokenizer.from_pretrained(made.base.model_id or made.model.base_model.model.name_or_path)
    word = token.convert_tokens_to_ids("violin")
    trainer = make_trainer(
        callbacks=[Break(3, word)], save_strategy="steps", save_steps=1, max_steps=10, per_device_train_batch_size=40
    )
    before = {}
    with pytest.raises(
        TrainingDivergedError, match=r"The loss of step 4 is nan: the embeddings of row 30 are no numbers"
    ) as e:
        trainer.train()
    assert "learning_rate" in str(e.value)
    assert sorted(p.name for p in trainer.output_folder.glob("checkpoint-*"))[-1] == "checkpoint-3"
    for name, weight in trainer.model.named_parameters():
        if weight.requires_grad:
            before[name] = weight.detach().clone()
    assert all(torch.isfinite(weight).all() for weight in before.values())
    resumed = make_trainer(max_steps=5, per_device_train_batch_size=40)
    resumed.train(resume_from_checkpoint=True)
    assert len(losses_of(resumed)) == 5


def test_a_row_with_lists_of_texts_is_named_too(make_trainer, topic_pairs):
    rows = topic_pairs.to_dict()
    # as many positives as anchors, but not one each
    counts = [2, 0, 1] * 13 + [1]
    counts = [max(1, count) for count in counts]
    texts = iter(rows["positive"] * 2)
    data = Dataset.from_dict(
        {"anchor": rows["anchor"], "positive": [[next(texts) for _ in range(count)] for count in counts]}
    )
    word = "hammer"
    (row,) = [
        i for i, (a, p) in enumerate(zip(data["anchor"], data["positive"], strict=True)) if word in " ".join([*p])
    ]
    data = data.select([i for i in range(40) if word not in data["anchor"][i] or i == row])
    (row,) = [i for i, p in enumerate(data["positive"]) if word in " ".join(p)]
    trainer = make_trainer(train_dataset=data, per_device_train_batch_size=len(data), max_steps=4)
    token = trainer.processing_class.convert_tokens_to_ids(word)
    trainer.add_callback(Break(1, token))
    with pytest.raises(TrainingDivergedError, match=f"the embeddings of row {row} are no numbers"):
        trainer.train()


def test_a_loss_that_overflows_alone_says_so(make_trainer):
    def infinite(embeddings, batch, *, scale):
        return embeddings[0].sum() * math.inf

    with pytest.raises(TrainingDivergedError, match=r"step 1 is -?(inf|nan): all embeddings are finite"):
        make_trainer(loss=infinite).train()


class BreakWeights(TrainerCallback):
    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step == 2:
            next(p for p in model.parameters() if p.requires_grad).data.fill_(math.nan)


def test_no_checkpoint_is_written_of_weights_that_are_no_numbers(make_trainer):
    trainer = make_trainer(callbacks=[BreakWeights()], save_strategy="steps", save_steps=1)
    with pytest.raises(TrainingDivergedError, match="After step 2, 1 trained weights hold NaN"):
        trainer.train()
    assert [p.name for p in trainer.output_folder.glob("checkpoint-*")] == ["checkpoint-1"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        MemoryError(),
    ],
)
def test_too_little_memory_names_the_settings_that_bound_it(make_trainer, monkeypatch, error):
    trainer = make_trainer(max_memory=1.5)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(engine_module, "embed_pool", fail)
    with pytest.raises(TrainingMemoryError, match=r"`max_memory` \(graphs kept in a step, now 1\.5 GB.*`chunk_tokens`"):
        trainer.train()


def test_too_little_memory_is_named_in_evaluation_too(make_trainer, monkeypatch, topic_pairs):
    trainer = make_trainer(eval_dataset=topic_pairs)

    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(engine_module, "embed_pool", fail)
    with pytest.raises(TrainingMemoryError, match="`activation_checkpointing=True` helps"):
        trainer.evaluate()


def test_other_errors_stay_what_they_are(make_trainer, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(engine_module, "embed_pool", fail)
    with pytest.raises(RuntimeError, match="shapes cannot") as caught:
        make_trainer().train()
    assert not isinstance(caught.value, TrainingMemoryError)


# ---- what is kept in checkpoints ------------------------------------------------------------------------


def test_a_resumed_run_computes_with_the_plan_of_its_checkpoint(make_trainer, monkeypatch, caplog):
    first = make_trainer(save_strategy="steps", save_steps=2, max_steps=4)
    first._engine.chunk_tokens = 40  # as another device would have chosen
    first.train()
    folder = first.output_folder / "checkpoint-2"
    assert json.loads((folder / "engine.json").read_text()) == {
        "chunk_tokens": 40,
        "threads": torch.get_num_threads(),
        "workers": 1,
    }
    resumed = make_trainer(output="resumed", max_steps=4)
    resumed.train(resume_from_checkpoint=str(folder))
    assert resumed._engine.chunk_tokens == 40
    assert losses_of(resumed) == losses_of(first)
    chosen = make_trainer(output="chosen", max_steps=4, chunk_tokens=64)
    with caplog.at_level(logging.WARNING):
        chosen.train(resume_from_checkpoint=str(folder))
    assert chosen._engine.chunk_tokens == 64
    assert "chunk_tokens=40; with 64" in caplog.text


def test_a_resumed_run_takes_as_many_threads(make_trainer, caplog):
    first = make_trainer(save_strategy="steps", save_steps=2, max_steps=2)
    first.train()
    path = first.output_folder / "checkpoint-2" / "engine.json"
    threads = torch.get_num_threads()
    path.write_text(json.dumps({**json.loads(path.read_text()), "threads": threads + 1, "workers": 5}))
    try:
        with caplog.at_level(logging.WARNING):
            resumed = make_trainer(max_steps=3)
            resumed.train(resume_from_checkpoint=True)
        assert torch.get_num_threads() == threads + 1
        assert f"with {threads + 1} threads" in caplog.text
        assert resumed._engine.workers.count == 5
    finally:
        torch.set_num_threads(threads)


# ---- settings -------------------------------------------------------------------------------------------


def test_the_budget_is_what_the_user_says_or_half_of_what_is_free(monkeypatch, tmp_path):
    cpu = torch.device("cpu")
    assert graph_budget(2.5, cpu).limit == 2.5e9
    assert graph_budget(0.0, cpu).limit == 0.0
    monkeypatch.setattr(resources, "_free_memory", lambda: 8e9)
    assert graph_budget(None, cpu).limit == 4e9
    assert graph_budget(None, cpu, processes=4).limit == 1e9


def test_free_memory_is_a_number_of_this_machine():
    assert 0 <= resources._free_memory() < 1e14


def test_wrong_settings_are_refused(make_trainer):
    with pytest.raises(ConfigurationError, match=r"`max_memory` must be >= 0 .*got -1"):
        make_trainer(max_memory=-1.0)
    with pytest.raises(ConfigurationError, match=r"`chunk_tokens` must be > 0, got 0"):
        make_trainer(chunk_tokens=0)
    with pytest.raises(ConfigurationError, match="`chunk_tokens` must be a number or 'auto', got 'many'"):
        make_trainer(chunk_tokens="many")
    assert make_trainer(chunk_tokens="auto").args.chunk_tokens is None
    assert make_trainer(chunk_tokens="64")._engine.chunk_tokens == 64
    assert make_trainer()._engine.chunk_tokens == 512
    assert make_trainer(peft_config=None)._engine.chunk_tokens == 2048
