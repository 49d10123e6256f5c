"""What a loader would look for is among the planned files, or it is told what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hf_contrastive.release.plan import PushPlan, planned
from hf_contrastive.release.planned_files import missing_parts

KINDS = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
WHOLE = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"w",
    "1_Pooling/config.json": b"{}",
    "adapter/adapter_config.json": b"{}",
    "adapter/adapter_model.safetensors": b"a",
}


def modules(kinds: dict[str, str]) -> bytes:
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    return json.dumps(listed).encode()


def missing(files: dict[str, bytes]) -> list[str]:
    plan = PushPlan(repo_id="a/b", files=tuple(planned(name, content) for name, content in files.items()))
    return missing_parts(plan, files)


WHOLES: dict[str, dict[str, bytes]] = {
    "transformers": WHOLE,
    "sentence-transformers": WHOLE | {"modules.json": modules(KINDS)},
    "an adapter alone": {"adapter_config.json": b"{}", "adapter_model.safetensors": b"a"},
    "an older layout": {
        "modules.json": modules({"0_Transformer": "Transformer", "1_Pooling": "Pooling"}),
        "0_Transformer/config.json": b'{"model_type": "bert"}',
        "0_Transformer/model.safetensors": b"w",
        "1_Pooling/config.json": b"{}",
    },
    "static": {
        "modules.json": modules({"0_StaticEmbedding": "StaticEmbedding"}),
        "0_StaticEmbedding/model.safetensors": b"w",
    },
}


@pytest.mark.parametrize("case", WHOLES)
def test_a_whole_model(case: str):
    assert missing(WHOLES[case]) == []


def without(*names: str, **more: Any) -> dict[str, bytes]:
    files = WHOLE | {"modules.json": modules(KINDS)} | {name.replace("__", "."): raw for name, raw in more.items()}
    return {name: content for name, content in files.items() if name not in names}


TORN = {
    "no weights at all": ({"config.json": b'{"model_type": "bert"}'}, "no weights"),
    "weights of the adapter alone": (without("model.safetensors"), "no weights (*.safetensors) beside config.json"),
    "the same, without modules": (without("model.safetensors", "modules.json"), "beside config.json"),
    "no config": (without("config.json"), "config.json is missing"),
    "an empty config": (without(config__json=b"{}"), "`model_type`"),
    "an empty config, without modules": (without("modules.json", config__json=b"{}"), "`model_type`"),
    "a kind that is no word": (without(config__json=b'{"model_type": 1}'), "`model_type`"),
    "no folder of a module": (without("1_Pooling/config.json"), "the folder 1_Pooling, of which nothing"),
    "a head without weights": (
        without(modules__json=modules(KINDS | {"2_Dense": "Dense"})) | {"2_Dense/config.json": b"{}"},
        "2_Dense, which has no weights",
    ),
}


@pytest.mark.parametrize("case", TORN)
def test_what_is_missing_is_said(case: str):
    files, told = TORN[case]
    (line,) = missing(files)
    assert told in line


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000, b"[1, null]", b"{}", b'[{"path": 3}]', b"\xff"])
def test_no_content_breaks_the_search(raw: bytes):
    assert isinstance(missing(without(modules__json=raw)), list)
    assert isinstance(missing(without(config__json=raw)), list)
