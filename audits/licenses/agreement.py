"""When two statements on a license agree: the same licenses, a part of them, or a family and a member of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from audits.licenses.resolution import CATEGORIES, resolve
from audits.licenses.sources import Claim

_JOIN = re.compile(r"\s+(?:AND|OR)\s+|[()]")
_GNU_SUFFIX = re.compile(r"(?:-only|-or-later|\+)$", re.IGNORECASE)
_SAME = {"psf-2.0": "python-2.0", "python-2.0.1": "python-2.0"}
NAMES_NOTHING = frozenset({"other", "unknown", "dual license"})
"""Ambiguous names that a license text alone can settle."""

_FAMILIES = {
    "bsd": r"BSD-|0BSD",
    "bsd license": r"BSD-|0BSD",
    "cc": r"CC-|CC0-",
    "creative commons": r"CC-|CC0-",
    "gpl": r"GPL-",
    "gnu general public license (gpl)": r"GPL-",
    "lgpl": r"LGPL-",
    "gnu library or lesser general public license (lgpl)": r"LGPL-",
    "agpl": r"AGPL-",
    "gfdl": r"GFDL-",
    "openrail": r"LicenseRef-.*rail",
    "apache": r"Apache-",
    "apache license": r"Apache-",
    "apache software license": r"Apache-",
    "cc-by-sa": r"CC-BY-SA-",
    "cc by-sa": r"CC-BY-SA-",
    "cc-by-nd": r"CC-BY-ND-",
    "cc by-nd": r"CC-BY-ND-",
    "zope public license": r"ZPL-",
    "academic free license (afl)": r"AFL-",
    "artistic license": r"Artistic-|ClArtistic",
    "public domain": r"CC0-|Unlicense|PDDL-|blessing|SAX-PD|NIST-PD|CC-PDDC",
    "other": r".",
    "unknown": r".",
    "dual license": r".",
}
"""What may settle an ambiguous name."""


def leaves(expression: str) -> frozenset[str]:
    """Return the licenses of an expression in a form in which they compare: without exceptions and GNU's suffixes."""
    return frozenset(_SAME.get(name, name) for name in map(plain, names(expression)))


def plain(name: str) -> str:
    """Return one license in that form."""
    return _GNU_SUFFIX.sub("", name.partition(" WITH ")[0].strip()).casefold()


def names(expression: str) -> list[str]:
    """Return the licenses of an expression as they are written, exceptions included."""
    return [name.strip() for name in _JOIN.split(expression) if name and name.strip()]


def agree(claim: Claim, other: Claim) -> bool:
    """Tell whether two names do not contradict each other."""
    if claim.license and other.license:
        licenses = leaves(claim.license), leaves(other.license)
        if " OR " in f"{claim.license} {other.license}" and not (claim.partial or other.partial):
            return licenses[0] == licenses[1]
        return licenses[0] <= licenses[1] or licenses[1] <= licenses[0]
    if claim.license or other.license:
        open_one, known = (other, claim) if claim.license else (claim, other)
        return is_settled(open_one, [known])
    mine, theirs = (_FAMILIES.get(item.family or "") for item in (claim, other))
    return claim.statement.text == other.statement.text or (mine is not None and mine == theirs)


def is_settled(claim: Claim, known: Sequence[Claim]) -> bool:
    """Tell whether an ambiguous name is made precise by something that is known. An unread text never is."""
    if claim.weight != "declared" or claim.family is None:
        return False
    pattern = _FAMILIES.get(claim.family)
    if pattern is None:
        return False
    candidates = known if claim.family not in NAMES_NOTHING else _not_declared(known)
    return any(re.match(pattern, leaf, re.IGNORECASE) for item in candidates for leaf in names(item.license or ""))


def _not_declared(known: Iterable[Claim]) -> list[Claim]:
    return [claim for claim in known if claim.weight != "declared" or claim.statement.place == "given"]


def differs(name: str, other: str) -> bool:
    """Tell whether a text has nothing of what is named, or asks for more."""
    return not leaves(name) & leaves(other) or rank(other) > rank(name)


def rank(expression: str) -> int:
    """Return how strict an expression is, for comparison."""
    return CATEGORIES.index(resolve(expression).category)
