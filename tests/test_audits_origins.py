"""Where data came from, as its cache files and the Hub tell."""

import json
import os
import subprocess
import sys

import pytest
from datasets import Dataset, NamedSplit

from audits import origins
from audits.origins import Origin, origin_of
from audits.source import open_source
from hf_contrastive.release.local_hub import hub_environment, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDER = f"/cache/owner___name/default/0.0.0/{COMMIT}"

LOAD = """
import json
from datasets import load_dataset
from audits.source import open_source
loaded = load_dataset("owner/pairs", split="train")
filtered = loaded.filter(lambda row: len(row["anchor"]) > 0).select(range(5))
sources = [open_source(part) for part in (loaded, filtered, {"train": loaded, "other": filtered})]
print(json.dumps([[s.refs[0].repo_id, s.refs[0].revision, s.declared_license, s.refs[0].fingerprint] for s in sources]))
"""


class FromCache:
    def __init__(self, *folders):
        self.cache_files = [{"filename": f"{folder}/part-{i}.arrow"} for i, folder in enumerate(folders)]


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The Hub is not asked; it knows every commit."""
    monkeypatch.setattr(origins, "_confirmed", lambda *parts: Origin(*parts, "mit"))


@pytest.mark.parametrize("folders", [(), ("/cache/json/default-1f/0.0.0/" + "a" * 64,), ("/data",), (FOLDER, "/data")])
def test_data_that_the_cache_does_not_place_has_no_origin(folders):
    assert origin_of(FromCache(*folders)) is None


def test_the_cache_names_repository_configuration_and_commit():
    assert origin_of(FromCache(FOLDER, FOLDER)) == Origin("owner/name", "default", COMMIT, "mit")
    assert origin_of(Dataset.from_dict({"a": ["b"]})) is None


def test_a_split_without_a_license_leaves_the_whole_without_one():
    licensed = Dataset.from_dict({"text": ["one two"]}, split=NamedSplit("train"))
    licensed.info.license = "mit"
    silent = Dataset.from_dict({"text": ["three four"]})
    assert open_source({"train": licensed}).declared_license == "mit"
    assert open_source({"train": licensed, "test": silent}).declared_license is None


def test_data_loaded_from_a_hub_keeps_its_commit_and_the_license_of_its_card(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    rows = [{"anchor": f"question {i}", "positive": f"the answer {i}"} for i in range(9)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Pairs\n", encoding="utf-8")
    with serve(tmp_path / "hub", user="owner") as hub:
        commit = hub.seed("owner/pairs", folder, repo_type="dataset")
        environment = {**os.environ, **hub_environment(hub), "HF_HOME": str(tmp_path / "home")}
        done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, part, both = json.loads(done.stdout.splitlines()[-1])
    assert whole[:3] == part[:3] == both[:3] == ["owner/pairs", commit, "apache-2.0"]
    assert whole[3] != part[3]
