"""Documents and license copies, written anew from the evidence and compared byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hf_contrastive.release.plan import LICENSE_COPIES
from hf_contrastive.release.verification.items import Item, broken, holds, not_checked
from hf_contrastive.release.verification.observed import Observed
from hf_contrastive.release.verification.statements import FILENAME, ReadEvidence, computed, own_version, too_large
from model_cards.errors import ModelCardError
from model_cards.evidence import Evidence
from model_cards.licensing import license_copies
from model_cards.render import Document, documents, render
from model_cards.validate import validate_card

CARD = "README.md"
_SHOWN = 60


def document_items(read: ReadEvidence, observed: Observed, *, published: bool) -> Iterator[Item]:
    """Yield one item for each document that is here or should be.

    Args:
        read: the evidence.
        observed: what is here.
        published: whether all of them must be here.
    """
    for name, document in documents().items():
        compute = partial(_document, name, document, read, observed, published=published)
        found = computed(f"document:{document.filename}", read, compute, [document.filename])
        if found is not None:
            yield found
    yield from _copies(read, observed, published=published)
    card = observed.content(CARD)
    if card is not None:
        yield _card(card.decode("utf-8", "replace"), read)


def _card(text: str, read: ReadEvidence) -> Item:
    problems = validate_card(text)
    if not problems:
        return holds("card", "metadata and sections are as the Hub and this package want them", [CARD])
    told = " ".join(problems)
    if read.evidence is not None and not read.comparable:
        # what was valid for the version that wrote it is not tampered with because this one asks for more
        return not_checked("card", f"{read.elsewhere}, which has against it: {told}", [CARD])
    return broken("card", told, [CARD])


def _document(name: str, document: Document, read: ReadEvidence, observed: Observed, *, published: bool) -> Item | None:
    path, evidence = document.filename, read.evidence
    key, content = f"document:{path}", observed.content(path)
    if observed.is_too_large(path):
        return broken(key, too_large(path), [path])
    if evidence is None:
        return not_checked(key, f"{FILENAME} does not hold or can not be read", [path]) if content is not None else None
    applies = document.applies(evidence)
    if content is None:
        if not (applies and document.published and published):
            return None
        if not read.comparable:
            return not_checked(key, f"it is not here; {read.elsewhere}", [path])
        return broken(key, f"{path} is missing", [path])
    if not applies:
        if not read.comparable:
            return not_checked(key, read.elsewhere, [path])
        return broken(key, f"{path} is here, and the evidence holds nothing for it", [path])
    try:
        expected = render(evidence, name).encode("utf-8")
    except ModelCardError as error:
        make = broken if read.comparable else not_checked
        return make(key, f"it can not be written from this evidence: {error}", [path])
    return _compared(key, path, content, expected, read)


def _copies(read: ReadEvidence, observed: Observed, *, published: bool) -> Iterator[Item]:
    here = {path for path in observed.files if path.startswith(LICENSE_COPIES)}
    if read.evidence is None:
        yield from (not_checked(f"document:{path}", f"{FILENAME} does not hold", [path]) for path in sorted(here))
        return
    expected = _expected_copies(read.evidence)
    for path in sorted(here | set(expected)):
        key, content = f"document:{path}", observed.content(path)
        if observed.is_too_large(path):
            yield broken(key, too_large(path), [path])
        elif path in expected and content is not None:
            yield _compared(key, path, content, expected[path], read)
        elif not read.comparable:
            yield not_checked(key, read.elsewhere, [path])
        elif content is None and path not in here:
            if published:
                yield broken(key, f"{path} is missing", [path])
        else:
            yield broken(key, f"{path} is here, and the evidence holds no such text", [path])


def _expected_copies(evidence: Evidence) -> dict[str, bytes]:
    return {path: text.encode("utf-8") for path, text in license_copies(evidence).items()}


def _compared(key: str, path: str, content: bytes, expected: bytes, read: ReadEvidence) -> Item:
    if content == expected:
        return holds(key, f"written anew from {FILENAME}, it is the same byte for byte", [path])
    if not read.comparable:
        return not_checked(key, read.elsewhere, [path])
    words = f"{path} is not what {FILENAME} gives in the same version {own_version()}: {_difference(content, expected)}"
    return broken(key, words, [path])


def _difference(content: bytes, expected: bytes) -> str:
    """Say where two texts part."""
    here, there = (raw.decode("utf-8", "backslashreplace").split("\n") for raw in (content, expected))
    for number, (one, other) in enumerate(zip(here, there, strict=False), start=1):
        if one != other:
            return f"line {number} is {_around(one, other)!r}, from the evidence it would be {_around(other, one)!r}"
    if len(here) == len(there):
        return "its bytes differ"
    shorter = "ends early" if len(here) < len(there) else "goes on"
    return f"it {shorter} after line {min(len(here), len(there))}"


def _around(line: str, other: str) -> str:
    """Return the part of a line that differs, with a little before it."""
    same = next((i for i, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), min(len(line), len(other)))
    start = max(same - _SHOWN // 3, 0)
    shown = line[start : start + _SHOWN]
    return ("…" if start else "") + shown + ("…" if start + _SHOWN < len(line) else "")
