"""The schema of evidence.json: as the types give it, and it accepts exactly what reads back."""

import copy
import json
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audits.errors import SchemaError
from audits.findings import Measurement
from audits.records import Record, digest_of
from model_cards.documents import evidence_json
from model_cards.errors import EvidenceError
from model_cards.evidence import Evidence, Statement
from model_cards.schemas import EVIDENCE_SCHEMA, load_schema, schema_problems
from model_cards.schemas.checking import compile_schema
from model_cards.schemas.generation import evidence_schema, schema_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PLAIN = {
    str: TEXT,
    int: st.integers(-5, 10**6),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 3),
    bool: st.booleans(),
    type(None): st.none(),
}


def reference():
    from jsonschema import Draft202012Validator  # with its grammars it takes seconds, wherever tests are collected

    return Draft202012Validator


def values(kind):
    """Return a strategy for one type of a field."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is typing.Any:
        return st.recursive(st.none() | TEXT | st.booleans(), lambda inner: st.lists(inner, max_size=2), max_leaves=3)
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Record):
        return records(kind)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    assert issubclass(origin, Mapping), kind
    return st.dictionaries(TEXT, values(arguments[1]), max_size=2)


def records(kind):
    """Return a strategy for a record: what has a default is often left as it is."""
    hints = typing.get_type_hints(kind)
    required, optional = {}, {}
    for item in fields(kind):
        if item.metadata.get("transient") or item.name == "schema_version":
            continue
        has_none = item.default is MISSING and item.default_factory is MISSING
        (required if has_none else optional)[item.name] = st.deferred(lambda name=item.name: values(hints[name]))
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: kind(**given))


def accepted(data):
    """Whether the types accept ``data`` as evidence."""
    try:
        Evidence.from_dict(data)
    except SchemaError:
        return False
    return True


EVIDENCE_ALONE = {"$ref": "#/$defs/Evidence", "$defs": load_schema()["$defs"]}
told_by_schema = compile_schema(EVIDENCE_ALONE)


def test_the_shipped_schema_is_what_the_types_give(request):
    path = files("model_cards.schemas") / EVIDENCE_SCHEMA
    made = schema_text(evidence_schema())
    if request.config.getoption("--update-golden"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made, "a record changed: run this test with --update-golden"


def test_the_schema_is_sound_and_says_what_everything_is():
    schema = load_schema()
    reference().check_schema(schema)
    assert (schema["$schema"], schema["$id"]) == (
        "https://json-schema.org/draft/2020-12/schema",
        "urn:hf-contrastive:schema:evidence:1",
    )
    for name, definition in schema["$defs"].items():
        assert definition["title"] == name
        assert len(definition["description"]) > 20, name
        assert "``" not in definition["description"], name
        assert ":class:" not in definition["description"], name
    assert schema["$defs"]["CheckResult"]["properties"]["seconds"]["description"].startswith("Left out")
    assert "rows" not in schema["$defs"]["Finding"]["properties"]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(evidence=records(Evidence))
def test_any_evidence_follows_the_schema(evidence):
    evidence_json.validate(evidence_json.render(evidence))


JSON = st.sampled_from([None, True, 3, 1.5, "text", [], ["text"], {}, {"text": 3}, [1, 2, 3]])


def addresses(data, path=()):
    """Yield the address of every value."""
    yield path
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield from addresses(value, (*path, key))


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_of_another_type_is_refused_by_schema_and_types_alike(model_evidence_data, data):
    changed = copy.deepcopy(model_evidence_data)
    *path, last = data.draw(st.sampled_from([path for path in addresses(changed) if path]))
    holder = changed
    for step in path:
        holder = holder[step]
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "replace":
        holder[last] = data.draw(JSON)
    elif action == "remove":
        del holder[last]
    elif isinstance(holder, dict):
        holder["other"] = data.draw(JSON)
    valid = reference()(EVIDENCE_ALONE).is_valid(changed)
    assert valid == (told_by_schema(changed) == [])
    if "schema_version" not in (*path, last):  # which the types leave open
        assert valid == accepted(changed)


@pytest.fixture(scope="module")
def model_evidence_data(model_evidence):
    remedies = tuple(replace(item, removed={"train": (1, 2)}) for item in model_evidence.remedies)
    return replace(model_evidence, remedies=remedies, earlier_audit=None).to_dict()


def written(evidence):
    return json.loads(evidence_json.render(evidence))


def test_fields_that_an_older_version_did_not_know_may_be_missing(model_evidence, tmp_path):
    content = written(model_evidence)
    old = content["evidence"]
    for key in ("comparison", "signing_key", "versions"):
        del old[key], content["digests"][key]
    for result in old["audit"]["results"]:
        del result["self_test"], result["not_judged"]
    content["digests"] = {key: digest_of(value) for key, value in old.items()}
    content["digest"] = digest_of(old)
    text = json.dumps(content)
    evidence_json.validate(text)
    (tmp_path / "evidence.json").write_text(text, encoding="utf-8")
    read = evidence_json.read_evidence(tmp_path / "evidence.json", expected_digest=content["digest"])
    assert read.evaluations == model_evidence.evaluations
    with pytest.raises(EvidenceError, match="is another one"):
        evidence_json.read_evidence(tmp_path / "evidence.json", expected_digest=model_evidence.digest)


def test_the_addresses_of_the_first_problems_are_told(model_evidence):
    content = written(model_evidence)
    content["evidence"]["training"]["seed"] = "seven"
    content["evidence"]["evaluations"][0]["metrics"][1]["after"]["value"] = None
    del content["evidence"]["verdict"]["decision"]
    content["evidence"]["audit"]["results"][0]["status"] = "done"
    content["evidence"]["author"] = "Ada"
    with pytest.raises(EvidenceError) as caught:
        evidence_json.validate(json.dumps(content))
    for words in (
        "`evidence.training.seed`: got 'seven'; allowed is integer",
        "`evidence.evaluations[0].metrics[1].after.value`: got None; allowed is integer or number",
        "`evidence.verdict`: lacks the keys decision",
        "`evidence.audit.results[0].status`: got 'done'; allowed is 'ran' or 'skipped' or 'errored'",
        "`evidence`: got the keys author; allowed are only approvals",
        EVIDENCE_SCHEMA,
    ):
        assert words in str(caught.value)


def test_no_more_than_a_few_problems_are_told_of_a_broken_file():
    data = written(Evidence(statements=tuple(Statement(key=str(i), text="a") for i in range(50))))
    for item in data["evidence"]["statements"]:
        item["text"] = 1
    assert len(schema_problems(data)) == 5


def test_a_later_version_is_told_apart():
    later = written(replace(Evidence(), schema_version=2))
    assert schema_problems(later) == ("`evidence.schema_version`: got 2; allowed is 1",)


def test_two_records_of_one_name_are_not_mixed_up(monkeypatch):
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Statement(Record):
        """Another record of that name, with another field."""

        measurement: Measurement

    hints = typing.get_type_hints(Evidence)
    monkeypatch.setattr(
        "model_cards.schemas.generation.typing.get_type_hints",
        lambda kind, told=typing.get_type_hints: {**hints, "policy": Statement} if kind is Evidence else told(kind),
    )
    with pytest.raises(TypeError, match="share a name"):
        evidence_schema()


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ({"enum": [1, "a", None]}, True),
        ({"const": 1}, 1.0),
        ({"const": False}, 0),
        ({"type": "integer"}, 2.0),
        ({"type": "integer"}, 2.5),
        ({"type": "integer"}, True),
        ({"type": ["string", "null"]}, None),
        ({"type": "string", "pattern": "^a+$", "minLength": 2, "maxLength": 3}, "aaaa"),
        ({"type": "string", "pattern": "^a+$", "minLength": 2, "maxLength": 3}, "aa"),
        ({"pattern": "^a"}, 7),
        ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}, "maxItems": 3}, [1, "a", "b"]),
        ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}, "maxItems": 3}, [1, "a", 2]),
        ({"type": "array", "minItems": 2}, [1]),
        ({"properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "integer"}}, {"a": None, "b": "c"}),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}),
        ({"required": ["a"]}, {}),
        ({"required": ["a"]}, []),
        ({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/t"}], "$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}}, [[3]]),
        ({"anyOf": [{"type": "null"}, {"type": "object", "required": ["a"]}]}, {"b": 1}),
    ],
)
def test_the_own_evaluator_decides_as_jsonschema_does(schema, document):
    assert (compile_schema(schema)(document) == []) == reference()(schema).is_valid(document)


def test_a_keyword_that_would_be_passed_over_is_refused():
    with pytest.raises(NotImplementedError, match="uniqueItems"):
        compile_schema({"properties": {"a": {"items": {"uniqueItems": True}}}})


def test_of_several_options_the_problem_of_the_nearest_is_told():
    check = compile_schema({"anyOf": [{"type": "null"}, {"properties": {"a": {"items": {"type": "integer"}}}}]})
    assert check({"a": [1, "b"]}) == ["`a[1]`: got 'b'; allowed is integer"]


def test_validating_evidence_needs_no_jsonschema():
    code = (
        "import sys; from model_cards.documents import evidence_json as e; from model_cards.evidence import Evidence;"
        "e.validate(e.render(Evidence())); print('jsonschema' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "False"
