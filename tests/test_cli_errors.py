"""Bad input to every command: one paragraph, exit 2 or 3, no traceback, nothing half-written."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from hf_contrastive.cli import audit as audit_command
from hf_contrastive.cli import main
from hf_contrastive.errors import PushBlocked

Cli = Callable[..., tuple[int, str, str]]
SMALL = ("--per_device_train_batch_size", "2")
PAIRS = [{"anchor": f"what is {word}", "positive": f"{word} is a word"} for word in ("river", "stone", "cloud", "tree")]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def renamed_columns(folder: Path) -> Path:
    return jsonl(folder / "d.jsonl", [{"anker": "a", "positiv": "b"}] * 4)


def no_columns_of_text(folder: Path) -> Path:
    return jsonl(folder / "d.jsonl", [{"anchor": 1, "positive": 2}] * 4)


def one_column(folder: Path) -> Path:
    return jsonl(folder / "d.jsonl", [{"anchor": "a"}] * 4)


def empty_file(folder: Path) -> Path:
    (folder / "d.csv").touch()
    return folder / "d.csv"


def empty_jsonl(folder: Path) -> Path:
    (folder / "d.jsonl").touch()
    return folder / "d.jsonl"


def only_a_header(folder: Path) -> Path:
    (folder / "d.csv").write_text("anchor,positive\n")
    return folder / "d.csv"


def empty_table(folder: Path) -> Path:
    pq.write_table(
        pa.table({"anchor": pa.array([], pa.string()), "positive": pa.array([], pa.string())}), folder / "d.parquet"
    )
    return folder / "d.parquet"


def corrupt_parquet(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(PAIRS), folder / "d.parquet")
    raw = (folder / "d.parquet").read_bytes()
    (folder / "d.parquet").write_bytes(raw[: len(raw) // 2])
    return folder / "d.parquet"


def corrupt_jsonl(folder: Path) -> Path:
    (folder / "d.jsonl").write_text('{"anchor": "a", "positive": "b"}\n{"anchor": "a", \n')
    return folder / "d.jsonl"


def corrupt_saved(folder: Path) -> Path:
    from datasets import Dataset

    Dataset.from_list(PAIRS).save_to_disk(folder / "saved")
    next((folder / "saved").glob("*.arrow")).write_bytes(b"torn")
    return folder / "saved"


def missing_file(folder: Path) -> Path:
    return folder / "gone.csv"


def foreign_suffix(folder: Path) -> Path:
    (folder / "d.xlsx").write_bytes(b"PK")
    return folder / "d.xlsx"


def empty_folder(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


def folder_named_as_a_file(folder: Path) -> Path:
    (folder / "d.csv").mkdir()
    return folder / "d.csv"


def binary_as_csv(folder: Path) -> Path:
    (folder / "d.csv").write_bytes(bytes(range(256)))
    return folder / "d.csv"


BAD = {
    renamed_columns: ["anker", "positiv", "accepted"],
    no_columns_of_text: ["anchor", "int64"],
    one_column: ["anchor", "accepted"],
    empty_file: ["d.csv", "at least one row"],
    empty_jsonl: ["d.jsonl", "at least one row"],
    only_a_header: ["at least one row"],
    empty_table: ["at least one row"],
    corrupt_parquet: ["d.parquet", "damaged"],
    corrupt_jsonl: ["d.jsonl", "damaged"],
    corrupt_saved: ["saved", "damaged"],
    missing_file: ["gone.csv", "There is no file"],
    foreign_suffix: [".xlsx", "Convert"],
    empty_folder: ["nothing", "no data files"],
    folder_named_as_a_file: ["d.csv", "no data files"],
    binary_as_csv: ["d.csv"],
}
OTHERWISE = {
    ("evaluate", renamed_columns): ["'anchor' and 'positive'", "anker, positiv"],
    ("evaluate", no_columns_of_text): ["Row 0", "must be texts"],
    ("evaluate", one_column): ["'positive'", "it has anchor"],
    ("train", no_columns_of_text): ["`anchor`", "row 0", "must be a text"],
}


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def said(out: str) -> bool:
    """Whether the one document of ``push --json`` tells an error and no decision; False where nothing is said."""
    if not out:
        return False
    document = json.loads(out)
    assert document["decision"] is None
    return bool(document["error"]["type"] and document["error"]["message"])


@pytest.mark.parametrize("command", ["audit", "evaluate", "train", "push"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            make,
            id=make.__name__,
        )
        for make in BAD
    ],
)
def test_bad_data(run_cli: Cli, tiny_bert: Path, tmp_path: Path, command: str, make: Callable[[Path], Path]):
    data, work = tmp_path / "data", tmp_path / "work"
    data.mkdir()
    source = make(data)
    before = files_below(data)
    arguments: dict[str, tuple[object, ...]] = {
        "audit": (source, "--out", work / "out", "--json"),
        "evaluate": ("--model", tiny_bert, "--data", source, "--json"),
        "train": (source, "--model", tiny_bert, "--output_dir", work / "run", *SMALL),
        "push": (tiny_bert, "local/model", "--data", source, "--json"),
    }
    code, out, err = run_cli(command, *arguments[command])
    assert (code, said(out)) == (2, command == "push")
    assert "Traceback" not in err
    message = err[err.index("Error.") :].strip()
    assert len(message.splitlines()) == 1
    # these read the cells of columns that they were told or know
    told = OTHERWISE.get((command, make), BAD[make])
    assert all(part in message for part in told), message
    assert message.endswith((".", "`", ")"))
    assert files_below(data) == before
    assert files_below(work) == {}
    assert not (work / "out").exists()
    assert not (tiny_bert.parent / "report").exists()


@pytest.mark.parametrize("cell", [None, 5, True, ["a"], {"a": 1}], ids=["null", "number", "bool", "list", "object"])
def test_cells_that_are_no_text_stop_a_training(run_cli: Cli, tiny_bert: Path, tmp_path: Path, cell: Any):
    source = jsonl(tmp_path / "d.jsonl", [*PAIRS, {"anchor": "x", "positive": cell}])
    code, out, err = run_cli("train", source, "--model", tiny_bert, "--output_dir", tmp_path / "run", *SMALL)
    assert (code, out) == (2, "")
    assert "`positive`" in err or "d.jsonl" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "model").exists()


def test_nulls_are_a_finding_of_the_audit_and_no_error(run_cli: Cli, tmp_path: Path):
    source = jsonl(tmp_path / "d.jsonl", [*PAIRS, {"anchor": "x", "positive": None}])
    code, out, _ = run_cli("audit", source, "--json")
    found = {item["code"]: item for item in json.loads(out)["results"]}
    assert code == 4
    assert found["PAIR003"]["findings"][0]["total_rows"] == 1


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [None, 0, 1, 1]], ids=["one", "one row each", "null"])
def test_odd_classes(run_cli: Cli, tiny_bert: Path, tmp_path: Path, labels: list[int | None]):
    rows = [{"text": row["positive"], "label": label} for row, label in zip(PAIRS, labels, strict=True)]
    source = jsonl(tmp_path / "d.jsonl", rows)
    code, out, err = run_cli("audit", source, "--json")
    result = next(item for item in json.loads(out)["results"] if item["code"] == "LABEL001")
    assert code == 4
    assert result["status"] in ("ran", "skipped"), result["reason"]
    assert "Traceback" not in err
    if len(set(labels)) == len(labels):
        return
    code, _, err = run_cli("train", source, "--model", tiny_bert, "--output_dir", tmp_path / "run", *SMALL)
    assert code == 2
    assert "Traceback" not in err
    assert "`label`" in err


def test_a_source_that_can_not_be_listed(run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "locked").mkdir()
    original = Path.iterdir

    def refuse(path: Path) -> Any:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    code, out, err = run_cli("audit", tmp_path / "locked", "--json")
    assert (code, out) == (2, "")
    assert "Permission denied" in err
    assert "locked" in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", ["no valid TOML"]),
        ('name = "p"\n', ["no [[rules]]"]),
        ('name = "p"\n[[rules]]\ncode = "DUP001"\nalowed = 1\n', ["alowed", "allowed"]),
        ('name = "p"\nruls = []\n', ["ruls", "rules"]),
        ('name = "p"\n[[rules]]\ncode = "DUP01"\n', ["DUP01", "DUP001"]),
        ('name = "p"\n[[rules]]\ncode = "DUP001"\ndecision = "stop"\n', ["stop", "review"]),
        ('name = "p"\n[[rules]]\ncode = "DUP001"\nallowed = "few"\n', ["few", "number"]),
        ('name = "p"\n[[rules]]\ncode = "DUP001"\nallowed = -1\n', ["-1", "0 or more"]),
    ],
)
@pytest.mark.parametrize("command", ["audit", "push"])
def test_a_policy_that_can_not_be_used(
    run_cli: Cli, tiny_bert: Path, permissive_file: Path, tmp_path: Path, command: str, text: str, told: list[str]
):
    (tmp_path / "own.toml").write_text(text)
    given = {
        "audit": (permissive_file, "--out", tmp_path / "out"),
        "push": (tiny_bert, "local/model", "--data", permissive_file),
    }
    code, out, err = run_cli(command, *given[command], "--policy", tmp_path / "own.toml", "--json")
    assert (code, said(out)) == (2, command == "push")
    assert "own.toml" in err
    assert all(part in err for part in told), err
    assert len(err.strip().splitlines()) == 1
    assert [item.name for item in tmp_path.iterdir()] == ["own.toml"]


@pytest.mark.parametrize("name", ["standart", "gone.toml", "."])
def test_a_policy_that_is_not_there(run_cli: Cli, permissive_file: Path, name: str):
    code, out, err = run_cli("audit", permissive_file, "--policy", name)
    assert (code, out) == (2, "")
    assert f"`{name}`" in err
    assert "permissive, standard, strict" in err
    assert ("Did you mean `standard`" in err) == (name == "standart")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("audit",), ["source", "audit --help"]),
        (("audit", "d", "--polcy", "x"), ["--polcy", "--policy"]),
        (("audit", "d", "e"), ["e", "audit --help"]),
        (("audti", "d"), ["audti", "hf-contrastive --help"]),
        (("evaluate", "--model", "m"), ["--data"]),
        (("push", "d"), ["repo"]),
        (("push", "d", "a/b"), ["--data"]),
        (("hub", "serv"), ["serv"]),
        (("demo", "--outt", "x"), ["--outt", "--out"]),
        (("--versoin",), ["--versoin"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_command_line_does_not_know(run_cli: Cli, arguments: tuple[str, ...], told: list[str]):
    code, out, err = run_cli(*arguments)
    assert (code, out) == (2, "")
    assert all(part in err for part in told), err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [(), ("hub",)])
def test_no_command_is_answered_with_help(run_cli: Cli, arguments: tuple[str, ...]):
    code, out, err = run_cli(*arguments)
    assert code == 2
    assert "Commands" in err + out


@pytest.mark.parametrize(
    "command",
    [
        "affected",
        "approve",
        "audit",
        "demo",
        "evaluate",
        "framework",
        "history",
        "hub",
        "license",
        "policy",
        "push",
        "train",
    ],
)
def test_help_exits_0(run_cli: Cli, command: str):
    code, out, err = run_cli(command, "--help")
    assert (code, err) == (0, "")
    assert command in out


@pytest.mark.parametrize("name", ["file.json", "file.json/below"])
def test_an_out_folder_that_can_not_be(run_cli: Cli, permissive_file: Path, tmp_path: Path, name: str):
    (tmp_path / "file.json").write_text("mine")
    code, out, err = run_cli("audit", permissive_file, "--out", tmp_path / name, "--json")
    assert (code, out) == (2, "")
    assert "file.json" in err
    assert "Traceback" not in err
    assert files_below(tmp_path) == {str(tmp_path / "file.json"): b"mine"}


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("train", "d.csv", "--model", "m"), "train"),
        (("evaluate", "--model", "m", "--data", "d.csv"), "train"),
        (("demo",), "demo"),
    ],
)
def test_a_missing_extra(
    run_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], extra: str
):
    monkeypatch.chdir(tmp_path)
    original = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else original(name, *a))
    code, out, err = run_cli(*arguments)
    assert (code, out) == (3, "")
    assert f'pip install "hf-contrastive[{extra}]"' in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_model_that_is_not_here_while_offline(
    run_cli: Cli, permissive_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    given = {
        "evaluate": ("--model", "somebody/model", "--data", permissive_file, "--json"),
        "train": (permissive_file, "--model", "somebody/model", "--output_dir", tmp_path / "run", *SMALL),
    }
    code, out, err = run_cli(command, *given[command])
    assert (code, out) == (3, "")
    assert "'somebody/model'" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.slow
def test_the_hub_can_not_be_reached(tiny_bert: Path, tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    commands = [
        ["audit", "somebody/pairs", "--out", "out", "--json"],
        ["evaluate", "--model", str(tiny_bert), "--data", "somebody/pairs", "--json"],
        ["train", "somebody/pairs", "--model", str(tiny_bert), "--output_dir", "run"],
        ["push", str(tiny_bert), "local/model", "--data", "somebody/pairs"],
    ]
    # one process for all: HF_ENDPOINT is read when the libraries are imported, which takes seconds
    script = (
        "import sys, json\nfrom hf_contrastive.cli import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['hf-contrastive', *command]\n"
        "    try:\n        main()\n"
        "    except SystemExit as stopped:\n        print('CODE', stopped.code, file=sys.stderr, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, json.dumps(commands)],
        env={"PATH": "", "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": closed, "HF_TOKEN": "hf_none"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    codes = [line for line in done.stderr.splitlines() if line.startswith("CODE")]
    assert codes == ["CODE 3"] * len(commands), done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error.")]
    assert len(errors) == len(commands), done.stderr
    assert all("somebody/" in line for line in errors)
    assert {path.name for path in tmp_path.iterdir()} <= {"home"}


WITHOUT_TORCH = """
import importlib.util, sys

NAMES, find_spec = ("torch", "transformers", "peft", "accelerate", "sentence_transformers"), importlib.util.find_spec
# as if they were not installed, whoever asks and whoever imports
importlib.util.find_spec = lambda name, *rest: None if name in NAMES else find_spec(name, *rest)

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Missing())
from hf_contrastive.cli import main
for command in sys.argv[1].split("; "):
    sys.argv = ["hf-contrastive", *command.split()]
    try:
        main()
    except SystemExit as stopped:
        print("CODE", stopped.code, file=sys.stderr, flush=True)
"""


@pytest.mark.slow
def test_audit_and_push_need_no_torch(tiny_bert: Path, permissive_file: Path, tmp_path: Path):
    shutil.copytree(tiny_bert, tmp_path / "model")
    commands = [f"audit {permissive_file} --out out --json", f"push model local/m --data {permissive_file}"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "; ".join(commands)],
        env={"PATH": "", "HF_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    # the model's training was not seen: a matter of review
    assert [line for line in done.stderr.splitlines() if line.startswith("CODE")] == ["CODE 0", "CODE 4"], done.stderr
    assert json.loads(done.stdout)["decision"] == "pass"
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "report" / "README.md").is_file()


# ---- what no command should let happen, and what becomes of it if one does ---------------------------


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (PermissionError(13, "Permission denied", "/some/file"), 3, "Permission denied (/some/file)"),
        (OSError("disk on fire"), 3, "disk on fire"),
        (MemoryError("no room"), 3, "no room"),
        (RuntimeError("a defect"), 3, "a defect of hf-contrastive"),
        (KeyboardInterrupt(), 3, "Interrupted"),
        (PushBlocked("no [bold] way"), 1, "no [bold] way"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_unexpected_error_is_never_taken_for_a_decision(
    run_cli: Cli, permissive_file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(audit_command, "check_progress", fail)
    got, out, err = run_cli("audit", permissive_file, "--json")
    assert (got, out) == (code, "")
    assert told in err
    assert "half-written" not in err  # nothing here knows that
    # the lines that a report of a defect needs
    assert ("Traceback" in err) == isinstance(error, RuntimeError | MemoryError)


def test_numbers_do_not_reach_the_json_as_nan(run_cli: Cli, tmp_path: Path):
    rows = [row | {"score": float(np.nan)} for row in PAIRS]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    code, out, _ = run_cli("audit", tmp_path / "d.parquet", "--json")
    assert code == 4

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} in the JSON document")

    json.loads(out, parse_constant=refuse)


def test_main_is_the_console_script():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="hf-contrastive")
    assert script.load() is main
