"""What the numbers were measured on and with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "neon", "asimd")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine(device_name: str = "") -> str:
    """Return processor, cores, instruction sets, memory and the GPU."""
    facts = _processor_facts()
    name = facts.get("model name") or platform.processor() or platform.machine()
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    found = [flag for flag in _INSTRUCTIONS if flag in flags]
    parts = [name, f"{cores()} cores", *([" ".join(found)] if found else []), f"{_memory_gb():.0f} GB"]
    return ", ".join([*parts, *([device_name] if device_name else [])])


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of Python, of ours and of those of ``packages`` that are installed."""
    found = {"python": platform.python_version()}
    for package in ("hf-contrastive", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def heading(result: Mapping[str, Any], subject: str, columns: Sequence[str]) -> list[str]:
    """Return the lines before a table: when and of what, on which machine, with which versions, by which command."""
    return [
        f"## {result['date']}, {subject}",
        "",
        result["machine"],
        "",
        ", ".join(f"{name} {value}" for name, value in result["versions"].items()),
        "",
        f"`{result['command']}`",
        "",
        f"| {' | '.join(columns)} |",
        f"|{' --- |' * len(columns)}",
    ]


def _processor_facts() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8", errors="replace").split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
