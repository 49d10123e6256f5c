"""README can not drift: its Python runs, and its command line is the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from huggingface_hub import HfApi

from hf_contrastive.cli import app
from hf_contrastive.release.local_hub import hub_environment, serve

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# what the ids and files that README names stand for here
USER = "your-name"
MODELS = {"answerdotai/ModernBERT-base": "modernbert", "sentence-transformers/all-MiniLM-L6-v2": "bert"}
DATASETS = ("your-name/your-pairs",)
FILES = ("pairs.jsonl",)
FIRST = "cat dog horse mouse bird fish sheep cow goat lion"
SECOND = "bread apple soup cheese rice pear cake honey bean plum"

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run(?P<reason>(?:(?!-->).)*)-->\s*\Z", re.DOTALL)

RUN = """
import json, sys

namespace = {"__name__": "__main__"}
for line, code in json.loads(sys.stdin.read()):
    exec(compile("\\n" * line + code, "README.md", "exec"), namespace)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block; ``not_run`` is the reason of the comment before it, None where there is no comment."""

    language: str
    code: str
    line: int
    not_run: str | None


def blocks(text: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(text):
        comment = NOT_RUN.search(text[: match.start()])
        reason = comment["reason"].removeprefix(":").strip() if comment else None
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        found.append(Block(match["language"], code, text.count("\n", 0, match.start("code")), reason))
    return found


def options() -> dict[str, list[set[str]]]:
    """Return the flags of every command, the names of one option in one set."""
    return dict(_options(typer.main.get_command(app), ()))


def _options(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, list[set[str]]]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _options(inner, (*path, name))
        return
    named = [{*item.opts, *item.secondary_opts} for item in command.params if item.param_type_name == "option"]
    yield " ".join(path), named


def train_flags() -> set[str]:
    """Return train's flags as its own parser knows them."""
    from transformers import HfArgumentParser

    from hf_contrastive.cli.train import TrainArguments
    from hf_contrastive.config import ContrastiveConfig

    parser = HfArgumentParser((TrainArguments, ContrastiveConfig))
    return {flag for action in parser._actions for flag in action.option_strings}


COMMANDS = options()
USE = re.compile(rf"hf-contrastive ({'|'.join(sorted(COMMANDS, key=len, reverse=True))})\b")
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def uses(text: str) -> list[tuple[str, str]]:
    """Return (command, what follows) of each use in code: to the end of a shell line or of an inline span."""
    code = [block.code for block in blocks(text) if block.language != "python"]
    code += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    lines = [line for part in code for line in part.replace("\\\n", " ").splitlines()]
    return [(match[1], line[match.end() :]) for line in lines for match in USE.finditer(line)]


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", FENCE.sub(_without_hashes, README), re.MULTILINE | re.DOTALL)
    assert found is not None, f"README has no section {title!r}"
    return found[1]


def _without_hashes(match: re.Match[str]) -> str:
    # a comment in a shell block is no heading
    return re.sub(r"^#", " ", match[0], flags=re.MULTILINE)


def test_every_python_block_runs_in_order(tmp_path: Path, tiny_encoder: Callable[..., Path]):
    chosen = [block for block in blocks(README) if block.language == "python" and block.not_run is None]
    assert chosen
    rows = [
        {"anchor": f"what is a {first} with {second}", "positive": f"{second} belongs to the {first}", "license": "MIT"}
        for first in FIRST.split()
        for second in SECOND.split()
    ]
    rows.append(rows[3])  # so that there is a finding to show
    folder = tmp_path / "run"
    data = tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for path in (data / "train.jsonl", *(folder / name for name in FILES)):
        path.write_text(lines, encoding="utf-8")
    with serve(tmp_path / "hub", user=USER) as hub:
        for repo_id, architecture in MODELS.items():
            hub.seed(repo_id, tiny_encoder(architecture))
        for repo_id in DATASETS:
            hub.seed(repo_id, data, repo_type="dataset")
        environment = {**os.environ, **hub_environment(hub), "HF_HOME": str(tmp_path / "home")}
        environment.pop("HF_HUB_OFFLINE", None)
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            input=json.dumps([(block.line, block.code) for block in chosen]),
            env=environment | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        code = "\n".join(block.code for block in chosen)
        for repo_id in re.findall(r"hub_model_id=\"([^\"]+)\"", code):
            # what README says is published is there
            files = set(api.list_repo_files(repo_id))
            assert {"README.md", "report.html", "report.json", "evidence.json", "modules.json"} <= files
            assert "adapter/adapter_config.json" in files


def test_a_block_that_is_not_run_says_why():
    assert [block.line for block in blocks(README) if block.not_run is not None and len(block.not_run) < 10] == []


def test_ids_in_blocks_that_run_are_those_that_are_seeded():
    code = "\n".join(block.code for block in blocks(README) if block.language == "python" and block.not_run is None)
    loaded = re.findall(r"(?:model=|load_dataset\()\"([\w.-]+/[\w.-]+)\"", code)
    assert set(loaded) <= {*MODELS, *DATASETS}, "add the id to the tables at the top of this file"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_command_line_section_names_every_command_with_every_flag(command: str):
    lines = [rest for name, rest in uses(section("Command line")) if name == command]
    assert lines, f"the section does not name `hf-contrastive {command}`"
    named = {flag for rest in lines for flag in FLAG.findall(rest)}
    missing = [sorted(names) for names in COMMANDS[command] if not names & named]
    assert missing == []


def test_every_flag_that_is_named_exists():
    known = {command: set().union(*named, {"--help"}) for command, named in COMMANDS.items()}
    known["train"] |= train_flags()
    wrong = [(command, flag) for command, rest in uses(README) for flag in FLAG.findall(rest)]
    assert [item for item in wrong if item[1] not in known[item[0]]] == []


def test_train_names_its_own_flags():
    """Those of ContrastiveConfig are too many to list; those of the command itself are not."""
    from dataclasses import fields

    from hf_contrastive.cli.train import TrainArguments

    named = {flag for name, rest in uses(section("Command line")) if name == "train" for flag in FLAG.findall(rest)}
    own = {"--" + item.name.replace("_", "-") for item in fields(TrainArguments)} - {"--source"}  # a position
    assert own - named == set()


def test_commands_make_targets_and_links_exist():
    words = [match[1] for match in re.finditer(r"hf-contrastive ([a-z-]+)", "\n".join(code_of(README)))]
    assert set(words) <= {command.split()[0] for command in COMMANDS}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)|`make (\w+)`", README, re.MULTILINE)) <= {
        pair for name in targets for pair in ((name, ""), ("", name))
    }
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def code_of(text: str) -> list[str]:
    return [block.code for block in blocks(text)] + re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


# ---- the harness itself: what it must notice -------------------------------------------------------------

SAMPLE = """
<!-- not run: needs a GPU cluster -->

```python
a = 1
```

<!-- not run -->
```python
b = 2
```

<!-- not run: another reason --> and words between
```python
c = 3
```

1. indented
   ```python
   if c:
       d = 4
   ```

Say `hf-contrastive hub serve DIR --port 1`, not `pip --quiet`.
```bash
hf-contrastive audit x.csv \\
    --json
# hf-contrastive push a b --data c
```
"""


def test_blocks_are_read_with_their_reasons_and_places():
    found = [block for block in blocks(SAMPLE) if block.language == "python"]
    assert [block.not_run for block in found] == ["needs a GPU cluster", "", None, None]
    assert found[3].code == "if c:\n    d = 4\n"
    assert SAMPLE.splitlines()[found[2].line] == "c = 3"


def test_uses_are_read_from_code_over_continued_lines():
    assert [(name, FLAG.findall(rest)) for name, rest in uses(SAMPLE)] == [
        ("audit", ["--json"]),
        ("push", ["--data"]),
        ("hub serve", ["--port"]),
    ]
