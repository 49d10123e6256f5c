"""A step of any number of pairs runs in memory that hardly depends on it."""

import json
import subprocess
import sys

import pytest

RUN = """
import json, resource, sys
from datasets import Dataset
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer

model, out, pairs = sys.argv[1], sys.argv[2], int(sys.argv[3])
words = "river stone amber cloud field garden copper window harbor meadow lantern forest canyon marble".split()
data = Dataset.from_dict({
    "anchor": [f"where is the {words[i % 14]} {i}" for i in range(pairs)],
    "positive": [f"{words[i % 13]} of {words[i % 11]} stands near the {words[i % 14]} {i}" for i in range(pairs)],
})
args = ContrastiveConfig(
    output_dir=out, per_device_train_batch_size=pairs, max_steps=1, max_memory=0.02, chunk_tokens=4096,
    use_cpu=True, disable_tqdm=True, report_to="none", save_strategy="no", logging_steps=1,
)
trainer = ContrastiveTrainer(model=model, args=args, train_dataset=data)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
trainer.train()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"loss": trainer.state.log_history[0]["loss"], "grown": (after - before) * 1024}))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_is_no_square_of_the_batch(tmp_path, tiny_bert):
    pytest.importorskip("resource")
    script = tmp_path / "run.py"
    script.write_text(RUN)
    grown = {}
    for pairs in (4096, 16384):
        command = [sys.executable, str(script), str(tiny_bert), str(tmp_path / "out"), str(pairs)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=800)
        assert done.returncode == 0, done.stderr[-4000:]
        found = json.loads(done.stdout.splitlines()[-1])
        assert 0 < found["loss"] < 20
        grown[pairs] = found["grown"]
    # one matrix of all similarities in fp32 would be 1.07 GB, and a softmax holds several
    assert grown[16384] < 0.8e9, grown
    assert grown[16384] < 5 * grown[4096] + 0.1e9, grown
