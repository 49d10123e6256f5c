"""Which license a text is: real texts of installed packages, altered ones, fragments, riders, bad input."""

from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.licenses.facts import category_of, load_facts, own_reference
from audits.licenses.fingerprints import encode_sketch, folded, load_fingerprints, pieces, sketch_of
from audits.licenses.packages import license_files
from audits.licenses.resolution import CATEGORIES, resolve
from audits.licenses.texts import LONGEST_TEXT, TextMatch, identify
from tests.benchmarks.license_fingerprints import entry


def license_of(package: str) -> str:
    return next(iter(license_files(distribution(package)))).content.decode("utf-8")


MIT, BSD3, BSD2 = license_of("rich"), license_of("jinja2"), license_of("numba")
APACHE = (Path(__file__).parents[1] / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize(
    ("package", "ids"),
    [
        ("rich", ("MIT",)),
        ("pyyaml", ("MIT",)),
        ("jinja2", ("BSD-3-Clause",)),
        ("numba", ("BSD-2-Clause",)),
        ("numpy", ("BSD-3-Clause",)),
        ("scikit-learn", ("BSD-3-Clause",)),
        ("huggingface_hub", ("Apache-2.0",)),
        ("datasets", ("Apache-2.0",)),
    ],
)
def test_license_files_of_packages_are_told(package, ids):
    match = identify(license_of(package))
    assert match.ids == ids
    assert match.spdx == ids[0]
    assert match.open_because == ""


def test_what_a_binary_distribution_bundles_is_apart():
    match = identify(license_of("scikit-learn"))
    assert match.spdx == "BSD-3-Clause"
    assert match.explained < 1


def test_all_licenses_of_a_bundle_are_named():
    match = identify("\n\n".join([APACHE, MIT, BSD3]))
    assert set(match.ids) == {"Apache-2.0", "MIT", "BSD-3-Clause"}
    assert match.spdx == "Apache-2.0 AND MIT AND BSD-3-Clause"


@pytest.mark.parametrize(
    "rider",
    [
        "For non-commercial use only.",
        "This software may be used for research purposes only.",
        "Commercial use requires a separate license.",
        "“Commons Clause” License Condition v1.0: the right to Sell the Software is not granted.",
        "You may not use it if your company's annual revenue exceeds $1 million.",
        "It must not be used for surveillance.",
        "Weapons manufacturers have no rights under this license.",
        "You owe us a beer.",
        "NC: no commerce.",
        "本软件仅限于非商业用途,未经作者书面许可不得用于任何商业目的。",
        "Nur für nicht-kommerzielle Zwecke.",
        "Parts are under the GNU General Public License.",
    ],
)
@pytest.mark.parametrize("license_text", [MIT, BSD3, BSD2, APACHE], ids=["MIT", "BSD-3", "BSD-2", "Apache"])
@pytest.mark.parametrize("place", ["before", "after", "behind the copyright"])
def test_a_text_with_a_sentence_of_its_own_is_not_the_license(rider, license_text, place):
    text = {
        "before": f"{rider}\n\n{license_text}",
        "after": f"{license_text}\n\n{rider}\n",
        "behind the copyright": f"Copyright (c) 2024 X\n{rider}\n{license_text}",
    }[place]
    match = identify(text)
    assert match.spdx is None
    assert match.riders
    assert match.riders[0].quote in match.open_because


def test_a_rider_in_the_copyright_line_is_seen():
    text = MIT.replace("Copyright (c) 2020", "Copyright (c) 2020 (academic use only, no commercial use)", 1)
    assert "academic" in text
    match = identify(text)
    assert match.spdx is None
    assert match.riders[0].category == "non-commercial"


def test_a_strict_rider_makes_the_category_strict_and_the_license_open():
    resolved = resolve(f"{MIT}\n\nFor non-commercial use only.")
    assert (resolved.spdx, resolved.category) == (None, "non-commercial")
    assert "non-commercial use only" in resolved.note


@pytest.mark.parametrize(
    "sentence",
    [
        "Copyright (c) 2024 The Authors. All rights reserved.",
        "The MIT License (MIT)",
        "This module was derived from foo.c.",
    ],
)
def test_what_changes_nothing_leaves_the_license(sentence):
    assert identify(f"{sentence}\n\n{MIT}").spdx == "MIT"


@pytest.mark.parametrize("text", [MIT, BSD3, APACHE], ids=["MIT", "BSD-3", "Apache"])
@pytest.mark.parametrize("kept", ["first", "without the third quarter"])
def test_a_text_with_a_part_missing_is_not_the_license(text, kept):
    part = text[: 2 * len(text) // 3] if kept == "first" else text[: len(text) // 2] + text[3 * len(text) // 4 :]
    match = identify(part)
    assert match.spdx is None
    assert match.open_because


def test_the_notice_for_file_heads_does_not_stand_for_a_cut_text():
    notice = APACHE[APACHE.index("Licensed under the Apache License") :]
    assert identify(notice).spdx == "Apache-2.0"
    assert identify(APACHE[: len(APACHE) // 2] + "\n\n" + notice).spdx is None


def test_a_changed_condition_is_told():
    text = MIT.replace("subject to the following conditions", "subject to payment and the following conditions", 1)
    assert text != MIT
    assert identify(text).spdx is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "MIT",
        "This project is released under the MIT license. See LICENSE.",
        "All rights reserved.",
        "word " * 500,
    ],
)
def test_what_is_no_license_text_names_none(text):
    match = identify(text)
    assert match.ids == ()
    assert match.spdx is None
    assert match.open_because


def test_links_are_told_and_are_no_text():
    match = identify("https://creativecommons.org/licenses/by-nc/4.0/")
    assert match.links == ("CC-BY-NC-4.0",)
    assert match.ids == ()


def test_a_fingerprint_knows_its_text_however_it_is_rendered():
    known = next(item for item in load_fingerprints().licenses if item.id == "LicenseRef-openmdw-1.1")
    assert known.phrases
    assert len(known.long_pieces) > 10


def test_a_text_of_a_model_is_known_by_its_sketch(monkeypatch):
    text = """EXAMPLE MODEL LICENSE

Version 1.0

You receive a worldwide license to run the weights, to change them and to pass them on. You shall give every recipient a
copy of this agreement. Whoever has more than nine hundred users shall ask us for another license.

The weights come without any warranty whatsoever, as far as the law lets us say so.
"""
    known = load_fingerprints().licenses[0]
    record = type(known)(
        id="LicenseRef-gemma",
        phrases=(folded("Example Model License"), folded("nine hundred users")),
        sketch=sketch_of(text),
    )
    prints = load_fingerprints()
    changed = {name: getattr(prints, name) for name in prints.__slots__}
    changed |= {"licenses": (record,), "by_key": dict.fromkeys(record.sketch, (0,))}
    monkeypatch.setattr("audits.licenses.texts.load_fingerprints", lambda: type(prints)(**changed))
    assert identify(text).ids == ("LicenseRef-gemma",)
    rendered = "# **EXAMPLE MODEL LICENSE**\n\n" + text[21:].replace("a\ncopy", "a copy").replace(
        "weights, ", "weights,\n"
    )
    assert identify(rendered).ids == ("LicenseRef-gemma",)
    without_limit = text.replace("nine hundred users", "nine hundred thousand users")
    assert identify(without_limit).spdx is None
    assert identify(without_limit).altered == ("LicenseRef-gemma",)
    assert identify(text + "\nCommercial use is not permitted.").spdx is None


MODELS = """
llama1 llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma qwen tongyi-qianwen qwen-research mrl deepseek
stability-ai-community nvidia-open-model falcon-2 falcon-llm exaone-nc tencent-hunyuan grok2-community
bigscience-openrail-m creativeml-openrail-m bigcode-openrail-m bigscience-bloom-rail-1.0 openrail++
deepfloyd-if-license fair-noncommercial-research-license
"""


@pytest.mark.parametrize("name", MODELS.split())
def test_the_licenses_of_models_have_fingerprints_under_the_name_of_resolution(name):
    reference = own_reference(name)
    assert resolve(name).spdx == reference
    assert resolve(reference).spdx == reference
    found = [item for item in load_fingerprints().licenses if item.id == reference]
    assert found
    assert all(item.phrases for item in found)


def test_every_fingerprint_is_of_a_license_that_is_classified():
    exceptions = {item.id for item in load_fingerprints().licenses if item.exception_to}
    unknown = {item.id for item in load_fingerprints().licenses if item.id and category_of(item.id) == "unknown"}
    assert unknown - exceptions <= {"OpenSSL-standalone"}


def test_riders_are_written_from_the_least_to_the_most_strict():
    order = [CATEGORIES.index(rider.category) for rider in load_fingerprints().riders]
    assert order == sorted(order)


def test_own_terms_are_in_one_category():
    facts = load_facts()
    assert set(facts.own_names.values()) <= set(facts.own_terms)


def test_the_script_writes_an_entry_that_holds_no_sentence():
    written = entry(MIT, "LicenseRef-x", "here", ["Permission is hereby granted"])
    assert encode_sketch(sketch_of(MIT))[:40] in written
    assert "without restriction" not in written
    with pytest.raises(SystemExit, match="does not hold"):
        entry(MIT, "LicenseRef-x", "here", ["a sentence that is not there"])


@given(st.text(max_size=400))
@example("\ud800 copyright \x00")
@example("<for non-commercial use only>")
def test_any_text_is_read(text):
    match = identify(text)
    assert isinstance(match, TextMatch)
    assert 0 <= match.explained <= 1
    assert (match.spdx is None) == bool(match.open_because)


@given(st.text(max_size=300), st.sampled_from([MIT, BSD3, APACHE]), st.booleans())
def test_more_text_never_makes_another_license_of_it(extra, license_text, before):
    text = f"{extra}\n\n{license_text}" if before else f"{license_text}\n\n{extra}"
    assert identify(text).spdx in (None, identify(license_text).spdx)


@given(st.text(max_size=300))
def test_pieces_hold_their_words_once_and_in_order(text):
    found = list(pieces(text))
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(0 <= piece.start < piece.end <= len(text) for piece in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "word ",
        "a",
        "\n",
        "<",
        "[",
        "中",
        "non-commercial ",
        "licensed under ",
        "a.a ",
        "# x\n",
        "(c) ",
        "derived from ",
    ],
)
@pytest.mark.timeout(60)  # a pattern that tries everything takes hours
def test_huge_texts_are_cut_and_never_plain(unit):
    match = identify(MIT + unit * (LONGEST_TEXT * 2 // len(unit)))
    assert match.cut
    assert match.spdx is None


@pytest.mark.timeout(60)  # a pattern that backtracks without end would take hours
@pytest.mark.parametrize(
    "unit", ["a/a:b/c.d ", "this ", "(a.b) the ", "x", "a/b", "( ", "licensed ", "is are ", "u:x:0:0:/root:/bin/sh\n"]
)
def test_text_of_another_kind_is_read_in_bounded_time(unit):
    text = (unit * 40_000)[:100_000]
    assert identify(text).ids == ()
    beside = identify(f"{MIT}\n{text[:20_000]}")
    assert set(beside.ids) <= {"MIT"}
