"""The local Hub as huggingface_hub sees it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.local_hub import LocalHub, LocalHubError, hub_environment, serve
from hf_contrastive.release.local_hub.objects import blob_id, pointer
from hf_contrastive.release.local_hub.writes import LFS_CLIENT

REPO = "local/model"
WEIGHTS = bytes(range(256)) * 40
CARD = b"---\nlicense: mit\ntags: [one, two]\nlanguage:\n- en\nlibrary_name: peft\n---\n# Card\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


# the client itself: https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/lfs.py
OLD_UPLOAD = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(params=["within the commit", pytest.param("by git lfs", marks=OLD_UPLOAD)])
def either_api(request: pytest.FixtureRequest, hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    """A client with hf_xet, and one without that says that it uses LFS."""
    if request.param == "within the commit":
        return HfApi(endpoint=hub.endpoint, token=hub.token)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return HfApi(endpoint=hub.endpoint, token=hub.token, user_agent=f"origin/{LFS_CLIENT}")


def add(api: HfApi, message: str = "add", *, parent: str | None = None, repo: str = REPO, **files: bytes) -> str:
    """Commit ``name__suffix=content`` files and return the commit's id."""
    operations = [CommitOperationAdd(name.replace("__", "."), content) for name, content in files.items()]
    return api.create_commit(repo, operations, commit_message=message, parent_commit=parent).oid


def contents(api: HfApi, folder: Path, *, revision: str = "main", repo: str = REPO) -> dict[str, bytes]:
    root = Path(api.snapshot_download(repo, revision=revision, cache_dir=folder))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_commit_reads_back_the_same_however_its_bytes_were_sent(either_api: HfApi, tmp_path: Path):
    url = either_api.create_repo(REPO)
    assert (url.repo_id, url.repo_type, url.endpoint) == (REPO, "model", either_api.endpoint)
    commit = add(either_api, README__md=CARD, w__safetensors=WEIGHTS, empty__bin=b"", big__txt=b"x" * 10_000_001)
    info = either_api.model_info(REPO, files_metadata=True)
    assert (info.sha, info.card_data.license, info.library_name) == (commit, "mit", "peft")
    assert {"one", "two", "en", "license:mit", "safetensors", "peft"} <= set(info.tags)
    files = {file.path: file for file in either_api.list_repo_tree(REPO) if isinstance(file, RepoFile)}
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    assert files["README.md"].blob_id == blob_id(CARD)
    assert files["w.safetensors"].blob_id == blob_id(pointer(digest, len(WEIGHTS)))
    assert files["w.safetensors"].lfs.sha256 == digest
    assert {name for name, file in files.items() if file.lfs} == {"w.safetensors", "big.txt"}
    assert [sibling.blob_id for sibling in info.siblings] == [files[s.rfilename].blob_id for s in info.siblings]
    read = contents(either_api, tmp_path / "cache")
    assert read.pop(".gitattributes")
    assert read == {"README.md": CARD, "w.safetensors": WEIGHTS, "empty.bin": b"", "big.txt": b"x" * 10_000_001}
    assert Path(either_api.hf_hub_download(REPO, "w.safetensors", local_dir=tmp_path)).read_bytes() == WEIGHTS


def test_unchanged_files_make_no_commit(either_api: HfApi, tmp_path: Path):
    either_api.create_repo(REPO)
    (tmp_path / "up" / "sub").mkdir(parents=True)
    (tmp_path / "up" / "sub" / "w.bin").write_bytes(WEIGHTS)
    (tmp_path / "up" / "config.json").write_text("{}")
    first = either_api.upload_folder(repo_id=REPO, folder_path=tmp_path / "up")
    again = either_api.upload_folder(repo_id=REPO, folder_path=tmp_path / "up")
    assert first.oid == again.oid == add(either_api, config__json=b"{}")
    assert [commit.title for commit in either_api.list_repo_commits(REPO)][1:] == ["initial commit"]


def test_a_stale_parent_changes_nothing(api: HfApi):
    api.create_repo(REPO)
    old = api.model_info(REPO).sha
    head = add(api, parent=old, a__txt=b"1")
    with pytest.raises(HfHubHTTPError, match="a commit has happened since") as caught:
        add(api, parent=old, a__txt=b"2")
    assert caught.value.response.status_code == 412
    assert api.model_info(REPO).sha == head


def test_exactly_one_of_several_concurrent_commits_wins(hub: LocalHub, api: HfApi, tmp_path: Path):
    api.create_repo(REPO)
    parent = api.model_info(REPO).sha
    won, lost, start = [], [], threading.Barrier(6)

    def run(number: int) -> None:
        start.wait()
        try:
            won.append((add(api, parent=parent, a__txt=b"%d" % number, w__bin=WEIGHTS + b"%d" % number), number))
        except HfHubHTTPError as error:
            lost.append(error.response.status_code)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == [412] * 5
    ((commit, number),) = won
    assert api.model_info(REPO).sha == commit
    assert contents(api, tmp_path / "cache")["w.bin"] == WEIGHTS + b"%d" % number


def test_files_and_folders_are_deleted_and_missing_ones_refuse_the_whole_commit(api: HfApi):
    api.create_repo(REPO)
    api.create_commit(
        REPO, [CommitOperationAdd(name, b"1") for name in ("a", "d/b", "d/e/c", "dd/x")], commit_message="add"
    )
    head = api.delete_folder("d", REPO).oid
    assert set(api.list_repo_files(REPO)) == {".gitattributes", "a", "dd/x"}
    with pytest.raises(EntryNotFoundError, match="A file with this name doesn't exist"):
        api.create_commit(
            REPO, [CommitOperationAdd("new", b""), CommitOperationDelete("nope")], commit_message="delete"
        )
    with pytest.raises(BadRequestError, match="both a file and a folder"):
        api.create_commit(REPO, [CommitOperationAdd("a/b", b"")], commit_message="clash")
    assert api.model_info(REPO).sha == head
    api.delete_file("a", REPO)
    assert set(api.list_repo_files(REPO)) == {".gitattributes", "dd/x"}


def test_copies_from_a_tag_restore_its_tree(api: HfApi):
    api.create_repo(REPO)
    add(api, a__txt=b"old", w__bin=WEIGHTS)
    api.create_tag(REPO, tag="v1", tag_message="first")
    head = add(api, a__txt=b"new", w__bin=b"other", extra__txt=b"1")
    operations = [CommitOperationCopy(path, path, src_revision="v1") for path in ("a.txt", "w.bin")]
    api.create_commit(REPO, [*operations, CommitOperationDelete("extra.txt")], commit_message="x", parent_commit=head)
    now, then = (api.model_info(REPO, revision=rev, files_metadata=True).siblings for rev in ("main", "v1"))
    assert [(file.rfilename, file.blob_id) for file in now] == [(file.rfilename, file.blob_id) for file in then]


def test_branches_and_tags(api: HfApi, tmp_path: Path):
    api.create_repo(REPO)
    first, second = add(api, a=b"1"), add(api, a=b"2")
    api.create_branch(REPO, branch="wip/one", revision=first)
    api.create_tag(REPO, tag="v1", revision=first[:8])
    for again in (
        lambda: api.create_branch(REPO, branch="wip/one"),
        lambda: api.create_tag(REPO, tag="v1"),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            again()
        assert caught.value.response.status_code == 409
    api.create_tag(REPO, tag="v1", exist_ok=True)
    third = api.upload_file(path_or_fileobj=b"3", path_in_repo="a", repo_id=REPO, revision="wip/one").oid
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    assert {ref.ref: ref.target_commit for ref in [*refs.branches, *refs.tags]} == {
        "refs/heads/main": second,
        "refs/heads/wip/one": third,
        "refs/tags/v1": first,
    }
    revisions = ("v1", first, second[:7], "wip/one", "refs/heads/main")
    found = [contents(api, tmp_path / "cache", revision=revision)["a"] for revision in revisions]
    assert found == [b"1", b"1", b"2", b"3", b"2"]
    with pytest.raises(HfHubHTTPError, match="only a branch can take a commit"):
        api.upload_file(path_or_fileobj=b"", path_in_repo="x", repo_id=REPO, revision="v1")
    for name in ("refs/pr/5", "a..b", "-x", "x.lock", "0" * 40):
        with pytest.raises(BadRequestError):
            api.create_branch(REPO, branch=name)
    with pytest.raises(HfHubHTTPError, match="main"):
        api.delete_branch(REPO, branch="main")
    api.delete_tag(REPO, tag="v1")
    api.delete_branch(REPO, branch="wip/one")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(REPO, tag="v1")
    assert not api.revision_exists(REPO, "v1")


def test_errors_are_those_of_the_hub(api: HfApi):
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("local/none")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("local/none")
    api.create_repo(REPO)
    assert api.create_repo(REPO, exist_ok=True).repo_id == REPO
    with pytest.raises(HfHubHTTPError, match="already created"):
        api.create_repo(REPO)
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info(REPO)
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="none")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(REPO, "none")
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(REPO, "none"))
    assert api.file_exists(REPO, ".gitattributes")
    assert not api.file_exists(REPO, "none")
    assert not api.repo_exists("local/none")
    api.delete_repo(REPO)
    assert not api.repo_exists(REPO)
    assert api.create_repo(REPO).repo_id == REPO


def test_paths_history_and_listing(api: HfApi):
    api.create_repo(REPO)
    first = add(api, "first\n\nwith <details>", a__txt=b"1")
    second = api.create_commit(REPO, [CommitOperationAdd("d/e/b.txt", b"2")], commit_message="second").oid
    listed = {item.path: item.last_commit.oid for item in api.list_repo_tree(REPO, recursive=True, expand=True)}
    initial = listed.pop(".gitattributes")
    assert listed == {"a.txt": first, "d": second, "d/e": second, "d/e/b.txt": second}
    assert [item.path for item in api.list_repo_tree(REPO, "d")] == ["d/e"]
    infos = api.get_paths_info(REPO, ["d", "a.txt", "none"], expand=True)
    assert [(item.path, item.last_commit.oid) for item in infos] == [("a.txt", first), ("d", second)]
    commits = api.list_repo_commits(REPO, formatted=True)
    assert [commit.commit_id for commit in commits] == [second, first, initial]
    assert commits[1].authors == ["local"]
    assert "<" not in commits[1].formatted_title
    assert api.model_info(REPO, expand=["sha"]).siblings is None
    api.create_repo("local/other", private=True)
    assert [model.id for model in api.list_models(author="local", search="MOD")] == [REPO]
    assert [model.id for model in HfApi(endpoint=api.endpoint, token=False).list_models()] == [REPO]


def test_only_the_token_writes_and_only_in_its_namespace(hub: LocalHub, api: HfApi):
    api.create_repo(REPO)
    head = add(api, a__txt=b"1")
    nobody, wrong = HfApi(endpoint=hub.endpoint, token=False), HfApi(endpoint=hub.endpoint, token="hf_wrong")
    assert nobody.model_info(REPO).sha == head
    for client in (nobody, wrong):
        for attempt in (
            lambda client=client: client.create_repo("local/x"),
            lambda client=client: add(client, a__txt=b"2"),
            lambda client=client: client.delete_repo(REPO),
            lambda client=client: client.create_tag(REPO, tag="v1"),
        ):
            with pytest.raises(HfHubHTTPError) as caught:
                attempt()
            assert caught.value.response.status_code == 401
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        wrong.model_info(REPO)
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        wrong.whoami()
    assert api.whoami()["name"] == "local"
    with pytest.raises(HfHubHTTPError, match="don't have the rights") as caught:
        api.create_repo("someone/else")
    assert caught.value.response.status_code == 403
    assert api.model_info(REPO).sha == head
    assert not api.list_repo_refs(REPO).tags


def test_a_private_repository_needs_the_token_to_be_seen(hub: LocalHub, api: HfApi, tmp_path: Path):
    api.create_repo(REPO, private=True)
    add(api, w__bin=WEIGHTS)
    nobody = HfApi(endpoint=hub.endpoint, token=False)
    for attempt in (
        lambda: nobody.model_info(REPO),
        lambda: nobody.hf_hub_download(REPO, "w.bin", cache_dir=tmp_path / "no"),
    ):
        with pytest.raises(RepositoryNotFoundError):
            attempt()
    assert contents(api, tmp_path / "yes")["w.bin"] == WEIGHTS
    api.update_repo_settings(REPO, private=False)
    assert contents(nobody, tmp_path / "now")["w.bin"] == WEIGHTS


def test_a_readme_is_checked(api: HfApi):
    api.create_repo(REPO)
    with pytest.raises(ValueError, match="no closing line"):
        add(api, README__md=b"---\nlicense: mit\n# forgotten\n")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        add(api, README__md=b"# nothing\n")


def test_a_restart_keeps_everything(tmp_path: Path):
    with serve(tmp_path / "hub", user="ada", token="secret") as hub:
        api = HfApi(endpoint=hub.endpoint, token="secret")
        api.create_repo("ada/data", repo_type="dataset")
        commit = api.upload_file(
            path_or_fileobj=WEIGHTS, path_in_repo="a.parquet", repo_id="ada/data", repo_type="dataset"
        )
        api.create_tag("ada/data", tag="v1", repo_type="dataset")
        with pytest.raises(LocalHubError, match="already"):
            serve(tmp_path / "hub")
        with pytest.raises(LocalHubError, match="Port"):
            serve(tmp_path / "other", port=int(hub.endpoint.rpartition(":")[2]))
    with serve(tmp_path / "hub", user="ada", token="secret") as hub:
        api = HfApi(endpoint=hub.endpoint, token="secret")
        assert api.dataset_info("ada/data", revision="v1").sha == commit.oid
        path = api.hf_hub_download("ada/data", "a.parquet", repo_type="dataset", cache_dir=tmp_path / "cache")
        assert Path(path).read_bytes() == WEIGHTS
    hub.close()


@pytest.mark.parametrize("content", ['{"format": 99}', "{}", "[1]", "no json"])
def test_a_folder_of_another_format_is_refused(tmp_path: Path, content: str):
    (tmp_path / "hub.json").write_text(content)
    with pytest.raises(LocalHubError):
        serve(tmp_path)
    (tmp_path / "hub.json").unlink()
    serve(tmp_path).close()


def test_seeding_needs_no_http_and_no_namespace(hub: LocalHub, api: HfApi, tmp_path: Path):
    source = tmp_path / "source"
    (source / ".git").mkdir(parents=True)
    (source / ".git" / "HEAD").write_text("secret")
    (source / "w.bin").write_bytes(WEIGHTS)
    (source / "link.bin").symlink_to(source / "w.bin")
    commit = hub.seed("gpt2", source, message="from disk")
    assert api.model_info("gpt2").sha == commit
    assert set(api.list_repo_files("gpt2")) == {".gitattributes", "w.bin", "link.bin"}
    assert Path(api.hf_hub_download("gpt2", "link.bin", cache_dir=tmp_path / "cache")).read_bytes() == WEIGHTS
    with pytest.raises(LocalHubError, match="no folder"):
        hub.seed("someone/x", tmp_path / "none")
    with pytest.raises(ValueError, match="repository id"):
        hub.seed("../x", source)


@pytest.mark.parametrize(
    "options", [{"user": "a/b"}, {"user": ".."}, {"token": ""}, {"token": "two words"}, {"port": 70000}]
)
def test_settings_that_can_not_work_are_refused_at_once(tmp_path: Path, options: dict[str, object]):
    with pytest.raises(ContrastiveError):
        serve(tmp_path, **options)
    serve(tmp_path).close()


def test_the_environment_adds_to_the_hosts_that_need_no_proxy(hub: LocalHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "intranet")
    environment = hub_environment(hub)
    assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert environment["HF_ENDPOINT"] == hub.endpoint
    assert environment["HF_TOKEN"] == hub.token


def test_the_package_needs_no_library_of_the_hub():
    code = (
        "import sys, hf_contrastive.release.local_hub\n"
        "top = {name.partition('.')[0] for name in sys.modules}\n"
        "sys.exit(top & {'torch', 'transformers', 'huggingface_hub', 'datasets', 'numpy', 'yaml'} or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
