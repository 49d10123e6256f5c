"""A training that is killed, at whatever moment, goes on to the very losses and weights of one that was not."""

import json
import os
import subprocess
import sys

import pytest

RUN = """
import json, os, shutil, signal, sys, threading, time
from pathlib import Path
import torch
from datasets import Dataset
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.training.checkpoints import last_complete_checkpoint

torch.set_num_threads(1)
model, rows, folder, kills = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]), sys.argv[4]
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
seen = {"count": 0, "kill_at": -1, "out": None}

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def watch(event, args):
    # every operation on a file of the output folder is a moment to be killed at
    if event in WATCHED and seen["out"] and any(seen["out"] in str(arg) for arg in args[:2]):
        seen["count"] += 1
        if seen["count"] == seen["kill_at"]:
            die()

sys.addaudithook(watch)

def train(out, resume=None):
    args = ContrastiveConfig(
        output_dir=str(out), per_device_train_batch_size=8, max_steps=6, learning_rate=1e-2, logging_steps=1,
        save_strategy="steps", save_steps=1, save_total_limit=2, use_cpu=True, disable_tqdm=True, report_to="none",
    )
    trainer = ContrastiveTrainer(model=model, args=args, train_dataset=Dataset.from_dict(rows))
    seen.update(out=str(out), count=0)
    trainer.train(resume_from_checkpoint=resume)
    seen["out"] = None
    return {
        "losses": [(e["step"], e["loss"], e["grad_norm"]) for e in trainer.state.log_history if "loss" in e],
        "weights": [p.detach().flatten().tolist() for p in trainer.model.parameters() if p.requires_grad],
        "operations": seen["count"],
        "examples": trainer.training_record().examples,
    }

def in_child(function):
    # a process of its own without the seconds that imports take
    target = folder / "result.json"
    target.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            target.write_text(json.dumps(function()))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return killed, json.loads(target.read_text()) if target.exists() else None

def interrupted(kill_at=-1, after=None):
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    def first():
        seen["kill_at"] = kill_at
        if after is not None:
            threading.Thread(target=lambda: (time.sleep(after), die()), daemon=True).start()
        return train(out)
    def second():
        try:
            checkpoint = str(last_complete_checkpoint(out))
        except ConfigurationError:
            checkpoint = None
        return {"from": checkpoint and Path(checkpoint).name, **train(out, checkpoint)}
    killed, _ = in_child(first)
    _, result = in_child(second)
    return {"kill_at": kill_at, "after": after, "killed": killed, "result": result}

_, reference = in_child(lambda: train(folder / "reference"))
begin = time.perf_counter()
in_child(lambda: train(folder / "timed"))
seconds = time.perf_counter() - begin
count = int(kills)
places = [round((i + 0.5) * reference["operations"] / count) for i in range(count)]
results = [interrupted(kill_at=place) for place in places]
results += [interrupted(after=seconds * share) for share in (0.3, 0.45, 0.6, 0.7, 0.8, 0.9)]
(folder / "results.json").write_text(json.dumps({"reference": reference, "results": results}))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path, tiny_encoder, topic_pairs):
    script, rows = tmp_path / "run.py", tmp_path / "rows.json"
    script.write_text(RUN)
    rows.write_text(json.dumps(topic_pairs.to_dict()))
    kills = 23
    done = subprocess.run(
        [sys.executable, str(script), str(tiny_encoder("bert", 0.1)), str(rows), str(tmp_path), str(kills)],
        capture_output=True, text=True, timeout=800, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((tmp_path / "results.json").read_text())
    reference = found["reference"]
    assert len(reference["losses"]) == 6
    assert reference["operations"] > 100
    at_operations = [entry for entry in found["results"] if entry["after"] is None]
    assert len(at_operations) == kills
    assert all(entry["killed"] for entry in at_operations)
    for entry in found["results"]:
        where = {name: entry[name] for name in ("kill_at", "after")}
        result = entry["result"]
        assert result is not None, where
        assert result["losses"] == reference["losses"], (where, result["from"])
        assert result["weights"] == reference["weights"], where
        assert result["examples"] == reference["examples"], where
    resumed = {entry["result"]["from"] for entry in at_operations}
    assert len(resumed) > 3  # the kills fell into different steps
