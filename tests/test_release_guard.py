"""A guard over this process, against the local Hub."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_async_session, get_session
from huggingface_hub import set_client_factory as imported_early
from huggingface_hub.utils import _http

from hf_contrastive import PushBlocked, guard, push
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.guarding.guard import allow
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.plan import PushPlan, planned

REPO = "local/model"


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo(REPO)
    return api


@pytest.fixture(autouse=True)
def no_guard_is_left() -> Iterator[None]:
    before = (_http._GLOBAL_CLIENT_FACTORY, _http._GLOBAL_ASYNC_CLIENT_FACTORY)
    setters = (huggingface_hub.set_client_factory, _http.set_client_factory, imported_early)
    yield
    assert before == (_http._GLOBAL_CLIENT_FACTORY, _http._GLOBAL_ASYNC_CLIENT_FACTORY)
    assert setters == (huggingface_hub.set_client_factory, _http.set_client_factory, imported_early)


def upload(api: HfApi, content: bytes = b"rows") -> Any:
    return api.upload_file(path_or_fileobj=content, path_in_repo="x.txt", repo_id=REPO)


def files(api: HfApi) -> set[str]:
    return set(api.list_repo_files(REPO)) - {".gitattributes"}


def refused(api: HfApi) -> None:
    with pytest.raises(PushBlocked):
        upload(api)
    assert files(api) == set()


def plan_of(repo_id: str = REPO, **contents: bytes) -> PushPlan:
    return PushPlan(repo_id=repo_id, files=tuple(planned(f"{name}.txt", data) for name, data in contents.items()))


def test_nothing_is_published_until_the_guard_ends(api: HfApi):
    with guard():
        refused(api)
        api.create_repo("local/other")
        assert api.model_info(REPO).id == REPO
    upload(api)
    assert files(api) == {"x.txt"}


def test_the_refusal_says_what_was_refused_and_what_to_do(api: HfApi, caplog: pytest.LogCaptureFixture):
    with guard(), pytest.raises(PushBlocked) as caught:
        upload(api)
    message = str(caught.value)
    assert message == (
        "`hf_contrastive.guard()` refused POST /api/models/local/model/preupload/main: x.txt is in no plan that is "
        "being pushed. While it is on, this process publishes only what passes the gate: use "
        "`hf_contrastive.push(folder, repo_id, data=…)` or `ContrastiveTrainer.push_to_hub()`, or end the guard."
    )
    assert caught.value.problems == ("x.txt is in no plan that is being pushed",)
    assert message in caplog.text
    assert api.token not in caplog.text


def test_a_refusal_of_many_files_names_five(api: HfApi, tmp_path: Path):
    for number in range(8):
        (tmp_path / f"{number}.txt").write_text(str(number))
    with guard(), pytest.raises(PushBlocked, match="; and 3 more") as caught:
        api.upload_folder(folder_path=tmp_path, repo_id=REPO, allow_patterns="*.txt")
    assert len(caught.value.problems) == 8


def test_a_push_in_the_background_is_logged(api: HfApi, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "x.txt").write_text("x")
    with guard():
        future = api.upload_folder(folder_path=tmp_path, repo_id=REPO, allow_patterns="x.txt", run_as_future=True)
        assert isinstance(future.exception(timeout=60), PushBlocked)
    assert [record.levelno for record in caplog.records if "refused POST" in record.message] == [logging.WARNING]
    assert files(api) == set()


@pytest.fixture
def foreign(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "foreign" / "model"))


def test_a_push_that_passes_the_gate_passes_the_guard(
    foreign: Path, permissive_file: Path, hub: LocalHub, api: HfApi, tmp_path: Path
):
    options = {"data": str(permissive_file), "reviewed_by": "Ada", "endpoint": hub.endpoint, "token": hub.token}
    (foreign / "added_tokens.json").write_text("{}")
    with guard():
        first = push(foreign, REPO, **options)
        assert "added_tokens.json" in files(api)
        with pytest.raises(PushBlocked):
            upload(api)
        (foreign / "added_tokens.json").unlink()
        second = push(foreign, REPO, license="mit", **options)
        # one's own commits may be pointed at, later too
        api.create_branch(REPO, branch="stable", revision=first.commit)
        with pytest.raises(PushBlocked, match="not the id of a commit"):
            api.create_branch(REPO, branch="other")
    assert (first.tag, second.tag) == ("v1", "v2")
    assert {"README.md", "evidence.json", "model.safetensors"} <= files(api)
    assert not files(api) & {"added_tokens.json", "x.txt"}
    assert api.model_info(REPO, revision="stable").sha == first.commit


def test_a_push_again_tags_what_an_earlier_process_committed(
    foreign: Path, permissive_file: Path, hub: LocalHub, api: HfApi
):
    options = {"data": str(permissive_file), "reviewed_by": "Ada", "endpoint": hub.endpoint, "token": hub.token}
    first = push(foreign, REPO, **options)
    api.delete_tag(REPO, tag="v1")
    with guard():
        again = push(foreign, REPO, **options)
    assert (again.commit, again.tag) == (first.commit, "v1")


def test_a_closed_gate_stays_closed(foreign: Path, permissive_file: Path, hub: LocalHub, api: HfApi):
    (foreign / "modeling.py").write_text("import os")
    with guard(), pytest.raises(PushBlocked, match="is code"):
        push(foreign, REPO, data=str(permissive_file), reviewed_by="Ada", endpoint=hub.endpoint, token=hub.token)
    assert files(api) == set()


def test_what_is_allowed_is_the_plan_and_only_within_the_block(api: HfApi):
    add = CommitOperationAdd("x.txt", b"rows")
    with guard():
        with allow(plan_of(x=b"rows")):
            commit = api.create_commit(REPO, [add], commit_message="m")
            with pytest.raises(PushBlocked, match=r"x\.txt has SHA-256"):
                api.create_commit(REPO, [CommitOperationAdd("x.txt", b"sowr")], commit_message="m")
            with pytest.raises(PushBlocked, match="would open a pull request"):
                api.create_commit(REPO, [CommitOperationAdd("x.txt", b"rows")], commit_message="m", create_pr=True)
            with pytest.raises(PushBlocked, match=r"the deletion of x\.txt"):
                api.delete_file("x.txt", REPO)
        with pytest.raises(PushBlocked):
            upload(api, b"another")
        with allow(plan_of()), pytest.raises(PushBlocked, match=r"the deletion of x\.txt"):
            api.delete_file("x.txt", REPO)
        with allow(plan_of(), deletions=["x.txt"]):
            api.create_commit(REPO, [CommitOperationDelete("x.txt")], commit_message="m")
        api.create_tag(REPO, tag="v1", revision=commit.oid)
    assert files(api) == set()
    assert set(api.list_repo_files(REPO, revision="v1")) >= {"x.txt"}


def test_a_plan_for_another_repository_does_not_help(api: HfApi):
    with guard(), allow(plan_of("local/other", x=b"rows")):
        refused(api)


def test_the_plan_holds_in_the_threads_of_an_upload(api: HfApi):
    with guard(), allow(plan_of(x=b"rows")), ThreadPoolExecutor() as threads:
        threads.submit(upload, api).result()
    assert files(api) == {"x.txt"}


def test_threads_are_guarded(api: HfApi):
    told: list[BaseException] = []

    def run() -> None:
        try:
            upload(api)
        except PushBlocked as blocked:
            told.append(blocked)

    with guard():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert len(told) == 1
    assert files(api) == set()


def commit_of(api: HfApi) -> dict[str, Any]:
    body = (
        b'{"key": "header", "value": {"summary": "m"}}\n{"key": "file", "value": {"path": "x.txt", "content": "a"}}\n'
    )
    return {
        "url": f"{api.endpoint}/api/models/{REPO}/commit/main",
        "headers": {"Authorization": f"Bearer {api.token}"},
        "content": body,
    }


def test_asynchronous_clients_are_guarded_and_take_a_plan(api: HfApi):
    async def send() -> int:
        async with get_async_session() as client:
            return int((await client.post(**commit_of(api))).status_code)

    with guard():
        with pytest.raises(PushBlocked):
            asyncio.run(send())
        assert files(api) == set()
        with allow(plan_of(x=b"a")):
            assert asyncio.run(send()) == 200
        api.create_tag(REPO, tag="v1", revision=api.model_info(REPO).sha)
    assert files(api) == {"x.txt"}


def test_a_body_that_is_made_on_the_way_is_read_and_sent_whole(api: HfApi):
    request = commit_of(api)
    content = request.pop("content")
    with guard():
        with pytest.raises(PushBlocked):
            get_session().post(**request, content=(content[at : at + 9] for at in range(0, len(content), 9)))
        with allow(plan_of(x=b"a")):
            sent = get_session().post(**request, content=(content[at : at + 9] for at in range(0, len(content), 9)))
            assert sent.status_code == 200
    assert files(api) == {"x.txt"}


def test_a_client_that_was_there_before_can_not_be_used(api: HfApi):
    early = get_session()
    with guard(), pytest.raises(RuntimeError, match="closed"):
        early.post(**commit_of(api))
    assert files(api) == set()


def test_guards_within_each_other_end_with_the_last(api: HfApi):
    outer = guard()
    with guard():
        refused(api)
    refused(api)
    inner = guard()
    outer.close()
    outer.close()
    refused(api)
    inner.close()
    upload(api)


@pytest.fixture
def factory() -> Iterator[Callable[[], Any]]:
    """A factory that a program sets, with a hook of its own; ``seen`` are the requests."""
    seen: list[str] = []
    kind = type(get_session())

    def make() -> Any:
        return kind(
            event_hooks={"request": [lambda request: seen.append(request.method)]}, follow_redirects=True, timeout=None
        )

    make.seen = seen  # type: ignore[attr-defined]
    yield make
    huggingface_hub.set_client_factory(_http.default_client_factory)


@pytest.fixture
def put_back(no_guard_is_left: None) -> None:
    """Order the fixtures: the factory is put back before it is looked whether it was."""


def test_a_factory_of_ones_own_is_kept(put_back: None, api: HfApi, factory: Any):
    huggingface_hub.set_client_factory(factory)
    with guard():
        refused(api)
        assert factory.seen
    factory.seen.clear()
    assert _http._GLOBAL_CLIENT_FACTORY is factory
    upload(api)
    assert factory.seen


@pytest.mark.parametrize("setter", ["from the package", "imported early"])
def test_a_factory_that_is_set_later_is_guarded_and_stays(put_back: None, api: HfApi, factory: Any, setter: str):
    with guard():
        (imported_early if setter == "imported early" else huggingface_hub.set_client_factory)(factory)
        refused(api)
        assert factory.seen
    assert _http._GLOBAL_CLIENT_FACTORY is factory
    upload(api)


def test_a_setter_that_was_imported_meanwhile_goes_on_working(put_back: None, api: HfApi, factory: Any):
    with guard():
        imported_meanwhile = huggingface_hub.set_client_factory
    assert imported_meanwhile is not imported_early
    imported_meanwhile(factory)
    assert _http._GLOBAL_CLIENT_FACTORY is factory
    with guard():
        imported_meanwhile(factory)
        refused(api)


def test_one_client_that_is_handed_out_again_has_one_hook(put_back: None, api: HfApi):
    made = _http.default_client_factory()
    with guard():
        huggingface_hub.set_client_factory(lambda: made)
        for _ in range(3):
            assert get_session() is made
            _http._GLOBAL_CLIENT = None
        assert len(made.event_hooks["request"]) == 2
    upload_hooks = made.event_hooks["request"]
    assert upload_hooks[-1].__module__ == "hf_contrastive.release.guarding.clients"
    huggingface_hub.set_client_factory(_http.default_client_factory)


def test_a_huggingface_hub_that_hides_its_client_is_told(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.delattr(_http, "_GLOBAL_ASYNC_CLIENT_FACTORY")
        with pytest.raises(ConfigurationError, match=r"`guard\(\)` can not be put up: huggingface_hub .* write tokens"):
            guard()
    assert huggingface_hub.set_client_factory is imported_early


def test_lazy_modules_stay_as_they_are():
    before = set(sys.modules)
    with guard():
        pass
    assert set(sys.modules) == before
