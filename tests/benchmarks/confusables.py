"""Derives the table of look-alike letters from Unicode's own files; run once for each version of Unicode.

``python -m tests.benchmarks.confusables confusables.txt Scripts.txt > audits/text/integrity/confusables.tsv``

Both files stand at unicode.org (Public/security and Public/UCD) and in several packages. Kept are letters of other
scripts whose prototype (UTS 39, section 4) is that of an ASCII letter. What a font draws alike and Unicode does
not list is left out.
"""

from __future__ import annotations

import hashlib
import re
import string
import sys
from bisect import bisect_right
from pathlib import Path

_SCRIPTS = ("Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu")


def derive(confusables: str, scripts: str) -> list[tuple[str, str, str]]:
    """Return (letter, ASCII letter that it looks like, its script), ordered by code point."""
    ranges = sorted(
        (int(first, 16), int(last or first, 16), name)
        for first, last, name in re.findall(r"^([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*(\w+)", scripts, re.MULTILINE)
    )
    starts = [first for first, _, _ in ranges]

    def script(letter: str) -> str:
        _, last, name = ranges[bisect_right(starts, ord(letter)) - 1]
        return name if ord(letter) <= last else ""

    lines = re.findall(r"^([0-9A-F]+)\s*;\s*([0-9A-F]+(?: [0-9A-F]+)*)\s*;", confusables, re.MULTILINE)
    prototypes = {chr(int(one, 16)): "".join(chr(int(c, 16)) for c in other.split()) for one, other in lines}
    # several ASCII letters may share a prototype (l and I): the one that is drawn in the same case comes first
    found: dict[str, tuple[str, str, str]] = {}
    for ascii_letter in string.ascii_letters:
        prototype = prototypes.get(ascii_letter, ascii_letter)
        for letter in (one for one, other in prototypes.items() if other == prototype):
            if (name := script(letter)) in _SCRIPTS and letter.isalpha():
                kept = found.get(letter)
                if kept is None or (letter.isupper() and not kept[1].isupper() and ascii_letter.isupper()):
                    found[letter] = (letter, ascii_letter, name)
    return sorted(found.values())


def main() -> None:
    """Print the table."""
    texts = [Path(path).read_text(encoding="utf-8-sig") for path in sys.argv[1:3]]
    (version,) = re.findall(r"^# Version: (\S+)", texts[0], re.MULTILINE)
    (of_scripts,) = re.findall(r"^# Scripts-([\d.]+)\.txt", texts[1], re.MULTILINE)
    digest = hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest()
    print(f"# Unicode {version} confusables.txt (sha256 {digest}), Unicode {of_scripts} Scripts.txt")
    print("# Derived and shortened by tests/benchmarks/confusables.py.")
    print("# Copyright © 1991-2026 Unicode, Inc.; Unicode License v3: confusables.license.txt")
    print("# letter\tlooks like\tscript")
    for letter, other, name in derive(*texts):
        print(f"{ord(letter):04X}\t{other}\t{name}")


if __name__ == "__main__":
    main()
