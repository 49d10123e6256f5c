"""How fast a large file goes up to the local Hub and comes down again, and how much memory the server takes.

Run by hand: ``python -m tests.benchmarks.local_hub --gb 2 --rounds 3 --out tests/benchmarks/results/local_hub.md``.
The clients are ``huggingface_hub`` with ``HF_HUB_DISABLE_XET=1``, in a process of its own (an upload includes its
SHA-256, a download is written to its cache), and for the server alone a socket that throws away what it gets.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks import output
from tests.benchmarks.machine import heading

_BLOCK = 1 << 22
_PEAK = "server's peak MB"
_SERVER = """
import sys
from pathlib import Path
from hf_contrastive.release.local_hub import serve
hub = serve(Path(sys.argv[1]), token="benchmark")
print(hub.endpoint, flush=True)
hub.serve_forever()
"""
_CLIENT = """
import json, os, sys, time
from huggingface_hub import HfApi
api, path, name = HfApi(), sys.argv[1], sys.argv[2]
api.create_repo("local/m", exist_ok=True)
marks = [(time.perf_counter(), sum(os.times()[:2]))]
api.upload_file(path_or_fileobj=path, path_in_repo=name, repo_id="local/m")
marks.append((time.perf_counter(), sum(os.times()[:2])))
api.hf_hub_download("local/m", name)
marks.append((time.perf_counter(), sum(os.times()[:2])))
print(json.dumps([[later - sooner for later, sooner in zip(b, a)] for a, b in zip(marks, marks[1:])]))
"""


def measure(folder: Path, size: int, number: int) -> list[dict[str, Any]]:
    """Send a new file of ``size`` bytes up and down, and return a row for each way."""
    source = folder / "source.safetensors"
    with source.open("wb") as file:
        block = os.urandom(_BLOCK)
        for start in range(0, size, _BLOCK):
            # no two blocks are the same
            file.write((start.to_bytes(8, "little") + block[8:])[: size - start])
    command = [sys.executable, "-c", _SERVER, str(folder / "hub")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if server.stdout is None:
                raise SystemExit("The server has no output.")
            endpoint = server.stdout.readline().strip()
            rows = _of_client(server.pid, endpoint, source, folder / "home", f"{number}.safetensors")
            rows.append(_of_socket(server.pid, endpoint, f"{number}.safetensors"))
        finally:
            server.terminate()
    load = os.getloadavg()[0]
    return [{"round": number, "megabytes per second": size / row["seconds"] / 1e6, "load": load, **row} for row in rows]


def _of_client(pid: int, endpoint: str, source: Path, home: Path, name: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": "benchmark", "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", _CLIENT, str(source), name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    rows = [
        {"way": way, "seconds": seconds, "client's processor seconds": busy}
        for way, (seconds, busy) in zip(("up", "down"), json.loads(done.stdout), strict=True)
    ]
    return [{**row, **_of_process(pid)} for row in rows]


def _of_socket(pid: int, endpoint: str, name: str) -> dict[str, Any]:
    address, buffer = urlsplit(endpoint), bytearray(_BLOCK)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    started = time.perf_counter()
    connection.request("GET", f"/local/m/resolve/main/{name}")
    there = urlsplit(connection.getresponse().headers["Location"])
    connection.close()
    connection.request("GET", f"{there.path}?{there.query}")
    response = connection.getresponse()
    while response.readinto(buffer):
        pass
    seconds = time.perf_counter() - started
    connection.close()
    return {"way": "down, not written", "seconds": seconds, "client's processor seconds": None, **_of_process(pid)}


def _of_process(pid: int) -> dict[str, float]:
    """Return what the server has taken since it started: peak memory in MB and processor seconds."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    ticks = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
    busy = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return {_PEAK: int(peak) * 1024 / 1e6, "server's processor seconds so far": busy}


def markdown(result: dict[str, Any]) -> str:
    """Return the result as a table."""
    columns = ["round", "way", "MB/s", "seconds", "client's CPU s", _PEAK, "load"]
    lines = heading(result, f"one file of {result['gb']:g} GB by loopback", columns)
    for row in result["rows"]:
        client = row["client's processor seconds"]
        cells = [row["round"], row["way"], f"{row['megabytes per second']:.0f}", f"{row['seconds']:.1f}"]
        cells += ["—" if client is None else f"{client:.1f}", f"{row[_PEAK]:.0f}", f"{row['load']:.1f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.local_hub", description=__doc__)
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where files are kept meanwhile; default: the temporary folder")
    output.add_output(parser)
    options = parser.parse_args(arguments)
    given = list(sys.argv[1:] if arguments is None else arguments)
    rows: list[dict[str, Any]] = []
    for number in range(1, options.rounds + 1):
        output.say(f"round {number} of {options.rounds}")
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            rows += measure(Path(folder), int(options.gb * 1e9), number)
    result = output.circumstances("local_hub", given, ["huggingface-hub"]) | {"gb": options.gb, "rows": rows}
    output.write(result, markdown(result), options)


if __name__ == "__main__":
    main()
