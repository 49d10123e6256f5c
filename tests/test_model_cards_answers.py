"""Answers from a YAML file: strict on keys, names and dates; a form that nobody filled in says nothing."""

from __future__ import annotations

import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_cards.answers import MAX_BYTES, parse_answers, read_answers, with_answers
from model_cards.errors import AnswersError
from model_cards.evidence import Evidence, Statement
from model_cards.frameworks import FRAMEWORKS, assess, load_framework, open_questions
from model_cards.frameworks.questions import every_question
from model_cards.frameworks.skeleton import render_skeleton
from model_cards.questions import answer

TODAY = datetime.date(2026, 11, 27)
GOOD = """
limitations: {answer: " One word finds little. ", by: Ada, date: 2026-11-01}
risk_tolerance:
  answer: None that matters.
  by: Grace
  date: "2026-11-27"
"""


def parse(text):
    return parse_answers(text, "answers.yaml", today=TODAY)


def attempt(text):
    """Return what ``text`` says, and what is wrong with it."""
    try:
        return parse(text), ""
    except AnswersError as error:
        return (), str(error)


def test_answers_carry_name_and_date_for_cards_and_frameworks_alike(tmp_path):
    path = tmp_path / "answers.yaml"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    expected = (
        Statement(key="limitations", text="One word finds little.", origin="stated", by="Ada", date="2026-11-01"),
        Statement(key="risk_tolerance", text="None that matters.", origin="stated", by="Grace", date="2026-11-27"),
    )
    assert read_answers(path, today=TODAY) == expected
    assert Statement.from_dict(expected[0].to_dict()) == expected[0]


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "{}", "limitations: {answer: '', by: '', date: ''}", "bias: {}"]
)
def test_a_form_that_nobody_filled_in_says_nothing(text):
    assert parse(text) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limitation: {answer: a, by: b, date: 2026-01-01}", "did you mean `limitations` for `limitation`"),
        ("12: {answer: a, by: b, date: 2026-01-01}", "`12` is the key of no question"),
        ("limitations: words", "not a mapping"),
        ("limitations: [a]", "not a mapping"),
        ("limitations: null", "not a mapping"),
        ("limitations: {answer: a, by: b, date: 2026-01-01, dat: x}", "did you mean `date` for `dat`"),
        ("limitations: {answr: ''}", "did you mean `answer` for `answr`"),
        ("limitations: {answer: a, date: 2026-01-01}", "has no `by`"),
        ("limitations: {answer: a, by: ' ', date: 2026-01-01}", "has no `by`"),
        ("limitations: {by: a, date: 2026-01-01}", "has no `answer`"),
        ("limitations: {answer: a, by: b}", "has no `date`"),
        ("limitations: {answer: a, by: b, date: ''}", "has no `date`"),
        ("limitations: {answer: yes, by: b, date: 2026-01-01}", "`answer` is True, not text"),
        ("limitations: {answer: a, by: [b], date: 2026-01-01}", "`by` is ['b'], not text"),
        ("limitations: {answer: a, by: b, date: 1 May}", "no day as YYYY-MM-DD"),
        ("limitations: {answer: a, by: b, date: 2026}", "no day as YYYY-MM-DD"),
        ("limitations: {answer: a, by: b, date: 2026-02-30}", "no YAML|no day"),
        ("limitations: {answer: a, by: b, date: '2026-02-30'}", "no day as YYYY-MM-DD"),
        ("limitations: {answer: a, by: b, date: 2026-11-28}", "lies in the future, today is 2026-11-27"),
        ("- a\n- b", "are a list"),
        ("words", "are a str"),
        ("a: [", "are no YAML"),
        ("a: 1\n---\nb: 2", "are no YAML"),
        ("!!python/object/apply:os.system ['true']", "are no YAML"),
        ("bias: {answer: a}\nbias: {answer: b}", "hold `bias` twice"),
        ("bias: {answer: a, answer: b, by: c, date: 2026-01-01}", "hold `answer` twice"),
        ("bias: &a {answer: *a}", "not text|no YAML"),
        ("x: " + "[" * 5000, "are no YAML"),
        ("a" * (MAX_BYTES + 1), "1,000,001 characters"),
    ],
)
def test_what_is_wrong_is_said_with_the_next_step(text, words):
    with pytest.raises(AnswersError, match=words.replace("[", r"\[").replace("(", r"\(")) as caught:
        parse(text)
    assert "answers.yaml" in str(caught.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(AnswersError) as caught:
        parse("limitation: {}\nbias: {answer: a, by: b, date: 2027-01-01}\nrisks: {answer: a}")
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"bias: \x80"])
def test_a_file_that_can_not_be_read(tmp_path, content):
    path = tmp_path / "answers.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AnswersError, match="can not be read"):
        read_answers(path)


def test_answers_take_the_place_of_what_was_said_before():
    before = Evidence(
        model_name="m", statements=(Statement(key="bias", text="Old.", origin="stated"), Statement(key="own", text="x"))
    )
    after = with_answers(before, parse("bias: {answer: New., by: Ada, date: 2026-01-01}"))
    assert [item.key for item in after.statements] == ["own", "bias"]
    assert answer(after, "bias").statement.text == "New."
    assert before.statement("bias").text == "Old."


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_form_asks_every_open_question_once_and_reads_back(name):
    framework = load_framework(name)
    asked = open_questions(assess(Evidence(model_name="m"), framework))
    form = render_skeleton(framework, asked)
    data = yaml.safe_load(form)
    assert set(data) == {item.key for items in asked.values() for item in items}
    assert parse(form) == ()
    assert all(f"# For the {role}" in form for role in asked)
    filled = yaml.safe_dump({key: {"answer": "Words.", "by": "Ada", "date": "2026-11-01"} for key in data})
    told = with_answers(Evidence(model_name="m"), parse(filled))
    statuses = assess(told, framework)
    assert open_questions(statuses) == {}
    assert "Nothing is open" in render_skeleton(framework, open_questions(statuses))
    assert {item.status for item in statuses} <= {"present", "partial", "human needed"}
    assert all(item.status != "human needed" for item in statuses if item.answered)


# YAML folds line separators of Unicode into blanks when it writes them
WORDS = st.text(st.characters(exclude_characters="\x85\u2028\u2029", codec="utf-8"), min_size=1, max_size=40).filter(
    str.strip
)
LEAVES = st.none() | st.booleans() | st.integers() | st.dates() | st.text(max_size=20)


@given(answer=WORDS, by=WORDS, day=st.dates(max_value=TODAY), key=st.sampled_from(sorted(every_question())))
def test_what_people_write_reads_back(answer, by, day, key):
    text = yaml.safe_dump({key: {"answer": answer, "by": by, "date": day}}, allow_unicode=True)
    (told,) = parse(text)
    assert (told.key, told.text, told.by, told.date) == (key, answer.strip(), by.strip(), day.isoformat())


@given(
    data=st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    key=st.sampled_from(["bias", "risks", "unknown"]),
)
def test_any_yaml_is_answers_or_a_clear_error(data, key):
    for text in (yaml.safe_dump(data), yaml.safe_dump({key: data})):
        told, error = attempt(text)
        assert "answers.yaml" in error if error else all(item.text and item.by and item.date for item in told)


@given(st.text(max_size=80))
def test_any_text_is_answers_or_a_clear_error(text):
    told, error = attempt(text)
    assert told == ()
    assert not error or "answers.yaml" in error
