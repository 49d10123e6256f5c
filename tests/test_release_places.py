"""Places of somebody's machine: what the gate refuses, documents leave out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_contrastive.release.contents.places import local_path
from model_cards.typesetting import code_markdown, escape_markdown, paragraphs_markdown, redact

PLACES = [
    "/home/ada/data.csv",
    "/data1/corpora/x",
    "/scratch/runs/3",
    "/dev/shm/x",
    "~/models/mine",
    "C:\\Users\\ada\\x.txt",
    "D:\\\\proj\\\\x",
    "D:/proj/x",
    "\\\\server\\share\\x",
    "file:///srv/x",
    "s3://bucket/key",
    "gs://bucket",
    "dbfs:/mnt/x",
    "ssh://host/x",
]
OTHERS = [
    "https://huggingface.co/data/x",
    "a/home/b",
    "and/or",
    "1/2",
    "A:\\n",
    "x@y:z",
    "/",
    "~",
    "./runs/3",
    "//host",
]
PARTS = st.lists(
    st.sampled_from([*PLACES, *OTHERS, " ", "|", "'", '"', "(", ")", "<", ">", "]", "=", "\n", ":", "\\", "‹", "x"])
    | st.text(max_size=3),
    max_size=8,
)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_known_and_replaced_as_a_whole(place: str):
    assert local_path(f"see {place}, please") != ""
    assert redact(f"see {place} please") == "see ‹local path› please"


@pytest.mark.parametrize("text", OTHERS)
def test_what_everybody_can_reach_stays(text: str):
    assert local_path(text) == ""
    assert redact(f"see {text} please") == f"see {text} please" or text == "A:\\n"


@settings(max_examples=1000)
@given(PARTS)
def test_what_is_left_holds_no_place_that_the_gate_refuses(parts: list[str]):
    left = redact("".join(parts))
    assert local_path(left) == ""
    assert redact(left) == left


@settings(max_examples=1000)
@given(PARTS)
def test_nor_does_what_is_set_as_markdown(parts: list[str]):
    for set_as in (escape_markdown, code_markdown, paragraphs_markdown):
        assert local_path(set_as("".join(parts))) == ""
