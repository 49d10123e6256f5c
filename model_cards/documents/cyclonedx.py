"""bom.cdx.json: the bill of materials of the model in CycloneDX, for inventories and supply-chain tools.

It lists the model with its model card, the base model, the data with fingerprints, what these come from, their
licenses as declared and as concluded, and the software that was used. What nobody measured or stated is absent.

The version is 1.6 (ECMA-424, first edition): inventories learn a newer one late, and nothing here needs what 1.7 adds.
The serial number is derived from the content digest of the evidence: the same content has the same number.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from model_cards.errors import DocumentError
from model_cards.evidence import Evidence
from model_cards.questions import describes_model
from model_cards.standards.bom_components import MODEL, Components
from model_cards.standards.bom_model import model_component
from model_cards.standards.values import filled, moment, redacted

if TYPE_CHECKING:
    from jsonschema import Draft7Validator

name = "cyclonedx"
filename = "bom.cdx.json"
published = True

SPECIFICATION = "1.6"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:hf-contrastive:bom")
_SHOWN = 5
_LONGEST = 300
_ADDRESS = "iri-reference"


def applies(evidence: Evidence) -> bool:
    """Whether the evidence is about a model; data alone is no bill of materials."""
    return describes_model(evidence)


def render(evidence: Evidence) -> str:
    """Return the bill as indented JSON."""
    components = Components(evidence)
    own = evidence.versions.get("hf-contrastive")
    bill = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, evidence.content_digest)}",
        "version": 1,
        "metadata": filled(
            timestamp=moment(evidence.created_at),
            lifecycles=[{"phase": "post-build"}],
            tools={"components": [filled(type="application", name="hf-contrastive", version=own)]},
            component=model_component(evidence, components),
        ),
        "components": components.items,
        "dependencies": components.dependencies(),
        "compositions": [{"aggregate": _completeness(evidence), "dependencies": [MODEL]}],
    }
    return json.dumps(redacted(bill), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def validate(text: str) -> None:
    """Check the bill against the strict schema of its version, offline, and that every reference leads somewhere.

    Raises:
        DocumentError: it does not follow; the first problems are listed.
    """
    try:
        bill = json.loads(text)
        problems = [_words(error) for error in _validator().iter_errors(bill)]
        problems += list(_reference_problems(bill)) if not problems else []
    except ValueError as error:
        problems = [f"it is no JSON ({error})"]
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        msg = (
            f"{filename} does not follow CycloneDX {SPECIFICATION}: {'; '.join(problems[:_SHOWN])}{more}. "
            "Write it again from the evidence."
        )
        raise DocumentError(msg)


def _completeness(evidence: Evidence) -> str:
    """Return what is known of the list's completeness; nothing here can know that nothing is missing."""
    inputs = evidence.licenses.inputs if evidence.licenses is not None else ()
    walked = evidence.lineage
    if any(item.unread for item in inputs) or (walked is not None and walked.problems):
        return "incomplete"
    return "unknown"


@cache
def _validator() -> Draft7Validator:
    from cyclonedx.schema import SchemaVersion  # imported here: it takes more than a second
    from cyclonedx.validation.json import JsonStrictValidator
    from jsonschema import FormatChecker

    strict: Draft7Validator = JsonStrictValidator(SchemaVersion.from_version(SPECIFICATION))._validator
    formats = FormatChecker()
    # an address is parsed by its grammar, which takes a hundred times as long as all else; the same stand in every bill
    check, raises = strict.FORMAT_CHECKER.checkers[_ADDRESS]
    known = lru_cache(maxsize=4096)(check)
    formats.checkers = dict(strict.FORMAT_CHECKER.checkers)
    formats.checkers[_ADDRESS] = (lambda value: not isinstance(value, str) or known(value), raises)
    return strict.evolve(format_checker=formats)


def _words(error: Any) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path).lstrip(".")
    return f"`{where or 'the document'}`: {error.message[:_LONGEST]}"


def _reference_problems(bill: dict[str, Any]) -> list[str]:
    """Return references that stand for two components or for none, which no schema can see."""
    model = bill["metadata"]["component"]
    refs = Counter([model["bom-ref"], *(item["bom-ref"] for item in bill["components"])])
    named = [entry["ref"] for entry in bill["dependencies"]]
    named += [target for entry in bill["dependencies"] for target in entry.get("dependsOn", ())]
    parameters = model.get("modelCard", {}).get("modelParameters", {})
    named += [entry["ref"] for entry in parameters.get("datasets", ())]
    twice = [ref for ref, count in refs.items() if count > 1]
    nowhere = [ref for ref in dict.fromkeys(named) if ref not in refs]
    return [f"`{ref}` names two components" for ref in twice] + [f"`{ref}` names no component" for ref in nowhere]
