"""Licenses as CycloneDX wants them: SPDX ids, one expression, or names; declared and concluded told apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audits.licenses.inputs import LicensedInput
from model_cards.licensing import DECLARED


def declared(license_name: str | None) -> list[dict[str, Any]]:
    """Return the license that is declared; nothing where none is."""
    return _choice([(license_name, "declared")] if license_name and license_name.strip() else [])


def licenses_of(item: LicensedInput) -> list[dict[str, Any]]:
    """Return what the sources of an input declare, each once, and what was concluded from all that was read."""
    told = dict.fromkeys(s.text.strip() for s in item.statements if s.place in DECLARED and s.text.strip())
    entries = [(text, "declared") for text in told]
    return _choice([*entries, *([(item.license, "concluded")] if item.license else [])])


def _choice(entries: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return a licenseChoice: CycloneDX 1.6 allows one expression alone, or licenses by id and name."""
    from cyclonedx.spdx import fixup_id, is_expression

    found = list(entries)
    if len(found) == 1 and fixup_id(found[0][0]) is None and is_expression(found[0][0]):
        return [{"expression": found[0][0], "acknowledgement": found[0][1]}]
    return [
        {"license": {**({"id": known} if (known := fixup_id(text)) else {"name": text}), "acknowledgement": how}}
        for text, how in found
    ]
