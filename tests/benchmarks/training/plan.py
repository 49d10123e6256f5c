"""What a run is asked for, and the arms that it can compare; imports neither torch nor transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SEED = 0
TOLERANCE = 1e-4
WARM_UP = 2  # steps before the timed ones: the first ones of any arm wait for the system to hand out memory
EPOCHS = 3  # of --top-k; the first one fills the cache
LOSS_STAGE_SIZES = (4096, 8192, 16384)
LOSS_STAGE_DIM = 384
LOSS_STAGE_ARMS = ("ours", "dense", "st-cached")
TOP_K_ARMS = ("ours-full", "ours-top-2")

FORMULA = """\
T = real tokens of the batch (no padding), l = tokens of one text, r = rank of the adapter
linear layers   sum over layers of 2·in·out·T, and again 2·in·out·T where the input needs a gradient
                (the first layer's query, key and value do not: below them everything is frozen)
adapters        sum over layers of 4·r·(in + out)·T: x A^T, dY B, and the gradients of A and B
                (their forward pass is none of it: W + s·B·A can be formed once a step)
attention       layers · 12 · width · sum of l²: Q K^T and P V, forward 4, their gradients 8
roofline        (necessary operations / measured GEMM speed) / measured seconds of the step"""

_PLAN, _PREPARED = "plan.json", "prepared.json"


class Skipped(Exception):  # noqa: N818  # no error: the message is the reason
    """An arm that can not run here."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of training.

    ``settings`` are passed to the loss or the config of the arm; ``tuned`` names the setting whose best value among
    ``candidates`` is looked for before anything is timed.
    """

    name: str
    meaning: str
    settings: dict[str, Any] = field(default_factory=dict)
    tuned: str | None = None
    candidates: tuple[int, ...] = ()
    cuda_only: bool = False

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("ours")

    def choices(self, batch_size: int) -> Iterator[int]:
        """Yield the candidates that differ at this batch size."""
        rows = self.tuned == "mini_batch_size"
        fitting = [value for value in self.candidates if not rows or value <= batch_size]
        yield from fitting or self.candidates[:1]


ARMS = {
    arm.name: arm
    for arm in (
        Arm(name="ours", meaning="ContrastiveTrainer, default settings"),
        Arm(
            name="ours-lean",
            meaning="ContrastiveTrainer, max_memory 0.9: graphs of up to 0.9 GB kept, the other chunks computed twice",
            settings={"max_memory": 0.9},
        ),
        Arm(
            name="ours-cached",
            meaning="ContrastiveTrainer, no graph kept: every chunk computed twice",
            settings={"max_memory": 0.0},
        ),
        Arm(
            name="st-plain",
            meaning="sentence-transformers, MultipleNegativesRankingLoss",
            settings={"cached": False},
        ),
        Arm(name="st-cached", meaning="sentence-transformers, CachedMultipleNegativesRankingLoss, its defaults"),
        Arm(
            name="st-cached-best",
            meaning="the same at its best mini-batch size",
            tuned="mini_batch_size",
            candidates=(8, 16, 32, 64),
        ),
        Arm(
            name="st-flash",
            meaning="the same in bf16 with flash attention and its best budget of tokens a mini-batch",
            settings={"precision": "bf16", "attn_implementation": "flash_attention_2"},
            tuned="mini_batch_num_tokens",
            candidates=(8192, 16384, 32768, 65536),
            cuda_only=True,
        ),
        Arm(
            name="unsloth",
            meaning="Unsloth's FastSentenceTransformer, CachedMultipleNegativesRankingLoss at its best mini-batch size",
            tuned="mini_batch_size",
            candidates=(32, 64, 128, 256),
            cuda_only=True,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of a run; every worker process reads the same file."""

    folder: str
    model: str | None = None
    pairs: str | None = None
    anchor: str = "anchor"
    positive: str = "positive"
    batch_size: int = 128
    max_length: int = 256
    precision: str = "fp32"
    device: str = "cpu"
    lora_rank: int = 16
    steps: int = 3
    rounds: int = 3
    threads: int = 1
    arms: tuple[str, ...] = ()

    @property
    def model_folder(self) -> Path:
        """The copy of the model without dropout."""
        return Path(self.folder) / "model"

    @property
    def adapter_folder(self) -> Path:
        """The adapter that every arm starts from."""
        return Path(self.folder) / "adapter"

    @property
    def pairs_file(self) -> Path:
        """The batches, one after the other."""
        return Path(self.folder) / "pairs.parquet"

    @property
    def rows(self) -> int:
        """Rows of the steps, and one batch more, which the data loader fetches ahead."""
        return self.batch_size * (WARM_UP + self.steps + 1)

    def write(self) -> None:
        """Write the plan where the workers look for it."""
        (Path(self.folder) / _PLAN).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read what :meth:`write` wrote."""
        values = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        return cls(**(values | {"arms": tuple(values["arms"])}))


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the preparation found: the length that texts are cut to, and what each batch costs.

    ``flops`` are the necessary operations of each batch (the first ones warm up), ``linears`` the distinct
    ``(in, out)`` of its layers.
    """

    max_length: int
    left_out: int
    tokens: list[int]
    flops: list[float]
    linears: list[list[int]]
    device_name: str

    def write(self, folder: str) -> None:
        """Write it for the other workers."""
        (Path(folder) / _PREPARED).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: str) -> Prepared:
        """Read what :meth:`write` wrote."""
        return cls(**json.loads((Path(folder) / _PREPARED).read_text(encoding="utf-8")))
