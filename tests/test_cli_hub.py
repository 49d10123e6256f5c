"""``hf-contrastive hub serve``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_contrastive.release.local_hub import serve

Cli = Callable[..., tuple[int, str, str]]


def test_it_says_how_to_use_it_serves_and_stops_when_interrupted(tmp_path: Path):
    # where the tests run in the background of a shell, their children inherit that interrupts are ignored
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = f"{heard}; from hf_contrastive.cli import main; main()"
    arguments = ["hub", "serve", str(tmp_path / "hub"), "--port", "0", "--user", "ada", "--token", "hf_of_ada"]
    arguments += ["--read-token", "hf_to_read"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", command, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        lines = []
        while not lines or "Ctrl+C" not in lines[-1]:
            line = process.stderr.readline()
            assert line, "".join(lines)
            lines.append(line)
        exports = dict(
            line.split("export ", 1)[1].strip().split("=", 1) for line in lines if line.strip().startswith("export")
        )
        assert exports["HF_ENDPOINT"] in lines[0]
        assert (exports["HF_TOKEN"], exports["HF_HUB_DISABLE_XET"]) == ("hf_of_ada", "1")
        api = HfApi(endpoint=exports["HF_ENDPOINT"], token=exports["HF_TOKEN"])
        assert api.whoami()["name"] == "ada"
        assert api.create_repo("ada/model").repo_id == "ada/model"
        reader = HfApi(endpoint=exports["HF_ENDPOINT"], token="hf_to_read")
        assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
        assert "hf_to_read" in lines[-2]
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert (process.returncode, out) == (0, "")
    assert "Stopped" in err
    assert "push ./model ada/my-model" in lines[-1]
    assert "Traceback" not in err
    with serve(tmp_path / "hub", user="ada", token="hf_of_ada") as again:
        assert HfApi(endpoint=again.endpoint, token=again.token).repo_exists("ada/model")


def test_a_port_in_use(run_cli: Cli, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = run_cli("hub", "serve", tmp_path / "hub", "--port", port)
    assert (code, out) == (3, "")
    assert str(port) in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_can_not_be_used(run_cli: Cli, tmp_path: Path, name: str):
    (tmp_path / "file").write_text("x")
    code, out, err = run_cli("hub", "serve", tmp_path / name, "--port", "0")
    assert (code, out) == (3, "")
    assert "file" in err
    assert "Traceback" not in err


def test_a_folder_that_is_served_already(run_cli: Cli, tmp_path: Path):
    with serve(tmp_path / "hub"):
        code, _, err = run_cli("hub", "serve", tmp_path / "hub", "--port", "0")
    assert code == 3
    assert "Another local Hub serves" in err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--user", "a/b"), "a/b"),
        (("--token", "with space"), "token must be printable"),
        (("--read-token", "with space"), "token must be printable"),
        (("--token", "same", "--read-token", "same"), "must differ"),
        (("--port", "many"), "--port"),
        (("--port", "65536"), "--port"),
        (("--port", "-1"), "--port"),
        (("--prt", "1"), "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_are_usage_errors(run_cli: Cli, tmp_path: Path, options: tuple[str, ...], told: str):
    code, out, err = run_cli("hub", "serve", tmp_path / "hub", "--port", "0", *options)
    assert (code, out) == (2, "")
    assert told in err
    assert "with space" not in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "hub").exists()
