"""Normal forms in batches, shingles, and the exact join: each against a plain reference, whatever the batches."""

import ast
import re
import sysconfig
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.errors import AuditError
from audits.text import duplicates, folding, seen
from audits.text.duplicates import find_duplicates, find_matches, first_occurrences
from audits.text.folding import Texts
from audits.text.normalise import normalise
from audits.text.set_join import _Index, stars
from audits.text.shingles import shingles_of

WORD = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff]+")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
TEXT = st.text(max_size=60)
FEW_WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "é", "漢字", "foo"]), max_size=14).map(" ".join)


@cache
def docstrings(count: int = 1200) -> tuple[str, ...]:
    """Docstrings of the standard library of at least 30 words, normalised, distinct."""
    found: dict[str, None] = {}
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = normalise(ast.get_docstring(node))
                if 30 <= len(text.split()) <= 300:
                    found[text] = None
        if len(found) >= count:
            break
    return tuple(found)[:count]


def runs(text: str) -> frozenset[object]:
    """What the shingles of a normalised text are, written plainly."""
    units = list[str]()
    for word in WORD.findall(text):
        # a character of a script without spaces is a unit, what stands between two of them is a word
        for part in re.split(f"({UNSPACED.pattern})", word):
            units += part if len(part) > 64 else filter(None, [part])
    if len(units) >= 5:
        return frozenset(zip(*(units[i:] for i in range(5)), strict=False))
    return frozenset(text[i : i + 5] for i in range(max(len(text) - 4, 1))) if text else frozenset()


def jaccard(left: frozenset[object], right: frozenset[object]) -> float:
    common = len(left & right)
    return common / (len(left) + len(right) - common) if left or right else 0.0


def greedy(texts: list[str], threshold: float) -> tuple[list[int], list[tuple[int, int, float]]]:
    """Every pair compared, in the order of rows."""
    forms = [normalise(text) for text in texts]
    first = [forms.index(form) if form else i for i, form in enumerate(forms)]
    sets = [runs(form) for form in forms]
    kept, near = list[int](), []
    for i, own in enumerate(sets):
        if not own or first[i] != i:
            continue
        found = next((j for j in kept if jaccard(own, sets[j]) >= threshold), None)
        if found is None:
            kept.append(i)
        else:
            near.append((i, found, jaccard(own, sets[found])))
    return first, near


def every_match(left: list[str], right: list[str], threshold: float) -> list[tuple[int, int, float]]:
    own, theirs = ([runs(normalise(text)) for text in texts] for texts in (left, right))
    found = ((i, j, jaccard(a, b)) for i, a in enumerate(own) if a for j, b in enumerate(theirs) if b)
    return [match for match in found if match[2] >= threshold]


def edited(text: str, seed: int) -> str:
    """The text with one word replaced and one dropped, at places that the seed fixes."""
    rng = np.random.default_rng(seed)
    parts = text.split()
    parts[int(rng.integers(len(parts)))] = "planted"
    del parts[int(rng.integers(len(parts)))]
    return " ".join(parts)


def forms_of(texts: Texts) -> list[bytes]:
    return [batch.text(i) for batch in (raw.normalised() for raw in texts.raw()) for i in range(len(batch))]


@pytest.fixture(params=["as it is", "small batches", "one thread", "full table"])
def machine(request, monkeypatch):
    """What is found must not depend on it."""
    if request.param == "small batches":
        monkeypatch.setattr(folding, "_BATCH_BYTES", 300)
        monkeypatch.setattr(folding, "_BATCH_ROWS", 7)
    elif request.param == "one thread":
        monkeypatch.setattr(duplicates, "threads", lambda: 1)
    elif request.param == "full table":
        monkeypatch.setattr(seen, "_LEAST_BYTES", 8)
        monkeypatch.setattr(seen, "_MOST_BYTES", 64)
    return request.param


# ---- normal forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", "aB{}c", "{0}{0} {0}E", "e{}"])
def test_every_code_point_becomes_what_the_plain_function_makes_of_it(around):
    points = [*range(0xD800), *range(0xE000, 0x20000, 1), *range(0x2F7F0, 0x2FA30), *range(0xE0000, 0xE0200)]
    if around != "{}":
        points = [*points[::7], 0x37A, 0xA8, 0x1160, 0x1161, 0x11A8, 0x345, 0x130, 0x3A3, 0xFDFA]
    texts = [around.format(chr(point)) for point in points]
    wrong = [
        text
        for text, form in zip(texts, forms_of(Texts.of(texts)), strict=True)
        if form != normalise(text).encode("utf-8", "surrogatepass")
    ]
    assert wrong == []


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=6))
@example(["ΐ", "ſ\u0345", "\u00a8a", "\ud800 lone", "a\x1fb", None, "\u1112\u1161\u11ab", "한"])
def test_batches_hold_the_normal_forms(texts):
    assert forms_of(Texts.of(texts)) == [normalise(text).encode("utf-8", "surrogatepass") for text in texts]


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5))
def test_columns_are_joined_unless_all_are_empty(rows):
    texts = [[row[i].encode("utf-8", "replace").decode() for row in rows] for i in range(3)]
    table = pa.table({str(i): pa.array(column, pa.string()) for i, column in enumerate(texts)})
    expected = []
    for row in rows:
        cells = [normalise(text.encode("utf-8", "replace").decode()) for text in row]
        expected.append("\x1f".join(cells).encode() if any(cells) else b"")
    assert forms_of(Texts(table)) == expected


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=5))
@example([b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80"])
def test_bytes_that_are_no_utf8_are_read_as_replaced(pieces):
    array = pa.array(pieces, pa.large_binary()).view(pa.large_string())
    for form, piece in zip(forms_of(Texts(pa.table({"a": array}))), pieces, strict=True):
        try:
            text = piece.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            text = piece.decode("utf-8", "replace")
        assert form == normalise(text).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_chunks_and_nulls_are_read_in_place(kind, machine):
    chunks = [["Zero", None, "ONE  two"], [], ["three é", "", "x" * 500]]
    column = pa.chunked_array([pa.array(chunk, kind) for chunk in chunks])
    table = pa.table({"a": column, "b": pa.array(["p", "q", None, "s", "", "u"])}).slice(1, 4)
    assert forms_of(Texts(table)) == [b"\x1fq", b"one two\x1f", "three é\x1fs".encode(), b""]


# ---- shingles -------------------------------------------------------------------------------------------------


@given(st.one_of(TEXT, FEW_WORDS, st.text(alphabet="ab漢字 ไทย한é_1", max_size=60)))
@example("漢字 漢字 漢字 漢字 漢字 漢字 english words between them all")
@example("กขค " * 6)
@example("\u1000\u109f\u10a0 " * 6)
@example("\u1780\u17ff\u1800 " * 6)
@example("\u3040\u303f\u0eff " * 6)
@example("ab" * 32 + " " + "é" * 64 + " " + "ab" * 33 + " " + "é" * 65 + "漢c")
@example("a漢b字_c 12")
def test_shingles_count_distinct_runs_of_units_or_characters(text):
    (batch,) = (raw.normalised() for raw in Texts.of([text, "other"]).raw())
    assert len(shingles_of(batch, 0)) == len(runs(normalise(text)))


# ---- pairs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [pytest.param(0.5, marks=pytest.mark.slow), 0.8, 1.0])
def test_every_pair_of_real_texts_is_found_as_brute_force_finds_it(threshold, machine):
    originals = list(docstrings())[:500]
    copies = [edited(text, seed) for seed, text in enumerate(originals)]
    expected = every_match(originals, copies, threshold)
    assert len(expected) >= (150 if threshold < 1 else 0)
    assert find_matches(Texts.of(originals), Texts.of(copies), threshold).listed() == expected


@pytest.mark.parametrize("threshold", [0.4, 0.8])
def test_groups_of_real_texts_are_those_of_comparing_every_pair(threshold, machine):
    texts = [edited(text, seed) for seed, text in enumerate(docstrings()[:400])] + list(docstrings()[:400])
    texts = [*texts, *texts[:50], *docstrings()[300:700]]
    first, near = greedy(texts, threshold)
    assert len(near) >= 150
    found = find_duplicates(Texts.of(texts), threshold)
    assert found.first.tolist() == first
    assert found.near.listed() == near


@given(st.lists(st.one_of(FEW_WORDS, TEXT), max_size=12), st.sampled_from([0.3, 0.5, 0.8, 0.95]))
@example(["a b c d a b c d a b c d", "a b c d a b"], 0.8)
def test_any_texts_are_grouped_as_by_comparing_every_pair(texts, threshold):
    first, near = greedy(texts, threshold)
    found = find_duplicates(Texts.of(texts), threshold)
    assert (found.first.tolist(), found.near.listed()) == (first, near)


@given(st.lists(FEW_WORDS, max_size=8), st.lists(FEW_WORDS, max_size=8), st.sampled_from([0.3, 0.8]))
@example(["a b c d " * 9 + "foo é a c b d"], ["a b c d " * 2 + "foo é a c b d"], 0.8)
def test_any_two_corpora_are_matched_as_by_comparing_every_pair(left, right, threshold):
    assert find_matches(Texts.of(left), Texts.of(right), threshold).listed() == every_match(left, right, threshold)


def test_runs_that_repeat_in_one_text_alone_do_not_hide_its_match():
    """Of two corpora, a run of one side alone may stand in its text several times and counts once."""
    shared = " ".join(f"word{i}" for i in range(40))
    own = shared + " x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x"
    (match,) = find_matches(Texts.of([own]), Texts.of([shared])).listed()
    assert match == (0, 0, pytest.approx(36 / 41))


def test_a_chain_is_not_joined_through_its_middle():
    base = [f"word{i}" for i in range(60)]
    near, far = [*"abcde", *base[5:]], [*base[:55], *"fghij"]
    texts = [" ".join(near), " ".join(base), " ".join(far)]
    assert len(every_match(texts, texts, 0.8)) == 3 + 4
    assert [pair[:2] for pair in find_duplicates(Texts.of(texts)).near.listed()] == [(1, 0)]


def test_texts_without_spaces_are_compared_by_characters():
    text = "".join(chr(0x4E00 + i) + (", " if i % 7 == 6 else "") for i in range(100))
    other = text.replace(text[60], "漢")
    ((left, right, score),) = find_duplicates(Texts.of([text, other, text[::-1]])).near.listed()
    assert (left, right) == (1, 0)
    assert score == pytest.approx(jaccard(runs(text), runs(other)))
    assert score > 0.9


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # an edit that makes one word too long for a word, or adds a script, changes the shingles around it alone
        ("x" * 64, "x" * 65),
        ("short", "y" * 80),
        ("word", "漢字かな交じり文の例"),
        ("short", "кириллица"),
    ],
)
def test_no_edit_of_one_word_makes_a_long_text_another(one, other):
    words = [f"word{i}" for i in range(400)]
    texts = [" ".join([*words[:200], middle, *words[200:]]) for middle in (one, other)]
    ((left, right, score),) = find_duplicates(Texts.of(texts)).near.listed()
    assert (left, right, score) == (1, 0, pytest.approx(jaccard(*map(runs, texts))))


def test_half_a_text_in_a_script_without_spaces_is_compared_like_the_other_half():
    text = " ".join(f"word{i}" for i in range(60)) + "".join(chr(0x4E00 + i) for i in range(61))
    assert [pair[:2] for pair in find_duplicates(Texts.of([text, text[:-1], text[:-3]])).near.listed()] == [
        (1, 0),
        (2, 0),
    ]


def test_words_that_a_polynomial_could_confuse_are_told_apart():
    """The words of Thue and Morse have equal polynomials modulo 2^64 under any odd base."""
    one, other = "a", "b"
    for _ in range(11):
        one, other = one + other, other + one
    texts = [f"one two three four {word} five six seven eight" for word in (one, other)]
    sets = [shingles_of(raw.normalised(), 0) for text in texts for raw in Texts.of([text]).raw()]
    assert not np.array_equal(*sets)


@pytest.mark.parametrize("tables", [1, 2, 3, 6, 12, 16])
def test_tables_together_keep_to_their_bound(tables, monkeypatch):
    monkeypatch.setattr(seen, "_MOST_BYTES", 1 << 16)
    each = len(seen.Seen.for_shingles(10_000_000, tables=tables).states)
    assert 1 << 15 < tables * each <= 1 << 16


@pytest.mark.parametrize(
    "texts", [[], [""], ["", ""], ["a"], ["a", "b"], ["a", ""], ["\0\0\0\0\0", "\0"], [None, None]]
)
def test_nothing_to_compare_gives_nothing(texts):
    assert find_duplicates(Texts.of(texts)).near.listed() == []
    assert first_occurrences(Texts.of(texts)).tolist() == list(range(len(texts)))
    assert find_matches(Texts.of(texts), Texts.of([])).listed() == []
    assert find_matches(Texts.of([]), Texts.of(texts)).listed() == []


def test_a_large_group_is_compared_with_its_representative_alone(monkeypatch):
    """Else ten thousand copies with small edits would be fifty million comparisons."""
    base = docstrings()[0]
    texts = Texts.of([f"{base} {i}" for i in range(10_000)])
    entered = []
    sized = _Index.sized
    monkeypatch.setattr(_Index, "sized", lambda *a: entered.append(sized(*a)) or entered[-1])
    near = find_duplicates(texts).near
    assert near.right.tolist() == [0] * 9_999
    (index,) = entered
    assert np.count_nonzero(index.heads >= 0) < 200


def test_rows_of_ten_megabytes_and_a_million_empty_ones_are_taken():
    huge = "word " * 2_000_000
    found = find_duplicates(Texts.of([huge, "x" * 10_000_000, huge + "more", "é" * 5_000_000, *[""] * 1_000_000]))
    assert found.near.listed() == []
    assert (found.first == np.arange(1_000_004)).all()
    same = find_duplicates(Texts.of([huge, "x" * 10_000_000] * 2))
    assert same.first.tolist() == [0, 1, 0, 1]


def test_many_matches_of_one_text_are_all_written(monkeypatch):
    monkeypatch.setattr("audits.text.set_join._ROOM", 8)
    texts = [f"{docstrings()[0]} {i}" for i in range(40)]
    found = find_matches(Texts.of(texts[:3]), Texts.of(texts))
    assert [pair[:2] for pair in found.listed()] == [(i, j) for i in range(3) for j in range(40)]


@given(
    st.lists(FEW_WORDS, max_size=8), st.lists(st.tuples(FEW_WORDS, st.integers(0, 2)), max_size=8),
    st.sampled_from([0.3, 0.8]),
)  # fmt: skip
def test_with_parts_every_text_that_matches_is_named_and_the_earliest_of_each_part(left, right, threshold):
    texts, parts = [text for text, _ in right], np.asarray([part for _, part in right], np.int64)
    every = every_match(left, texts, threshold)
    found = find_matches(Texts.of(left), Texts.of(texts), threshold, parts=parts).listed()
    assert set(found) <= set(every)
    assert found == sorted(found)
    assert {j for _, j, _ in found} == {j for _, j, _ in every}
    earliest = {(i, int(parts[j])): (i, j, score) for i, j, score in reversed(every)}
    assert set(earliest.values()) <= set(found)


def test_templates_are_compared_as_often_as_it_takes_to_name_them_all():
    texts = Texts.of([f"{docstrings()[0]} {i}" for i in range(2000)])
    found = find_matches(texts, texts, parts=np.arange(2000) % 2)
    assert len(found) <= 2000 * 3
    assert set(found.left.tolist()) == set(found.right.tolist()) == set(range(2000))


def test_tables_of_several_machines_are_merged_to_what_one_would_have(monkeypatch):
    raws = list(Texts.of([*docstrings()[:300], *docstrings()[100:400]]).raw())
    monkeypatch.setattr(folding, "_BATCH_ROWS", 50)
    raws = list(Texts.of([*docstrings()[:300], *docstrings()[100:400]]).raw())
    assert len(raws) == 12
    for two in (False, True):
        whole, *parts = (seen.Seen(4096) for _ in range(4))
        for i, raw in enumerate(raws):
            corpus = 1 + i % 2 if two else 0
            whole.mark(raw.normalised(), corpus)
            parts[i % 3].mark(raw.normalised(), corpus)
        first, *others = parts
        for other in reversed(others):
            first.merge(other, two=two)
        assert np.array_equal(first.states, whole.states)


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.5, float("nan")])
def test_thresholds_that_are_no_similarity_are_refused(threshold):
    for search in (lambda: find_duplicates(Texts.of(["a"]), threshold),
                   lambda: find_matches(Texts.of(["a"]), Texts.of(["a"]), threshold)):  # fmt: skip
        with pytest.raises(AuditError, match=r"`threshold` is a Jaccard similarity in \(0, 1\], got"):
            search()


def test_the_least_threshold_pairs_all_that_share_anything():
    texts = ["a b c d e f", "c d e f a b", "x y z u v w", "b c d e f q"]
    assert [pair[:2] for pair in find_duplicates(Texts.of(texts), 1e-10).near.listed()] == [(3, 0)]


@pytest.mark.parametrize("column", [pa.array([1, 2]), pa.array([b"a", b"a"], pa.large_binary()), pa.nulls(2)])
def test_columns_of_other_types_are_refused(column):
    with pytest.raises(AuditError, match=r"Column `a` holds .*; allowed are string and large_string"):
        Texts(pa.table({"a": column}))


@pytest.mark.slow
def test_sources_that_can_not_be_written_beside_are_compiled_anew(tmp_path):
    import os
    import shutil
    import subprocess
    import sys

    root = Path(__file__).parent.parent
    shutil.copytree(root / "audits", tmp_path / "audits", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "from audits.text.duplicates import find_duplicates; from audits.text.folding import Texts\n"
        "print(find_duplicates(Texts.of(['a b c', 'A  b c'])).first.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[0, 0]", done.stderr


def test_stars_of_no_sets_are_none():
    assert len(stars(seen.Survivors.joined([]), 0.8)) == 0
