"""One document of all that was measured, and the same as a table to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import describe_machine, versions
from tests.benchmarks.training.plan import ARMS, FORMULA, LOSS_STAGE_DIM, WARM_UP, Plan, Prepared
from tests.benchmarks.training.runs import ArmResult

Document = dict[str, Any]
_PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "peft",
    "sentence-transformers",
    "tokenizers",
    "flash-attn",
    "unsloth",
)
_HEADING = "# Training: ours and its peers, measured by `python -m tests.benchmarks.training`\n"


def document(
    plan: Plan,
    prepared: Prepared,
    command: str,
    *,
    arms: Sequence[ArmResult],
    gemm: Sequence[float],
    notes: Sequence[str],
    checks: dict[str, dict[str, float]],
) -> Document:
    """Return what ``--json`` prints."""
    gflops = max(gemm, default=None)
    rows = [_arm(plan, prepared, arm, gflops) for arm in arms]
    speeds = {row["name"]: row["pairs_per_second"] for row in rows if row["pairs_per_second"]}
    ours = next((row for row in rows if row["name"] == "ours"), {})
    peers = [row for row in rows if row["name"] in speeds and not ARMS[row["name"]].is_ours]
    best = max(peers, key=lambda row: row["pairs_per_second"], default={})
    return {
        "arms": rows,
        "ratio_to_best_peer": _ratio(speeds.get("ours"), best.get("pairs_per_second")),
        "ratio_to_cached_default": _ratio(speeds.get("ours"), speeds.get("st-cached")),
        "memory_ratio_to_best_peer": _ratio(ours.get("peak_memory_gb"), best.get("peak_memory_gb")),
        "roofline_fraction": ours.get("roofline_fraction"),
        "gradient_relative_error": max((c["gradient"] for n, c in checks.items() if n.endswith("fp32")), default=None),
        "loss_relative_error": max((c["loss"] for n, c in checks.items() if n.endswith("fp32")), default=None),
        "checks": checks,
        "largest_loss_difference": largest_loss_difference(arms),
        "gemm_gflops": gflops,
        "gflop_per_step": [flops / 1e9 for flops in prepared.flops[WARM_UP:]],
        "tokens_per_step": prepared.tokens[WARM_UP:],
        "tuning": list(notes),
        "machine": describe_machine(prepared.device_name),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(_PACKAGES),
        "command": command,
        "settings": {
            "batch_size": plan.batch_size,
            "max_length": prepared.max_length,
            "precision": plan.precision,
            "device": plan.device,
            "lora_rank": plan.lora_rank,
            "steps": plan.steps,
            "rounds": plan.rounds,
            "threads": plan.threads,
            "pairs_left_out": prepared.left_out,
        },
    }


def _arm(plan: Plan, prepared: Prepared, arm: ArmResult, gflops: float | None) -> Document:
    steps = range(WARM_UP, WARM_UP + plan.steps)
    least = {step: prepared.flops[step] / (gflops * 1e9) for step in steps} if gflops else {}
    return {
        "name": arm.name,
        "pairs_per_second": arm.median_over_steps(dict.fromkeys(steps, float(plan.batch_size))),
        "peak_memory_gb": arm.peak_memory_gb,
        "memory_before_gb": max((item["memory_before_gb"] for item in arm.rounds), default=None),
        "losses": arm.losses,
        "roofline_fraction": arm.median_over_steps(least) if least else None,
        "step_seconds": [item["seconds"] for item in arm.rounds],
        "settings": arm.settings,
        "status": arm.status,
        "reason": arm.reason,
    }


def largest_loss_difference(arms: Iterable[ArmResult]) -> float | None:
    """Return the largest relative difference of any loss from that of the first arm at the same step."""
    first, *others = [arm.losses for arm in arms if arm.usable] or [[]]
    return max(
        (abs(b - a) / abs(a) for losses in others for a, b in zip(first, losses, strict=True)),
        default=None,
    )


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


# ---- to read ----------------------------------------------------------------------------------------------------


def markdown(result: Document) -> str:
    """Return the section that ``--out`` appends."""
    known = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    parts = [
        f"## {result['date']}, {result['settings']['device']}, {result['settings']['precision']}",
        f"{result['machine']}\n\n{known}\n\n`{result['command']}`",
    ]
    if result["arms"]:
        parts += [arm_table(result), conclusions(result)]
    if "loss_stage" in result:
        parts.append(loss_stage_table(result["loss_stage"]))
    if "top_k" in result:
        parts.append(top_k_table(result["top_k"]))
    return "\n\n".join(parts) + "\n"


def arm_table(result: Document) -> str:
    """Return one row an arm."""
    ours = next((row["pairs_per_second"] for row in result["arms"] if row["name"] == "ours"), None)
    header = ("arm", "what", "pairs/s", "ours is", "peak GB", "roofline", "first losses")
    return _table(
        header,
        [
            (
                row["name"],
                _meaning(row),
                _number(row["pairs_per_second"], ".2f"),
                _number(_ratio(ours, row["pairs_per_second"]), ".2f", "×"),
                _number(row["peak_memory_gb"], ".2f"),
                _number(row["roofline_fraction"], ".1%"),
                ", ".join(f"{loss:.5f}" for loss in row["losses"][:3]) or f"{row['status']}: {row['reason']}",
            )
            for row in result["arms"]
        ],
    )


def conclusions(result: Document) -> str:
    """Return the numbers that are no row of the table."""
    settings = result["settings"]
    tokens, flop = result["tokens_per_step"], result["gflop_per_step"]
    lines = [
        f"Batch {settings['batch_size']}, up to {settings['max_length']} tokens, LoRA of rank {settings['lora_rank']} "
        f"on every linear layer that gets a gradient, no dropout; {settings['threads']} threads; medians over "
        f"{settings['steps']} steps after {WARM_UP} to warm up and {settings['rounds']} rounds, the arms in "
        "alternation.",
        f"Ours to the best peer: {_number(result['ratio_to_best_peer'], '.2f', '×')}; to sentence-transformers' cached "
        f"loss at its defaults: {_number(result['ratio_to_cached_default'], '.2f', '×')}. Peak memory to the best "
        f"peer: {_number(result['memory_ratio_to_best_peer'], '.2f', '×')}.",
        f"Peak memory is that of the whole process, of which {_before(result)} GB stand before the first step.",
        "First step of ours against a plain float64 reference: "
        + "; ".join(
            f"{name}: loss {check['loss']:.1e}, gradient {check['gradient']:.1e}"
            for name, check in result["checks"].items()
        )
        + f". Largest difference of any loss between arms: {_number(result['largest_loss_difference'], '.1e')}.",
        f"GEMM: {_number(result['gemm_gflops'], '.0f')} GFLOP/s; a step has {min(tokens):,} to {max(tokens):,} tokens "
        f"and needs {min(flop):,.0f} to {max(flop):,.0f} GFLOP:",
    ]
    lines += [f"Tuned by one step each, {note}." for note in result["tuning"]]
    formula = f"```\n{FORMULA}\n```"
    return "\n".join(f"- {line}" for line in lines[:5]) + f"\n\n{formula}" + "".join(f"\n\n{x}" for x in lines[5:])


def loss_stage_table(rows: Sequence[Document]) -> str:
    """Return time and memory by batch size, and how memory grows from the smallest batch on."""
    smallest = {row["name"]: row.get("peak_memory_gb") for row in reversed(rows)}
    header = (f"loss stage, d {LOSS_STAGE_DIM}", "batch", "seconds", "peak GB", "to the smallest", "loss")
    return _table(
        header,
        [
            (
                row["name"],
                f"{row['size']:,}",
                _number(row.get("seconds"), ".3f"),
                _number(row.get("peak_memory_gb"), ".3f"),
                _number(_ratio(row.get("peak_memory_gb"), smallest[row["name"]]), ".1f", "×"),
                _number(row.get("loss"), ".5f") if row["status"] == "ran" else f"{row['status']}: {row['reason']}",
            )
            for row in rows
        ],
    )


def top_k_table(result: Document) -> str:
    """Return seconds of an epoch."""
    rows = [
        (
            row["name"],
            _number(row["first_epoch_seconds"], ".2f"),
            _number(row["later_epoch_seconds"], ".2f"),
            _number(row["peak_memory_gb"], ".2f"),
            row["reason"],
        )
        for row in result["arms"]
    ]
    table = _table(("epochs", "first, seconds", "later, seconds", "peak GB", ""), rows)
    gain = _number(result["ratio_to_full_depth"], ".2f", "×")
    return f"{table}\n\nFrom the second epoch on, the top two layers on a cached trunk to full depth: {gain}."


def append(path: Path, text: str) -> None:
    """Add a section to a file of results, which is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else _HEADING
    path.write_text(f"{before.rstrip()}\n\n{text}", encoding="utf-8")


def _before(result: Document) -> str:
    held = [row["memory_before_gb"] for row in result["arms"] if row["memory_before_gb"] is not None]
    return f"{min(held):.2f} to {max(held):.2f}" if held else "–"


def _meaning(row: Document) -> str:
    chosen = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
    return ARMS[row["name"]].meaning + (f" ({chosen})" if chosen else "")


def _number(value: float | None, pattern: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{pattern}}{unit}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)
