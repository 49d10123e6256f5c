"""Hybrid objectives in two processes are those of one on the union of their batches."""

import pytest

from tests.invariants.test_two_processes import run

LOSS = "infonce + 0.3 * masked_lm + 0.2 * denoising"


@pytest.mark.slow
@pytest.mark.parametrize("loss", [LOSS, "masked_lm"])
def test_two_processes_restore_as_one_on_the_union_of_their_batches(tmp_path, tiny_bert, topic_pairs, loss):
    (single,) = run(tmp_path, tiny_bert, topic_pairs, 1, 8, loss=loss)
    first, second = run(tmp_path, tiny_bert, topic_pairs, 2, 4, loss=loss)
    assert first["gradients"] == second["gradients"]
    for mine, theirs in zip(first["gradients"], single["gradients"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-6)
    assert first["weights"] == pytest.approx(single["weights"], abs=1e-5)
    # the second loss is that of heads which have moved
    assert first["losses"] == pytest.approx(single["losses"], abs=1e-4)
    assert (first["examples"], first["tokens"]) == (single["examples"], single["tokens"])


@pytest.mark.slow
def test_without_gathering_each_process_restores_its_own(tmp_path, tiny_bert, topic_pairs):
    (single,) = run(tmp_path, tiny_bert, topic_pairs, 1, 4, gradient_accumulation_steps=2, loss=LOSS)
    first, _ = run(tmp_path, tiny_bert, topic_pairs, 2, 4, gather_negatives=False, loss=LOSS)
    assert first["weights"] == pytest.approx(single["weights"], abs=1e-5)
    assert first["losses"] == pytest.approx(single["losses"], abs=1e-4)
