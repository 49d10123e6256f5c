"""Real texts of any machine that runs this: what is documented and written in the installed packages."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read(path: Path, column: str, rows: int) -> pa.ChunkedArray:
    """Return the first rows of a column of a parquet file.

    Raises:
        SystemExit: there is no such file or column, or it holds no strings.
    """
    if not path.is_file():
        raise SystemExit(f"{path} is no file; give a parquet file.")
    names = pq.read_schema(path).names
    if column not in names:
        raise SystemExit(f"{path} has no column `{column}`; its columns are {', '.join(names)}.")
    texts = pq.read_table(path, columns=[column]).column(0).slice(0, rows)
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise SystemExit(f"Column `{column}` of {path} holds {texts.type}; strings are needed.")
    return texts


def collect(source: str, size: int, rows: int) -> pa.ChunkedArray:
    """Return up to ``rows`` texts of ``size`` bytes: beginnings of docstrings, or windows of source files."""
    found: list[str] = []
    for text in _docstrings() if source == "docstrings" else _sources():
        data = text.encode("utf-8", "ignore")
        stop = min(size if source == "docstrings" else len(data), len(data) - size + 1)
        found.extend(data[start : start + size].decode("utf-8", "ignore") for start in range(0, stop, size))
        if len(found) >= rows:
            break
    return pa.chunked_array([pa.array(found[:rows], pa.large_string())])


def _sources() -> Iterator[str]:
    paths = sysconfig.get_paths()
    for root in (paths["purelib"], paths["stdlib"]):
        for path in sorted(Path(root).rglob("*.py")):
            try:
                yield path.read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                continue


def _docstrings() -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for source in _sources():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                yield text
