"""The license facts: every entry is complete and quoted, the traps are known, and a slip in a file is refused."""

from __future__ import annotations

import datetime
import re
import shutil
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.errors import SchemaError
from audits.licenses.display import WIDTH, WORDS, describe
from audits.licenses.facts import load_facts, own_reference
from audits.licenses.resolution import resolve
from audits.licenses.terms import AXES, UNDETERMINED, Fact, LicenseTerms, load_terms
from audits.licenses.terms_files import LONGEST_CLAUSE, build, entries
from audits.licenses.terms_table import TermsTable, read_terms
from model_cards.validate import hub_values
from tests.benchmarks.license_quotes import fold, missing_part, texts

TABLE = load_terms()
IDS = [terms.id for terms in TABLE]
GNU_BARE = [terms.id for terms in TABLE if re.fullmatch(r"(?:A|L)?GPL-\d\.\d|GFDL-\d\.\d", terms.id)]
ABSENT = {"none", "not-addressed", "no", "worldwide", "not-distribution", UNDETERMINED}


def known(id: str) -> LicenseTerms:  # noqa: A002
    """Return the terms of an id that must be known."""
    terms = TABLE.get(id)
    assert terms is not None, id
    return terms


def category(terms: LicenseTerms) -> str | None:
    """Return the category that ``facts.toml`` gives the license, None where it knows none."""
    stated = load_facts().spdx.get(terms.id.casefold())
    return stated[1] if stated else None


@pytest.mark.parametrize("terms", tuple(TABLE), ids=IDS)
class TestEveryEntry:
    """What holds for each license of the table."""

    def test_every_axis_has_a_known_value(self, terms: LicenseTerms) -> None:
        assert list(terms.axes) == list(AXES)
        for axis, fact in terms.axes.items():
            assert set(fact.values) <= {*AXES[axis], UNDETERMINED}

    def test_quotes_are_short_sourced_and_dated(self, terms: LicenseTerms) -> None:
        assert terms.source.startswith("http")
        for fact in terms.axes.values():
            assert len(fact.clause) <= LONGEST_CLAUSE
            assert fact.source.startswith("http")
            assert datetime.date.fromisoformat(fact.checked) <= datetime.date.fromisoformat(TABLE.date)

    def test_what_it_asks_for_or_permits_is_quoted(self, terms: LicenseTerms) -> None:
        for axis, fact in terms.axes.items():
            silent = axis in {"scope", "gated"} or (
                fact.value in ABSENT and (axis, fact.value) != ("relicensing", "none")
            )
            assert silent or fact.clause, axis

    def test_undetermined_is_of_low_confidence(self, terms: LicenseTerms) -> None:
        assert all(fact.confidence == "low" for fact in terms.axes.values() if fact.value == UNDETERMINED)

    def test_what_it_permits_is_known(self, terms: LicenseTerms) -> None:
        permitted = terms.fact("relicensing").permitted
        assert len(set(permitted)) == len(permitted)
        assert all(TABLE.get(other) is not None for other in permitted)
        assert not permitted or terms.id in permitted

    def test_its_category_agrees(self, terms: LicenseTerms) -> None:
        stated = category(terms)
        if stated is None:
            return
        commercial, share = terms.fact("commercial_use").value, terms.fact("share_alike").value
        assert (stated == "non-commercial") == (commercial == "forbidden")
        if stated == "permissive":
            assert share == "none"
            # ODC-By keeps the rows of a database under itself, and nothing that is produced from it
            assert terms.fact("relicensing").value == ("listed" if terms.id == "ODC-By-1.0" else "any-with-notices")
        if stated == "weak-copyleft":
            assert share == "weak"
        if stated == "copyleft":
            # LPPL lets a derived work have another license that keeps its conditions
            assert share == ("weak" if terms.id == "LPPL-1.3c" else "same-license")
        if stated == "share-alike":
            assert share in {"same-license", "database"}
        if stated == "no-derivatives" or "-ND-" in terms.id:
            assert terms.fact("no_derivatives").value == "unmodified-only"
            assert terms.fact("relicensing").value == "none"
        else:
            assert terms.fact("no_derivatives").value == "none"

    def test_its_text_for_people_is_complete(self, terms: LicenseTerms) -> None:
        text = describe(terms)
        flat = " ".join(text.split())
        assert text.startswith(f"{terms.id}: ")
        for fact in terms.axes.values():
            assert fact.clause in flat.replace("“", "").replace("”", "") or "“" in fact.clause
        assert flat.count("undetermined: nobody is sure") == sum(f.value == UNDETERMINED for f in terms.axes.values())
        assert "No counsel has reviewed this entry." in text
        assert all(len(line) <= WIDTH or "http" in line for line in text.splitlines())


@pytest.mark.parametrize("hub_id", sorted(hub_values()["licenses"]))
def test_every_id_of_the_hub_is_an_entry_or_ambiguous(hub_id: str) -> None:
    """An ambiguous id has no terms, and any other leads to the license that resolution reads from it."""
    terms = TABLE.get(hub_id)
    if terms is None:
        assert hub_id in load_facts().families
        assert hub_id in TABLE.families
        return
    assert hub_id in terms.hub
    assert hub_id not in TABLE.families
    assert resolve(hub_id).spdx == terms.id


def test_families_are_the_ones_that_resolution_leaves_open() -> None:
    assert set(TABLE.families) == set(load_facts().families) & hub_values()["licenses"]


class TestTraps:
    """Ids that are easily taken for another license."""

    def test_bsl_is_boost(self) -> None:
        assert known("bsl-1.0").name.startswith("Boost")
        assert known("BUSL-1.1").fact("commercial_use").value == "conditional"
        assert known("BUSL-1.1").hub == ()

    @pytest.mark.parametrize("id", ["cc", "bsd", "gpl", "openrail", "other", "unknown", "", " ", "CC-BY", "cc-by-sa"])
    def test_an_ambiguous_id_has_no_terms(self, id: str) -> None:  # noqa: A002
        assert TABLE.get(id) is None

    def test_creative_commons_of_the_facts_are_told_apart(self) -> None:
        assert known("cc-by-nc-4.0").fact("commercial_use").value == "forbidden"
        assert known("cc-by-sa-4.0").fact("commercial_use").value == "allowed"
        assert known("CC-BY-SA-1.0").fact("relicensing").permitted == ("CC-BY-SA-1.0",)
        assert "CC-BY-SA-4.0" in known("CC-BY-SA-3.0").fact("relicensing").permitted
        assert "CC-BY-SA-3.0" not in known("CC-BY-SA-4.0").fact("relicensing").permitted
        assert "GPL-3.0-only" in known("CC-BY-SA-4.0").fact("relicensing").permitted
        assert "CC-BY-SA-4.0" not in known("GPL-3.0-only").fact("relicensing").permitted
        assert all("NC" in name for name in known("CC-BY-NC-SA-4.0").fact("relicensing").permitted)

    @pytest.mark.parametrize("id", GNU_BARE)
    def test_a_deprecated_gnu_id_keeps_to_its_version(self, id: str) -> None:  # noqa: A002
        bare, only, later = known(id), known(f"{id}-only"), known(f"{id}-or-later")
        for axis in set(AXES) - {"relicensing"}:
            assert bare.fact(axis).values == only.fact(axis).values == later.fact(axis).values
        assert bare.fact("relicensing").permitted == only.fact("relicensing").permitted
        assert bare.fact("relicensing").confidence == "medium"
        assert f"{id}-or-later" not in bare.fact("relicensing").permitted
        assert set(only.fact("relicensing").permitted) < set(later.fact("relicensing").permitted)
        assert "does not say whether later versions" in bare.note

    def test_the_deprecated_gnu_ids_of_the_hub_are_there(self) -> None:
        assert {"GPL-2.0", "GPL-3.0", "LGPL-2.1", "LGPL-3.0", "AGPL-3.0"} <= set(GNU_BARE)

    def test_gnu_versions_are_no_order_of_looseness(self) -> None:
        assert "GPL-3.0-only" not in known("GPL-2.0-only").fact("relicensing").permitted
        assert "GPL-3.0-only" in known("GPL-2.0-or-later").fact("relicensing").permitted
        assert "GPL-2.0-only" not in known("GPL-3.0-or-later").fact("relicensing").permitted
        assert known("AGPL-3.0").fact("hosting").value == "is-distribution"
        assert known("GPL-3.0").fact("hosting").value == "not-distribution"

    def test_openmdw_is_known_in_both_versions(self) -> None:
        assert known("openmdw-1.0").id == "OpenMDW-1.0"
        assert known("openmdw-1.1").id == "LicenseRef-openmdw-1.1"

    def test_licenses_of_data_free_what_is_computed_from_it(self) -> None:
        for id_ in ("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "c-uda"):
            assert known(id_).fact("results_carve_out").value == "results-free"
        assert known("odbl").fact("share_alike").value == "database"
        assert {id_ for id_ in IDS if known(id_).fact("scope").value == "database"} == {
            "ODbL-1.0",
            "ODC-By-1.0",
            "PDDL-1.0",
        }

    def test_what_follows_only_in_combination_is_not_permitted(self) -> None:
        for id_ in ("EUPL-1.1", "EUPL-1.2", "MPL-2.0", "CECILL-2.0", "CECILL-2.1"):
            family = id_.partition("-")[0]
            assert {name.partition("-")[0] for name in known(id_).fact("relicensing").permitted} == {family}
        assert "MPL-2.0" in known("MPL-1.1").fact("relicensing").permitted

    def test_places_are_named_by_code(self) -> None:
        hunyuan = known("LicenseRef-tencent-hunyuan")
        assert hunyuan.fact("territory").territories == ("EU", "GB", "KR")
        assert "not everywhere: EU, GB, KR (" in " ".join(describe(hunyuan).split())
        llama = known("llama3.2").fact("territory")
        assert (llama.value, llama.territories) == ("conditional", ("EU",))
        assert "for others not in EU (multimodal models only" in " ".join(describe(known("llama3.2")).split())

    def test_every_license_of_its_own_has_an_entry(self) -> None:
        facts = load_facts()
        missing = {key for key in facts.own_terms if TABLE.get(own_reference(key)) is None}
        assert missing == {"noncommercial-statement"}  # words that name no license


class TestLookUp:
    """Ids in any case, with exceptions and with "+"."""

    def test_case_does_not_count(self) -> None:
        assert known("APACHE-2.0") is known("apache-2.0") is known(" Apache-2.0 ")
        assert known("licenseref-LLAMA3.1") is known("llama3.1")

    def test_an_exception_adds_permissions_and_anything_else_may_take_some_away(self) -> None:
        assert known("GPL-2.0-only WITH Classpath-exception-2.0") is known("GPL-2.0-only")
        assert known("apache-2.0 with llvm-exception") is known("Apache-2.0")
        assert TABLE.get("Apache-2.0 WITH Commons-Clause") is None
        assert TABLE.get("Nobody-1.0 WITH LLVM-exception") is None

    def test_plus_means_or_later(self) -> None:
        assert known("GPL-2.0+") is known("GPL-2.0-or-later")
        assert known("MPL-1.1+") is known("MPL-1.1")
        assert known("openrail++").id == "LicenseRef-openrail-plus-plus"
        assert TABLE.get("openrail+") is None

    def test_a_misspelt_id_gets_near_ones(self) -> None:
        assert TABLE.near_ids("apche-2.0")[0].casefold() == "apache-2.0"
        assert "llama3.1" in [name.casefold().removeprefix("licenseref-") for name in TABLE.near_ids("lama3.1")]
        assert TABLE.near_ids("zzzzzzzzzzzzzzzz") == ()

    @given(st.text(max_size=60))
    def test_any_text_is_looked_up_without_an_error(self, text: str) -> None:
        found = TABLE.get(text)
        assert found is None or found in tuple(TABLE)
        assert len(TABLE.near_ids(text)) <= 3

    @given(st.sampled_from(IDS), st.booleans())
    def test_every_id_finds_itself(self, id: str, upper: bool) -> None:  # noqa: A002
        assert known(id.upper() if upper else id.lower()).id == id


def test_records_survive_the_round_trip() -> None:
    for terms in TABLE:
        assert LicenseTerms.from_dict(terms.to_dict()) == terms


def test_every_value_has_words() -> None:
    assert {axis: set(words) for axis, words in WORDS.items()} == {axis: set(values) for axis, values in AXES.items()}


def test_an_axis_that_is_not_written_reads_as_undetermined() -> None:
    terms = LicenseTerms(id="X", name="x", source="https://example.org/x")
    assert terms.fact("commercial_use") == Fact(values=(UNDETERMINED,), confidence="low")
    assert describe(terms).count("nobody is sure") == len(AXES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped files."""
    copy = tmp_path / "terms"
    shutil.copytree(str(files("audits.licenses").joinpath("terms")), copy)
    return copy


def edit(folder: Path, old: str, new: str, file: str = "permissive.toml") -> Path:
    """Replace the first ``old`` of one file."""
    text = (folder / file).read_text("utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")
    return folder


FAULTS = {
    "axis": (
        'naming = { value = "none" }',
        'namig = { value = "none" }',
        "permissive.toml.*MIT.*`namig`.*near.*naming",
    ),
    "value": ('gated = { value = "no" }', 'gated = { value = "non" }', "permissive.toml.*MIT.*gated.*`non`.*near.*no"),
    "key of a fact": ("clause =", "clase =", "permissive.toml.*MIT.*commercial_use.*`clase`.*near.*clause"),
    "key of a license": ('name = "MIT', 'nam = "MIT', "permissive.toml.*license 1 .MIT.*`nam`.*near.*name"),
    "missing axis": ('naming = { value = "none" }\n', "", "permissive.toml.*MIT.*lacks the axes naming"),
    "missing clause": (
        re.search(
            r"attribution = .*", files("audits.licenses").joinpath("terms/permissive.toml").read_text("utf-8")
        ).group(),  # type: ignore[union-attr]
        'attribution = { value = "required" }',
        "MIT.*attribution.*`required` needs the `clause`",
    ),
    "two values": ('gated = { value = "no" }', 'gated = { values = ["no"] }', "MIT.*gated has one value"),
    "no value": ('gated = { value = "no" }', "gated = { }", "MIT.*gated needs either `value`"),
    "nothing and something": (
        '{ values = ["copyright", "license-copy"]',
        '{ values = ["copyright", "none"]',
        "MIT.*notice.*`none`.*alone",
    ),
    "sure of nothing": (
        'naming = { value = "none" }',
        'naming = { value = "undetermined", confidence = "high" }',
        "MIT.*naming.*low confidence",
    ),
    "confidence": (
        'naming = { value = "none" }',
        'naming = { value = "none", confidence = "hihg" }',
        "MIT.*naming.*`hihg`.*near.*high",
    ),
    "no list": ('share_alike = { value = "none" }', 'share_alike = "none"', "MIT.*share_alike must be a table"),
    "list without permission": (
        'relicensing = { value = "any-with-notices"',
        'relicensing = { value = "listed"',
        "MIT.*relicensing.*`permitted` and the value `listed` go together",
    ),
    "permitted elsewhere": (
        'naming = { value = "none" }',
        'naming = { value = "none", permitted = ["MIT"] }',
        "MIT.*naming.*`permitted` belongs to the axis relicensing",
    ),
    "permitted unknown": (
        'relicensing = { value = "any-with-notices"',
        'relicensing = { value = "listed", permitted = ["Apache-2.O"]',
        "MIT.*`Apache-2.O`, which is no entry; near it are Apache-2.0",
    ),
    "territories elsewhere": (
        'naming = { value = "none" }',
        'naming = { value = "none", territories = ["EU"] }',
        "MIT.*naming.*`territories` belongs to the axis territory",
    ),
    "territories of the world": (
        'territory = { value = "worldwide" }',
        'territory = { value = "worldwide", territories = ["EU"] }',
        "MIT.*territory.*`territories` belongs to the axis territory and its values",
    ),
    "territories of nowhere": (
        'territory = { value = "worldwide" }',
        'territory = { value = "excludes", clause = "not there", detail = "d", territories = ["UK"] }',
        r"MIT.*territory: 'UK' is no place.*near it are GB",
    ),
    "territories missing": (
        'territory = { value = "worldwide" }',
        'territory = { value = "conditional", clause = "not there", detail = "some models" }',
        "MIT.*territory.*`conditional` needs `territories`",
    ),
    "no sentence": (
        'naming = { value = "none" }',
        'naming = { value = "display", clause = "must be shown" }',
        "MIT.*naming.*needs a `detail`",
    ),
    "long clause": ("to deal in the Software", "x" * 400, r"MIT.*commercial_use.*\d{3} characters; quote at most 300"),
    "like nobody": ('like = "MIT"', 'like = "MTI"', "MIT-0.*`like` names `MTI`.*near it are MIT"),
    "like itself": ('like = "MIT"', 'like = "MIT-0"', "MIT-0.*circle: MIT-0 -> MIT-0"),
    "twice": ('id = "MIT-0"', 'id = "mit"', "`mit` stands already in `permissive.toml`, license 1"),
    "hub id twice": ('hub = ["isc"]', 'hub = ["mit"]', "`mit` of ISC leads to MIT already"),
    "hub family": ('hub = ["isc"]', 'hub = ["isc", "bsd"]', "`bsd` stands as a family"),
    "date": ('checked = "2026-11-27"', 'checked = "27.11.2026"', "MIT.*`checked` must be a date"),
    "no source": ('source = "https://opensource.org/license/mit"\n', "", "MIT.*has no `source`"),
    "source": (
        'source = "https://opensource.org/license/mit"',
        'source = "the web"',
        "MIT.*`source` must be an address",
    ),
    "review": ("[license.axes]", '[license.counsel_review]\nby = "Ada"\n[license.axes]', "MIT.*by.*date.*together"),
    "no TOML": ('id = "MIT"', 'id = "MIT', "`permissive.toml` is no valid TOML"),
    "top": ("[[license]]", "licence = 1\n[[license]]", "`permissive.toml`: the key `licence`.*near it are license"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slip_is_refused_and_the_message_names_the_place(folder: Path, fault: str) -> None:
    old, new, message = FAULTS[fault]
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        read_terms(edit(folder, old, new))


class TestTable:
    """The table as a whole."""

    def test_the_copy_is_the_shipped_table(self, folder: Path) -> None:
        copy = read_terms(folder)
        assert copy == TABLE
        assert copy.digest == TABLE.digest

    def test_the_digest_follows_the_facts_and_the_date(self, folder: Path) -> None:
        edit(folder, 'confidence = "medium"', 'confidence = "low"')
        changed = read_terms(folder)
        assert changed.digest != TABLE.digest
        edit(folder, TABLE.date, "2027-01-01", "index.toml")
        assert read_terms(folder).digest != changed.digest

    def test_the_order_of_files_does_not_matter(self, folder: Path) -> None:
        (folder / "permissive.toml").rename(folder / "a.toml")
        assert read_terms(folder).digest == TABLE.digest

    def test_the_date_is_needed(self, folder: Path) -> None:
        (folder / "index.toml").unlink()
        with pytest.raises(SchemaError, match=r"no `index.toml`"):
            read_terms(folder)
        (folder / "index.toml").write_text('dates = "2026-11-27"')
        with pytest.raises(SchemaError, match=r"index.toml.*dates"):
            read_terms(folder)

    def test_a_review_stands_in_the_text(self, folder: Path) -> None:
        review = '[license.counsel_review]\nby = "Ada"\ndate = "2026-12-01"\nnote = "Read it."\n[license.axes]'
        terms = read_terms(edit(folder, "[license.axes]", review)).get("MIT")
        assert terms is not None
        assert "Reviewed by Ada on 2026-12-01: Read it." in describe(terms)

    def test_iteration_is_in_the_order_of_ids(self) -> None:
        assert sorted(IDS, key=str.casefold) == IDS
        assert len(TABLE) == len(IDS) >= 130

    def test_an_empty_table_knows_nothing(self) -> None:
        empty = TermsTable(date="2026-11-27", licenses=())
        assert empty.get("MIT") is None
        assert empty.near_ids("MIT") == ()

    @given(st.text(max_size=200))
    def test_a_file_of_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            licenses = tomllib.loads(text).get("license", [])
        except tomllib.TOMLDecodeError:
            licenses = None
        if licenses == []:
            return
        with pytest.raises(SchemaError, match=r"any\.toml"):
            build(entries(text, "any.toml"))


class TestQuotesAreCompared:
    """What the comparison of quotations with texts overlooks, and what it does not."""

    TEXT = fold("1. You may\n   “Share” the\nnon- exclusive Work.\n2. Keep\tthe notice – intact.")

    @pytest.mark.parametrize(
        "clause",
        [
            'You may "Share" the non-exclusive work',
            "you may … the notice",
            "Keep the notice - intact",
            "the notice–intact",
        ],
    )
    def test_white_space_case_and_marks_do_not_count(self, clause: str) -> None:
        assert missing_part(clause, self.TEXT) == ""

    @pytest.mark.parametrize(
        ("clause", "missing"),
        [
            ("You must Share", "You must Share"),
            ("the notice … You may", "You may"),
            ("You may … non-commercial", "non-commercial"),
            ("Keep the notices", "Keep the notices"),
        ],
    )
    def test_another_word_or_order_is_told(self, clause: str, missing: str) -> None:
        assert missing_part(clause, self.TEXT) == missing

    def test_an_id_counts_before_a_name_and_a_bare_text_beside_both(self, tmp_path: Path) -> None:
        (tmp_path / "bsl-1.0.LICENSE").write_text("---\nkey: x\nspdx_license_key: BUSL-1.0\n---\nBusiness")
        boost = "---\nspdx_license_key: BSL-1.0\nother_spdx_license_keys:\n    - Boost-1.0\n---\nBoost"
        (tmp_path / "boost.LICENSE").write_text(boost)
        (tmp_path / "LicenseRef-x.txt").write_text("Bare")
        found = texts([tmp_path])
        assert (found["bsl-1.0"], found["boost-1.0"], found["boost"]) == ("boost", "boost", "boost")
        assert found["busl-1.0"] == "business"
        assert found["licenseref-x.txt"] == "bare"
