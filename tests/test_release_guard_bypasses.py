"""Every way to publish that the libraries offer, tried in processes of their own: nothing arrives.

``python -m tests.benchmarks.bypasses`` prints the same as a table.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.bypasses.names import APPROVED, CLOSED, TRANSFERS
from tests.benchmarks.bypasses.runs import run

# `datasets` sends its files to Xet storage, which the local Hub has not
_NEEDS_XET = {"dataset", "dataset-dict"}
# the exception stays in a thread, a future or another process, or the client was closed
_UNSEEN = {"trainer-every_save", "trainer-checkpoint", "trainer-all_checkpoints", "thread", "fork", "early-client"}


@pytest.mark.slow
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_under_a_guard_only_what_passed_the_gate_arrives(tmp_path: Path, transfer: str):
    tried = run("guarded", transfer, tmp_path)
    assert len(tried) > 60
    assert {name for name, each in tried.items() if each.published} == set(APPROVED)
    assert {name for name in APPROVED if tried[name].outcome != "returned"} == set()
    unseen = {name for name, each in tried.items() if not each.outcome.startswith("PushBlocked:")}
    assert unseen - set(APPROVED) <= _UNSEEN


@pytest.mark.slow
def test_a_closed_gate_needs_no_guard(tmp_path: Path):
    """Our own trainer: whatever ``hub_strategy``, nothing arrives, and the end of the training says why."""
    tried = run("open", "Git LFS", tmp_path, chosen=CLOSED)
    assert set(tried) == set(CLOSED)
    for each in tried.values():
        assert not each.published
        assert each.outcome.startswith("PushBlocked: Nothing was published to local/closed-")


@pytest.mark.slow
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_without_a_guard_each_of_these_ways_publishes(tmp_path: Path, transfer: str):
    """Or else that nothing arrives under a guard would prove nothing."""
    tried = run("open", transfer, tmp_path)
    nothing = {name for name, each in tried.items() if not each.published}
    assert nothing - (_NEEDS_XET if transfer == "Xet" else set()) == set(CLOSED)
