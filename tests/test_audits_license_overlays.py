"""A company's overlay: read strictly, each position with who took it and when."""

from __future__ import annotations

import datetime
import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.intent import Intent
from audits.licenses.compatibility import analyse
from audits.licenses.inputs import LicensedInput
from audits.licenses.overlays import Overlay, OverlayError, Position, load_overlay
from audits.licenses.terms import AXES, Fact, LicenseTerms, load_terms

TODAY = datetime.date(2026, 6, 1)
SIGNED = 'decision = "block"\nreason = "r"\nby = "Ada"\ndate = 2026-05-01\n'


def read(tmp_path, text):
    path = tmp_path / "company.toml"
    path.write_text(text, encoding="utf-8")
    return load_overlay(path, today=TODAY)


def position(**told):
    return Position(**{"decision": "block", "reason": "r", "by": "Ada", "date": "2026-05-01", **told})


def terms(id_="X-1.0", **axes):
    facts = {axis: Fact(values=(value,)) for axis, value in axes.items()}
    return LicenseTerms(id=id_, name="X", hub=("x",), family="X", axes=facts)


def test_a_good_file(tmp_path):
    overlay = read(
        tmp_path,
        '[[position]]\nlicense = "cc-by-sa-4.0"\nrules = ["L3"]\n' + SIGNED + '[[position]]\nfamily = "cc-by-sa"\n'
        'rules = ["L3"]\ndecision = "settled"\nreason = "r"\nby = "Ada"\ndate = "2026-05-01"\n'
        '[[position]]\nlicense = "Gemma"\n'
        'share_alike = "none"\n' + SIGNED + '[[counsel_review]]\nlicense = "odbl"\nby = "Bob"\ndate = 2026-04-01\n'
        'note = "4.5"\n[[counsel_review]]\nlicense = "ODbL-1.0"\nby = "Ada"\ndate = 2026-05-01\n',
    )
    first, second, third = overlay.positions
    assert (first.license, first.rules, first.date) == ("CC-BY-SA-4.0", ("L3",), "2026-05-01")
    assert (second.family, second.decision) == ("CC-BY-SA", "settled")
    assert third.axes == {"share_alike": "none"}
    assert first.words == "CC-BY-SA-4.0 under L3: block (r; Ada, 2026-05-01)"
    assert Overlay.from_dict(overlay.to_dict()) == overlay
    odbl = load_terms().get("odbl")
    review = overlay.reviewed(odbl).counsel_review
    assert (review.by, review.date) == ("Ada", "2026-05-01")
    mit = load_terms().get("mit")
    assert overlay.reviewed(mit) is mit
    assert not mit.counsel_review.by


@pytest.mark.parametrize(
    ("told", "fits"),
    [
        ({"license": "X-1.0"}, True),
        ({"license": "x-1.0"}, True),
        ({"license": "X"}, True),  # the id of the Hub
        ({"license": "Y-1.0"}, False),
        ({"family": "x"}, True),
        ({"family": "Y"}, False),
        ({"axes": {"share_alike": "same-license"}}, True),
        ({"axes": {"share_alike": "none"}}, False),
        ({"axes": {"share_alike": "same-license", "scope": "content"}}, True),
        ({"axes": {"share_alike": "same-license", "scope": "software"}}, False),
        ({"axes": {"naming": "undetermined"}}, True),  # of which nothing is known
        ({"axes": {"naming": "none"}}, False),
        ({"license": "X-1.0", "axes": {"scope": "software"}}, False),
        ({}, False),
    ],
)
def test_which_licenses_a_position_is_about(told, fits):
    overlay = Overlay(positions=(position(**told),))
    known = terms(share_alike="same-license", scope="content")
    assert bool(overlay.positions_for(known)) == fits


def test_positions_on_some_rules_alone():
    every, some = position(license="x"), position(family="X", rules=("L3", "L5"))
    overlay = Overlay(positions=(every, some))
    assert overlay.positions_for(terms()) == (every, some)
    assert overlay.positions_for(terms(), "L5") == (every, some)
    assert overlay.positions_for(terms(), "L1") == (every,)


ONE = "[[position]]\n"
NO_REASON = SIGNED.replace('"r"', '" "')
NO_DATE = SIGNED.replace("2026-05-01", '"May"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[position", "no valid TOML"),
        ("", r"neither a \[\[position\]\] nor a \[\[counsel_review\]\]"),
        (f"[[positions]]\n{SIGNED}", "unknown key.* positions; .*did you mean `position`"),
        (f"[position]\n{SIGNED}", r"write \[\[position\]\]"),
        (ONE + SIGNED, "names no license; give `license`, `family` or an axis"),
        (f'{ONE}license = "cc-by-sa-5.0"\n{SIGNED}', "'cc-by-sa-5.0', which the license facts do not know; near it"),
        (f'{ONE}license = ["mit"]\n{SIGNED}', r"position\[0\]\.license"),
        (f'{ONE}licence = "mit"\n{SIGNED}', "licence; .*did you mean `license` for `licence`"),
        (f'{ONE}family = "CC-BY-SAA"\n{SIGNED}', "no license of the facts has; did you mean `CC-BY-SA`"),
        (f'{ONE}sharealike = "none"\n{SIGNED}', "did you mean `share_alike` for `sharealike`"),
        (f'{ONE}share_alike = "same-licence"\n{SIGNED}', "allowed are none, weak, .*did you mean `same-license`"),
        (f'{ONE}share_alike = true\n{SIGNED}', r"position\[0\]\.axes\.share_alike.*str"),
        (f'{ONE}license = "mit"\nrules = ["L19"]\n{SIGNED}', "names 'L19'; allowed are L1 to L18"),
        (f'{ONE}license = "mit"\n{SIGNED.replace("block", "pass")}', "decision.*'review' or 'block' or 'settled'"),
        (f'{ONE}license = "mit"\n{SIGNED.replace("Ada", " ")}', "has no reviewer; name the person in `by`"),
        (f'{ONE}license = "mit"\ndecision = "block"\nreason = "r"\n', "the keys by, date too"),
        (f'{ONE}license = "mit"\n{NO_REASON}', "has no reason"),
        (f'{ONE}license = "mit"\n{SIGNED.replace("block", "settled")}', "settles no rule; name those"),
        (f'{ONE}license = "mit"\n{NO_DATE}', "'May', which is no date like"),
        (f'{ONE}license = "mit"\n{SIGNED.replace("2026-05-01", "2026-06-03")}', "a day to come"),
        (f'{ONE}license = "mit"\n{SIGNED}{ONE}license = "MIT"\n{SIGNED}', "2 positions speak on MIT; keep one"),
        ('[[counsel_review]]\nlicense = "mitt"\nby = "Ada"\ndate = 2026-05-01\n', "'mitt', .*near it are .*MIT"),
        ('[[counsel_review]]\nlicense = "mit"\nby = ""\ndate = 2026-05-01\n', "has no reviewer"),
        ('[[counsel_review]]\nlicense = "mit"\nby = "Ada"\n', "the keys date too"),
    ],
)  # fmt: skip
def test_a_file_that_says_nonsense(tmp_path, text, words):
    with pytest.raises(OverlayError, match=words) as error:
        read(tmp_path, text)
    assert "company.toml" in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OverlayError, match="can not be read"):
        load_overlay(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(OverlayError, match="no UTF-8"):
        load_overlay(tmp_path / "x.toml")


@given(
    st.dictionaries(
        st.sampled_from(("license", "family", "rules", "decision", "reason", "by", "date", "x", *AXES)),
        st.text(string.ascii_letters + "-.1 ", max_size=12) | st.integers() | st.lists(st.just("L3"), max_size=2),
        max_size=8,
    )
)
def test_any_entry_is_read_or_refused(tmp_path_factory, entry):
    folder = tmp_path_factory.getbasetemp()
    lines = "".join(f"{key} = {value!r}\n" for key, value in entry.items())
    try:
        overlay = read(folder, ONE + lines)
    except OverlayError as error:
        assert "company.toml" in str(error)  # noqa: PT017  (either is right, and nothing else)
    else:
        assert all(item.by.strip() and item.date and item.reason for item in overlay.positions)


def results(license_, *positions, role="training", **intent):
    inputs = (LicensedInput(name="data", role=role, kind="dataset", license=license_),)
    analysed = analyse(inputs, Intent(**intent), overlay=Overlay(positions=positions))
    return {item.code: item for item in analysed.results}


def test_positions_reach_the_rules():
    intent = {"outgoing_license": "apache-2.0"}
    assert results("CC-BY-SA-4.0", **intent)["L3"].decision == "review"
    axes = {"share_alike": "same-license"}
    tightened = results("CC-BY-SA-4.0", position(axes=axes, rules=("L3",)), **intent)["L3"]
    assert tightened.decision == "block"
    assert "Ada" in tightened.reason
    settled = results("CC-BY-SA-4.0", position(axes=axes, rules=("L3",), decision="settled"), **intent)["L3"]
    assert settled.decision == "pass"
    elsewhere = results("CC-BY-SA-4.0", position(axes=axes, rules=("L5",), decision="settled"), **intent)["L3"]
    assert elsewhere.decision == "review"
    # a block is no open question
    forbidden = results("CC-BY-NC-4.0", position(license="CC-BY-NC-4.0", decision="settled"), **intent)["L1"]
    assert forbidden.decision == "block"


def test_the_order_of_positions_does_not_count():
    settled = position(family="CC-BY-SA", rules=("L3",), decision="settled")
    review = position(license="CC-BY-SA-4.0", rules=("L3",), decision="review")
    block = position(axes={"share_alike": "same-license"}, rules=("L3",))
    intent = {"outgoing_license": "apache-2.0"}
    for told, expected in (
        ((settled, review), "review"),
        ((review, block), "block"),
        ((settled, review, block), "block"),
    ):
        answers = [results("CC-BY-SA-4.0", *order, **intent) for order in itertools.permutations(told)]
        assert {found["L3"].decision for found in answers} == {expected}
        assert all(found == answers[0] for found in answers)


@pytest.mark.parametrize("decision", ["settled", "review"])
def test_what_is_settled_is_named(decision):
    gated = LicensedInput(name="data", role="training", kind="dataset", license="CC-BY-4.0", gated="yes")
    intent = Intent(outgoing_license="mit")

    def gate(*positions):
        return analyse((gated,), intent, overlay=Overlay(positions=positions)).result("L12")

    every = position(license="CC-BY-4.0", decision="settled")
    assert gate(every, position(license="CC-BY-4.0", rules=("L5",), decision=decision)).decision == "review"
    assert gate(position(license="CC-BY-4.0", rules=("L12",), decision="settled")).decision == "pass"
    nothing_known = position(axes={"commercial_use": "undetermined"}, decision="settled")
    assert results("LicenseRef-grok2-community", nothing_known)["L13"].decision == "review"


def test_an_answer_ends_a_question_for_a_person():
    asked = results("llama3.1", role="base", outgoing_license="llama3.1")["L8"]
    assert "700 million" in asked.questions[0]
    answer = position(family="Llama", rules=("L8",), decision="settled", reason="Below the limit")
    answered = results("llama3.1", answer, role="base", outgoing_license="llama3.1")["L8"]
    assert (answered.result, answered.questions) == ("obligation", ())
    assert "Below the limit" in answered.reason
