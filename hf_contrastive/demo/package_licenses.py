"""The license that an installed package states in its own metadata."""

from __future__ import annotations

from importlib.metadata import Distribution

STANDARD_LIBRARY_LICENSE = "Python-2.0"
"""SPDX id of the PSF license stack in the LICENSE file of the interpreter."""

_MAX_LICENSE_LENGTH = 100
_SAYS_NOTHING = frozenset({"", "unknown", "none", "dual license", "see license"})
_NO_LICENSE_CLASSIFIERS = frozenset({"osi approved", "dfsg approved"})


def stated_license(distribution: Distribution) -> str | None:
    """Return what the metadata states, verbatim and unresolved, or None when it states nothing.

    The first of: ``License-Expression`` (an SPDX expression, core metadata 2.4), ``License`` when it
    is one line of at most 100 characters (longer ones are whole texts or copyright notices, not
    names), the last parts of the ``License ::`` classifiers joined by ``"; "``. License files are
    not read: None means "the metadata names no license", not "there is none".
    """
    expression = _field(distribution, "License-Expression")
    if expression:
        return expression
    name = _field(distribution, "License")
    if "\n" not in name and len(name) <= _MAX_LICENSE_LENGTH and name.lower() not in _SAYS_NOTHING:
        return name
    classifiers = (text.split("::") for text in distribution.metadata.get_all("Classifier") or ())
    names = [parts[-1].strip() for parts in classifiers if parts[0].strip() == "License"]
    return "; ".join(name for name in names if name.lower() not in _NO_LICENSE_CLASSIFIERS) or None


def _field(distribution: Distribution, name: str) -> str:
    values = distribution.metadata.get_all(name) or ("",)
    return str(values[0]).strip()
