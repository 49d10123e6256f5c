"""What the published model is meant for: the second half of every question about licenses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from audits.records import Record

Distribution = Literal["internal", "hosted", "public"]
"""internal: nobody outside uses it; hosted: others use it through a service; public: others get the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(Record):
    """What the model is meant for; rules depend on it.

    ``outgoing_license`` is of the weights, ``outgoing_data_license`` of the rows where ``ship_rows``; both are SPDX
    expressions or Hugging Face ids, None where nobody chose yet. ``ships`` says whether the weights that leave hold
    the base model's ("merged") or only what was trained ("adapter"). ``territory`` holds ISO 3166 codes or "EU" where
    it is offered; empty means everywhere. ``accepted`` maps the id of a gated repository to who accepted its terms
    and when. ``model_kind`` matters where a license speaks of language models only. ``database_offer`` says where the
    database that was derived from one under the ODbL, or the changes made to it, can be had: an address or a sentence.
    """

    commercial: bool = True
    distribution: Distribution = "public"
    ships: Literal["adapter", "merged"] = "merged"
    ship_rows: bool = False
    outgoing_license: str | None = None
    outgoing_data_license: str | None = None
    territory: tuple[str, ...] = ()
    accepted: Mapping[str, str] = field(default_factory=dict)
    model_kind: Literal["encoder", "language-model"] = "encoder"
    database_offer: str = ""
