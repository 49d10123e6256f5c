"""training_args.json: what differed from the defaults, and nothing that names a person, a machine or a place."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_cards.documents.training_args import WITHHELD, applies, render, validate
from model_cards.errors import DocumentError
from model_cards.evidence import BaseModel, Environment, Evidence, TrainingRecord
from model_cards.render import render as render_document

ARGUMENTS = {
    "hub_token": WITHHELD,
    "learning_rate": 0.0002,
    "lr_scheduler_kwargs": {"min_lr": 1e-06},
    "lr_scheduler_type": "cosine_with_min_lr",
    "matryoshka_dims": [384, 128],
    "output_dir": WITHHELD,
    "seed": 7,
}


def evidence(**changes: object) -> Evidence:
    record = TrainingRecord(
        base=BaseModel(model_id="owner/base"),
        objective="infonce",
        data_format="(anchor, positive)",
        max_length=64,
        embedding_dimension=2,
        seed=7,
        batch_size=8,
        steps=2,
        epochs=1.0,
        learning_rate=2e-4,
        examples=16,
        arguments=ARGUMENTS,
        environment=Environment(versions={"transformers": "5.0.0"}),
    )
    return Evidence(model_name="m", training=replace(record, **changes))


def test_the_document(golden):
    golden("training_args.json")(render_document(evidence(), "training_args"))


def test_what_is_withheld_is_listed_by_its_name_alone():
    data = json.loads(render(evidence()))
    assert data["withheld"] == ["hub_token", "output_dir"]
    assert set(data["arguments"]) == set(ARGUMENTS) - set(data["withheld"])
    assert WITHHELD not in json.dumps(data["arguments"], ensure_ascii=False)


@pytest.mark.parametrize("without", [Evidence(model_name="m"), evidence(arguments={})])
def test_without_arguments_there_is_no_document(without: Evidence):
    assert not applies(without)
    with pytest.raises(DocumentError, match="holds no training arguments"):
        render(without)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("secret", ["hf_" + "aB3" * 11, "/home/ada/run"])
def test_a_record_that_was_written_by_hand_is_redacted_once_more(secret: str, nested: bool):
    text = render(evidence(arguments={"run_name": [{secret: secret}] if nested else secret}))
    assert secret not in text
    validate(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"arguments": {}}', json.dumps({"arguments": "/home/ada"})])
def test_another_shape_is_refused(text: str):
    with pytest.raises(DocumentError, match=r"no JSON|another shape"):
        validate(text)


def test_a_document_with_a_path_is_refused():
    data = json.loads(render(evidence()))
    with pytest.raises(DocumentError, match="a token or a local path"):
        validate(json.dumps(data | {"arguments": {"a": [{"b": "/home/ada/x"}]}}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), JSON, min_size=1, max_size=4))
def test_any_arguments_give_a_valid_document(arguments: dict[str, object]):
    try:
        json.dumps(arguments, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return
    text = render(evidence(arguments=arguments))
    validate(text)
    data = json.loads(text)
    assert len(data["arguments"]) + len(data["withheld"]) == len(arguments)
