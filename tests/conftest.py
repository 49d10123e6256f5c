"""Options and fixtures of all tests."""

from __future__ import annotations

import os

# two test processes share the cores: OpenMP threads that spin for each other would take minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], Callable[[str], None]]:
    """``golden(name)(text)`` compares ``text`` with tests/golden/<name>, or writes it with --update-golden."""

    def of(name: str) -> Callable[[str], None]:
        path = GOLDEN / name

        def compare(text: str) -> None:
            if request.config.getoption("--update-golden"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            assert path.exists(), f"{path.name} is missing: run pytest with --update-golden and read the difference"
            assert text == path.read_text(encoding="utf-8")

        return compare

    return of
