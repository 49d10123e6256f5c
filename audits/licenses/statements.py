"""From what a repository holds to the license that it stands under."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audits.licenses.inputs import LicenseStatement
from audits.licenses.resolution import resolve
from audits.licenses.snapshots import RepoSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """The license of one input, with all that was read for it."""

    license: str | None
    reason: str = ""
    statements: tuple[LicenseStatement, ...] = ()
    disagreements: tuple[str, ...] = ()


def conclude(snapshot: RepoSnapshot | None, metadata: Mapping[str, Any], given: str | None = None) -> Concluded:
    """Return the license that a person, the card and the license files state together."""
    statements = []
    if given:
        statements.append(LicenseStatement(place="given", text=given, concluded=resolve(given).spdx))
    tag = metadata.get("license")
    if isinstance(tag, str) and tag:
        digest = hashlib.sha256(snapshot.card).hexdigest() if snapshot and snapshot.card else ""
        statements.append(
            LicenseStatement(place="card", where="license", text=tag[:200], sha256=digest, concluded=resolve(tag).spdx)
        )
    names = [item.concluded for item in statements]
    agreed = names[0] if names and len(set(names)) == 1 else None
    return Concluded(
        license=agreed, reason="" if agreed else "no license is stated that is known", statements=tuple(statements)
    )
