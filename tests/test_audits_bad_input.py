"""Data that nobody would give on purpose: each check measures it or says why it can not, and none falls over."""

import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import example, given
from hypothesis import strategies as st

from audits import audit, judge, load_policy
from audits.checks import discover
from audits.columns import check_columns, recognise_columns
from audits.errors import ColumnError, PolicyError, SourceError
from audits.findings import Columns
from audits.formats import formats
from audits.licenses import resolve, strictest
from audits.licenses.resolution import CATEGORIES
from audits.personal import DETECTORS, checksums, masked
from audits.policy_files import read_policy
from audits.source import AuditSource
from audits.text.cells import cell, each_text, text_lists, texts_of
from audits.text.containment import Items, held_items
from audits.text.emails import find_addresses, mask_addresses
from audits.text.excerpts import LIMIT, excerpt, mask
from audits.text.folding import Texts
from audits.text.normalise import count_words, normalise
from audits.text.shingles import shingles_of

ROOT = Path(__file__).parent.parent


class Letters:
    """Counts of letters: an encoder that takes any text, and no default one."""

    name = "letters"

    def encode(self, texts):
        vectors = np.zeros((len(texts), 32), np.float32)
        for i, text in enumerate(texts):
            text.encode("utf-8")  # tokenizers refuse lone surrogates, so no check may hand one over
            for letter in text[:100]:
                vectors[i, ord(letter) % 32] += 1
        return vectors


def run(data, **options):
    return audit(
        data,
        encoder=Letters(),
        count_tokens=lambda texts: [len(text.encode()) // 4 + 2 for text in texts],
        max_length=8,
        benchmarks={"quiz": ["what is it called when nothing is there"]},
        **options,
    )


def refuse_crashes_and_silence(report):
    assert {result.code for result in report.results} == {check.code for check in discover()}
    assert [(r.code, r.reason) for r in report.results if r.status == "errored"] == []
    for result in report.results:
        if result.status == "skipped":
            assert re.match(r"needs |install |not judged: ", result.reason), result
        else:
            assert result.findings or result.measurements or result.tables, f"{result.code} ran and said nothing"
        for finding in result.findings:
            for evidence in finding.evidence:
                for shown in (evidence.excerpt, *(other.excerpt for other in evidence.related)):
                    assert 0 < len(shown) <= LIMIT
                    shown.encode("utf-8")
    verdict = judge(report, load_policy("strict"))
    for form in formats().values():
        form.render(report, verdict).encode("utf-8")


def outcome(error, call):
    """Return what ``call`` gives, or None and the words of its refusal."""
    try:
        return call(), ""
    except error as refused:
        return None, str(refused)


def raw(*pieces, kind=None):
    """Return bytes as strings of Arrow, which does not look at them."""
    kind = kind or pa.string()
    offsets = np.cumsum([0, *map(len, pieces)]).astype(np.int32 if kind == pa.string() else np.int64)
    return pa.Array.from_buffers(kind, len(pieces), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(pieces))])


def pairs(anchors, positives=None, **columns):
    data = {"anchor": anchors, "positive": anchors if positives is None else positives, **columns}
    return Dataset(pa.table(data))


def twice(part):
    return DatasetDict(train=part, test=part.select(range(max(1, len(part) // 4))))


BROKEN = (
    b"\xff\xfe is no text at all",
    b"one \xed\xa0\x80 surrogate alone",
    b"this one is a fine text",
    b"\xc3",
    b"cut \xf0\x9f\x91",
    b"\xc0\x80 is written too long",
    b"\xf4\x90\x80\x80 is beyond the last",
    b"\xed\xbf\xbf",
)
LARGE = pa.large_string()
MEGABYTES = 10_000_000

CASES = {
    "nulls": lambda: twice(
        pairs(pa.nulls(12, pa.string()), label=pa.nulls(12, pa.string()), license=pa.nulls(12, LARGE))
    ),
    "one row": lambda: pairs(["a question"], ["an answer"], label=["x"]),
    "one row each": lambda: twice(pairs(["a question"], ["an answer"], label=["x"])),
    "one empty row": lambda: pairs([""], [""], label=[""], license=[""]),
    "all equal": lambda: twice(pairs(["what is it called"] * 60, ["it has a name of its own"] * 60, label=["x"] * 60)),
    "all distinct": lambda: twice(
        pairs([f"what is {i} and {i * 7}" for i in range(120)], [f"answer {i * 13} of {i}" for i in range(120)],
              label=[str(i) for i in range(120)])
    ),
    "no valid UTF-8": lambda: twice(
        pairs(raw(*BROKEN * 3), raw(*BROKEN[::-1] * 3), label=raw(*BROKEN * 3), license=raw(*BROKEN * 3))
    ),
    "no valid UTF-8, large": lambda: twice(pairs(raw(*BROKEN * 3, kind=LARGE), raw(*BROKEN[::-1] * 3, kind=LARGE))),
    "no valid UTF-8 in lists": lambda: twice(
        pairs([f"question {i} is here" for i in range(8)], pa.ListArray.from_arrays(list(range(9)), raw(*BROKEN)))
    ),
    "no valid UTF-8 in a dictionary": lambda: twice(
        pairs(pa.DictionaryArray.from_arrays(pa.array([*range(8)] * 2, pa.int32()), raw(*BROKEN)), label=["x"] * 16)
    ),
    "lone surrogates alone": lambda: twice(pairs(raw(*[b"\xed\xa0\x80"] * 12), raw(*[b"\xed\xbf\xbf"] * 12))),
    "nothing visible": lambda: twice(
        pairs(["\u200b\u200d"] * 12, ["\ufeff"] * 12, label=["\u200b"] * 12, license=["\u2060"] * 12)
    ),
    "control characters": lambda: twice(
        pairs(["\x00\x01\x1b[31m"] * 12, ["\x7f\x85\u202e\u2066"] * 12, license=["\x00"] * 12)
    ),
    "nulls in lists": lambda: twice(
        pairs([f"question {i}" for i in range(10)], pa.array([["a b", None], None, [], [None], ["", "c d e"]] * 2,
              pa.list_(pa.string())), label=["x", None, "y", "x", "y"] * 2)
    ),
    "lists of nothing": lambda: twice(
        pairs(["a question"] * 8, pa.array([[], [None], None, []] * 2, pa.list_(pa.null())))
    ),
    "lists of two": lambda: twice(
        pairs(["a question"] * 8, pa.array([["a b", "c"], None] * 4, pa.list_(pa.string(), 2)))
    ),
    "dictionaries": lambda: twice(
        pairs(
            pa.array(["one two three", "x", None] * 8).dictionary_encode(),
            label=pa.array(["x", None, "y"] * 8).dictionary_encode(),
            license=pa.array(["MIT", None, "frobnicate"] * 8).dictionary_encode(),
        )
    ),
    "views": lambda: twice(pairs(pa.array(["one two", None] * 8, pa.string_view()))),
    "labels of floats": lambda: twice(pairs([f"question {i}" for i in range(16)], label=[0.5, None] * 8)),
    "labels of booleans": lambda: twice(pairs([f"question {i}" for i in range(60)], label=[True, False, None] * 20)),
    "labels of nulls": lambda: twice(pairs([f"question {i}" for i in range(16)], label=pa.nulls(16))),
    "licenses without end": lambda: pairs(
        ["a question"] * 4,
        license=["(" * MEGABYTES, "MIT " * (MEGABYTES // 4), ";" * MEGABYTES, "MIT AND " * (MEGABYTES // 8)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_data_brings_a_check_down(case):
    refuse_crashes_and_silence(run(CASES[case]()))


HUGE = {
    "words": "word " * (MEGABYTES // 5),
    "one word": "x" * MEGABYTES,
    "signs": "a@" * (MEGABYTES // 2),
    "digits": "1 " * (MEGABYTES // 2),
    "letters of another script": "\u6f22" * (MEGABYTES // 3),
    "nothing visible": "\u200b" * (MEGABYTES // 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HUGE)
def test_a_row_of_ten_megabytes_is_only_a_long_row(kind):
    train = pairs([HUGE[kind], "a question"], ["an answer", "a reply"], label=["x", "y"])
    report = run(DatasetDict(train=train, test=pairs(["who knows"], [HUGE[kind]], label=["x"])))
    refuse_crashes_and_silence(report)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (pairs([1, 2]), SourceError, "`anchor` of split `train` has the type int64"),
        (pairs(["a"], [0.5]), SourceError, "`positive` of split `train` has the type double"),
        (pairs(pa.nulls(3)), SourceError, "`anchor` of split `train` has the type null"),
        (pairs(["a"], [b"a"]), SourceError, "`positive` of split `train` has the type binary"),
        (pairs([["a"]]), SourceError, "`anchor` of split `train` has the type list"),
        (pairs([{"a": "b"}]), SourceError, "`anchor` of split `train` has the type struct"),
        (pairs(pa.array([], pa.string())), SourceError, "no rows"),
        (
            DatasetDict(train=pairs(["a"]), test=Dataset.from_dict({"text": ["a"]})),
            ColumnError,
            "Split `test` has no column `anchor`",
        ),
        (Dataset.from_dict({"a": ["b"]}), ColumnError, "no text columns are recognised"),
        (DatasetDict(), SourceError, "no split"),
    ],
)  # fmt: skip
def test_what_can_not_be_audited_is_refused_in_words(data, error, words):
    with pytest.raises(error, match=re.escape(words)):
        run(data)


def test_columns_that_hold_more_than_texts_are_left_alone_where_they_were_not_named():
    data = pairs(["a question"] * 8, label=[0.5] * 8)
    assert run(data).result("LABEL001").status == "skipped"
    with pytest.raises(SourceError, match="a label column must hold strings, integers or booleans"):
        run(data, label_column="label")


@pytest.mark.parametrize(
    "content", [b'{"text": "\xff\xfe"}\n', b'{"text": "\\ud800 alone"}\n{"text": "a b"}\n', b'{"text": "a\n']
)
def test_a_file_that_is_no_text_is_audited_or_refused_in_words(content, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    report, refusal = outcome(SourceError, lambda: run(path))
    if report is None:
        assert "data.jsonl` can not be read as json" in refusal
    else:
        refuse_crashes_and_silence(report)


def test_defects_are_found_in_what_is_no_valid_text():
    report = run(CASES["no valid UTF-8"]())
    found = {finding.split: finding for finding in report.result("DUP001").findings}
    assert found["train"].total_rows == 16
    assert any("\ufffd" in evidence.excerpt for evidence in found["train"].evidence)
    empty = {(f.split, f.column): f.total_rows for f in run(CASES["nothing visible"]()).result("PAIR003").findings}
    assert empty[("train", "anchor")] == empty[("train", "positive")] == 12
    distinct = run(CASES["all distinct"]())
    assert distinct.result("DUP001").findings == ()
    assert distinct.result("PAIR003").findings == ()


# ---- a million rows: in a process of their own, to see how much memory they take -------------------------------

ROWS = 1_000_000
MILLIONS = {
    "empty": lambda: pairs(pa.array([""] * ROWS)),
    "null": lambda: pairs(pa.nulls(ROWS, pa.string())),
    "one character": lambda: pairs(
        [chr(97 + i % 26) for i in range(ROWS)], [chr(97 + i % 23) for i in range(ROWS)]
    ),
}  # fmt: skip
MOST_GIGABYTES = 4


def audit_a_million(case):
    """Audit one case and print what became of each check, and the peak of memory in GB."""
    import resource

    report = run(MILLIONS[case]())
    refuse_crashes_and_silence(report)
    degenerate = {finding.column: finding.total_rows for finding in report.result("PAIR003").findings}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    sys.stdout.write(json.dumps({"degenerate": degenerate, "gigabytes": peak}))


@pytest.mark.slow
@pytest.mark.parametrize("case", MILLIONS)
def test_a_million_rows_of_nothing_are_told_as_such(case):
    code = f"import runpy; runpy.run_path({__file__!r})['audit_a_million']({case!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["degenerate"] == {"anchor": ROWS, "positive": ROWS}
    assert told["gigabytes"] < MOST_GIGABYTES


# ---- tokenisers, parsers and detectors take any text -----------------------------------------------------------

PIECES = (
    *(
        "\ud800",
        "\udfff",
        "\x00",
        "\x1b",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\u0301",
        "\u1100",
        "\u1161",
        "\u0e01",
        "\u6f22",
    ),
    *("jane@corp.org", "DE89 3704 0044 0532 0130 00", "4539 5787 6362 1486", "+49 30 901820", "93.184.216.34"),
    *("AKIAQZ7RT2WXM4KLBN5C", "postgres://bob:q9X!2zLw@db.corp.net/x", "536-22-1234", "-----BEGIN PRIVATE KEY-----"),
)
ANY = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=80),
    st.lists(
        st.one_of(st.sampled_from(PIECES), st.text(st.characters(exclude_categories=()), max_size=4)), max_size=8
    ).map("".join),
)


@given(ANY)
def test_normal_forms_and_words(text):
    once = normalise(text)
    assert normalise(once) == once
    assert 0 <= count_words(text) <= len(text)
    assert count_words(text, 2) == min(count_words(text), 2)
    (batch,) = [one.normalised() for one in Texts.of([text]).raw()]
    assert batch.text(0) == once.encode("utf-8", "surrogatepass")
    hashes = shingles_of(batch, 0)
    assert len(hashes) <= len(batch.text(0))
    assert (len(hashes) > 0) == bool(once)
    assert (np.diff(hashes.astype(object)) > 0).all()


@given(st.lists(ANY, max_size=4), st.lists(ANY, max_size=3))
def test_what_is_looked_for_is_found_in_itself(texts, wanted):
    items = Items.of(wanted)
    held = held_items(Texts.of([*texts, *wanted]), items, most_rows=100)
    assert ((held.row >= 0) & (held.row < len(texts) + len(wanted))).all()
    assert ((held.share > 0) & (held.share <= 1)).all()
    whole = {(row, item) for row, item, share in zip(held.row, held.item, held.share, strict=True) if share == 1}
    for i, size in enumerate(items.sizes):
        assert size == 0 or (len(texts) + i, i) in whole


@given(ANY)
@example("jane@corp.org\ud800")
def test_addresses_stand_in_their_text_and_are_masked(text):
    last = 0
    for address in find_addresses(text):
        assert last <= address.start < address.end <= len(text)
        assert text[address.start : address.end] == address.text
        assert address.text not in mask_addresses(text)
        last = address.end


@given(ANY, st.integers(1, 200))
@example("DE89 3704 0044 0532 0130 00.oDE89 3704 0044 0532 0130 00", 160)
@example("DE89 3704 0044 0532 0130 00:DE89 3704 0044 0532 0130 00AKIA22222324567ABCDE", 160)
@example("0@0.0@0", 160)
def test_matches_stand_in_their_text_and_no_excerpt_shows_them(text, limit):
    shown = excerpt(text, limit)
    assert 0 < len(shown) <= max(limit, len("(empty)"))
    shown.encode("utf-8")
    hidden = mask(text)
    for detector in DETECTORS:
        last = 0
        for match in detector.find(text):
            assert last <= match.start < match.end <= len(text)
            last = match.end
            value = text[match.start : match.end]
            assert value not in hidden
            assert value not in masked(value, match.kind, b"salt")
    assert mask(hidden) == hidden


@pytest.mark.parametrize(
    ("check", "form"),
    [
        (checksums.luhn, r"[0-9]{0,19}"),
        (checksums.iban, r"[A-Z0-9]{0,34}"),
        (checksums.steuer_id, r"[0-9]{11}"),
        (checksums.nir, r"[0-9]{15}"),
        (checksums.dni, r"[0-9XYZ][0-9]{7}[A-Z]"),
        (checksums.codice_fiscale, r"[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]"),
        (checksums.bsn, r"[0-9]{9}"),
        (checksums.pesel, r"[0-9]{11}"),
        (checksums.belgian, r"[0-9]{11}"),
        (checksums.hetu, r"[0-9]{6}[-+A][0-9]{3}[0-9A-Y]"),
        (checksums.nif, r"[0-9]{9}"),
        (checksums.pps, r"[0-9]{7}[A-W][A-IW]?"),
    ],
)
def test_a_check_digit_is_right_or_wrong_for_whatever_has_the_form(check, form):
    @given(st.from_regex(form, fullmatch=True))
    def decides(text):
        assert check(text) in (True, False)

    decides()


WORDS = st.sampled_from(
    ["MIT", "AND", "OR", "WITH", "(", ")", "/", ";", "license ::", "GPL-3.0", "+", "\ud800", "\x00", "\n"]
)


@example("MIT AND()", "")
@given(st.one_of(ANY, st.lists(WORDS, max_size=12).map(" ".join)), ANY)
def test_licenses_resolve_to_a_category(text, other):
    one, two = resolve(text), resolve(other)
    assert {one.category, two.category} <= set(CATEGORIES)
    both = strictest([one, two])
    assert CATEGORIES.index(both.category) == max(CATEGORIES.index(one.category), CATEGORIES.index(two.category))


NAMES = st.one_of(
    st.sampled_from(
        ["anchor", "positive", "negative", "negative_2", "negatives", "text", "label", "license", "source"]
    ),
    st.text(st.characters(exclude_categories=()), max_size=12),
)


@given(st.lists(NAMES, max_size=6, unique=True), st.lists(NAMES, max_size=3), st.one_of(st.none(), NAMES))
def test_columns_are_recognised_or_refused_in_words(names, wanted, label):
    columns, refusal = outcome(ColumnError, lambda: recognise_columns(names, text_columns=wanted, label_column=label))
    if columns is None:
        assert refusal
        return
    assert columns.texts
    assert len(set(columns.texts)) == len(columns.texts)
    assert {*columns.texts, columns.label, columns.license, columns.group} - {None} <= set(names)


KINDS = st.sampled_from(
    [pa.string(), LARGE, pa.int64(), pa.float32(), pa.bool_(), pa.null(), pa.binary(), pa.date32(), pa.string_view(),
     pa.list_(pa.string()), pa.list_(pa.int8()), pa.struct([("a", pa.string())]), pa.dictionary(pa.int8(), pa.string())]
)  # fmt: skip


@given(st.lists(KINDS, min_size=4, max_size=4), st.booleans())
def test_columns_of_any_type_are_taken_or_refused_in_words(kinds, named):
    names = ("anchor", "positive", "label", "license")
    table = pa.table({name: pa.nulls(2, kind) for name, kind in zip(names, kinds, strict=True)})
    wanted = ("label",) if named else ()
    columns, refusal = outcome(
        SourceError, lambda: check_columns({"train": table}, recognise_columns(names), named=wanted)
    )
    if columns is None:
        assert "has the type" in refusal
        return
    assert columns.texts == ("anchor", "positive")
    assert not named or columns.label == "label"


LINES = (
    *('name = "x"', "[[rules]]", "[[waivers]]", 'code = "DUP001"', "allowed = 0.5", "allowed = -1", "allowed = nan"),
    *('decision = "block"', "required = true", "expires = 2020-01-01", "rules = 3", "[intent]", "commercial = 7"),
)
TOML = st.lists(st.sampled_from(LINES), max_size=8).map(lambda lines: "\n".join(lines).encode())


@given(st.one_of(st.binary(max_size=60), TOML))
def test_a_policy_file_is_a_policy_or_refused_in_words(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("policy") / "own.toml"
    path.write_bytes(content)
    policy, refusal = outcome(PolicyError, lambda: read_policy(path, datetime.date(2026, 1, 1)))
    if policy is None:
        assert "own.toml" in refusal
        return
    assert policy.rules
    assert all(rule.allowed >= 0 for rule in policy.rules)


@given(
    st.lists(st.one_of(st.none(), st.binary(max_size=8)), min_size=1, max_size=5), st.sampled_from([pa.string(), LARGE])
)
def test_bytes_that_are_no_text_read_the_same_everywhere(pieces, kind):
    wanted = [None if piece is None else piece.decode("utf-8", "replace") for piece in pieces]
    plain = raw(*(piece or b"" for piece in pieces), kind=kind)
    holes = pa.array([piece is None for piece in pieces])
    column = pa.compute.if_else(holes, pa.scalar(None, kind), plain)
    lists = pa.ListArray.from_arrays(list(range(len(pieces) + 1)), column)
    table = pa.table({"plain": column, "list": lists, "coded": column.dictionary_encode()})
    source = AuditSource(tables={"train": table}, columns=Columns(anchor="plain", positive="list", text="coded"))
    for name in ("plain", "coded"):
        assert texts_of(source, "train", name) == wanted
        assert [cell(source, "train", name, row) for row in range(len(pieces))] == wanted
        assert text_lists(source, "train", name) == [[text] for text in wanted]
    assert text_lists(source, "train", "list") == [[text] for text in wanted]
    for name in table.column_names:
        texts, rows = each_text(source, "train", name)
        assert [texts.text(i) for i in range(len(texts))] == [text or "" for text in wanted]
        assert rows.tolist() == list(range(len(pieces)))
