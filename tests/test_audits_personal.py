"""Personal data and secrets: found by their rules, told from what looks like them, and never shown."""

import importlib
import json
import logging
import random
import string
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from datasets import Dataset
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audits import audit, judge, load_policy
from audits.formats import formats
from audits.personal import DETECTORS, checksums, masked
from audits.personal.secrets import FORMS, SECRETS, entropy
from audits.text.excerpts import excerpt, mask

ROOT = Path(__file__).parent.parent


def kinds(text):
    return [match.kind for detector in DETECTORS for match in detector.find(text)]


def generated():
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("tests.benchmarks.personal_data")
    finally:
        sys.path.remove(str(ROOT))


# ---- check digits: published examples -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "number"),
    [
        (checksums.luhn, "4539578763621486"),
        (checksums.iban, "GB82WEST12345698765432"),
        (checksums.iban, "DE89370400440532013000"),
        (checksums.steuer_id, "86095742719"),
        (checksums.steuer_id, "47036892816"),
        (checksums.nir, "255081416802538"),
        (checksums.dni, "12345678Z"),
        (checksums.dni, "X1234567L"),
        (checksums.codice_fiscale, "RSSMRA85T10A562S"),
        (checksums.bsn, "111222333"),
        (checksums.pesel, "44051401359"),
        (checksums.belgian, "85073003328"),
        (checksums.hetu, "131052-308T"),
        (checksums.nif, "123456789"),
        (checksums.pps, "1234567T"),
        (checksums.pps, "1234567FA"),
    ],
)
def test_check_digits_tell_a_number_from_its_neighbours(right, number):
    assert right(number)
    wrong = 0
    for i, character in enumerate(number):
        if character.isdigit():
            changed = f"{number[:i]}{(int(character) + 1) % 10}{number[i + 1 :]}"
            wrong += not right(changed)
    digits = sum(map(str.isdigit, number))
    assert wrong >= digits - 2  # a digit that is no part of the check may stay


# ---- what counts and what does not ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay with 4539 5787 6362 1486 now", ["payment card"]),
        ("my credit card is 4539578763621486", ["payment card"]),
        ("order 4539578763621486", []),
        ("4539 5787 6362 1487", []),
        ("4242 4242 4242 4242", []),
        ("IBAN DE89 3704 0044 0532 0130 00 of us", ["IBAN"]),
        ("GB82WEST12345698765432.", ["IBAN"]),
        ("DE89 3704 0044 0532 0130 01", []),
        ("call +49 30 901820", ["phone number"]),
        ("(212) 736-5000", ["phone number"]),
        ("212-555-0123", []),
        ("tel. 030 901820", ["phone number"]),
        ("030 901820", []),
        ("+2147483647", []),
        ("+1980-02-29 01:02", []),
        ("from 93.184.216.34 came", ["IP address"]),
        ("numpy 93.184.216.34rc1", []),
        ("version 93.184.216.34", []),
        ("192.168.0.1 127.0.0.1 203.0.113.9 8.8.8.8", []),
        ("2a00:1450:4001:82a::200e is up", ["IP address"]),
        ("fe80::1 ::1 2001:db8::5", []),
        ("my SSN is 536-22-1234", ["US social security number"]),
        ("078-05-1120 000-12-3456 666-12-3456 111-22-3333", []),
        ("AB 12 34 56 C", ["UK national insurance number"]),
        ("part AB123456C", []),
        ("DNI 12345678Z", ["Spanish identity number"]),
        ("doi:10.1137/10081232X", []),
        ("BSN 123456782", ["Dutch citizen service number"]),
        ("123456782 rows", []),
        ("85.07.30-033.28", ["Belgian national number"]),
        ("131052-308T", ["Finnish identity code"]),
        ("AKIAQZ7RT2WXM4KLBN5C", ["AWS access key"]),
        ("AKIAIOSFODNN7EXAMPLE", []),
        ("ghp_" + "a1B2c3D4e5" * 3 + "000000", []),
        ("postgres://bob:q9X!2zLw@db.corp.net/x", ["password in a URL"]),
        ("postgres://user:password@db.corp.net/x smb://me:mypassword@host.com", []),
        ("-----BEGIN PRIVATE KEY----- ... -----END PRIVATE KEY-----", []),
    ],
)
def test_what_counts(text, expected):
    assert kinds(text) == expected


BLANKS = "".join(chr(i) for i in range(0x3001) if chr(i).isspace())
FOUND = (
    "card 4539 5787 6362 1486", "card 4539578763621486", "DE89 3704 0044 0532 0130 00", "DE89370400440532013000",
    "DE89 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", "+49 30 901820 12", "(212) 661-2345", "tel 0123456", "tel 030/901820",
    "536-22-1987", "AB 12 34 56 C", "RSSMRA85T10A562S", "12345678Z", "BSN 123456782", "85.07.30-033.28", "131052-308T",
    "pesel 44051401359", "from 93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "AKIAQZ7RT2WXM4KLBN5C",
    "postgres://bob:q9X!2zLw@db.corp.net/x", "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", "SK" + "0a1b2c3d" * 4,
)  # fmt: skip
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(FOUND) | st.text(max_size=8) | st.sampled_from(BLANKS), max_size=5).map("".join),
    st.sampled_from(BLANKS),
    st.booleans(),
)
@example("RSSMRA85T10A562S", " ", False)
@example("tel 0123456", " ", False)
@example("DE89 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", " ", False)
@example("card 4539 5787 6362 1486", " ", True)
def test_a_hint_matches_whatever_a_detector_finds(text, blank, arabic):
    text = text.replace(" ", blank)
    text = text.translate(ARABIC) if arabic else text
    column = pa.array([text.encode("utf-8", "replace").decode()])
    for detector in DETECTORS:
        if list(detector.find(text)):
            assert pc.match_substring_regex(column, detector.hint).to_pylist() == [True], detector.kind


def test_generated_values_are_found_and_look_alikes_are_not():
    benchmark = generated()
    result = benchmark.measure(60, 7)
    for row in result["kinds"]:
        assert row["recall"] >= 0.99, row
        assert row["precision"] >= 0.99, row


@given(st.text(max_size=200))
def test_any_text_is_taken_and_masked_once_and_for_all(text):
    for detector in DETECTORS:
        last = 0
        for match in detector.find(text):
            assert 0 <= match.start < match.end <= len(text)
            assert match.start >= last
            last = match.end
    assert mask(mask(text)) == mask(text)


@given(st.text(alphabet="0123456789 -.+()ABDE:/@=", max_size=120))
def test_numbers_in_any_order_are_masked_once_and_for_all(text):
    shown = mask(text)
    assert kinds(shown) == []


@pytest.mark.parametrize("run", ["1", "1 ", "a:", "+", "1.", "eyJ", "A", "://a:", "-----BEGIN PRIVATE KEY-----"])
def test_long_runs_hold_nothing(run):
    """They would take hours where a pattern went back over them again and again."""
    assert kinds(run * (100_000 // len(run))) == []


@pytest.mark.parametrize("form", [form for form in FORMS if form.kind != "private key"], ids=lambda form: form.kind)
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_key_holds_one_of_its_literals(form, data):
    key = data.draw(st.from_regex(form.pattern, fullmatch=True))
    assert not form.literals or any(literal in key for literal in form.literals)


@pytest.mark.parametrize(
    "before",
    [
        "-----BEGIN PRIVATE KEY-----{}",
        "-----BEGIN RSA PRIVATE KEY-----{}Proc-Type: 4,ENCRYPTED{}DEK-Info: AES-128-CBC,8C1A9F42D5E07B3364F1A0C9{}{}",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----{}Version: GnuPG v1.4.11 (GNU/Linux){}Comment: Alice <a@b.example>{}{}",
    ],
)
@pytest.mark.parametrize("line", ["\n", "\r\n", "\\n", "\\r\\n"])
def test_private_keys_with_and_without_headers_are_found_whole(before, line):
    draw = random.Random(7)
    body = line.join("".join(draw.choices(string.ascii_letters + string.digits + "+/", k=64)) for _ in range(12))
    text = before.replace("{}", line) + body
    assert [(match.start, match.end, match.kind) for match in SECRETS.find(text)] == [(0, len(text), "private key")]


def test_hashes_are_the_same_for_the_same_value_and_salt_alone():
    one, same = masked("4539 5787 6362 1486", "payment card", b"s"), masked("4539578763621486", "payment card", b"s")
    assert one == same
    assert one != masked("4539578763621486", "payment card", b"t")
    assert one.startswith("[payment card #")
    assert masked("x", "secret") == "[secret]"


def test_entropy_is_that_of_the_characters():
    assert entropy("") == 0
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2


# ---- never shown ----------------------------------------------------------------------------------------------


def test_no_planted_value_enters_any_output(tmp_path, caplog, capsys, run_cli):
    benchmark = generated()
    rng = random.Random(3)
    values = []
    rows = []
    for makers in benchmark.POSITIVES.values():
        for maker in makers:
            for _ in range(3):
                value = maker(rng)
                # without the word that names it
                values.append(value.split(" ", 1)[1] if value.startswith(("card ", "phone ", "Steuer")) else value)
                rows += [f"Please send it to {value} before the end of this week and tell nobody of it."] * 2
    data = Dataset.from_dict({"anchor": rows, "positive": [f"answer {i}: {text}" for i, text in enumerate(rows)],
                              "label": [i % 2 for i in range(len(rows))], "license": ["MIT"] * len(rows)})  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        report = audit(data, count_tokens=lambda texts: [len(text) for text in texts], max_length=5)
    verdict = judge(report, load_policy("standard"))
    found = {code: sum(f.total_rows for f in report.result(code).findings) for code in ("PII002", "PII003", "SEC001")}
    assert all(found.values())
    data.to_parquet(tmp_path / "data.parquet")
    run_cli("audit", str(tmp_path / "data.parquet"), "--out", str(tmp_path / "out"))
    outputs = [json.dumps(report.to_dict()), caplog.text, capsys.readouterr().out]
    outputs += [one.render(report, verdict) for one in formats().values()]
    outputs += [
        path.read_bytes().decode("utf-8", "replace") for path in (tmp_path / "out").rglob("*") if path.is_file()
    ]
    assert len(outputs) > 6
    whole = "\n".join(outputs)
    for value in values:
        assert value not in whole
        assert value.replace(" ", "").replace("-", "") not in whole.replace(" ", "").replace("-", "")


@given(st.integers(0, 300))
def test_a_cut_never_shows_part_of_a_number(padding):
    shown = excerpt("x" * padding + " DE89 3704 0044 0532 0130 00 " + "and more " * 400)
    assert "3704" not in shown
    assert "DE89" not in shown
