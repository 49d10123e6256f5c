import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audits.text.emails import find_addresses, mask_address, mask_addresses
from audits.text.excerpts import LIMIT, excerpt
from audits.text.normalise import UNSPACED, count_words, normalise
from audits.text.shingles import unspaced

TEXT = st.text(max_size=60)


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


def test_scripts_without_spaces_are_the_same_to_python_and_to_compiled_code():
    points = [i for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    data = np.frombuffer("".join(map(chr, points)).encode(), np.uint8)
    starts = np.flatnonzero(data & 0xC0 != 0x80)
    assert len(starts) == len(points)
    compiled = [bool(unspaced(data, start, len(data))) for start in starts]
    differing = [hex(i) for i, found in zip(points, compiled, strict=True) if found != bool(UNSPACED.match(chr(i)))]
    assert differing == []
    assert 90_000 < sum(compiled) < 200_000
