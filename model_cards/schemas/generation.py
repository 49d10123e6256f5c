"""From record types to a JSON Schema: what ``Record.from_dict`` accepts, for readers in other languages."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from audits.records import Record
from model_cards.evidence import SCHEMA_VERSION, Evidence

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_VOLATILE = "Left out of the content digest."
# Sphinx roles such as :class:`~package.Name`, and ``code``
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+(?:\(\))?)`")


def evidence_schema() -> dict[str, Any]:
    """Return the schema of evidence.json, made from the types.

    A field with a default may be missing, as in a file that an older version wrote.
    """
    definitions: dict[type[Record], dict[str, Any]] = {}
    evidence = _schema_of(Evidence, definitions)
    named = {kind.__name__: schema for kind, schema in definitions.items()}
    if len(named) < len(definitions):
        msg = f"Two records share a name among {', '.join(sorted(named))}; a definition needs a name of its own."
        raise TypeError(msg)
    return {
        "$schema": DIALECT,
        "$id": f"urn:hf-contrastive:schema:evidence:{SCHEMA_VERSION}",
        "title": f"evidence.json, version {SCHEMA_VERSION}",
        "description": (
            "The evidence with its digests. A digest is sha256 over the canonical JSON (sorted keys, no white space, "
            "UTF-8) of what it names: `digest` of `evidence`, `digests` of each field of it, `content_digest` of "
            "`evidence` without the fields that are marked as left out."
        ),
        "type": "object",
        "additionalProperties": False,
        "required": ["content_digest", "digest", "digests", "evidence"],
        "properties": {
            "digest": _DIGEST,
            "content_digest": _DIGEST,
            "digests": {"type": "object", "additionalProperties": _DIGEST},
            "evidence": evidence,
        },
        "$defs": dict(sorted(named.items())),
    }


def schema_text(schema: Mapping[str, Any]) -> str:
    """Return a schema as it is written to a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema_of(kind: Any, definitions: dict[type[Record], dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a type; those of records go into ``definitions``."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if isinstance(kind, type) and issubclass(kind, Record):
        if kind not in definitions:
            definitions[kind] = {}  # a record may hold itself
            definitions[kind] = _record_schema(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        options = [_schema_of(item, definitions) for item in arguments]
        if all(set(option) == {"type"} for option in options):
            return {"type": [option["type"] for option in options]}
        return {"anyOf": options}
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return {"type": "array", "items": _schema_of(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema_of(item, definitions) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema_of(arguments[1], definitions)}
    msg = f"`{kind}` has no JSON form here; a field of a record is made of text, numbers, tuples, mappings and records."
    raise TypeError(msg)


def _record_schema(kind: type[Record], definitions: dict[type[Record], dict[str, Any]]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    written = [item for item in fields(kind) if not item.metadata.get("transient")]  # type: ignore[arg-type]
    properties: dict[str, Any] = {}
    for item in written:
        schema = _schema_of(hints[item.name], definitions)
        if item.name == "schema_version":
            schema = {"const": item.default}
        if item.metadata.get("volatile"):
            schema["description"] = _VOLATILE
        if isinstance(item.default, str | int | float) or item.default is None:
            schema["default"] = item.default
        properties[item.name] = schema
    return {
        "title": kind.__name__,
        "description": _description(kind),
        "type": "object",
        "additionalProperties": False,
        "required": [item.name for item in written if item.default is MISSING and item.default_factory is MISSING],
        "properties": properties,
    }


def _description(kind: type[Record]) -> str:
    """Return the docstring as plain paragraphs."""
    text = _ROLE.sub(r"`\1`", inspect.getdoc(kind) or "").replace("``", "`")
    return "\n\n".join(" ".join(block.split()) for block in re.split(r"\n\s*\n", text))
