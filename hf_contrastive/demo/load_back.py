"""Load a published model in each documented way, in a process of its own, and compare embeddings.

A process of its own, since Hugging Face's libraries read HF_ENDPOINT when they are imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.local_hub import LocalHub, hub_environment

Vectors = npt.NDArray[np.float32]


def compare_with_hub(
    repo_id: str, base_id: str, texts: Sequence[str], expected: Vectors, *, out: Path, hub: LocalHub | None
) -> dict[str, float]:
    """Return the largest absolute difference from ``expected`` by way of loading.

    Args:
        repo_id: the published model.
        base_id: Hub id of the base model, for the adapter.
        texts: what is encoded.
        expected: embeddings of the trained model, ``[len(texts), dim]``.
        out: folder under which the temporary cache is made.
        hub: the local Hub, or None for the real one.

    Raises:
        ContrastiveError: the model could not be loaded.
    """
    with TemporaryDirectory(dir=out) as folder:
        job, result = Path(folder) / "job.json", Path(folder) / "vectors.npz"
        job.write_text(json.dumps({"repo": repo_id, "base": base_id, "texts": list(texts)}), encoding="utf-8")
        environment = {**os.environ, "TRANSFORMERS_VERBOSITY": "error"}
        if hub is not None:
            environment |= {**hub_environment(hub), "HF_HOME": str(Path(folder) / "cache")}
            environment.pop("HF_HUB_OFFLINE", None)
        command = [sys.executable, "-m", "hf_contrastive.demo.load_back", str(job), str(result)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            msg = f"{repo_id} could not be loaded back from the Hub: {last} Run the demo again with a new --out."
            raise ContrastiveError(msg)
        with np.load(result) as vectors:
            return {way: float(np.abs(vectors[way] - expected).max()) for way in vectors.files}


def load_in_each_way(repo_id: str, base_id: str, texts: list[str]) -> dict[str, Vectors]:
    """Encode ``texts`` with what each documented way of loading gives."""
    import torch
    from peft import PeftModel
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    sentence_model = SentenceTransformer(repo_id, device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(repo_id)

    def by_hand(model: torch.nn.Module) -> Vectors:
        model.eval()
        batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        vectors = (hidden * mask).sum(1) / mask.sum(1)
        normalised: Vectors = torch.nn.functional.normalize(vectors, dim=-1).numpy()
        return normalised

    base = AutoModel.from_pretrained(base_id)
    return {
        "SentenceTransformer(repo)": np.asarray(sentence_model.encode(texts, show_progress_bar=False)),
        "AutoModel.from_pretrained(repo)": by_hand(AutoModel.from_pretrained(repo_id)),
        'PeftModel.from_pretrained(base, repo, subfolder="adapter")': by_hand(
            PeftModel.from_pretrained(base, repo_id, subfolder="adapter")
        ),
    }


def _main(job: str, result: str) -> None:
    given = json.loads(Path(job).read_text(encoding="utf-8"))
    np.savez(result, **load_in_each_way(given["repo"], given["base"], given["texts"]))  # type: ignore[arg-type]


if __name__ == "__main__":
    _main(*sys.argv[1:])
