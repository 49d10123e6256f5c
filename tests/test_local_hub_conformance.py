"""The local Hub under the real clients, each in a process of its own, with and without Xet in the client.

The environment is read when the libraries are imported; ``test_release_local_hub_libraries.py`` loads back what the
libraries push, here they are led through what the Hub offers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_contrastive.release.local_hub import LocalHub, hub_environment, serve

Run = Callable[[str], str]


@pytest.fixture(params=["lfs", "plain", "xet"])
def transfer(request: pytest.FixtureRequest) -> str:
    """With the Hub's own environment; with HF_HUB_DISABLE_XET alone; with a client that would use Xet."""
    return request.param


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def run(hub: LocalHub, tmp_path: Path, transfer: str) -> Run:
    """Run a script in the folder ``work``; its standard output comes back."""
    environment = {**os.environ, **hub_environment(hub), "HF_HOME": str(tmp_path / "home"), "READ": hub.read_token}
    environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFER": transfer}
    if transfer != "lfs":
        del environment["HF_HUB_USER_AGENT_ORIGIN"]
    if transfer == "xet":
        del environment["HF_HUB_DISABLE_XET"]
    (tmp_path / "work").mkdir()

    def run(script: str) -> str:
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path / "work", check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


FILES = """
import os
from pathlib import Path
from huggingface_hub import (CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, HfFileSystem,
                             ModelCard, hf_hub_download, hf_hub_url, snapshot_download)
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers
from huggingface_hub.utils._runtime import is_xet_available

assert is_xet_available() == (os.environ["TRANSFER"] == "xet")
api, repo = HfApi(), "local/m"
weights, text = bytes(range(256)) * 500, b"one\\n"
assert api.create_repo(repo, private=True).repo_id == repo
Path("up/sub").mkdir(parents=True)
Path("up/sub/w.safetensors").write_bytes(weights)
Path("up/config.json").write_text("{}")
Path("up/notes.log").write_text("not this")
first = api.upload_folder(repo_id=repo, folder_path="up", ignore_patterns="*.log", commit_message="folder")
assert set(api.list_repo_files(repo)) == {".gitattributes", "config.json", "sub/w.safetensors"}
api.upload_file(path_or_fileobj=text, path_in_repo="a.txt", repo_id=repo)
with open("up/sub/w.safetensors", "rb") as opened:
    api.upload_file(path_or_fileobj=opened, path_in_repo="b.bin", repo_id=repo)
done = api.create_commit(repo, commit_message="all at once", commit_description="why", operations=[
    CommitOperationAdd("d/new.txt", b"new"),
    CommitOperationAdd("d/new.bin", Path("up/sub/w.safetensors")),
    CommitOperationCopy("sub/w.safetensors", "copy.safetensors"),
    CommitOperationCopy("a.txt", "copy.txt"),
    CommitOperationDelete("b.bin"),
    CommitOperationDelete("sub/", is_folder=True),
])
assert api.model_info(repo).sha == done.oid and done.commit_url.endswith(done.oid)
assert set(api.list_repo_files(repo)) == {".gitattributes", "a.txt", "config.json", "copy.safetensors", "copy.txt",
                                          "d/new.bin", "d/new.txt"}
titles = [commit.title for commit in api.list_repo_commits(repo)]
assert titles[:2] == ["all at once", "Upload b.bin with huggingface_hub"]
assert api.list_repo_commits(repo)[0].message == "why"

assert Path(hf_hub_download(repo, "copy.safetensors")).read_bytes() == weights
# as the client goes on when a connection breaks
with open("resumed", "wb+") as opened:
    opened.write(b"?" * 1000)
    url = hf_hub_url(repo, "copy.safetensors")
    http_get(url, opened, resume_size=1000, headers=build_hf_headers(), expected_size=len(weights))
assert Path("resumed").read_bytes() == b"?" * 1000 + weights[1000:]
folder = Path(snapshot_download(repo, allow_patterns=["d/*", "*.txt"]))
assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.txt")) == ["a.txt", "copy.txt", "d/new.txt"]
assert hf_hub_download(repo, "a.txt", local_dir="local") and Path("local/a.txt").read_bytes() == text
files = HfFileSystem()
assert files.read_bytes(f"{repo}/a.txt") == text
with files.open(f"{repo}/d/new.bin", "rb", block_size=1000) as opened:
    opened.seek(5000)
    assert opened.read(10) == weights[5000:5010]
assert sorted(files.glob(f"{repo}/**/*.txt")) == [f"{repo}/a.txt", f"{repo}/copy.txt", f"{repo}/d/new.txt"]
with files.open(f"{repo}/fs.txt", "w") as opened:
    opened.write("written")
files.rm(f"{repo}/d/new.txt")
assert api.file_exists(repo, "fs.txt") and not api.file_exists(repo, "d/new.txt")
try:
    hf_hub_download(repo, "none.txt")
except EntryNotFoundError:
    pass
ModelCard("---\\nlicense: mit\\n---\\n# Hello\\n").push_to_hub(repo)
assert ModelCard.load(repo).data.license == "mit"

# pages of lists are joined
repo = api.create_repo("local/pages").repo_id
for n in range(60):
    api.create_commit(repo, [CommitOperationAdd("count", b"%d" % n)], commit_message=f"count {n}")
titles = [commit.title for commit in api.list_repo_commits(repo)]
assert titles == [*(f"count {n}" for n in reversed(range(60))), "initial commit"]
names = [f"many/{n:04}.txt" for n in range(1100)]
api.create_commit(repo, [CommitOperationAdd(name, b"same") for name in names], commit_message="many")
assert [file.path for file in api.list_repo_tree(repo, "many")] == names
assert [file.path for file in api.get_paths_info(repo, names)] == names
"""


def test_huggingface_hub_moves_files(run: Run):
    run(FILES)


REFS = """
import os
from pathlib import Path
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError,
                                    RevisionNotFoundError)

api, reader, nobody = HfApi(), HfApi(token=os.environ["READ"]), HfApi(token=False)


def refused(status, call, error=HfHubHTTPError):
    try:
        call()
    except error as caught:
        assert caught.response.status_code == status, caught
        return str(caught)
    raise AssertionError("not refused")


def add(path, content, **options):
    return api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo, **kind, **options)


for repo, kind in (("local/m", {}), ("local/d", {"repo_type": "dataset"})):
    api.create_repo(repo, **kind)
    refused(409, lambda: api.create_repo(repo, **kind))
    first = add("a.txt", b"1").oid
    second = add("a.txt", b"2").oid
    api.create_branch(repo, branch="dev", revision=first, **kind)
    refused(409, lambda: api.create_branch(repo, branch="dev", **kind))
    api.create_branch(repo, branch="dev", exist_ok=True, **kind)
    api.create_tag(repo, tag="v1", revision=first, tag_message="the first", **kind)
    api.create_tag(repo, tag="v2", **kind)
    refused(409, lambda: api.create_tag(repo, tag="v1", **kind))
    refs = api.list_repo_refs(repo, **kind)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": second, "dev": first}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": first, "v2": second}
    api.delete_branch(repo, branch="dev", **kind)
    api.delete_tag(repo, tag="v2", **kind)
    refused(404, lambda: api.delete_tag(repo, tag="v2", **kind), RevisionNotFoundError)
    refused(412, lambda: add("a.txt", b"3", parent_commit=first))

    # pull requests: with the commit, as a draft, in conflict, closed
    made = add("w.bin", bytes(5000), create_pr=True, commit_message="Weights", commit_description="They are zero.")
    assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1")
    assert not api.file_exists(repo, "w.bin", **kind)
    assert api.file_exists(repo, "w.bin", revision="refs/pr/1", **kind)
    add("more.txt", b"more", revision="refs/pr/1")
    refs = api.list_repo_refs(repo, include_pull_requests=True, **kind)
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
    draft = api.create_pull_request(repo, "A draft", description="Later", **kind)
    assert (draft.num, draft.status, draft.is_pull_request) == (2, "draft", True)
    assert draft.target_branch == "refs/heads/main"
    add("a.txt", b"draft", revision="refs/pr/2")
    listed = list(api.get_repo_discussions(repo, **kind))
    assert [(pull.num, pull.title, pull.status) for pull in listed] == [(2, "A draft", "draft"), (1, "Weights", "open")]
    details = api.get_discussion_details(repo, 1, **kind)
    assert "+more" in details.diff and details.conflicting_files == [] and details.events[0].content == "They are zero."
    assert api.comment_discussion(repo, 1, "Looks good", **kind).content == "Looks good"
    assert api.rename_discussion(repo, 1, "Zero weights", **kind).new_title == "Zero weights"
    api.merge_pull_request(repo, 1, comment="in it goes", **kind)
    merged = api.get_discussion_details(repo, 1, **kind)
    assert merged.status == "merged" and merged.merge_commit_oid == api.repo_info(repo, **kind).sha
    assert api.list_repo_commits(repo, **kind)[0].title == "Zero weights (#1)"
    assert {"w.bin", "more.txt"} <= set(api.list_repo_files(repo, **kind))
    assert "merged" in refused(409, lambda: api.merge_pull_request(repo, 1, **kind))
    assert "merged" in refused(409, lambda: add("x", b"x", revision="refs/pr/1"))
    add("a.txt", b"main")
    assert api.get_discussion_details(repo, 2, **kind).conflicting_files == ["a.txt"]
    assert "a.txt" in refused(409, lambda: api.merge_pull_request(repo, 2, **kind))
    api.change_discussion_status(repo, 2, "closed", comment="no", **kind)
    assert [p.num for p in api.get_repo_discussions(repo, discussion_status="open", **kind)] == []
    assert "closed" in refused(409, lambda: add("x", b"x", revision="refs/pr/2"))
    folder = Path("folder")
    folder.mkdir(exist_ok=True)
    (folder / "f.txt").write_text("f")
    other = api.upload_folder(repo_id=repo, folder_path=folder, create_pr=True, **kind)
    assert api.file_exists(repo, "f.txt", revision=f"refs/pr/{other.pr_num}", **kind)
    refused(404, lambda: api.get_discussion_details(repo, 99, **kind))
    refused(400, lambda: api.create_discussion(repo, "Only talk", **kind))

    # one commit is left, and the tag still has its own
    api.create_tag(repo, tag="before", **kind)
    files = api.list_repo_files(repo, **kind)
    api.super_squash_history(repo, commit_message="one", **kind)
    assert [commit.title for commit in api.list_repo_commits(repo, **kind)] == ["one"]
    assert api.list_repo_files(repo, **kind) == files == api.list_repo_files(repo, revision="before", **kind)
    assert len(api.list_repo_commits(repo, revision="before", **kind)) > 4
    assert api.get_discussion_details(repo, 1, **kind).status == "merged"
    refused(404, lambda: api.super_squash_history(repo, branch="none", **kind), RevisionNotFoundError)

    # who may do what
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    for attempt in (
        lambda: reader.upload_file(path_or_fileobj=b"", path_in_repo="x", repo_id=repo, **kind),
        lambda: reader.create_tag(repo, tag="r", **kind),
        lambda: reader.merge_pull_request(repo, 3, **kind),
        lambda: reader.super_squash_history(repo, **kind),
        lambda: reader.move_repo(repo, "local/r", **kind),
        lambda: reader.delete_repo(repo, **kind),
        lambda: reader.auth_check(repo, write=True, **kind),
    ):
        assert "only reads" in refused(403, attempt)
    api.update_repo_settings(repo, private=True, **kind)
    assert reader.repo_info(repo, **kind).private and reader.auth_check(repo, **kind) is None
    refused(404, lambda: nobody.repo_info(repo, **kind), RepositoryNotFoundError)
    api.update_repo_settings(repo, private=False, gated="manual", **kind)
    assert nobody.repo_info(repo, **kind).gated == "manual"
    refused(401, lambda: nobody.hf_hub_download(repo, "a.txt", **kind), GatedRepoError)
    refused(401, lambda: nobody.auth_check(repo, **kind), GatedRepoError)
    assert reader.hf_hub_download(repo, "a.txt", **kind)
    api.update_repo_settings(repo, gated=False, **kind)
    assert nobody.repo_info(repo, **kind).gated is False

    # moved, deleted
    api.create_repo("local/taken", exist_ok=True, **kind)
    refused(409, lambda: api.move_repo(repo, "local/taken", **kind))
    refused(403, lambda: api.move_repo(repo, "someone/else", **kind))
    head = api.repo_info(repo, **kind).sha
    api.move_repo(repo, f"{repo}-moved", **kind)
    moved = api.repo_info(f"{repo}-moved", **kind)
    assert (moved.sha, moved.id) == (head, f"{repo}-moved")
    refused(404, lambda: api.repo_info(repo, **kind), RepositoryNotFoundError)
    api.delete_repo(f"{repo}-moved", **kind)
    assert not api.repo_exists(f"{repo}-moved", **kind)
assert [repo.id for repo in api.list_models()] == [repo.id for repo in api.list_datasets()] == ["local/taken"]
"""


def test_huggingface_hub_branches_merges_and_is_kept_out(run: Run):
    run(REFS)


LARGE = """
import os
from pathlib import Path
from huggingface_hub import HfApi

api = HfApi()
api.create_repo("local/m")
folder = Path("folder")
folder.mkdir()
with (folder / "w.safetensors").open("wb") as file:
    file.truncate(100_000_001)
for push in (
    lambda: api.upload_file(path_or_fileobj=folder / "w.safetensors", path_in_repo="w.safetensors", repo_id="local/m"),
    lambda: api.upload_folder(folder_path=folder, repo_id="local/m"),
):
    try:
        push()
    except Exception as error:
        assert os.environ["TRANSFER"] == "xet" and "set-HF_HUB_DISABLE_XET=1" in str(error), repr(error)
    else:
        assert os.environ["TRANSFER"] != "xet"
"""


def test_a_file_above_100_mb_goes_by_lfs_or_the_error_names_the_variable(run: Run, transfer: str, hub: LocalHub):
    run(LARGE)
    files = HfApi(endpoint=hub.endpoint, token=hub.token).model_info("local/m", files_metadata=True).siblings
    sizes = {file.rfilename: file.size for file in files}
    assert sizes.get("w.safetensors") == (None if transfer == "xet" else 100_000_001)


DATASETS = """
import os
from datasets import Dataset, DatasetDict, get_dataset_config_names, get_dataset_split_names, load_dataset
from huggingface_hub import HfApi

rows = Dataset.from_dict({"anchor": [f"a{n}" for n in range(20)], "positive": [f"p{n}" for n in range(20)]})
both = DatasetDict({"train": rows.select(range(15)), "test": rows.select(range(15, 20))})
if os.environ["TRANSFER"] == "xet":
    try:
        rows.push_to_hub("local/rows")
    except Exception as error:
        assert "set-HF_HUB_DISABLE_XET=1" in str(error), repr(error)
    else:
        raise AssertionError("datasets took another way than Xet")
else:
    both.push_to_hub("local/rows", num_shards={"train": 3, "test": 1}, private=True)
    rows.push_to_hub("local/rows", config_name="second", split="whole", commit_message="second")
    assert sorted(get_dataset_config_names("local/rows")) == ["default", "second"]
    assert sorted(get_dataset_split_names("local/rows", "default")) == ["test", "train"]
    loaded = load_dataset("local/rows")
    assert loaded.keys() == both.keys()
    assert all(loaded[name].to_dict() == both[name].to_dict() for name in both)
    assert load_dataset("local/rows", "second", split="whole[5:7]")["anchor"][:] == ["a5", "a6"]
    streamed = load_dataset("local/rows", split="train", streaming=True)
    assert [row["anchor"] for row in streamed.skip(3).take(2)] == ["a3", "a4"]
    HfApi().create_tag("local/rows", tag="v1", repo_type="dataset")
    both["test"].push_to_hub("local/rows", split="test", revision="main", commit_message="again")
    assert load_dataset("local/rows", revision="v1")["train"].num_rows == 15
    rows.push_to_hub("local/rows", create_pr=True, split="train")
    assert load_dataset("local/rows", revision="refs/pr/1", split="train").num_rows == 20
"""


@pytest.mark.slow
def test_datasets(run: Run):
    run(DATASETS)


TRAINING = """
import sys
import torch
from datasets import Dataset
from huggingface_hub import HfApi
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

tiny, api = sys.argv[1] if len(sys.argv) > 1 else TINY, HfApi()
tokenizer = AutoTokenizer.from_pretrained(tiny)
rows = Dataset.from_dict({**tokenizer(["cat dog", "bread apple"] * 4, padding=True), "label": [0, 1] * 4})
for strategy in ("end", "every_save", "checkpoint", "all_checkpoints"):
    name = f"local/{strategy}"
    model = AutoModelForSequenceClassification.from_pretrained(tiny)
    arguments = TrainingArguments(
        output_dir=strategy, hub_model_id=name, push_to_hub=True, hub_strategy=strategy, hub_always_push=True,
        save_steps=1, max_steps=2, per_device_train_batch_size=4, use_cpu=True, report_to="none", disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    trainer.push_to_hub(commit_message="the end")
    files = api.list_repo_files(name)
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(files), files
    folders = {file.partition("/")[0] for file in files if file.count("/")}
    wanted = {"checkpoint": {"last-checkpoint"}, "all_checkpoints": {"checkpoint-1", "checkpoint-2"}}
    assert wanted.get(strategy, set()) <= folders and folders.isdisjoint({"checkpoint-1"} - wanted.get(strategy, set()))
    loaded = AutoModelForSequenceClassification.from_pretrained(name)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(trainer.model.parameters(), loaded.parameters()))
titles = [commit.title for commit in api.list_repo_commits("local/every_save")]
assert titles[0] == "the end" and len(titles) > 2, titles

base = AutoModel.from_pretrained(tiny)
base.push_to_hub("local/base", private=True)
tokenizer.push_to_hub("local/base")
pulled = base.push_to_hub("local/base", create_pr=True, commit_message="again")
adapted = get_peft_model(AutoModel.from_pretrained("local/base"), LoraConfig(r=2, target_modules=["query"]))
adapted.push_to_hub("local/adapter")
assert set(api.list_repo_files("local/adapter")) >= {"adapter_model.safetensors", "adapter_config.json", "README.md"}
assert PeftModel.from_pretrained(AutoModel.from_pretrained("local/base"), "local/adapter").peft_config["default"].r == 2
encoder = SentenceTransformer(modules=[Transformer("local/base"), Pooling(32)], device="cpu")
encoder.push_to_hub("local/encoder", private=True)
encoder.push_to_hub("local/encoder", revision="main", commit_message="again", exist_ok=True)
again = SentenceTransformer("local/encoder", device="cpu", revision="main")
assert (again.encode(["cat"]) == encoder.encode(["cat"])).all()
"""


@pytest.mark.slow
def test_trainers_push_with_every_strategy(run: Run, tiny_bert: Path):
    run(f"TINY = {str(tiny_bert)!r}\n{TRAINING}")
