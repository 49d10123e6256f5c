"""Two processes read the batches of one: one dataset a step, the same after a restart in the middle of an epoch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

RUN = """
import json, sys
from pathlib import Path
import torch
import torch.distributed as dist
from datasets import Dataset
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer

model, rows, out, batch, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), *sys.argv[3:6]
settings = json.loads(settings)
resume = settings.pop("resume", None)
data = {name: Dataset.from_dict(columns) for name, columns in rows.items()}
data = data if len(data) > 1 else next(iter(data.values()))
args = ContrastiveConfig(
    output_dir=out, per_device_train_batch_size=int(batch), learning_rate=1e-2, warmup_steps=0, logging_steps=1,
    save_strategy="steps", save_steps=3, max_grad_norm=0.0, chunk_tokens=24, use_cpu=True, disable_tqdm=True,
    report_to="none", optim="sgd", max_steps=7, **settings,
)
trainer = ContrastiveTrainer(model=model, args=args, train_dataset=data)
seen, step = [], trainer.training_step
def noted(model, inputs, *rest):
    seen.append([inputs.get("dataset", ""), inputs["rows"]])
    return step(model, inputs, *rest)
trainer.training_step = noted
trainer.train(resume_from_checkpoint=resume)
weights = torch.cat([p.detach().flatten() for p in trainer.model.parameters() if p.requires_grad])
Path(f"{out}-rank-{args.process_index}.json").write_text(json.dumps({
    "weights": weights.tolist(), "seen": seen,
    "losses": [e["loss"] for e in trainer.state.log_history if "loss" in e],
}))
if dist.is_initialized():
    dist.destroy_process_group()
"""

# accelerate starts several CPU processes only by the launcher that it names after GPUs
LAUNCH = [
    *("-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
]


def run(tmp_path, model, data, processes, batch, out, **settings):
    script, rows = tmp_path / "run.py", tmp_path / "rows.json"
    script.write_text(RUN)
    rows.write_text(json.dumps({name: part.to_dict() for name, part in data.items()}))
    launch = LAUNCH if processes == 2 else []
    command = [sys.executable, *launch, str(script), str(model), str(rows), str(tmp_path / out), str(batch)]
    done = subprocess.run(
        [*command, json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(Path(f"{tmp_path / out}-rank-{rank}.json").read_text()) for rank in range(processes)]


@pytest.fixture
def data(request, topic_pairs):
    texts = topic_pairs["positive"][:]
    if request.param == "one":
        return {"pairs": topic_pairs.select(range(20))}
    triplets = topic_pairs.add_column("negative", texts[::-1]).select(range(18))
    grades = [i % 4 / 3 for i in range(17)]
    graded = Dataset.from_dict({"sentence1": texts[:17], "sentence2": texts[17:34], "score": grades})
    return {"pairs": topic_pairs.select(range(25)), "triplets": triplets, "graded": graded}


@pytest.mark.slow
@pytest.mark.parametrize("data", ["one", "several"], indirect=True)
def test_two_processes_read_the_batches_of_one(tmp_path, tiny_bert, data):
    (single,) = run(tmp_path, tiny_bert, data, 1, 8, "one")
    ranks = run(tmp_path, tiny_bert, data, 2, 4, "two")
    union = [[first[0], first[1] + second[1]] for first, second in zip(*(rank["seen"] for rank in ranks), strict=True)]
    assert union == single["seen"]
    assert all(a[0] == b[0] for a, b in zip(ranks[0]["seen"], ranks[1]["seen"], strict=True))
    assert ranks[0]["losses"] == pytest.approx(single["losses"], abs=1e-4)
    assert ranks[0]["weights"] == pytest.approx(single["weights"], abs=1e-5)
    # in the second epoch, from a checkpoint in its middle
    checkpoint = str(tmp_path / "two" / "checkpoint-3")
    resumed = run(tmp_path, tiny_bert, data, 2, 4, "two", resume=checkpoint)
    for whole, rest in zip(ranks, resumed, strict=True):
        assert rest["seen"] == whole["seen"][3:]
        assert rest["weights"] == whole["weights"]
