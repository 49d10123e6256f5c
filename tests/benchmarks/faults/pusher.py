"""A process that pushes the same model in a child of its own whenever it is told to, so that the child can be killed.

Each line of its input names the Hub, the folder for reports and history, and the step on the disk before which the
child kills itself (-1: none). It answers with the child's id, and when the child has ended with its exit code.
What goes before the gate is done anew by each child only if it is asked to, since it takes most of the time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Self

ROOT = Path(__file__).parents[3]
BIG = 3_000_000
"""Bytes of the weights."""


class Pusher:
    """That process, seen from a test."""

    def __init__(self, folder: Path, **environment: str) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.faults.pusher", str(folder)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        if self._line() != "ready":
            raise SystemExit("The process that pushes did not start.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(30)
        if self._process.stdout:
            self._process.stdout.close()

    def start(self, endpoint: str, token: str, repo_id: str, folder: Path, **how: Any) -> int:
        """Begin a push and return the id of the process that does it.

        Args:
            endpoint: of the Hub.
            token: of it.
            repo_id: where to.
            folder: for reports and history.
            **how: ``step`` at which the process kills itself, ``again`` for the same content at another time,
                ``whole`` for all that a push does, from the folder and the evidence on.
        """
        told = {"endpoint": endpoint, "token": token, "repo_id": repo_id, "folder": str(folder), **how}
        if self._process.stdin is None:
            raise SystemExit("The process that pushes takes no input.")
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Wait for the push and return its exit code, negative for a signal."""
        return int(self._line())

    def _line(self) -> str:
        return self._process.stdout.readline().strip() if self._process.stdout else ""


def main() -> None:
    """Push whenever a line comes."""
    from tests.benchmarks.faults.cells import prepared

    folder = Path(sys.argv[1])
    pushes = prepared(folder, weights=bytes(range(250)) * (BIG // 250))
    (folder / "upstream").mkdir()
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _push(json.loads(line), folder, pushes)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _push(told: dict[str, Any], folder: Path, pushes: Sequence[Any]) -> NoReturn:
    from huggingface_hub import HfApi

    from hf_contrastive.release.sending import traffic
    from tests.benchmarks.faults.cells import push_prepared, short_waits

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    place, push = Path(told["folder"]), pushes[bool(told.get("again"))]
    try:
        with _counted(told.get("step", -1), place / "steps.json"), short_waits(traffic.SILENCE_SECONDS):
            api = HfApi(endpoint=told["endpoint"], token=told["token"])
            if told.get("whole"):
                _publish(folder, push.evidence, api, told["repo_id"], place)
            else:
                _note(place, push.plan)
                push_prepared(push, api, told["repo_id"], place)
    except BaseException as error:  # noqa: BLE001  (a child that was forked must not go on)
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _publish(folder: Path, evidence: Any, api: Any, repo_id: str, place: Path) -> None:
    from audits.licenses.repo_folders import FolderHub
    from audits.policy import load_policy
    from hf_contrastive.release.publish import publish

    given = replace(evidence, repo_id=repo_id, verdict=None, approvals=(), created_at=datetime.now(UTC).isoformat())
    publish(
        folder / "model",
        given,
        load_policy("standard"),
        reviewed_by="Ada",
        reason="tests",
        hub=FolderHub(folder / "upstream"),
        report_dir=place / "report",
        history=place / "history.jsonl",
        on_plan=lambda plan: _note(place, plan),
        api=api,
    )


def _note(place: Path, plan: Any) -> None:
    """Keep the plan before anything is sent, for whoever looks at the Hub later."""
    number = len(list(place.glob("plan*.json")))
    (place / f"plan{number}.json").write_text(json.dumps(plan.to_dict()))


@contextmanager
def _counted(kill_at: int, seen: Path) -> Iterator[None]:
    """Kill this process before step ``kill_at`` on its disk; a write is cut in half. The steps taken are noted."""
    steps: list[str] = []

    def counted(name: str, step: Callable[..., Any], half: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            target = str(arguments[0]) if arguments and isinstance(arguments[0], Path) else ""
            if "/plan" not in target:
                if len(steps) == kill_at:
                    if half is not None:
                        half(*arguments)
                    os.kill(os.getpid(), signal.SIGKILL)
                steps.append(f"{name} {Path(target).name}".strip())
            return step(*arguments, **options)

        return counting

    plain_write, plain_bytes = os.write, Path.write_bytes
    os.fsync = counted("fsync", os.fsync)
    os.write = counted("write", os.write, lambda file, data: plain_write(file, bytes(data)[: len(data) // 2]))
    halved = counted("write", Path.write_bytes, lambda path, data: plain_bytes(path, bytes(data)[: len(data) // 2]))
    Path.write_bytes = halved  # type: ignore[method-assign,assignment]
    for name in ("replace", "rename", "mkdir", "unlink"):
        setattr(Path, name, counted(name, getattr(Path, name)))
    yield
    with seen.open("w") as file:
        json.dump(steps, file)


if __name__ == "__main__":
    main()
