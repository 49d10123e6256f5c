"""Chunks computed side by side give what one after the other gives."""

import threading
import time
from functools import partial

import pytest
import torch

from hf_contrastive.training.workers import MOST_WORKERS, Workers


@pytest.fixture
def three():
    workers = Workers(3)
    yield workers
    workers.close()


def test_results_come_in_order_whoever_is_first(three):
    def late(item):
        time.sleep(0.02 if item % 3 == 0 else 0.0)
        return item, threading.get_ident()

    found = list(three.map(late, range(20)))
    assert [item for item, _ in found] == list(range(20))
    assert threading.get_ident() not in {thread for _, thread in found}


def test_items_are_asked_for_as_they_are_needed(three):
    """Otherwise all results, or all graphs, would be held at once."""
    given = []

    def items():
        for item in range(50):
            given.append(item)
            yield item

    results = three.map(lambda item: item, items())
    next(results)
    assert len(given) == three.count + 1
    assert list(results) == list(range(1, 50))


def test_no_more_results_exist_than_asked_for(three):
    running = []

    def note(item):
        running.append(item)
        return item

    results = three.map(note, range(20), at_once=2)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(running) <= 3
    assert list(results) == list(range(1, 20))
    alone = list(three.map(lambda item: threading.get_ident(), range(3), at_once=1))
    assert alone == [threading.get_ident()] * 3


def test_an_error_comes_out_and_nothing_goes_on(three):
    started = []

    def fail(item):
        started.append(item)
        if item == 2:
            raise ValueError("item 2")
        return item

    results = three.map(fail, range(100))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="item 2"):
        next(results)
    assert len(started) <= 3 + three.count + 1
    assert list(three.map(lambda item: item, range(5))) == list(range(5))  # and can be used again


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_graphs_are_made_where_the_caller_makes_them(three, mode):
    weight = torch.ones(2, requires_grad=True)
    with mode():
        expected = (weight * 2).requires_grad
        found = list(three.map(lambda item: (weight * item).requires_grad, range(4)))
        inference = list(three.map(lambda item: torch.is_inference_mode_enabled(), range(2)))
    assert found == [expected] * 4
    assert inference == [mode is torch.inference_mode] * 2


@pytest.mark.parametrize("enabled", [True, False])
def test_types_are_chosen_as_the_caller_lets_them_be(three, enabled):
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled):
        found = {(x @ x).dtype, *three.map(lambda item: (x @ x).dtype, range(4))}
    assert found == {torch.bfloat16 if enabled else torch.float32}


def test_workers_share_the_threads_of_torch(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    workers = Workers.for_device(torch.device("cpu"))
    assert workers.count == 7
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert Workers.for_device(torch.device("cpu")).count == MOST_WORKERS
    assert Workers.for_device(torch.device("cuda")).count == 1
    assert Workers.for_device(torch.device("meta")).count == 1


def test_one_worker_is_the_calling_thread():
    assert list(Workers(1).map(lambda item: threading.get_ident(), range(2))) == [threading.get_ident()] * 2


@pytest.mark.parametrize(
    "max_memory", [pytest.param(None, marks=pytest.mark.slow), pytest.param(0.0, marks=pytest.mark.slow), 0.0003]
)
@pytest.mark.parametrize(
    "settings",
    [{}, {"peft_config": None}, {"lora_layers": "top-1"}, {"bf16": True}, {"bf16": True, "peft_config": None}],
)
def test_training_does_not_depend_on_the_number_of_workers(make_trainer, topic_pairs, max_memory, settings):
    losses, weights = [], []
    for count in (1, 3):
        trainer = make_trainer(
            chunk_tokens=40, max_memory=max_memory, output=f"with-{count}", eval_dataset=topic_pairs, **settings
        )
        trainer._engine.workers = Workers(count)
        trainer.train()
        assert (trainer._engine.workers._pool is not None) == (count > 1)
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
        losses[-1].append(trainer.evaluate()["eval_loss"])
        weights.append([p.detach().clone() for p in trainer.model.parameters() if p.requires_grad])
    assert losses[0] == losses[1]
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_frozen_layers_are_left_out_in_every_worker(make_trainer, tmp_path):
    losses = {}

    def note(passes, *_):
        passes.append(1)

    for count in (1, 3):
        trainer = make_trainer(
            chunk_tokens=40, max_memory=0.0002, max_steps=10, lora_layers="top-1", output=f"with-{count}",
            trunk_cache=str(tmp_path / f"trunk-{count}"),
        )  # fmt: skip
        trainer._engine.workers = Workers(count)
        passes = []
        trainer._plain_model.get_base_model().encoder.layer[0].register_forward_hook(partial(note, passes))
        trainer.train()
        assert (trainer._engine.workers._pool is not None) == (count > 1)
        losses[count] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        # 10 steps are two epochs; the second leaves the first layer out
        first = len(passes)
        trainer.train()
        assert len(passes) == first
    assert losses[1] == losses[3]


def test_dropout_draws_in_the_order_of_the_chunks(make_trainer, tiny_encoder):
    losses = []
    for count in (1, 3):
        trainer = make_trainer(chunk_tokens=40, output=f"with-{count}", model=tiny_encoder("bert", 0.1))
        trainer._engine.workers = Workers(count)
        trainer.train()
        assert trainer._engine.workers._pool is None
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("settings", [{}, {"bf16": True}, {"lora_layers": "top-1"}])
def test_a_step_of_one_chunk_has_all_threads(make_trainer, topic_pairs, settings):
    before, seen, weights = torch.get_num_threads(), set(), []

    def note(*_):
        seen.add((threading.get_ident(), torch.get_num_threads()))

    def note_both_ways(_layer, _given, hidden):
        note()
        if hidden.requires_grad:
            hidden.register_hook(note)

    torch.set_num_threads(3)
    try:
        for max_memory in (None, 0.0):  # with the graph of the first pass, and with one that is made again
            trainer = make_trainer(
                chunk_tokens=100_000, max_memory=max_memory, output=f"out-{max_memory}", eval_dataset=topic_pairs,
                **settings,
            )  # fmt: skip
            assert trainer._engine.workers.count == 3
            layer = trainer._plain_model.get_base_model().encoder.layer[-1]
            layer.register_forward_hook(note_both_ways)
            trainer.train()
            trainer.evaluate()
            weights.append([p.detach().clone() for p in trainer.model.parameters() if p.requires_grad])
    finally:
        torch.set_num_threads(before)
    assert seen == {(threading.get_ident(), 3)}
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))
