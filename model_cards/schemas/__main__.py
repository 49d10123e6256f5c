"""``python -m model_cards.schemas`` prints the schema of evidence.json as the types give it."""

from __future__ import annotations

import sys

from model_cards.schemas.generation import evidence_schema, schema_text

sys.stdout.write(schema_text(evidence_schema()))
