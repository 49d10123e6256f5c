"""``hf-contrastive card validate``: exit codes, the table, the JSON document, several cards at once."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from model_cards.validate import RULES, examine_card

Cli = Callable[..., tuple[int, str, str]]
GOOD = (Path(__file__).parent / "golden" / "README.md").read_text(encoding="utf-8")
WARNED = GOOD.replace("- lora\n", "- lora\n- lora\n", 1)
BROKEN = GOOD.replace("license: apache-2.0", "licence: license", 1)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_card(text: str, folder: str = "model") -> Path:
        path = tmp_path / folder / "README.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_card


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [(GOOD, (), 0), (WARNED, (), 0), (WARNED, ("--strict",), 1), (BROKEN, (), 1), (BROKEN, ("--strict",), 1)],
)
def test_exit_codes(run_cli: Cli, write: Callable[..., Path], text: str, options: tuple[str, ...], code: int):
    path = write(text)
    for given in (path, path.parent):
        exit_code, out, _ = run_cli("card", "validate", given, *options)
        assert (exit_code, out) == (code, "")
        exit_code, out, err = run_cli("card", "validate", given, *options, "--json")
        told = json.loads(out)
        assert (exit_code, told["valid"], told["cards"][0]["valid"], err) == (code, code == 0, code == 0, "")


def test_the_json_document_tells_what_the_library_tells(run_cli: Cli, write: Callable[..., Path]):
    path = write(BROKEN)
    told = json.loads(run_cli("card", "validate", path, "--json")[1])
    problems = examine_card(BROKEN)
    assert set(told) == {"valid", "strict", "errors", "warnings", "cards"}
    (entry,) = told["cards"]
    assert set(entry) == {"path", "valid", "errors", "warnings", "problems"}
    assert (told["errors"], told["warnings"]) == (entry["errors"], entry["warnings"]) == (1, 1)
    assert entry["path"] == str(path)
    for shown, problem in zip(entry["problems"], problems, strict=True):
        assert shown == {**problem.to_dict(), "message": problem.message}
        assert shown["severity"] == RULES[shown["code"]].severity
        assert set(shown) <= {"code", "severity", "line", "what", "observed", "allowed", "next_step", "message"}


def test_the_table_names_line_code_and_what_to_do(
    run_cli: Cli, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)
    path = write(BROKEN.replace("# docstring-minilm", "# [bold]x[/bold]\n\n[More Information Needed]"))
    _, _, err = run_cli("card", "validate", path)
    line = BROKEN[: BROKEN.index("licence")].count("\n") + 1
    told = " ".join(re.sub(r"[^\w\s.,`:\[\]-]", " ", err).split())
    assert f"{line} error CARD016 `licence` is not read by the Hub" in told
    assert "Rename it to `license`." in told
    assert "[More Information Needed]" in told
    assert "2 errors, 1 warning" in told


def test_several_cards_are_told_apart(run_cli: Cli, write: Callable[..., Path], tmp_path: Path):
    good, broken = write(GOOD, "a"), write(BROKEN, "b")
    (tmp_path / "c").mkdir()
    code, out, err = run_cli("card", "validate", good, broken.parent, tmp_path / "c", good, "--json")
    told = json.loads(out)["cards"]
    assert code == 1
    assert err == ""
    assert [(Path(entry["path"]).name, entry["valid"]) for entry in told] == [
        ("README.md", True),
        ("b", False),
        ("c", False),
    ]
    assert [problem["code"] for problem in told[2]["problems"]] == ["CARD000"]
    _, _, err = run_cli("card", "validate", good, broken)
    assert "valid" in err.splitlines()[0]
    assert "2 cards: 1 error, 1 warning." in err


def test_many_cards(run_cli: Cli, write: Callable[..., Path]):
    paths = [write(GOOD if number % 2 else BROKEN, f"m{number}") for number in range(24)]
    code, out, _ = run_cli("card", "validate", *paths, "--json")
    assert code == 1
    assert [entry["valid"] for entry in json.loads(out)["cards"]] == [False, True] * 12


def test_what_can_not_be_read_is_a_mistake_of_usage(run_cli: Cli, write: Callable[..., Path], tmp_path: Path):
    path = write(GOOD)
    for given in ((tmp_path / "none",), (path, tmp_path / "none.md"), ()):
        code, out, err = run_cli("card", "validate", *given)
        assert (code, out) == (2, "")
        assert "none" in err or "Missing argument" in err
        assert "valid " not in err
    assert run_cli("card")[0] == 2


def test_nothing_is_sent(run_cli: Cli, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert run_cli("card", "validate", write(GOOD))[0] == 0
