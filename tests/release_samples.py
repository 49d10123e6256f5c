"""What tests of releases share: documents that are rendered once."""

from __future__ import annotations

from collections.abc import Callable

from model_cards.evidence import Evidence
from model_cards.render import render

_RENDERED: dict[tuple[str, str], str] = {}


def remembered() -> Callable[[Evidence, str], str]:
    """Return ``render``, which gives equal documents for equal evidence: each is rendered once in a process.

    That it is so, and that nothing else goes into them, other tests assert.
    """
    known: list[tuple[Evidence, str]] = []

    def render_once(evidence: Evidence, name: str) -> str:
        # the digest takes as long as a short document: the last one that was asked for is known by identity
        if not known or known[-1][0] is not evidence:
            known[:] = [(evidence, evidence.digest)]
        key = (known[-1][1], name)
        if key not in _RENDERED:
            _RENDERED[key] = render(evidence, name)
        return _RENDERED[key]

    return render_once
