"""What a person sees: everything on stderr, so that stdout stays one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print for people; may hold rich markup."""
    console.print(message)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for people."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_json(document: Any) -> None:
    """Print the one JSON document of ``--json``; ``document`` is data or ready JSON text."""
    text = document if isinstance(document, str) else json.dumps(document, indent=2, ensure_ascii=False)
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; call what is given with (done, total)."""
    with _bar(title) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def stage_progress(title: str, then: str) -> Iterator[tuple[Callable[[int, int], None], Callable[[str], None]]]:
    """Show a bar that is told (done, total), and then what is done next by name."""
    with _bar(title) as update:
        yield (
            lambda done, total: update(completed=done, total=total),
            lambda name: update(description=f"{then} {name}", total=None),
        )


@contextmanager
def progress_with_words(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar; call what is given with (done, total, what is done now)."""
    with _bar(title) as update:
        yield lambda done, total, words: update(completed=done, total=total, description=words)


@contextmanager
def check_progress(title: str) -> Iterator[Callable[[str, str, int, int], None]]:
    """Show which check runs; suits ``audit(on_progress=...)``."""
    with _bar(title) as update:
        checks = 0

        def show(code: str, name: str, index: int, total: int) -> None:
            nonlocal checks
            checks = total
            update(completed=index, total=total, description=f"{title}: {code} {name[:48]}")

        yield show
        update(completed=checks, description=title)


@contextmanager
def _bar(title: str) -> Iterator[Callable[..., None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        task = bars.add_task(title, total=None)
        yield lambda **fields: bars.update(task, **fields)
