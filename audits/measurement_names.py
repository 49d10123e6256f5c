"""What each shipped check measures, by name and unit, so that a policy can be checked before anything was audited.

Checks name their measurements while they run; this table repeats the names, and a test holds it against what audits
measure. Checks of third parties are not in it: of them nothing is known before they run.
"""

from __future__ import annotations

import difflib
import re
from functools import cache

_PART = "{}"  # stands for what depends on the data: splits, a limit, a benchmark

_LEAKED = (("rows of {} with a match in {}", "fraction"),)
_TARGETS = (("unrelated anchors of one positive", "rows"),)

NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "DUP001": (("rows that repeat an earlier row", "fraction"),),
    "DUP002": (("rows that nearly repeat another row", "fraction"),),
    "DUP003": (("rows that say the same as another row", "fraction"),),
    "LABEL001": (
        ("labels that disagree with the text", "fraction"),
        ("estimated share of wrong labels", "fraction"),
        ("expected precision of the list", "fraction"),
        ("labels listed without a planted error", "fraction"),
        ("planted mistakes between similar classes that are found", "fraction"),
        ("planted wrong labels that are found", "fraction"),
        ("rows in classes too rare to judge", "fraction"),
        ("rows of the largest class for each of the smallest", "rows"),
        ("rows without a label or a text", "fraction"),
    ),
    "LABEL002": (("rows with the text of another row and another label", "fraction"),),
    "LEAK001": _LEAKED,
    "LEAK002": _LEAKED,
    "LEAK003": _LEAKED,
    "LEAK004": (
        ("benchmark items with a match", "fraction"),
        ("benchmark items of which every run is common", "rows"),
        ("benchmark items too short to look for", "fraction"),
        ("items of {} that stand in {}", "fraction"),
    ),
    "LIC001": (("rows under a license of class non-commercial", "rows"),),
    "LIC002": (("rows under a license of class unknown", "rows"),),
    "LIC003": (
        (
            "rows under a license of class weak-copyleft or copyleft or share-alike or no-derivatives or other-terms",
            "rows",
        ),
    ),
    "PAIR001": (("pairs with anchor = positive", "fraction"),),
    "PAIR002": (
        ("rows whose positive has several anchors", "fraction"),
        ("rows that share one positive, largest group", "rows"),
    ),
    "PAIR003": (("texts under 2 words", "fraction"),),
    "PAIR004": (("texts over {} tokens", "fraction"),),
    "PAIR005": (
        ("rows whose anchor has other positives elsewhere", "fraction"),
        ("rows that share one anchor, largest group", "rows"),
    ),
    "PAIR006": (
        ("rows whose anchor another positive answers", "fraction"),
        ("rows with a nearer positive in another row", "fraction"),
    ),
    "PAIR007": (("pairs in two scripts", "fraction"),),
    "PAIR008": (("pairs in two languages", "fraction"),),
    "PII001": (("texts with an e-mail address", "fraction"),),
    "PII002": (("texts with a phone number", "fraction"),),
    "PII003": (("texts with a card or account number", "fraction"),),
    "PII004": (("texts with a number of a person", "fraction"),),
    "PII005": (("texts with a public IP address", "fraction"),),
    "PII006": (("texts with a number of a person by Presidio", "fraction"),),
    "POIS001": (("rows with a trigger for one label", "rows"), ("rows with a trigger for one positive", "rows")),
    "POIS002": _TARGETS,
    "POIS003": _TARGETS,
    "SEC001": (("texts with a key, token or password", "fraction"),),
    "SEC002": (("texts with a key, token or password by CredSweeper", "fraction"),),
    "TEXT001": (("texts with hidden or reordered text", "rows"),),
    "TEXT002": (("texts with look-alike letters", "rows"),),
    "TEXT003": (("texts with garbled characters", "fraction"),),
    "TEXT004": (("texts with orders to a language model", "rows"),),
    "TEXT005": (("texts of boilerplate", "fraction"), ("texts that share one line, most", "rows")),
    "TEXT006": (("texts with invisible characters", "fraction"), ("texts that begin with a byte order mark", "rows")),
    "TEXT007": (("texts of repetition or without letters", "fraction"),),
}
"""The measurements of each check with their units, without the place in brackets; first what its findings carry."""


def unit_of(code: str, measurement: str | None) -> str:
    """Return the unit of a measurement of the check ``code``, of its findings for None; "" where it is not known."""
    known = NAMES.get(code, ())
    if measurement is None:
        return known[0][1] if known else ""
    return next((unit for name, unit in known if _form(name).fullmatch(_folded(measurement))), "")


def near_measurements(code: str, measurement: str) -> tuple[str, ...]:
    """Return the names that a misspelt one may stand for, the nearest first; none where it is right or not known."""
    known = NAMES.get(code, ())
    if not known or unit_of(code, measurement):
        return ()
    shown = {_folded(name): name.replace(_PART, "…") for name, _ in known}
    near = difflib.get_close_matches(_folded(measurement), shown, n=3, cutoff=0.4) or list(shown)[:3]
    return tuple(shown[name] for name in near)


@cache
def _form(name: str) -> re.Pattern[str]:
    """Return what a measurement of that name looks like, with or without a place in brackets behind it."""
    parts = (re.escape(part) for part in _folded(name).split(_PART))
    return re.compile(rf"{'.+'.join(parts)}(\s*\([^()]*\))?")


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
