"""The license of an installed package: what its metadata and its license files say together.

The standard library is in no package and has no metadata; see :func:`standard_library_license`.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from audits.licenses.packages import package_reading

_PSF_LICENSE = "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2"
_PSF_LICENSE_ID = "Python-2.0"
_LICENSE_FILES = ("LICENSE.txt", "LICENSE", "LICENSE_PYTHON.txt")
_MAX_LICENSE_LENGTH = 100
_SAYS_NOTHING = frozenset({"", "unknown", "none", "dual license", "see license"})
_NO_LICENSE_CLASSIFIERS = frozenset({"osi approved", "dfsg approved"})


@dataclass(frozen=True, slots=True)
class PackageLicense:
    """One package: what its metadata states, what was concluded from metadata and texts, and what disagrees."""

    package: str
    version: str
    stated: str | None
    concluded: str | None
    reason: str
    disagreements: tuple[str, ...]


def package_license(distribution: Distribution) -> PackageLicense:
    """Return the license of a package; ``concluded`` is an SPDX expression, None where it is undetermined."""
    reading = package_reading(distribution)
    return PackageLicense(
        distribution.name,
        distribution.version,
        stated_license(distribution),
        reading.license,
        reading.reason,
        reading.disagreements,
    )


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


def standard_library_license(folders: Sequence[Path] | None = None) -> str | None:
    """Return ``Python-2.0``, the SPDX id of the PSF license stack, where the standard library is under it.

    This is told by the first license file beside the library that can be read: another text gives None.
    Some systems install no such file with CPython; there the id is a statement of this function.

    Args:
        folders: where the file may be; by default those that Python's own ``license()`` looks into.
    """
    if folders is None:
        library = Path(sysconfig.get_path("stdlib"))
        folders = (library, library.parent, Path(sys.base_prefix))
    for path in (folder / name for folder in folders for name in _LICENSE_FILES):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return _PSF_LICENSE_ID if _PSF_LICENSE in text else None
    return _PSF_LICENSE_ID if sys.implementation.name == "cpython" else None


def _field(distribution: Distribution, name: str) -> str:
    values = distribution.metadata.get_all(name) or ("",)
    return str(values[0]).strip()
