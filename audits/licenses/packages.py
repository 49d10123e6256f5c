"""The license of an installed package: its metadata beside the license files that it brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import PurePosixPath

from audits.licenses.claims import RawSource
from audits.licenses.reading import Reading, read_license

MOST_FILES = 40
"""License files that are read of one package; beyond that they are of software that it carries along."""

_LARGEST_FILE = 2_000_000
_LICENSE_FILE = re.compile(r"^(?:un)?(?:licen[cs]e|copying|copyright|eula)", re.IGNORECASE)
_NOTICE_FILE = re.compile(r"^notice", re.IGNORECASE)
_CARRIED = re.compile(r"third|vendor|bundled|extern|notice", re.IGNORECASE)
_CODE = frozenset({".py", ".pyc", ".so", ".pyi"})


def package_reading(distribution: Distribution) -> Reading:
    """Return what a package's metadata and its own license files say together; never raises.

    Files in folders below those where a package's own license lies, or named like a list of third parties, are of
    software that it carries along and are not counted.
    """
    return read_license([*_metadata(distribution), *license_files(distribution)])


def license_files(distribution: Distribution) -> Iterator[RawSource]:
    """Yield the license files of the package itself."""
    found = 0
    for file in sorted(distribution.files or (), key=str):
        path = PurePosixPath(str(file))
        if not _is_own(path) or found >= MOST_FILES:
            continue
        try:
            content = file.locate().read_bytes()[:_LARGEST_FILE]  # type: ignore[attr-defined]
        except (OSError, AttributeError):
            continue
        found += 1
        yield RawSource(place="license_file", where=path.name, content=content)


def _is_own(path: PurePosixPath) -> bool:
    """Tell whether a file is a license of the package: in its metadata folder or in ``licenses`` of that."""
    if not path.parts[0].endswith((".dist-info", ".egg-info")) or path.suffix in _CODE:
        return False
    folders = path.parts[1:-1]
    if any(folder not in ("licenses", "license_files") for folder in folders):
        return False
    if _NOTICE_FILE.match(path.name):
        return True
    return bool(_LICENSE_FILE.match(path.name)) and not _CARRIED.search(path.name)


def _metadata(distribution: Distribution) -> Iterator[RawSource]:
    for name in ("METADATA", "PKG-INFO"):
        text = distribution.read_text(name)
        if text:
            yield RawSource(place="package_metadata", where=name, content=text)
            return
