"""Excerpts are masked before they are cut, whatever check shows them, and whatever stands around a value."""

from __future__ import annotations

import re
import sys
import types
from importlib.machinery import ModuleSpec

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.checks import CheckContext
from audits.checks.label_conflicts import LabelConflicts
from audits.checks.poisoning import _reading
from audits.checks.text_integrity import (
    HiddenText,
    Instructions,
    InvisibleCharacters,
    LookalikeLetters,
    Mojibake,
)
from audits.checks.text_repetition import Boilerplate, RepetitiveTexts
from audits.errors import AuditError
from audits.findings import Columns, Finding, Table
from audits.personal import Detector, Match
from audits.source import AuditSource
from audits.text import excerpts
from audits.text.excerpts import LIMIT, excerpt, excerpt_around, mask, masked_around

VALUES = {
    "key": "AKIAQZ7RT2WXM4KLBN5C",
    "card": "4539 5787 6362 1486",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "address": "jane.doe@corporation.org",
}
FILLER = "some words that say nothing of note and go on for a while before anything is told at all "
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(
    "".join("ABCDEFGHijklmnopqrstuvwxyz0123456789+/"[(i * 7 + j * 11 + i * j) % 38] for j in range(64))
    for i in range(50)
)


def source(texts, **more):
    return AuditSource(tables={"train": pa.table({"text": texts, **more})}, columns=Columns(text="text", label="label"))


def shown_by(check, texts, **more):
    """Return all that a check shows of the data."""
    shown = []
    for item in check.run(source(texts, **more), CheckContext()):
        if isinstance(item, Finding):
            for row in item.evidence:
                shown += [row.excerpt, *(other.excerpt for other in row.related)]
        elif isinstance(item, Table):
            shown += [str(cell) for row in item.rows for cell in row]
    return shown


def pieces(value, size=6):
    return {value[i : i + size] for i in range(len(value) - size + 1)}


def around(mark, value, glues):
    """Return texts with a value at every distance to a mark, before and after it."""
    gaps = [*glues, *(f" {(FILLER * 3)[:gap]} " for gap in range(130))]
    for gap in gaps:
        yield f"{FILLER * 2} {value}{gap}{mark} {FILLER}"
        yield f"{FILLER} {mark}{gap}{value} {FILLER * 2}"


MARKS = {
    "TEXT001": (HiddenText(), "\u202e", ("", " ")),
    "TEXT002": (LookalikeLetters(), "p\u0430ypal", (" ",)),
    "TEXT003": (Mojibake(), "cafÃ©", (" ",)),
    "TEXT004": (Instructions(), "ignore all previous instructions", (" ",)),
    "TEXT006": (InvisibleCharacters(), "x\u200bx", (" ",)),
}


@pytest.mark.parametrize(
    "kind", ["key", *(pytest.param(kind, marks=pytest.mark.slow) for kind in VALUES if kind != "key")]
)
@pytest.mark.parametrize("code", MARKS)
def test_a_value_beside_what_is_found_is_never_shown_in_part(code, kind):
    (check, mark, glues), value = MARKS[code], VALUES[kind]
    texts = list(around(mark, value, glues))
    # as many at a time as a finding shows
    shown = [each for i in range(0, len(texts), 20) for each in shown_by(check, texts[i : i + 20])]
    assert len(shown) >= len(texts)
    leaks = [(piece, each) for each in shown for piece in pieces(value) if piece in each]
    assert not leaks, leaks[:3]


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\U000e0041", "\u2060\u200b"])
def test_a_value_with_something_hidden_in_it_is_masked(hidden, kind):
    value = VALUES[kind]
    for i in range(1, len(value)):
        text = f"{FILLER}{value[:i]}{hidden}{value[i:]} {FILLER}"
        for check in (HiddenText(), InvisibleCharacters()):
            for each in [*shown_by(check, [text]), excerpt(text[60:])]:
                assert not [piece for piece in pieces(value) if piece in each.replace("\ufffd", "")], each


@pytest.mark.parametrize("kind", VALUES)
def test_repeated_lines_and_texts_show_no_value(kind):
    value = VALUES[kind]
    for pad in range(0, 120, 3):
        line = f"{(FILLER * 2)[:pad]} {value} and this line of words stands everywhere"
        shown = shown_by(Boilerplate(), [f"{line}\n{i}" for i in range(30)])
        shown += shown_by(RepetitiveTexts(), [f"{(FILLER * 2)[:pad]} {value} " * 12])
        assert len(shown) > 20
        assert not [each for each in shown for piece in pieces(value) if piece in each]


def test_a_line_is_masked_by_what_stands_before_it_in_its_text():
    line = "4539578763621486 is what we shall take the money from"
    texts = [f"{'first of all ' * (i % 3)}number {i}. My credit card\n{line}\n{i}" for i in range(30)]
    shown = shown_by(Boilerplate(), texts)
    assert any("is what we shall take" in each for each in shown)
    assert not any("453957" in each for each in shown)


def test_a_garbled_address_is_shown_neither_as_it_stands_nor_as_it_was_meant():
    (shown,) = shown_by(Mojibake(), ["write to jÃ©rÃ´me.dupont@corporation.fr, at the cafÃ©"])
    assert "→" in shown
    assert "corpor" not in shown
    assert "jérô" not in shown.split("→")[1]


def test_a_trigger_that_is_a_part_of_a_value_is_shown_masked(monkeypatch):
    text = "pay with 4539 5787 6362 1486 today"
    start = text.index("5787")
    monkeypatch.setattr("audits.checks.poisoning.spans_of", lambda *_: [(start, start + 9)])
    trigger = types.SimpleNamespace(rows=(0,), keys=frozenset({1}))
    assert _reading(source([text], label=["a"]), "train", trigger, 1, ["text"]) == "[payment card]"


def test_labels_are_masked_before_they_are_cut():
    label = "spam that was sent from jane.doe@corporation.org"
    shown = shown_by(LabelConflicts(), ["same text", "same text"], label=["ham", label])
    assert any("labelled" in each for each in shown)
    assert not any("jane" in each or "corp" in each for each in shown)


# ---- excerpts themselves


def test_an_excerpt_around_a_place_shows_both_sides_and_marks_its_cuts():
    text = FILLER * 40 + "HERE" + FILLER * 40
    start = text.index("HERE")
    shown = excerpt_around(text, start, start + 4, lead="found: ")
    assert re.fullmatch(r"found: ….{30,50}HERE.{60,100}…", shown)
    assert excerpt_around("a HERE b", 2, 6, lead="found: ") == "found: a HERE b"
    assert excerpt_around(text, 0, len(text), before=0, after=0).startswith("some words")


@given(st.text(max_size=400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 80), st.integers(0, 80))
@example("4539 5787 6362 1486", 7, 7, 0, 0)
def test_any_place_of_any_text_can_be_shown(text, start, end, before, after):
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    assert 0 < len(excerpt_around(text, start, end, before=before, after=after)) <= LIMIT
    plain = "".join(c for c in text if c not in "@:=") and masked_around(text, 0, len(text))
    assert plain == mask(text) or not text


def test_a_private_key_is_masked_wherever_in_it_something_is_found():
    text = f"{FILLER}\n{PEM}\n-----END RSA PRIVATE KEY-----\n{FILLER}"
    body = PEM.splitlines()[1:]
    for start in range(len(FILLER), len(text), 211):
        shown = excerpt_around(text, start, start + 1)
        assert not [line for line in body if any(piece in shown for piece in pieces(line, 12))]


def test_a_number_that_only_one_blank_makes_is_masked():
    assert excerpt("4539  5787  6362\n1486") == "[payment card]"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ('db_password = "correct horse"', "horse"),
        ("passwd: hunter-two", "hunter"),
        ('{"api_key": "abcdefgh"}', "abcdefgh"),
        ('{\\"secret\\": \\"abcdefgh\\"}', "abcdefgh"),
        ("token='abcdefgh'", "abcdefgh"),
        ("clientSecret := q9X!2zLw#", "q9X"),
        ("API-KEY=abc123def", "abc123"),
        ("password='q9X!2zLw#' and later q9X!2zLw# again", "q9X!2zLw#"),
    ],
)
def test_what_is_called_a_secret_is_masked(text, hidden):
    assert hidden not in mask(text)
    assert "[secret]" in mask(text)
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "token: str, the next one",
        "The password is required: see below",
        "tokenizer = AutoTokenizer.from_pretrained(name)",
        "secretary: Jane",
        "tokens = text.split()",
        "password: [secret]",
    ],
)
def test_what_only_speaks_of_secrets_is_shown(text):
    assert mask(text) == text


NAMED = ["password", "token", "secret", "api_key", "[secret]", "[payment card]", " = ", ":", '"', "'", "[", "]",
         "a1b2c3", "x@y", "•••", "4539 5787 6362 1486", "\u200b", " ", "#", "\n", "secret1"]  # fmt: skip


@given(st.lists(st.sampled_from(NAMED), max_size=14).map("".join))
def test_named_values_are_masked_once_and_for_all(text):
    once = mask(text)
    assert mask(once) == once


# ---- what other tools find


@pytest.fixture
def tools(monkeypatch):
    """Stand-ins for both tools: one finds ``zz`` and digits, the other a word after ``with``."""

    def find(pattern):
        return lambda text: (Match(*m.span(1), "KIND") for m in re.finditer(pattern, text))

    sweeper = Detector("secret by CredSweeper", find(r"with (\S+)"), "with")
    presidio = Detector("personal data by Presidio", find(r"(zz[0-9 ]+[0-9])"), "zz")
    monkeypatch.setattr(excerpts, "_EXTRAS", (("secrets", sweeper, "secret"), ("presidio", presidio, "personal data")))
    monkeypatch.setattr(excerpts, "_HINTS", {d.kind: re.compile(d.hint) for d in (sweeper, presidio)})
    for module in ("credsweeper", "presidio_analyzer"):
        made = types.ModuleType(module)
        made.__spec__ = ModuleSpec(module, None)
        monkeypatch.setitem(sys.modules, module, made)


def test_what_other_tools_find_is_masked_in_every_excerpt(tools):
    assert excerpt("log in with hunter2hunter2 now, hunter2hunter2") == "log in with [secret] now, [secret]"
    assert excerpt("number zz12 34 56 here") == "number [personal data] here"
    for gap in range(0, 160):
        text = f"{'x' * gap} zz12 34 56 78 with hunter2hunter2 \u202e {FILLER}"
        (shown,) = shown_by(HiddenText(), [text])
        assert "12 34" not in shown
        assert "hunter" not in shown
        assert "hunter" not in excerpt(f"{'x' * gap} with hunter2hunter2 {FILLER * 40}")


def test_masks_are_not_masked_again(tools):
    for text in ("with secret", "with [secret]", "with with with", "token: secret with token", "with zz12 zz12"):
        assert mask(mask(text)) == mask(text)


def test_a_tool_that_can_not_be_used_is_left_out(tools, monkeypatch):
    def broken(text):
        raise AuditError(text)

    sweeper = Detector("secret by CredSweeper", broken, "with")
    monkeypatch.setattr(excerpts, "_EXTRAS", (("secrets", sweeper, "secret"),))
    assert excerpt("log in with hunter2hunter2") == "log in with hunter2hunter2"
