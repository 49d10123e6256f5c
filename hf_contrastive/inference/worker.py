"""One variant in a process of its own: ``python -m hf_contrastive.inference.worker``.

The first line on its input is the setup: texts of the user do not belong on a command line, which others can read and
which is limited in length. After that it answers a line of JSON with a line of JSON. What is imported is what serving
needs: an ONNX variant loads no torch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

MEGA = 1e6
_STATUS = Path("/proc/self/status")
Ids = Sequence[Sequence[int]]


class Variant(Protocol):
    """What is measured of an encoder."""

    def tokenise(self, texts: Sequence[str]) -> Ids:
        """Return ids."""
        ...

    def vectors(self, rows: Ids) -> Any:
        """Return vectors of one batch of ids."""
        ...

    def encode(self, texts: Sequence[str], prompt: str | None, max_length: int | None) -> Any:
        """Return vectors of texts."""
        ...


class _Torch:
    def __init__(self, setup: dict[str, Any]) -> None:
        import torch

        from hf_contrastive.encoder import TextEncoder
        from hf_contrastive.inference.onnx_model import padded

        self._torch, self._padded = torch, padded
        torch.set_num_threads(setup["threads"])
        self.imported = time.perf_counter()
        self.encoder = TextEncoder.load(setup["folder"])
        if setup["half"]:
            self.encoder.model.to(torch.bfloat16)
        self.encoder.model.eval()

    def tokenise(self, texts: Sequence[str]) -> Ids:
        found: Ids = self.encoder.tokenizer(
            list(texts), truncation=True, max_length=self.encoder.spec.max_length, padding=False
        )["input_ids"]
        return found

    def vectors(self, rows: Ids) -> Any:
        torch = self._torch
        feed = self._padded(rows, self.encoder.tokenizer.pad_token_id or 0)
        with torch.inference_mode():
            found = self.encoder.embed(*map(torch.from_numpy, feed.values())).float()
            if self.encoder.spec.normalize:
                found = torch.nn.functional.normalize(found, dim=-1)
        return found.numpy()

    def encode(self, texts: Sequence[str], prompt: str | None, max_length: int | None) -> Any:
        return self.encoder.encode(texts, prompt=prompt, max_length=max_length)


class _Onnx:
    def __init__(self, setup: dict[str, Any]) -> None:
        import onnxruntime  # noqa: F401  counted as import, not as loading
        import tokenizers  # noqa: F401

        from hf_contrastive.inference.onnx_model import OnnxEncoder

        self.imported = time.perf_counter()
        self.encoder = OnnxEncoder(setup["folder"], int8=setup["int8"], threads=setup["threads"])

    def tokenise(self, texts: Sequence[str]) -> Ids:
        return self.encoder.tokenise(texts)

    def vectors(self, rows: Ids) -> Any:
        return self.encoder.vectors(rows)

    def encode(self, texts: Sequence[str], prompt: str | None, max_length: int | None) -> Any:
        return self.encoder.encode(texts, prompt=prompt, max_length=max_length)


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {"torch": _Torch, "onnx": _Onnx}


def serve(setup: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
    """Load a variant, say how long that took, and answer until the input ends."""
    begun = time.perf_counter()
    variant = _KINDS[setup["kind"]](setup)
    loaded = time.perf_counter()
    first = variant.vectors(variant.tokenise([setup["text"]]))
    done = time.perf_counter()
    answer(
        {
            "importing": variant.imported - begun,
            "loading": loaded - variant.imported,
            "first_text": done - loaded,
            "dimension": int(first.shape[1]),
        }
    )
    for line in sys.stdin:
        job = json.loads(line)
        answer(_ANSWERS[job.pop("do")](variant, **job))


def _time(variant: Variant, *, rows: Ids, seconds: float, calls: int) -> dict[str, Any]:
    return {"ms": _timed(lambda: variant.vectors(rows), seconds, calls)}


def _time_tokenising(variant: Variant, *, texts: list[str], seconds: float, calls: int) -> dict[str, Any]:
    return {"ms": _timed(lambda: variant.tokenise(texts), seconds, calls)}


def _encode(
    variant: Variant, *, texts: list[str], prompt: str | None, max_length: int | None, path: str
) -> dict[str, Any]:
    np.save(path, variant.encode(texts, prompt, max_length))
    return {}


def _peak(variant: Variant) -> dict[str, Any]:
    return {"peak_mb": peak_memory_mb()}


_ANSWERS: dict[str, Callable[..., dict[str, Any]]] = {
    "time": _time,
    "tokenise": _time_tokenising,
    "encode": _encode,
    "peak": _peak,
}


def _timed(call: Callable[[], object], seconds: float, calls: int) -> list[float]:
    """Return milliseconds of each call: at least ``calls`` of them, and until ``seconds`` are over."""
    found: list[float] = []
    begun = time.perf_counter()
    while len(found) < calls or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        call()
        found.append((time.perf_counter() - started) * 1000)
    return found


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, in megabytes (10^6 bytes)."""
    if _STATUS.exists():
        # ru_maxrss would hold that of the process that started this one
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) * 1024 / MEGA
    import psutil

    info = psutil.Process().memory_info()
    return float(getattr(info, "peak_wset", info.rss)) / MEGA


def main() -> None:
    """Serve on a pipe of its own: what libraries print goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(told: dict[str, Any]) -> None:
        pipe.write(json.dumps(told) + "\n")
        pipe.flush()

    serve(json.loads(sys.stdin.readline()), answer)


if __name__ == "__main__":
    main()
