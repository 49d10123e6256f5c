"""The arms of the benchmark of scoring agree on the metrics, and a search finds some of its data."""

import numpy as np
import pytest

from tests.benchmarks.evaluation import ARMS, FLOOR, METRICS, OURS, PEER, make_data, measure


def test_the_arms_agree_on_data_of_which_a_search_finds_some(tmp_path):
    pytest.importorskip("sentence_transformers")
    make_data(tmp_path, queries=80, documents=600, dim=32, noise=2.0)
    found = {name: measure(name, tmp_path, 16) for name in ARMS}
    for name in METRICS:
        assert found[OURS]["metrics"][name] == pytest.approx(found[PEER]["metrics"][name], abs=1e-6)
        assert 0.05 < found[OURS]["metrics"][name] < 0.95
    assert found[FLOOR]["metrics"] == {}
    assert all(item["peak"] >= item["held"] > 0 for item in found.values())


def test_the_data_is_that_of_the_seed(tmp_path):
    (tmp_path / "again").mkdir()
    for folder in (tmp_path, tmp_path / "again"):
        make_data(folder, queries=5, documents=20, dim=4, noise=1.0)
    np.testing.assert_array_equal(np.load(tmp_path / "queries.npy"), np.load(tmp_path / "again" / "queries.npy"))
