"""Source files of the installed packages, and the docstrings in them; the standard library only.

Nothing is imported or executed: files are found by the RECORD of each distribution and read by ``ast``.
"""

from __future__ import annotations

import ast
import gc
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from hf_contrastive.demo.package_licenses import package_license, standard_library_license
from hf_contrastive.demo.sentences import split_docstring

STANDARD_LIBRARY = "stdlib"

_OWN_DISTRIBUTION = "hf-contrastive"
_OWN_PACKAGES = frozenset({"audits", "model_cards", "hf_contrastive", "tests"})
# tests describe single cases; vendored copies repeat other packages under a license that the metadata
# of the package around them does not state
_EXCLUDED_FOLDERS = frozenset(
    {"__pycache__", "site-packages", "dist-packages", "test", "tests"}
    | {"_vendor", "externals", "third_party", "vendor", "vendored"}
)
_GROUP_DEPTH = 3
_MEMBERS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class SourceFile(NamedTuple):
    """One file with what its rows have in common; ``group`` is what a split never divides."""

    path: str
    label: str
    module: str
    group: str
    license: str | None


class Docstring(NamedTuple):
    """One row before it is assigned to a split."""

    anchor: str
    positive: str
    label: str
    module: str
    qualified_name: str
    license: str | None
    group: str


def installed_distributions() -> list[Distribution]:
    """Return the distributions of this environment's site-packages, sorted by name, without our own."""
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    found = {_canonical(item.name): item for item in distributions(path=folders)}
    return [found[name] for name in sorted(found) if name != _OWN_DISTRIBUTION]


def list_source_files() -> list[SourceFile]:
    """Return every Python source file to read, ordered by module path.

    Left out: test suites (a folder ``tests`` or ``test``, ``test_*.py``, ``conftest.py``), vendored
    copies of other packages, compiled caches, this project's own packages, and installed files that no RECORD lists.
    The order does not depend on the file system.
    """
    found: dict[str, SourceFile] = {}
    for distribution in installed_distributions():
        license_name = package_license(distribution).concluded
        for file in distribution.files or ():
            if file.suffix == ".py" and file.parts[0] not in _OWN_PACKAGES and _is_wanted(file):
                # the first distribution by name keeps a file that several claim
                path = str(distribution.locate_file(file))
                found.setdefault(str(file), _source_file(path, file, None, license_name))
    root = Path(sysconfig.get_path("stdlib"))
    library_license = standard_library_license()
    for source in root.rglob("*.py"):
        inside = PurePosixPath(source.relative_to(root).as_posix())
        if _is_wanted(inside):
            key = f"{STANDARD_LIBRARY}:{inside}"
            found[key] = _source_file(str(source), inside, STANDARD_LIBRARY, library_license)
    return [found[key] for key in sorted(found)]


def read_docstrings(files: Sequence[SourceFile]) -> list[Docstring]:
    """Return the pairs of these files in order of file and line; runs in a worker process.

    A file that this interpreter can not parse (a template, another version's syntax) gives none.
    """
    rows: list[Docstring] = []
    # a tree has no cycles: without the collector, parsing takes a quarter less time
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for file in files:
            rows.extend(_read_file(file))
    finally:
        if was_enabled:
            gc.enable()
    return rows


def _read_file(file: SourceFile) -> Iterator[Docstring]:
    try:
        source = Path(file.path).read_bytes()
        if b'"""' not in source and b"'''" not in source:
            return  # parsing is the cost, and a pair on one line is rare
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are their authors' concern
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for qualified_name, docstring in _docstrings(tree, file.module):
        pair = split_docstring(docstring)
        if pair is not None:
            yield Docstring(*pair, file.label, file.module, qualified_name, file.license, file.group)


def _docstrings(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, docstring) of the module and its public members in order of lines.

    Private members (``_name``) and functions within functions are no documentation for users.
    """
    stack: list[tuple[ast.AST, str]] = [(tree, module)]
    while stack:
        node, name = stack.pop()
        if isinstance(node, (ast.Module, *_MEMBERS)):
            docstring = ast.get_docstring(node, clean=False)
            if docstring is not None:
                yield name, docstring
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
        # definitions also stand below `if TYPE_CHECKING`, `try: import ...` and the like
        for field in ("finalbody", "orelse", "handlers", "body"):
            for child in reversed(getattr(node, field, ())):
                if not isinstance(child, _MEMBERS):
                    stack.append((child, name))
                elif _is_public(child.name):
                    stack.append((child, f"{name}.{child.name}"))


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _source_file(path: str, file: PurePosixPath, label: str | None, license_name: str | None) -> SourceFile:
    parts = list(file.with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    if is_package and len(parts) > 1:
        parts.pop()
    package = parts if is_package else parts[:-1]
    # a module on the top level has no parent: it is its own group
    group = ".".join((package or parts)[:_GROUP_DEPTH])
    return SourceFile(path, label or parts[0], ".".join(parts), group, license_name)


def _is_wanted(file: PurePosixPath) -> bool:
    if ".." in file.parts or not _EXCLUDED_FOLDERS.isdisjoint(file.parts[:-1]):
        return False
    # lib2to3, lib-dynload and template folders such as `{{ name }}` hold files that are no modules
    if not all(part.isidentifier() for part in file.with_suffix("").parts):
        return False
    return not (file.name.startswith("test_") or file.name == "conftest.py")


def _canonical(name: str) -> str:
    """Return the name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python_version() -> str:
    """Return the implementation and full version, e.g. ``cpython-3.11.9``."""
    return f"{sys.implementation.name}-{'.'.join(map(str, sys.version_info[:3]))}"
