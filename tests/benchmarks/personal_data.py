"""Precision and recall of each kind of personal data and of secrets, on generated text with look-alikes.

Run by hand, never by CI: ``python -m tests.benchmarks.personal_data --out tests/benchmarks/results/personal_data.md``.
The values are generated from their rules, by code that is written apart from the detectors; no value is a real one.
"""

from __future__ import annotations

import argparse
import random
import re
import string
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audits.extras import missing_extra
from audits.personal import DETECTORS, Detector, Match
from audits.personal.credsweeper import CREDSWEEPER
from audits.personal.presidio import PRESIDIO
from audits.text.emails import find_addresses
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, write

Values = Callable[[random.Random], str]

_LOW, _HEX = string.ascii_lowercase, "0123456789abcdef"


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _any(rng: random.Random, count: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choice(letters) for _ in range(count))


def _card(rng: random.Random) -> str:
    body = rng.choice(["4", "51", "55", "2720", "6011"])
    body += _digits(rng, 15 - len(body))
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(body))
    number = body + str(-total % 10)
    mark = rng.choice([" ", "-", ""])
    text = mark.join(number[i : i + 4] for i in range(0, 16, 4))
    return text if mark else f"card {text}"


def _iban(rng: random.Random) -> str:
    country, size = rng.choice([("DE", 18), ("ES", 20), ("PL", 24), ("BE", 12)])
    body = _digits(rng, size)
    check = 98 - int(body + str(int(country[0], 36)) + str(int(country[1], 36)) + "00") % 97
    text = f"{country}{check:02}{body}"
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4)) if rng.random() < 0.5 else text


def _phone(rng: random.Random) -> str:
    form = rng.randrange(5)
    if form == 0:
        return f"+49 {rng.choice(['30', '89', '171', '40'])} {rng.randrange(1_000_000, 9_999_999)}"
    if form == 1:
        return f"+44 20 {rng.randrange(7000, 8999)} {rng.randrange(1000, 9999)}"
    area, office = rng.choice("23456789") + _digits(rng, 2), rng.choice("2346789") + _digits(rng, 2)
    if form == 2:
        return f"({area}) {office}-{_digits(rng, 4)}"
    if form == 3:
        return f"{area}-{office}-{_digits(rng, 4)}"
    return f"phone 0{rng.choice(['30', '171', '221'])} {rng.randrange(100_000, 9_999_999)}"


def _ip(rng: random.Random) -> str:
    return f"{rng.choice([31, 46, 62, 78, 82, 93, 109, 151, 185, 212])}.{rng.randrange(40, 250)}." + (
        f"{rng.randrange(40, 250)}.{rng.randrange(1, 254)}"
    )


def _ssn(rng: random.Random) -> str:
    return f"{rng.randrange(1, 660):03}-{rng.randrange(1, 99):02}-{rng.randrange(1, 9999):04}"


def _nino(rng: random.Random) -> str:
    pairs = " ".join(_digits(rng, 2) for _ in range(3))
    return f"{rng.choice(['AB', 'CE', 'JK', 'PW'])} {pairs} {rng.choice('ABCD')}"


def _dni(rng: random.Random) -> str:
    number = rng.randrange(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _nir(rng: random.Random) -> str:
    born = f"{rng.choice('12')}{rng.randrange(40, 99):02}{rng.randrange(1, 12):02}"
    body = f"{born}{rng.randrange(1, 95):02}{_digits(rng, 6)}"
    return f"{body}{97 - int(body) % 97:02}"


def _belgian(rng: random.Random) -> str:
    first = f"{rng.randrange(40, 99):02}{rng.randrange(1, 12):02}{rng.randrange(1, 28):02}{rng.randrange(1, 997):03}"
    check = 97 - int(first) % 97
    return f"{first[:2]}.{first[2:4]}.{first[4:6]}-{first[6:]}.{check:02}"


def _steuer(rng: random.Random) -> str:
    while True:
        numbers = rng.sample(range(10), 9)
        first = [*numbers, rng.choice(numbers)]
        rng.shuffle(first)
        if first[0]:
            break
    product = 10
    for digit in first:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return "Steuer-ID " + "".join(map(str, first)) + str((11 - product) % 10)


def _github(rng: random.Random) -> str:
    body = _any(rng, 30)
    value, check = zlib.crc32(body.encode()), ""
    letters = string.digits + string.ascii_uppercase + string.ascii_lowercase
    for _ in range(6):
        value, digit = divmod(value, 62)
        check = letters[digit] + check
    return f"ghp_{body}{check}"


def _pem(rng: random.Random) -> str:
    lines = "\n".join(_any(rng, 64, string.ascii_letters + string.digits + "+/") for _ in range(8))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----"


POSITIVES: dict[str, Sequence[Values]] = {
    "e-mail address": (lambda r: f"{_any(r, 7, _LOW)}@{_any(r, 8, _LOW)}.{r.choice(['com', 'org', 'de', 'io'])}",),
    "phone number": (_phone,),
    "payment card": (_card,),
    "IBAN": (_iban,),
    "IP address": (_ip,),
    "number of a person": (_ssn, _nino, _dni, _nir, _belgian, _steuer),
    "secret": (
        lambda r: "AKIA" + _any(r, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        _github,
        lambda r: "glpat-" + _any(r, 20),
        lambda r: "hf_" + _any(r, 34, string.ascii_letters),
        lambda r: "sk_live_" + _any(r, 24),
        lambda r: "AIza" + _any(r, 35),
        lambda r: "npm_" + _any(r, 36),
        lambda r: f"xoxb-{_digits(r, 12)}-{_any(r, 24)}",
        lambda r: f"postgres://{_any(r, 6, _LOW)}:{_any(r, 14)}@db.{_any(r, 6, _LOW)}.net",
        _pem,
    ),
}  # fmt: skip
"""Values by kind; some come with the word that names them, as people write them."""

NAMED: dict[str, Sequence[Values]] = {
    "named password or key": (
        lambda r: f'password = "{_any(r, 6)}!{_any(r, 5)}#"',
        lambda r: f"export DB_PASSWORD={_any(r, 14)}",
        lambda r: f'api_key: "{_any(r, 32)}"',
        lambda r: f'curl -H "Authorization: Bearer {_any(r, 40)}" https://api.{_any(r, 6, _LOW)}.net',
        lambda r: f"aws_secret_access_key = {_any(r, 40, string.ascii_letters + string.digits + '+/')}",
    ),
}
"""Values without a form of their own, which our detectors do not look for: only what stands before them tells."""

LOOK_ALIKES: Sequence[Values] = (
    lambda r: f"order number {_digits(r, 16)}",
    lambda r: f"order {_digits(r, 10)}",
    lambda r: f"commit {_any(r, 40, _HEX)}",
    lambda r: f"sha256 {_any(r, 64, _HEX)}",
    lambda r: f"version {r.randrange(9)}.{r.randrange(30)}.{r.randrange(9)}.{r.randrange(200)}",
    lambda r: f"v{r.randrange(200)}.{r.randrange(100)}.{r.randrange(99)}",
    lambda r: f"192.168.{r.randrange(255)}.{r.randrange(255)}",
    lambda r: f"10.{r.randrange(255)}.{r.randrange(255)}.{r.randrange(255)}",
    lambda r: f"section {r.randrange(9)}.{r.randrange(9)}.{r.randrange(9)}.{r.randrange(9)}",
    lambda r: f"{r.randrange(1990, 2026)}-{r.randrange(1, 12):02}-{r.randrange(1, 28):02} {r.randrange(24):02}:15:00",
    lambda r: f"ISBN 978-{r.randrange(9)}-{_digits(r, 4)}-{_digits(r, 4)}-{r.randrange(9)}",
    lambda r: "uuid " + "-".join(_any(r, size, _HEX) for size in (8, 4, 4, 4, 12)),
    lambda r: f"EUR {r.randrange(1000, 99999)}.{_digits(r, 2)}",
    lambda r: f"part {_any(r, 2, string.ascii_uppercase)}{_digits(r, 6)}{r.choice('ABCD')}",
    lambda r: f"timestamp {r.randrange(1_500_000_000, 1_900_000_000)}",
    lambda r: f"serial {_digits(r, 4)}-{_digits(r, 4)}-{_digits(r, 4)}",
    lambda r: f"coordinates {r.randrange(90)}.{_digits(r, 6)}, {r.randrange(180)}.{_digits(r, 6)}",
    lambda r: f"@{_any(r, 8, _LOW)}.{_any(r, 6, _LOW)} decorator",
    lambda r: f"git@{_any(r, 6, _LOW)}.com:{_any(r, 5, _LOW)}/repo.git",
    lambda r: f"x@{_any(r, 5, _LOW)}.T",
    lambda r: "token hf_" + "x" * 34,
    lambda r: "AKIAIOSFODNN7EXAMPLE",
    lambda r: "https://user:password@host.com/path",
    lambda r: "4111 1111 1111 1111",
    lambda r: "-----BEGIN PRIVATE KEY----- ... -----END PRIVATE KEY-----",
    lambda r: f"id {_digits(r, 9)}",
    lambda r: f"{_digits(r, 11)} rows",
    lambda r: f"key {_any(r, 32, _HEX)}",
    lambda r: f"({r.randrange(100, 999)}) {r.randrange(100, 999)} items",
    lambda r: f"range {r.randrange(100, 999)}-{r.randrange(100, 999)}",
    lambda r: 'password = os.environ["DB_PASSWORD"]',
    lambda r: 'password = "your-password"',
    lambda r: f'tokens = tokenizer("{_any(r, 6, _LOW)} {_any(r, 7, _LOW)}", return_tensors="pt")',
    lambda r: f'revision="{_any(r, 40, _HEX)}"',
    lambda r: f'key = "layer.{r.randrange(9)}.attention.weight"',
)  # fmt: skip
"""What is written like them and is none: numbers of orders, hashes, versions, placeholders."""

SENTENCES = (
    "Please write to {} before Friday.",
    "The customer left {} in the form.",
    "{} was seen in the log.",
    "Reply from {}, thanks!",
    "See {}; nothing else is known.",
    "It says {} here.",
)


def found_kinds(text: str) -> list[str]:
    """Return the kind of each match in ``text``."""
    kinds = ["e-mail address" for _ in find_addresses(text)]
    for detector in DETECTORS:
        kinds += [_family(match) for match in detector.find(text)]
    return kinds


def _family(match: Match) -> str:
    plain = {"payment card", "IBAN", "phone number", "IP address"}
    if match.kind in plain:
        return match.kind
    person = ("number", "code") if "token" not in match.kind else ()
    return "number of a person" if match.kind.endswith(person) else "secret"


def by_presidio(text: str) -> list[str]:
    """Return the kind of each match of Presidio's recognisers."""
    families = {"CREDIT_CARD": "payment card", "IBAN_CODE": "IBAN", "PHONE_NUMBER": "phone number"}
    return [families.get(match.kind, "number of a person") for match in _asked(PRESIDIO, text)]


def by_credsweeper(text: str) -> list[str]:
    """Return what CredSweeper holds for a secret."""
    return ["secret" for _ in _asked(CREDSWEEPER, text)]


def _asked(detector: Detector, text: str) -> Sequence[Match]:
    return list(detector.find(text)) if re.search(detector.hint, text) else ()


ARMS: dict[str, tuple[str, Callable[[str], list[str]], tuple[str, ...]]] = {
    "presidio": ("presidio-analyzer", by_presidio, ("phone number", "payment card", "IBAN", "number of a person")),
    "secrets": ("credsweeper", by_credsweeper, ("secret", "named password or key")),
}
"""Of each extra: its package, what it finds, and the kinds that it looks for."""


def measure(
    count: int,
    seed: int,
    find: Callable[[str], list[str]] = found_kinds,
    values: Mapping[str, Sequence[Values]] = POSITIVES,
) -> dict[str, Any]:
    """Return recall on ``count`` texts of each value, and false alarms on as many of each look-alike."""
    rng = random.Random(seed)
    right: dict[str, int] = dict.fromkeys(values, 0)
    planted: dict[str, int] = dict.fromkeys(values, 0)
    wrong: dict[str, int] = dict.fromkeys(values, 0)
    start = time.perf_counter()
    size = 0
    for kind, makers in values.items():
        for maker in makers:
            for _ in range(count):
                text = rng.choice(SENTENCES).format(maker(rng))
                size += len(text)
                kinds = find(text)
                named = "secret" if kind in NAMED else kind
                planted[kind] += 1
                right[kind] += named in kinds
                for other in kinds:
                    if other != named and other in wrong:
                        wrong[other] += 1
    for maker in LOOK_ALIKES:
        for _ in range(count):
            text = rng.choice(SENTENCES).format(maker(rng))
            size += len(text)
            for kind in find(text):
                if kind in wrong:
                    wrong[kind] += 1
    seconds = time.perf_counter() - start
    kinds = [
        {
            "kind": kind,
            "planted": planted[kind],
            "recall": right[kind] / planted[kind],
            "precision": right[kind] / max(right[kind] + wrong[kind], 1),
            "false_alarms": wrong[kind],
        }
        for kind in values
    ]
    return {"kinds": kinds, "look_alikes": len(LOOK_ALIKES) * count, "mb_per_second": size / 1e6 / seconds}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.personal_data", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="texts of each value and of each look-alike")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="parquet file, to count what is found in real text")
    parser.add_argument("--column", default="text", help="its column of texts")
    add_output(parser)
    options = parser.parse_args(given)
    result = measure(options.count, options.seed)
    result["arms"] = [_of_arm(extra, options.count, options.seed) for extra in ARMS if missing_extra(extra) is None]
    if options.data is not None:
        result["found_in_data"] = _counted(options.data, options.column, found_kinds)
        for arm in result["arms"]:
            find = next(find for package, find, _ in ARMS.values() if package == arm["name"])
            arm["found_in_data"] = _counted(options.data, options.column, find)
    result |= {
        **circumstances("personal_data", given, tuple(package for package, _, _ in ARMS.values())),
    }
    write(result, _markdown(result), options)


def _of_arm(extra: str, count: int, seed: int) -> dict[str, Any]:
    package, find, kinds = ARMS[extra]
    find("the first call loads it: password = 12345678")
    found = measure(count, seed, find, {**POSITIVES, **NAMED})
    return {**found, "name": package, "kinds": [row for row in found["kinds"] if row["kind"] in kinds]}


def _counted(path: Path, column: str, find: Callable[[str], list[str]]) -> dict[str, int]:
    import pyarrow.parquet as pq

    if not path.is_file() or column not in pq.read_schema(path).names:
        raise SystemExit(f"{path} is no parquet file with a column `{column}`.")
    found: dict[str, int] = dict.fromkeys(POSITIVES, 0)
    for text in pq.read_table(path, columns=[column]).column(0).to_pylist():
        for kind in find(text or ""):
            found[kind] += 1
    return found


def _markdown(result: dict[str, Any]) -> str:
    subject = "generated values and look-alikes"
    lines = heading(result, subject, ("kind", "planted", "recall", "precision", "false alarms"))
    lines += [
        f"| {row['kind']} | {row['planted']:,} | {row['recall']:.4f} | {row['precision']:.4f} | {row['false_alarms']} |"
        for row in result["kinds"]
    ]
    lines += [
        "",
        f"- Generated values in short sentences, and {result['look_alikes']:,} sentences with look-alikes (numbers of "
        "orders, hashes, versions, private networks, placeholders …). Precision is that of this mixture; real text has "
        "other shares.",
        f"- {result['mb_per_second']:.1f} MB/s on one core, all detectors on every text.",
    ]
    if "found_in_data" in result:
        found = ", ".join(f"{count} {kind}" for kind, count in result["found_in_data"].items())
        lines.append(f"- In the data: {found}.")
    for arm in result["arms"]:
        lines += ["", f"{arm['name']}, as our checks ask it ({arm['mb_per_second']:.2f} MB/s on one core):", ""]
        lines += ["| kind | planted | recall | precision | false alarms |", f"|{' --- |' * 5}"]
        lines += [
            f"| {row['kind']} | {row['planted']:,} | {row['recall']:.4f} | {row['precision']:.4f} "
            f"| {row['false_alarms']} |"
            for row in arm["kinds"]
        ]
        if "found_in_data" in arm:
            found = ", ".join(f"{count} {kind}" for kind, count in arm["found_in_data"].items() if count)
            lines += ["", f"In the data: {found or 'nothing'}."]
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()
