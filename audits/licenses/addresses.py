"""Addresses at which licenses are published -> the license.

They are those of the bodies that steward them: creativecommons.org/licenses/by-nc/4.0, opensource.org/license/mit,
spdx.org/licenses/MIT.html, gnu.org/licenses/gpl-3.0.html, apache.org/licenses/LICENSE-2.0. What stands anywhere else
says nothing by its address.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from audits.licenses.resolution import ResolvedLicense, named

_LONGEST = 400
_ADDRESS = re.compile(r"^\s*(?:https?:)?(?://)?(?:www\.)?(?P<host>[a-z.]+)/(?P<path>[^\s?#]*)", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:\.(?:html?|txt|md|json|rdf|xml|php))+$", re.IGNORECASE)
_CC = re.compile(
    r"licenses/(?P<kind>by[a-z-]*)(?:/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2,3})(?=/|$))?)?", re.IGNORECASE
)
_CC_PUBLIC = re.compile(r"publicdomain/(?P<kind>zero|mark)(?:/(?P<version>\d\.\d))?", re.IGNORECASE)
_GNU = re.compile(
    r"(?P<kind>gpl|lgpl|agpl|fdl)-(?P<version>\d\.\d)(?:-standalone)?(?:\.[a-z]{2}(?:-[a-z]{2})?)?", re.IGNORECASE
)
_APACHE = re.compile(r"license-(?P<version>\d\.\d)", re.IGNORECASE)


def license_at(address: str) -> ResolvedLicense | None:
    """Return the license that is published at ``address``; None where the address names none."""
    match = _ADDRESS.match(address[:_LONGEST])
    if match is None:
        return None
    read = _HOSTS.get(match["host"].lower())
    return None if read is None else read(match["path"].strip("/"))


def _creative_commons(path: str) -> ResolvedLicense | None:
    public = _CC_PUBLIC.match(path)
    if public is not None:
        return named("CC0-1.0" if public["kind"].lower() == "zero" else "CC-PDM-1.0")
    match = _CC.match(path)
    if match is None:
        return None
    kind = f"cc-{match['kind']}"
    if match["version"] is None:
        return named(kind)
    ported = named(f"{kind}-{match['version']}-{match['port']}") if match["port"] else None
    exact = ported or named(f"{kind}-{match['version']}")
    if exact is None and "nc" in match["kind"].lower().split("-"):
        return ResolvedLicense(None, "non-commercial", "a version that is not classified here")
    return exact


def _by_id(path: str) -> ResolvedLicense | None:
    """Return the license of an address that ends in its id: "licenses/BSD-3-Clause", "license/apache-2-0"."""
    folder, _, name = path.partition("/")
    if folder.lower() not in ("license", "licenses") or not name:
        return None
    name = _SUFFIX.sub("", name.partition("/")[0])
    return named(name) or named(re.sub(r"(\d)-(\d)(?![\w.])", r"\1.\2", name))


def _gnu(path: str) -> ResolvedLicense | None:
    match = _GNU.fullmatch(_SUFFIX.sub("", path.rpartition("/")[2]))
    if match is None or not path.lower().startswith("licenses/"):
        return None
    kind = match["kind"].lower()
    return named(f"{'gfdl' if kind == 'fdl' else kind}-{match['version']}")


def _apache(path: str) -> ResolvedLicense | None:
    folder, _, name = path.partition("/")
    match = _APACHE.fullmatch(_SUFFIX.sub("", name)) if folder.lower() == "licenses" else None
    return None if match is None else named(f"Apache-{match['version']}")


_HOSTS: dict[str, Callable[[str], ResolvedLicense | None]] = {
    "creativecommons.org": _creative_commons,
    "opensource.org": _by_id,
    "spdx.org": _by_id,
    "gnu.org": _gnu,
    "apache.org": _apache,
}
