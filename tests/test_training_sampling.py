"""Every step is of one dataset, on every process; the order depends on seed and epoch alone."""

from collections import Counter

import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from hf_contrastive.training.sampling import SAMPLINGS, EpochSampler

SIZES = st.lists(st.integers(6, 40), min_size=2, max_size=4)


def datasets_of(rows, sizes):
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return {next(i for i, end in enumerate(ends) if row < end) for row in rows}


@given(SIZES, st.sampled_from([1, 2, 3]), st.sampled_from([1, 2]), st.sampled_from(SAMPLINGS), st.integers(0, 9))
def test_all_processes_of_a_step_have_one_dataset(sizes, batch, processes, sampling, seed):
    sampler = EpochSampler(sizes, step=batch * processes, sampling=sampling, seed=seed)
    shards = [
        list(BatchSamplerShard(BatchSampler(sampler, batch, True), processes, rank, even_batches=False))
        for rank in range(processes)
    ]
    assert len({len(shard) for shard in shards}) == 1
    seen, counts = [], Counter()
    for step in zip(*shards, strict=True):
        rows = [row for part in step for row in part]
        assert len(rows) == batch * processes
        (dataset,) = datasets_of(rows, sizes)
        counts[dataset] += 1
        seen += rows
    assert len(seen) == len(set(seen)) == len(sampler)
    whole = [size // (batch * processes) for size in sizes]
    expected = whole if sampling == "proportional" else [min(whole)] * len(sizes)
    assert [counts[i] for i in range(len(sizes))] == expected == list(sampler.steps)


@given(st.integers(1, 50), st.integers(0, 9), st.integers(0, 3))
def test_one_dataset_is_read_whole(size, seed, epoch):
    sampler = EpochSampler([size], step=8, seed=seed)
    sampler.set_epoch(epoch)
    assert sorted(sampler) == list(range(size))
    assert len(sampler) == size
    assert list(sampler) == list(sampler)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_seeds_and_epochs_have_their_own_order(sampling):
    def order(seed, epoch):
        sampler = EpochSampler([40, 30], step=5, sampling=sampling, seed=seed)
        sampler.set_epoch(epoch)
        return tuple(sampler)

    assert order(1, 2) == order(1, 2)
    assert len({order(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_round_robin_takes_turns():
    sampler = EpochSampler([40, 10, 30], step=5, sampling="round_robin")
    assert sampler.schedule().tolist() == [0, 1, 2, 0, 1, 2]


def test_every_row_has_its_turn():
    sampler = EpochSampler([23, 9], step=5)
    seen = set()
    for epoch in range(40):
        sampler.set_epoch(epoch)
        seen |= set(sampler)
    assert seen == set(range(32))
