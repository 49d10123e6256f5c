"""Pairs in two languages of one script: told apart where it is clear, and left alone where it is not."""

import importlib.util
from itertools import combinations

import pyarrow as pa
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from audits import AuditError, audit
from audits.checks import CheckContext, languages
from audits.checks.languages import LEAST_LETTERS, LanguageMismatch, mismatch, words_of
from audits.findings import Columns, Finding, Measurement, Table
from audits.source import AuditSource

# article 1 and the beginning of article 3 or 4 of the Universal Declaration of Human Rights
FIRST = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with reason.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y están dotados de razón.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och samvete.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu järki.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.",
    "bg": "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и съвест.",
}
SECOND = {
    "en": "No one shall be held in slavery or servitude; slavery and the slave trade shall be prohibited in all forms.",
    "de": "Niemand darf in Sklaverei oder Leibeigenschaft gehalten werden; Sklaverei und Sklavenhandel sind verboten.",
    "fr": "Nul ne sera tenu en esclavage ni en servitude; l'esclavage et la traite des esclaves sont interdits.",
    "es": "Nadie estará sometido a esclavitud ni a servidumbre, la esclavitud y la trata de esclavos están prohibidas.",
    "sv": "Ingen får hållas i slaveri eller träldom. Slaveri och slavhandel i alla dess former skall vara förbjudna.",
}
LATIN = [code for code in FIRST if code not in ("ru", "bg")]


STRING = pa.string()


def source(*rows, positive=STRING):
    table = pa.table({"anchor": [row[0] for row in rows], "positive": pa.array([row[1] for row in rows], positive)})
    return AuditSource(tables={"train": table}, columns=Columns(anchor="anchor", positive="positive"))


def observed(*rows, **options):
    return list(LanguageMismatch().run(source(*rows, **options), CheckContext()))


@pytest.mark.parametrize(("one", "other"), [*(p for p in combinations(LATIN, 2) if p != ("es", "it")), ("ru", "bg")])
def test_two_languages_of_one_script_are_told(one, other):
    found = mismatch(FIRST[one], FIRST[other])
    assert found is not None
    assert (found[0].name, found[1].name) == (one, other)
    assert min(side.probability for side in found) >= 0.8


@pytest.mark.parametrize("code", SECOND)
def test_one_language_is_no_mismatch(code):
    assert mismatch(FIRST[code], SECOND[code]) is None
    assert mismatch(SECOND[code], f"{FIRST[code]} numpy.ndarray(shape=(3, 4)) https://corp.net/de/seite?id=12") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (FIRST["en"], None),
        ("", FIRST["de"]),
        (FIRST["en"], FIRST["de"][: LEAST_LETTERS // 2]),
        (FIRST["en"], FIRST["ru"]),  # two scripts: PAIR007
        (FIRST["en"], "x" * 500),
        (FIRST["es"], FIRST["it"]),  # taken for each other
        (FIRST["en"], "SELECT a.id, b.name FROM a JOIN b ON a.id = b.id WHERE a.x > 3 AND b.y IS NOT NULL"),
        (FIRST["en"], "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker"),
        ("Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter, utstyrt med fornuft",
         "Alle mennesker er født frie og lige i værdighed og rettigheder og er udstyret med fornuft"),
    ],
)  # fmt: skip
def test_what_is_not_clear_does_not_count(one, other):
    assert mismatch(one, other) is None


def test_rows_are_listed_with_both_sides_and_the_languages_that_meet():
    rows = [(FIRST["en"], SECOND["en"])] * 6 + [(FIRST["en"], SECOND["de"]), (FIRST["fr"], SECOND["en"])]
    finding, table = observed(*rows, (None, FIRST["de"]), (FIRST["de"], ""))
    assert isinstance(finding, Finding)
    assert [row.row for row in finding.rows] == [6, 7]
    assert finding.measurement.value == 2 / 10
    assert finding.evidence[0].score >= finding.evidence[1].score
    shown = {evidence.row: evidence.related[0].excerpt for evidence in finding.evidence}
    assert shown[6].startswith("Niemand darf")
    assert isinstance(table, Table)
    assert table.rows == (("en", "de", 1), ("fr", "en", 1))


def test_lists_of_positives_are_read_as_one_text_and_splits_without_pairs_are_left_out():
    lists = pa.list_(pa.string())
    (zero,) = observed((FIRST["en"], [SECOND["en"], None]), (FIRST["en"], []), (FIRST["en"], None), positive=lists)
    assert isinstance(zero, Measurement)
    assert zero.value == 0
    finding, _ = observed((FIRST["en"], [SECOND["de"], FIRST["de"]]), positive=lists)
    assert finding.total_rows == 1
    alone = AuditSource(
        tables={"train": pa.table({"text": ["a"]})}, columns=Columns(text="text", anchor="anchor", positive="positive")
    )
    assert list(LanguageMismatch().run(alone, CheckContext())) == []


def test_an_audit_measures_it_and_says_how_to_install_what_is_missing(monkeypatch):
    data = Dataset.from_dict({"anchor": [FIRST["en"], FIRST["de"]], "positive": [SECOND["de"], SECOND["de"]]})
    assert audit(data, checks=["PAIR008"]).result("PAIR008").findings[0].total_rows == 1
    there = importlib.util.find_spec
    monkeypatch.setattr("audits.extras.find_spec", lambda name: None if name == "py3langid" else there(name))
    result = audit(data, checks=["PAIR008"]).result("PAIR008")
    assert result.status == "skipped"
    assert result.reason == 'needs py3langid, which is not installed: pip install "hf-contrastive[language]"'
    languages._identifier.cache_clear()
    with pytest.raises(AuditError, match="pip install"):
        mismatch(FIRST["en"], FIRST["de"])


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=300), st.sampled_from(sorted(FIRST)))
def test_any_text_is_taken(text, code):
    words = words_of(text)
    assert words == "" or sum(map(str.isalpha, words)) >= LEAST_LETTERS
    found = mismatch(text, FIRST[code])
    assert found is None or all(0.8 <= side.probability <= 1 for side in found)
    assert mismatch(text, text) is None


def test_long_texts_are_cut_before_they_are_read():
    assert len(words_of("word " * 2_000_000)) <= 400
    assert words_of("<" * 1_000_000 + FIRST["en"]) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.b and c: d_e (f) https://x.y/z %(name)s {two words} <b>bold</b> %s 12 x_ end.", "and c x end"),
        ("no%(name)s one{x} two<b> three.", "three"),
    ],
)
def test_words_with_a_sign_of_code_are_left_out(text, words, monkeypatch):
    monkeypatch.setattr(languages, "LEAST_LETTERS", 0)
    assert words_of(text) == words


def test_the_time_for_a_text_does_not_grow_with_its_square(monkeypatch):
    """Steps are counted in tokens: each is asked once."""
    asked = []

    class Counting:
        def search(self, token):
            asked.append(token)

    monkeypatch.setattr(languages, "_CODE", Counting())
    words_of("語" * 2000)
    words_of("ab " * 600)
    assert len(asked) == 1 + 600


def test_scripts_are_compared_before_anything_is_taken_out(monkeypatch):
    monkeypatch.setattr(languages, "words_of", lambda text: pytest.fail("not needed"))
    assert mismatch(FIRST["en"], FIRST["ru"]) is None
