"""Everything that an evidence gives to read, byte by byte."""

from __future__ import annotations

from collections.abc import Container

from model_cards.evidence import Evidence
from model_cards.licensing import license_copies
from model_cards.render import documents, render


def render_all(evidence: Evidence, *, published: bool = False, without: Container[str] = ()) -> dict[str, bytes]:
    """Render every document that this evidence allows, and the license texts that go along, by path.

    Args:
        evidence: what they say.
        published: only those that go along with the model.
        without: paths of documents that are at hand already.

    Raises:
        ModelCardError: a document can not be written from this evidence.
    """
    rendered = {}
    for name, document in documents().items():
        wanted = document.filename not in without and (document.published or not published)
        if wanted and document.applies(evidence):
            rendered[document.filename] = render(evidence, name).encode("utf-8")
    rendered.update((path, text.encode("utf-8")) for path, text in license_copies(evidence).items())
    return rendered
