"""Every example runs as it stands, prints what it promises, and leaves what it says."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from huggingface_hub import HfApi

import hf_contrastive
from hf_contrastive.release.local_hub import LocalHub, hub_environment, serve

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
NEED_TORCH = ("quickstart", "migrate_from_sentence_transformers", "add_a_loss")
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
DATASET = "sentence-transformers/natural-questions"
WORDS = """cat dog horse mouse bird fish bread apple soup cheese rice pear
hammer saw drill wrench nail screw violin piano drum flute harp cello"""

# several examples in one process, since the imports take longer than they do; each in a folder of its own
RUN = """
import contextlib, io, json, os, runpy, sys, traceback
from importlib.machinery import PathFinder
from pathlib import Path

job = json.loads(sys.argv[1])


class WithoutBlocked(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname.split(".")[0] in job["blocked"] else super().find_spec(fullname, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutBlocked  # as if they were not installed
results = {}
for title, (path, *arguments) in job["examples"].items():
    folder = Path(job["folder"], title)
    folder.mkdir()
    os.chdir(folder)
    sys.argv = [path, *arguments]
    printed = io.StringIO()
    error = ""
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_path(path, run_name="__main__")
    except BaseException:
        error = traceback.format_exc()
    results[title] = {"stdout": printed.getvalue(), "error": error, "folder": str(folder)}
exec(job["afterwards"])
Path(job["folder"], "results.json").write_text(json.dumps(results))
"""

LOAD_BACK = f"""
from sentence_transformers import SentenceTransformer
from transformers import AutoModel
from peft import PeftModel

def shape(model):
    return list(model.encode(["how to sort a list", "where is it"]).shape)

adapted = PeftModel.from_pretrained(
    AutoModel.from_pretrained("{MODEL}"), "local/quickstart-minilm", subfolder="adapter"
)
results["loaded"] = {{
    "hub": shape(SentenceTransformer("local/quickstart-minilm")),
    "add_a_loss": shape(SentenceTransformer(str(Path(results["add_a_loss"]["folder"], "symmetric-minilm")))),
    "adapter": list(adapted.peft_config) if isinstance(adapted, PeftModel) else [],
}}
"""

SHIPPED_CHECK = """
from datasets import Dataset
from hf_contrastive import audit, judge, load_policy

sys.path.insert(0, job["package"])
report = audit(Dataset.from_dict({"text": ["plain words here", "a <b>bold</b> word", "no markup"]}))
verdict = judge(report, load_policy(job["policy"]))
results["shipped"] = {
    "found": [finding.total_rows for finding in report.findings if finding.code == "MARKUP001"],
    "outcomes": [[item.decision, item.rule] for item in verdict.outcomes if item.code == "MARKUP001"],
}
"""


def run_examples(folder: Path, job: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    folder.mkdir()
    job = {"blocked": [], "afterwards": "", **job, "folder": str(folder)}
    environment = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HOME": str(folder / "home"), **environment}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(job)],
        env=environment,
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def path_of(name: str) -> str:
    return str(EXAMPLES / f"{name}.py")


def load_example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", path_of(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Callable[..., Path]) -> Iterator[LocalHub]:
    """A Hub that has a tiny model and as many question pairs under the ids that the examples name."""
    questions = tmp_path_factory.mktemp("questions")
    threes = list(itertools.combinations(WORDS.split(), 3))[:2000]
    rows = [{"query": f"what is a {a} {b} {c}", "answer": f"everybody knows the {b} {c} {a}"} for a, b, c in threes]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (questions / "train.jsonl").write_text(lines, encoding="utf-8")
    with serve(tmp_path_factory.mktemp("hub"), user="local") as running:
        running.seed(MODEL, tiny_encoder("bert"))
        running.seed(DATASET, questions, repo_type="dataset")
        yield running


@pytest.fixture(scope="module")
def trained(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    job = {"examples": {name: [path_of(name)] for name in NEED_TORCH}, "afterwards": LOAD_BACK}
    return run_examples(tmp_path_factory.mktemp("trained") / "run", job, hub_environment(hub))


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The examples that need the base installation alone, where nothing of the extra can be imported."""
    folder = tmp_path_factory.mktemp("torch-free")
    rows = [{"text": f"report number {number} on the harbour", "license": "MIT"} for number in range(4)]
    rows += [{"text": "report number 3 on the harbour", "license": "cc-by-nc-4.0"}]
    own = folder / "own_test.jsonl"
    own.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    package, policy = shipped_check(folder)
    job = {
        "blocked": ["torch", "transformers", "accelerate", "peft", "sentence_transformers"],
        "examples": {
            "audit_only": [path_of("audit_only")],
            "audit_own_file": [path_of("audit_only"), str(own)],
            "add_a_check": [path_of("add_a_check")],
        },
        "afterwards": SHIPPED_CHECK,
        "package": str(package),
        "policy": str(policy),
    }
    before = own.read_bytes()
    results = run_examples(folder / "run", job, {"HF_HUB_OFFLINE": "1"})
    assert own.read_bytes() == before
    return results


def shipped_check(folder: Path) -> tuple[Path, Path]:
    """Install add_a_check.py as its own docstring says: a package with an entry point, a rule in a policy."""
    text = ast.get_docstring(ast.parse(Path(path_of("add_a_check")).read_text(encoding="utf-8"))) or ""
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n?)+", text, re.MULTILINE)]
    written = tomllib.loads("\n".join(block for block in blocks if block.startswith("[")))
    ((group, points),) = written["project"]["entry-points"].items()
    ((name, address),) = points.items()
    module, _, class_name = address.partition(":")
    package = folder / "site"
    source = package.joinpath(*module.split(".")).with_suffix(".py")
    source.parent.mkdir(parents=True)
    source.write_text(Path(path_of("add_a_check")).read_text(encoding="utf-8"), encoding="utf-8")
    metadata = package / "my_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{class_name}\n")
    (rule,) = written["rules"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in rule.items()]
    policy = folder / "policy.toml"
    policy.write_text('name = "own"\n[[rules]]\n' + "\n".join(lines) + "\n", encoding="utf-8")
    return package, policy


def test_the_examples_are_those_that_are_run_here():
    assert set(NAMES) == {*NEED_TORCH, "audit_only", "add_a_check"}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_says_how_to_run_it_and_uses_public_names(name: str):
    source = Path(path_of(name)).read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) < 80
    assert f"python {name}.py" in (ast.get_docstring(tree) or "")
    assert 'if __name__ == "__main__":' in source  # safe where workers are spawned
    allowed = {
        "hf_contrastive": set(hf_contrastive.__all__),
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not [alias.name for alias in node.names if alias.name.split(".")[0] in ("hf_contrastive", "audits")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "audits",
            "hf_contrastive",
            "model_cards",
        ):
            assert {alias.name for alias in node.names} <= allowed.get(node.module or "", set()), node.module


@pytest.mark.slow
def test_quickstart_publishes_a_model_with_its_proof(trained: dict[str, Any], hub: LocalHub):
    result = trained["quickstart"]
    assert not result["error"], result["error"]
    removed = re.search(r"Removed (\d+) training rows", result["stdout"])
    assert removed is not None
    assert int(removed[1]) > 0
    shown = re.findall(r"^(\S+): \S+ -> \S+ \(gain \S+, 95 % interval \S+ to \S+\)$", result["stdout"], re.MULTILINE)
    assert shown == ["ndcg@10", "mrr@10", "recall@10"]
    assert "Published local/quickstart-minilm" in result["stdout"]
    assert Path(result["folder"], "quickstart-minilm", "report", "report.html").is_file()

    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    files = set(api.list_repo_files("local/quickstart-minilm"))
    documents = {"README.md", "report.html", "report.json", "evidence.json"}
    assert documents | {"model.safetensors", "modules.json", "adapter/adapter_config.json"} <= files
    assert not any(name.startswith("checkpoint") or name.endswith(".bin") for name in files)
    assert [tag.name for tag in api.list_repo_refs("local/quickstart-minilm").tags] == ["v1"]
    home = Path(result["folder"]) / "download"
    published = {
        name: Path(api.hf_hub_download("local/quickstart-minilm", name, local_dir=home)).read_text(encoding="utf-8")
        for name in ("README.md", "report.json")
    }
    assert json.loads(published["report.json"])["decision"] == "pass"
    assert f"base_model: {MODEL}" in published["README.md"]


@pytest.mark.slow
def test_what_the_examples_wrote_loads_again(trained: dict[str, Any]):
    assert trained["loaded"] == {"hub": [2, 32], "add_a_loss": [2, 32], "adapter": ["default"]}


@pytest.mark.slow
def test_a_sentence_transformer_goes_in_and_one_comes_out(trained: dict[str, Any]):
    result = trained["migrate_from_sentence_transformers"]
    assert not result["error"], result["error"]
    before, after = re.findall(r"(?:Before|After): nDCG@10 (\S+)", result["stdout"])
    assert 0 <= float(before) < float(after) <= 1
    difference = re.search(r"difference (\S+)$", result["stdout"])
    assert difference is not None
    assert float(difference[1]) < 1e-5
    folder = Path(result["folder"], "migrated-minilm")
    assert (folder / "modules.json").is_file()
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_an_own_loss_is_trained_with_and_recorded(trained: dict[str, Any]):
    result = trained["add_a_loss"]
    assert not result["error"], result["error"]
    assert "The training record says: symmetric_infonce" in result["stdout"]
    before, after = re.findall(r"^ndcg@10: (\S+) -> (\S+)$", result["stdout"], re.MULTILINE)[0]
    assert float(before) < float(after)


def test_the_own_loss_is_its_definition():
    """Against loops, with an anchor that stands twice and a positive that stands twice."""
    import torch
    from torch.nn.functional import normalize

    from hf_contrastive.training.losses import LossInputs

    loss = load_example("add_a_loss").symmetric_infonce
    generator = torch.Generator().manual_seed(0)
    anchors, positives = (
        normalize(torch.randn(5, 8, dtype=torch.float64, generator=generator), dim=-1) for _ in range(2)
    )
    anchor_ids, positive_ids = [0, 1, 2, 0, 4], [10, 11, 12, 13, 11]

    def inputs(order: list[int]) -> LossInputs:
        return LossInputs(
            anchor_ids=torch.tensor([anchor_ids[i] for i in order]),
            candidate_ids=torch.tensor([positive_ids[i] for i in order]),
            positive_indptr=torch.arange(6),
            positive_indices=torch.arange(5),
        )

    total = 0.0
    for own, other, own_ids, other_ids in (
        (anchors, positives, anchor_ids, positive_ids),
        (positives, anchors, positive_ids, anchor_ids),
    ):
        for i in range(5):
            kept = [j for j in range(5) if j == i or (own_ids[j] != own_ids[i] and other_ids[j] != other_ids[i])]
            scores = torch.stack([20 * own[i] @ other[j] for j in kept])
            total += float(scores.logsumexp(0) - 20 * own[i] @ other[i]) / 10
    assert float(loss((anchors, positives), inputs([0, 1, 2, 3, 4]), scale=20.0)) == pytest.approx(total, rel=1e-12)
    order = [3, 1, 4, 0, 2]
    permuted = loss((anchors[order], positives[order]), inputs(order), scale=20.0)
    assert float(permuted) == pytest.approx(total, rel=1e-12)


def test_audit_only_finds_removes_and_audits_again_without_torch(without_torch: dict[str, Any]):
    result = without_torch["audit_only"]
    assert not result["error"], result["error"]
    decisions = re.findall(r"^(As it is|Cleaned): (\d) rows, decision (\w+)$", result["stdout"], re.MULTILINE)
    assert decisions == [("As it is", "6", "review"), ("Cleaned", "5", "pass")]
    assert "DUP001 Rows that repeat" in result["stdout"]
    assert "LEAK001 not checked: needs at least two splits" in result["stdout"]
    rows = Path(result["folder"], "cleaned-train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 5
    assert json.loads(rows[0])["license"] == "CC0-1.0"


def test_audit_only_takes_a_file_of_ones_own(without_torch: dict[str, Any]):
    result = without_torch["audit_own_file"]
    assert not result["error"], result["error"]
    decisions = re.findall(r"(\d) rows, decision (\w+)$", result["stdout"], re.MULTILINE)
    # the row that repeats another is the one that must not be used commercially
    assert decisions == [("5", "block"), ("4", "pass")]
    assert len(Path(result["folder"], "cleaned-test.jsonl").read_text(encoding="utf-8").splitlines()) == 4


def test_an_own_check_finds_what_it_looks_for(without_torch: dict[str, Any]):
    result = without_torch["add_a_check"]
    assert not result["error"], result["error"]
    assert "MARKUP001 Texts that still hold HTML tags: 50% of the texts" in result["stdout"]
    assert re.findall(r"row (\d): (.+)", result["stdout"]) == [("1", "<p>"), ("3", "<br/>")]
    assert "Under the standard policy: review (no rule for MARKUP001)" in result["stdout"]


def test_a_check_that_is_shipped_as_its_docstring_says_runs_in_every_audit(without_torch: dict[str, Any]):
    assert without_torch["shipped"]["found"] == [1]
    assert without_torch["shipped"]["outcomes"] == [["review", "more than 1 %: review"]]
