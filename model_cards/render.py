"""From one Evidence to every document: no network, no clock, no torch."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from model_cards import documents as _members
from model_cards.errors import DocumentError
from model_cards.evidence import Evidence
from model_cards.facts import check_chain


class Document(Protocol):
    """One module of :mod:`model_cards.documents`; its docstring says what the document is.

    ``name`` is how a caller asks for it, ``filename`` where it is written. ``published`` is whether it goes along
    with the model; the others are written to the folder of the reports alone.
    """

    name: str
    filename: str
    published: bool

    def applies(self, evidence: Evidence) -> bool:
        """Whether this evidence holds what the document is about."""
        ...

    def render(self, evidence: Evidence) -> str:
        """Return the document; equal evidence gives equal text."""
        ...

    def validate(self, text: str) -> None:
        """Raise a ModelCardError that says what is wrong with ``text``."""
        ...


@cache
def documents() -> Mapping[str, Document]:
    """Return every document by its name, in the order of the names."""
    found = (importlib.import_module(info.name) for info in _modules())
    return MappingProxyType(dict(sorted((module.name, cast("Document", module)) for module in found)))


def render(evidence: Evidence, document: str) -> str:
    """Return one document of ``evidence``; ``document`` is a key of :func:`documents`.

    Raises:
        DocumentError: the name is unknown, or the evidence does not hold what the document needs.
        EvidenceError: the verdict is of another audit or policy.
        ModelCardError: what was rendered is not valid, e.g. CardError with every problem listed.
    """
    known = documents()
    if document not in known:
        msg = f"There is no document {document!r}; known are {', '.join(known)}: use one of these names."
        raise DocumentError(msg)
    member = known[document]
    check_chain(evidence)
    if not member.applies(evidence):
        msg = (
            f"The evidence holds nothing for the document {document!r} ({member.filename}); "
            f"it allows {', '.join(name for name, item in known.items() if item.applies(evidence))}: "
            "add what is missing, or ask for one of these."
        )
        raise DocumentError(msg)
    text = member.render(evidence)
    member.validate(text)
    return text


def write_documents(evidence: Evidence, folder: str | Path) -> dict[str, Path]:
    """Write every document that applies into ``folder`` and return the paths by document name.

    All are rendered and validated before the first is written; each is written to a temporary name
    and then renamed, so that no reader meets half a document. Other files are left alone.

    Raises:
        ModelCardError: see :func:`render`; then nothing was written.
        OSError: the folder can not be written.
    """
    known = documents()
    texts = {name: render(evidence, name) for name, member in known.items() if member.applies(evidence)}
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    waiting: dict[str, Path] = {}
    try:
        for name, text in texts.items():
            waiting[name] = target / f".{known[name].filename}.{os.getpid()}.tmp"
            waiting[name].write_text(text, encoding="utf-8", newline="\n")
        paths = {name: target / known[name].filename for name in texts}
        for name, path in paths.items():
            waiting[name].replace(path)
    finally:
        for path in waiting.values():
            path.unlink(missing_ok=True)
    return paths


def _modules() -> Iterator[pkgutil.ModuleInfo]:
    return pkgutil.iter_modules(_members.__path__, _members.__name__ + ".")
