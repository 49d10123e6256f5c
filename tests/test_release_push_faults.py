"""At any request of a push anything may go wrong: main is the old head or the new commit, and what is told is so.

``python -m tests.benchmarks.faults`` runs every pair of a request and a fault; here are the most telling ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hf_contrastive.release.sending import faults, traffic
from tests.benchmarks.faults.__main__ import mark
from tests.benchmarks.faults.places import SITUATIONS
from tests.benchmarks.faults.runs import TRANSFERS, run
from tests.benchmarks.faults.worker import WORST
from tests.fault_proxy import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COMMIT, TAG = "/api/models/{repo}/commit/{branch}", "/api/models/{repo}/tag/{commit}"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("faults"))


def cells(tables: dict[str, Any], pattern: str | None = None) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for transfer, table in tables.items():
        for situation, one in table.items():
            for number, row in one["cells"].items():
                method, asked = one["requests"][int(number)]
                if pattern is None or (method, asked) == ("POST", pattern):
                    yield from (((transfer, situation, f"{method} {asked}", name), cell) for name, cell in row.items())


def test_no_fault_leaves_anything_half_there_or_untold(tables: dict[str, Any]):
    assert [(name, cell["bad"]) for name, cell in cells(tables) if cell["bad"]] == []


def test_every_request_meets_the_worst_faults_and_the_commit_and_the_tag_all_of_them(tables: dict[str, Any]):
    assert set(tables) == set(TRANSFERS)
    for transfer, table in tables.items():
        assert set(table) == set(SITUATIONS)
        for one in table.values():
            assert set(one["cells"]) == {str(number) for number in range(len(one["requests"]))}
            assert all(set(WORST) <= set(row) for row in one["cells"].values())
        sent = [asked for asked in table["first version"]["requests"] if asked[0] == "PUT"]
        assert len(sent) == (transfer == "Git LFS")
    for pattern in (COMMIT, TAG):
        assert {name[-1] for name, _ in cells(tables, pattern)} == set(FAULTS)


def test_what_passes_is_waited_for_and_what_does_not_is_told(tables: dict[str, Any]):
    def at(pattern: str) -> dict[str, set[str]]:
        marks: dict[str, set[str]] = {}
        for name, cell in cells(tables, pattern):
            marks.setdefault(name[-1], set()).add(mark(cell))
        return marks

    at_commit, at_tag = at(COMMIT), at(TAG)
    passing = {"reset before it is read", "answer lost", "500", "503", "503 with Retry-After", "429", "408"}
    passing |= {"502 with a page", "502 instead of the answer", "no answer", "done, but no answer", "answer trickles"}
    passing |= {"half of the request arrives", "half of the answer arrives", "answer lost, somebody commits on top"}
    passing |= {"412 though it was done", "200 with no JSON, done"}
    # the same, whether it is the first version, and however the files go
    assert {name: at_commit[name] for name in passing if at_commit[name] != {"✓"}} == {}
    refused = {"401", "403", "403 once", "404 repository", "somebody commits first"}
    assert {name: at_commit[name] for name in refused if at_commit[name] != {"–"}} == {}
    assert at_commit["answer lost, then connection refused"] == {"!"}
    assert at_commit["connection refused from here on"] == {"?"}
    assert at_tag["answer lost"] == at_tag["409"] == {"✓"}
    assert at_tag["401"] | at_tag["403"] | at_tag["503, always from here on"] == {"t"}


def test_a_wait_that_the_hub_asks_for_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", waited.append)

    class Answer:
        status_code = 429

        def __init__(self, **headers: str) -> None:
            self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def error(**headers: str) -> Exception:
        raised = ValueError("busy")
        raised.response = Answer(**headers)  # type: ignore[attr-defined]
        return raised

    patience = faults.Patience()
    assert patience.allows(error(retry_after="7"))
    assert patience.allows(error(ratelimit='"api";r=0;t=5'))
    assert not patience.allows(error(retry_after="3600"))
    assert waited == [7.0, 5.0]
    patience = faults.Patience()
    assert [patience.allows(error()) for _ in range(faults.TRIES)] == [True] * (faults.TRIES - 1) + [False]
    assert waited[2:] == [1.0, 2.0, 4.0]


def test_the_bound_on_silence_leaves_what_a_request_says_itself():
    class Request:
        class url:  # noqa: N801
            path = "/api/x"

        extensions = {"timeout": {"connect": 3.0, "read": None, "write": None, "pool": None}}  # noqa: RUF012

    request = Request()
    with traffic.bounded_silence() as seen:
        traffic._Watch.bound(request)
    bounds = request.extensions["timeout"]
    assert (bounds["connect"], bounds["read"]) == (3.0, traffic.SILENCE_SECONDS)
    assert seen.paths == ["/api/x"]
    after = Request()
    traffic._Watch.bound(after)
    assert after.extensions == Request.extensions
