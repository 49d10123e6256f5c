import ast
import re
import sysconfig
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.text.emails import find_addresses, mask_address, mask_addresses
from audits.text.excerpts import LIMIT, excerpt
from audits.text.minhash import near_duplicates, near_matches
from audits.text.normalise import count_words, normalise
from audits.text.shingles import shingle

WORD = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff]+")
TEXT = st.text(max_size=60)


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


def words(text: str) -> frozenset[tuple[str, ...]]:
    found = WORD.findall(text)
    return frozenset(zip(*(found[i:] for i in range(5)), strict=False))


def similar_pairs(texts: list[str], threshold: float = 0.8) -> dict[tuple[int, int], float]:
    """All pairs by brute force over shared 5-grams of words, with their exact similarity."""
    sets = [words(text) for text in texts]
    where = defaultdict(list)
    for i, grams in enumerate(sets):
        for gram in grams:
            where[gram].append(i)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for rows in where.values():
        for a, left in enumerate(rows):
            for right in rows[a + 1 :]:
                shared[left, right] += 1
    scores = {(i, j): n / (len(sets[i]) + len(sets[j]) - n) for (i, j), n in shared.items()}
    return {pair: score for pair, score in scores.items() if score >= threshold}


def edited(text: str, seed: int) -> str:
    """The text with one word replaced and one dropped, at places that the seed fixes."""
    rng = np.random.default_rng(seed)
    parts = text.split()
    parts[int(rng.integers(len(parts)))] = "planted"
    del parts[int(rng.integers(len(parts)))]
    return " ".join(parts)


def test_near_duplicates_of_real_texts_are_found_as_brute_force_finds_them():
    originals = list(docstrings())
    assert len(originals) >= 1000
    copies = [edited(text, seed) for seed, text in enumerate(originals)]
    expected = {
        (i, j - len(originals)): score
        for (i, j), score in similar_pairs(originals + copies).items()
        if i < len(originals) <= j
    }
    assert len(expected) >= 300
    found = {(match.left, match.right): match.score for match in near_matches(originals, copies)}
    assert found.keys() <= expected.keys()  # every reported pair is verified
    assert len(found) / len(expected) >= 0.95
    assert all(abs(score - expected[pair]) < 1e-12 for pair, score in found.items())


def test_groups_are_stars_around_rows_that_are_no_duplicates_themselves():
    texts = [edited(text, seed) for seed, text in enumerate(docstrings())] + list(docstrings())
    pairs = similar_pairs(texts)
    matches = near_duplicates(texts)
    members = {match.left for match in matches}
    assert members.isdisjoint(match.right for match in matches)
    assert all(match.right < match.left for match in matches)
    assert all(abs(pairs[match.right, match.left] - match.score) < 1e-12 for match in matches)
    assert matches == near_duplicates(texts)


def test_a_chain_is_not_joined_through_its_middle():
    base = [f"word{i}" for i in range(60)]
    near, far = [*"abcde", *base[5:]], [*base[:55], *"fghij"]
    texts = [" ".join(near), " ".join(base), " ".join(far)]
    similar = similar_pairs(texts)
    assert (0, 1) in similar
    assert (1, 2) in similar
    assert (0, 2) not in similar
    assert [(match.left, match.right) for match in near_duplicates(texts)] == [(1, 0)]


def test_chunks_do_not_change_the_shingles(monkeypatch):
    texts = [*docstrings(200), "", "short", "漢字" * 40, "é " * 30, "a_b c_d " * 9]
    whole = shingle(texts)
    monkeypatch.setattr("audits.text.shingles._CHUNK_BYTES", 500)
    parts = shingle(texts)
    assert np.array_equal(whole.offsets, parts.offsets)
    assert np.array_equal(whole.hashes, parts.hashes)


@given(st.lists(TEXT.map(normalise), max_size=8))
def test_shingles_count_distinct_runs_of_words_or_characters(texts):
    shingles = shingle(texts)
    for text, size in zip(texts, shingles.sizes.tolist(), strict=True):
        found = WORD.findall(text)
        by_words = len(found) >= 5 and sum(len(w.encode()) for w in found) <= 24 * len(found)
        runs = {text[i : i + 5] for i in range(max(len(text) - 4, 1))} if text else set()
        assert size == (len(words(text)) if by_words else len(runs))


def test_texts_without_spaces_are_compared_by_characters():
    text = "".join(chr(0x4E00 + i) for i in range(100))
    other = text.replace(text[50], "漢")
    assert near_duplicates([text, other, text[::-1]]) == [(1, 0, 91 / 101)]


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a"], ["a", "b"], ["a", ""], ["\0\0\0\0\0", "\0"]])
def test_nothing_to_compare_gives_nothing(texts):
    assert near_duplicates(texts) == []
    assert near_matches(texts, []) == []
    assert near_matches([], texts) == []


def test_all_equal_texts_form_one_group():
    assert [match[:2] for match in near_duplicates(["same words here again today"] * 4)] == [(1, 0), (2, 0), (3, 0)]


@given(TEXT)
@example("ΐ")
@example("ſ\u0345")
@example("e\u200d\u0301")
@example("\u00a8a")
@example("İ")
def test_normalisation_is_idempotent_and_blind_to_case_and_white_space(text):
    once = normalise(text)
    assert normalise(once) == once
    assert once == " ".join(once.split())
    assert normalise(f"  {text}\n\t") == once
    assert once.isascii() or normalise(text + "\u200b\ufeff") == once


@pytest.mark.parametrize(
    ("left", "right"),
    [("Straße", "STRASSE"), ("ﬁne", "fine"), ("Ａ１", "a1"), ("a\u00a0 b", "A b"), ("so\u00adft", "soft")],
)
def test_equal_to_a_reader_is_equal_after_normalisation(left, right):
    assert normalise(left) == normalise(right)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("\u200b\u200d", 0), ("... !", 0), ("np.array", 1), ("Return the value.", 3), ("漢字", 2), ("ab 漢", 2)],
)
def test_words_are_counted_in_every_script(text, expected):
    assert count_words(text) == expected
    assert count_words(text, 2) == min(expected, 2)


@pytest.mark.parametrize(
    "text",
    [
        "write to jane.doe@corp.org.",
        "Jane <jane.doe@corp.org>",
        "mailto:jane.doe@corp.org",
        "(jane.doe@corp.org)",
        "`jane.doe@corp.org`",
        "jane.doe@corp.org: a note",
        "邮箱jane.doe@corp.org。",
    ],
)
def test_an_address_is_found_in_running_text(text):
    assert [address.text for address in find_addresses(text)] == ["jane.doe@corp.org"]


@pytest.mark.parametrize(
    "text",
    [
        "@pytest.fixture",
        "user@host",
        "y = G@x.weight",
        "A@B.T and M@v.mT",
        "x@self.to(device)",
        "git@github.com:owner/repo.git",
        "https://user:secret@db.corp.com/path",
        "ssh://git@corp.org/repo",
        "jane@example.com, a@b.example.org, x@y.test, x@y.invalid, root@localhost.localhost",
        "name@domain.com",
        "142480216486.20800.16526388040877946887@nightshade.mastaler.com",
        "numpy@1.26.4",
        "model@main",
        "jane@corp.org@evil",
        "-I@prefix@/include",
    ],
)
def test_what_only_looks_like_an_address_is_not_one(text):
    assert find_addresses(text) == ()


LOCAL = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z0-9]{1,8})?", fullmatch=True)
DOMAIN = st.from_regex(r"[a-z][a-z0-9]{3,10}\.(de|fr|edu|co\.uk)", fullmatch=True)


@given(LOCAL, DOMAIN, st.sampled_from(["", "see ", "<", "(", "a, "]), st.sampled_from(["", " ", ">", ")", ".", ", b"]))
def test_any_plain_address_is_found_and_masked(local, domain, before, after):
    address = f"{local}@{domain}"
    text = before + address + after
    assert [found.text for found in find_addresses(text)] == [address]
    masked = mask_addresses(text)
    assert address not in masked
    assert find_addresses(masked) == ()
    assert mask_address(address) in excerpt(text)


@given(st.text(alphabet="ab.@-_:/`1é", max_size=40))
def test_detector_and_mask_take_any_text(text):
    for address in find_addresses(text):
        assert text[address.start : address.end] == address.text
        assert address.text not in mask_addresses(text)
    assert find_addresses(mask_addresses(text)) == ()


@given(st.text(alphabet=st.characters(), max_size=400))
@example("\ud800 lone")
@example("\x00\x1b[31mred\u202e")
def test_an_excerpt_is_one_short_line_of_valid_text(text):
    shown = excerpt(text)
    assert 0 < len(shown) <= LIMIT
    shown.encode("utf-8")
    assert "\n" not in shown
    assert not set(shown) & set("\x00\x1b\u202e\u200b")


def test_excerpts_say_what_is_missing_and_where_they_cut():
    assert excerpt(None) == "(null)"
    assert excerpt("\u200b \n") == "(empty)"
    assert excerpt("a\nb\t c") == "a b c"
    assert excerpt("word " * 100).endswith("…")
    assert len(excerpt("x" * 1_000_000)) == LIMIT
    assert excerpt("x" * 150 + " jane.doe@corporation.org").endswith(" j•••@c••…")


def test_a_cut_never_shows_part_of_an_address():
    for padding in range(120, 180):
        shown = excerpt("x" * padding + " jane.doe@corporation.org and more")
        assert "jane" not in shown
        assert "corp" not in shown


def test_a_megabyte_is_handled():
    for text in ("a" * 1_000_000, "a@" * 500_000, "jane@corp.org " * 70_000, "! " * 500_000):
        assert len(excerpt(text)) <= LIMIT
        find_addresses(text)
        count_words(text)
        assert len(shingle([normalise(text)])) == 1
