"""Short, masked, printable excerpts: the only form in which a report shows the audited text."""

from __future__ import annotations

import re

from audits.personal import DETECTORS
from audits.text.emails import mask_addresses

LIMIT = 160
"""Characters in an excerpt."""

_WINDOW = 16  # characters that are looked at for each that may be shown
_MARGIN = 64  # longer than any number with blanks in it

# control and format characters, lone surrogates, private use, line and paragraph separators
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U0010ffff]"
)
_BLANKS = re.compile(r"\s+")


def excerpt(text: str | None, limit: int = LIMIT) -> str:
    """Return at most ``limit`` characters of ``text`` on one line, safe to show.

    White space is collapsed; e-mail addresses, personal data and secrets are masked, whatever the check that shows the
    text; characters that are invisible, control or no valid UTF-8 are written as U+FFFD; a cut is marked by an
    ellipsis. None reads "(null)", a text without any visible character "(empty)".
    """
    if text is None:
        return "(null)"
    head = text[: _WINDOW * limit]
    if len(head) < len(text):
        # masking shortens, so cut long before the limit bites, and never inside what would be masked as a whole
        head = re.sub(r"\S{1,400}\Z", "", head[:-_MARGIN]) or head[:limit]
    shown = _UNSAFE.sub("\ufffd", _BLANKS.sub(" ", mask(head))).strip()
    if not shown.strip("\ufffd "):
        return "(empty)"
    if len(shown) > limit or len(head) < len(text):
        shown = shown[: limit - 1].rstrip() + "…"
    return shown


def mask(text: str) -> str:
    """Return ``text`` with e-mail addresses, personal data and secrets masked, wherever else in it they stand too."""
    previous = ""
    while text != previous:
        # what stood without a blank beside something that is masked can be seen only then
        previous = text
        for detector in DETECTORS:
            found = {text[match.start : match.end]: match.kind for match in detector.find(text)}
            for value in sorted(found, key=len, reverse=True):
                text = text.replace(value, f"[{found[value]}]")
    return mask_addresses(text)
