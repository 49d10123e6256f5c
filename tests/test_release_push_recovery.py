"""What a push does about one fault at one request, told case by case; tests of every pair of them are slow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_contrastive.errors import HubError
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.local_hub.trees import Add, Commit
from hf_contrastive.release.sending import faults, traffic
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.versioning.published import read_published
from tests.benchmarks.faults.cells import Prepared, prepared, push_prepared
from tests.fault_proxy import FAULTS, Asked, Fault, FaultProxy

REPO = "local/m"
Push = Callable[..., PushReceipt]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture(scope="module")
def pushes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Prepared]:
    return prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def push(hub: LocalHub, pushes: tuple[Prepared, Prepared], tmp_path: Path) -> Push:
    """``push(again=False, endpoint=…)`` publishes the model, or the same at another time."""
    (tmp_path / "place").mkdir()

    def do(*, again: bool = False, endpoint: str = "") -> PushReceipt:
        api = HfApi(endpoint=endpoint or hub.endpoint, token=hub.token)
        return push_prepared(pushes[again], api, REPO, tmp_path / "place")

    return do


def commits(hub: LocalHub) -> list[Commit]:
    repository = hub._state.storage.repository("model", REPO)
    return list(repository.history(repository.commit_at("main")))


def commit(hub: LocalHub, path: str, content: bytes) -> str:
    repository = hub._state.storage.repository("model", REPO)
    oid, _ = repository.objects.put([content])
    return repository.commit("main", [Add(path, oid)], title="Theirs", author="other").id


def at(part: str, act: Callable[[Asked], None]) -> Fault:
    """Do something to every request whose path has ``part`` in it, and to no other."""

    def choose(asked: Asked) -> None:
        if part in asked.path:
            act(asked)
        else:
            asked.client.sendall(asked.forward())

    return Fault(part, choose, lasting=True)


def test_a_commit_whose_answer_was_lost_is_found_tagged_and_not_made_again(hub: LocalHub, push: Push):
    with FaultProxy(hub.endpoint, fault=at("/commit/", FAULTS["answer lost"].act)) as proxy:
        receipt = push(endpoint=proxy.address)
    made = commits(hub)
    assert [commit.title for commit in made] == ["Add model, card and evidence", "initial commit"]
    assert (receipt.commit, receipt.tag) == (made[0].id, "v1")
    assert sum("/commit/" in path for _, path in proxy.asked) == 1


def test_a_busy_hub_is_asked_whether_the_commit_is_there_before_it_is_sent_again(hub: LocalHub, push: Push):
    busy = iter([True, True])

    def act(asked: Asked) -> None:
        FAULTS["503" if next(busy, False) else "answer trickles"].act(asked)

    with FaultProxy(hub.endpoint, fault=at("/commit/", act)) as proxy:
        assert push(endpoint=proxy.address).tag == "v1"
    asked = [path.split("/")[4] for _, path in proxy.asked if "/commit" in path]
    assert asked == ["commit", "commits", "commit", "commits", "commit"]
    assert len(commits(hub)) == 2


def test_a_commit_that_arrives_after_it_was_sent_again_is_the_only_one(
    hub: LocalHub, push: Push, pushes: tuple[Prepared, Prepared]
):
    late: list[Asked] = []

    def act(asked: Asked) -> None:
        if late:
            # the one that was given up arrives first, and the Hub refuses the one that names the same parent
            late.pop().forward()
            asked.client.sendall(asked.forward())
        else:
            asked.body()
            late.append(asked)
            asked.reset()

    with FaultProxy(hub.endpoint, fault=at("/commit/", act)) as proxy:
        receipt = push(endpoint=proxy.address)
    assert len(commits(hub)) == 2
    assert (receipt.commit, receipt.tag) == (commits(hub)[0].id, "v1")


def test_the_same_again_is_recognised_below_what_others_added(hub: LocalHub, push: Push):
    first = push()
    theirs = commit(hub, "theirs.txt", b"theirs")
    again = push(again=True)
    assert (again.commit, again.tag) == (first.commit, "v1")
    assert commits(hub)[0].id == theirs


def test_the_same_again_is_a_new_version_once_somebody_changed_its_files(hub: LocalHub, push: Push):
    push()
    commit(hub, "config.json", b'{"model_type": "other"}')
    again = push(again=True)
    assert (again.commit, again.tag) == (commits(hub)[0].id, "v2")
    assert len(commits(hub)) == 4


def test_the_very_same_files_make_no_commit_even_when_the_message_is_too_far_below(
    hub: LocalHub, push: Push, monkeypatch: pytest.MonkeyPatch
):
    first = push()
    monkeypatch.setattr("hf_contrastive.release.sending.target.LOOK_BACK", 2)
    theirs = [commit(hub, f"{number}.txt", b"theirs") for number in range(3)]
    # nothing differs, so that huggingface_hub sends no commit and names the head
    again = push()
    assert again.commit == theirs[-1]
    assert first.tag == "v1"
    assert len(commits(hub)) == 5


@pytest.mark.parametrize("left_out", ["config.json", "LICENSES/MIT.txt"])
def test_a_file_that_the_hub_leaves_out_is_told_and_pushed_again(hub: LocalHub, push: Push, left_out: str):
    """The Hub says which files a .gitignore of the repository covers, and huggingface_hub leaves them out."""

    def act(asked: Asked) -> None:
        answer = asked.forward()
        listed = json.loads(answer[answer.index(b"\r\n\r\n") + 4 :])
        for item in listed["files"]:
            item["shouldIgnore"] = item["path"] == left_out
        asked.answer("200 OK", json.dumps(listed).encode(), "Content-Type: application/json")

    told = re.escape(f"is not what was planned: {left_out} is missing. It is not tagged")
    with FaultProxy(hub.endpoint, fault=at("/preupload/", act)) as proxy, pytest.raises(HubError, match=told):
        push(endpoint=proxy.address)
    repository = hub._state.storage.repository("model", REPO)
    assert repository.refs("tag") == {}
    receipt = push(again=True)
    assert repository.refs("tag") == {"v1": receipt.commit}
    assert left_out in repository.commit_at("v1").files


def test_a_commit_that_was_made_up_is_not_believed(hub: LocalHub, push: Push):
    invented = at("/commit/", FAULTS["200 with an invented commit"].act)
    with FaultProxy(hub.endpoint, fault=invented) as proxy, pytest.raises(HubError) as caught:
        push(endpoint=proxy.address)
    assert f"said that it took the commit {'f' * 40}, and does not list it on main" in str(caught.value)
    assert "whether the commit arrived is not known" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_answer_that_names_no_commit_is_told(hub: LocalHub, push: Push):
    def act(asked: Asked) -> None:
        asked.body()
        answer = {"commitUrl": f"{hub.endpoint}/{REPO}/commit/x", "commitOid": "<html>"}
        asked.answer("200 OK", json.dumps(answer).encode(), "Content-Type: application/json")

    with FaultProxy(hub.endpoint, fault=at("/commit/", act)) as proxy, pytest.raises(HubError) as caught:
        push(endpoint=proxy.address)
    assert "it named '<html>' as the commit); nothing was published as far as the Hub tells now" in str(caught.value)
    assert len(commits(hub)) == 1


def test_a_tag_that_was_made_up_is_not_in_the_receipt(hub: LocalHub, push: Push, caplog: pytest.LogCaptureFixture):
    with FaultProxy(hub.endpoint, fault=at("/tag/", FAULTS["200 with other JSON"].act)) as proxy:
        receipt = push(endpoint=proxy.address)
    assert receipt.tag == ""
    assert "it said that it took the tag, and does not list it" in caplog.text
    assert "Push the same again to tag it" in caplog.text
    assert push(again=True).tag == "v1"


def test_a_token_that_may_make_no_repository_writes_one_that_is_there(hub: LocalHub, push: Push):
    forbidden = at("/api/repos/create", FAULTS["403"].act)
    told = r"The token may not write local/m .*Nothing was published"
    with FaultProxy(hub.endpoint, fault=forbidden) as proxy, pytest.raises(HubError, match=told):
        push(endpoint=proxy.address)
    hub._state.storage.create("model", REPO, author="local")
    with FaultProxy(hub.endpoint, fault=forbidden) as proxy:
        assert push(endpoint=proxy.address).tag == "v1"


def test_reading_what_is_published_ends_where_a_hub_does_not_answer(hub: LocalHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traffic, "SILENCE_SECONDS", 0.2)
    with FaultProxy(hub.endpoint, fault=at("/api/models/", FAULTS["no answer"].act)) as proxy:
        api = HfApi(endpoint=proxy.address, token=hub.token)
        with pytest.raises(HubError, match="can not be reached"):
            read_published(REPO, api=api)


def test_a_hub_that_nobody_listens_at_is_told_at_once(hub: LocalHub, push: Push, monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    monkeypatch.setattr(faults.time, "sleep", waited.append)
    endpoint = hub.endpoint
    hub.close()
    with pytest.raises(HubError, match=r"can not be reached .*; nothing was published") as caught:
        push(endpoint=endpoint)
    assert waited == []
    assert "created" not in str(caught.value)
