"""Names of files that every system can hold, and that mean the same everywhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from audits.personal import SECRETS
from model_cards.typesetting import TOKEN

_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:[ .].*)?")
# control characters, text direction overrides, invisible characters, lone surrogates
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\]')
_MOST_BYTES = 255

NAMED_REPO = re.compile(r"[\w.-]+(?:/[\w.-]+)?(?:@[^@\s]+)?")
"""``user/name[@REVISION]``, as people name a repository."""


def visible(text: str) -> str:
    """Return ``text`` with escapes for what can not be seen, or is no text."""
    return _UNSEEN.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def shown_name(path: str) -> str:
    """Return ``path`` fit for one line of text: what can not be seen is written as an escape."""
    return visible(TOKEN.sub("‹token›", path))[:300]


def name_problems(path: str) -> Iterator[str]:
    """Yield what speaks against publishing a file under ``path``, relative to the root of the repository."""
    shown, parts = shown_name(path), path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        yield f"{shown} leads out of the folder or has empty parts. Name the file as it lies in the repository."
    if TOKEN.search(path) or any(SECRETS.find(path)):
        yield "The name of a file holds what looks like a secret. Rename the file, and have the secret revoked."
        return
    if _UNSEEN.search(path):
        yield f"{shown} has characters in its name that can not be seen or are no text. Rename the file."
    elif unicodedata.normalize("NFC", path) != path:
        yield f"{shown} is written with combining characters, which some systems change. Rename the file."
    if _NOT_ON_WINDOWS.search(path) or any(_RESERVED.fullmatch(part) or part != part.rstrip(" .") for part in parts):
        yield f"{shown} is no name of a file on Windows, where it could be another path or a device. Rename the file."
    if any(len(part.encode("utf-8", "surrogatepass")) > _MOST_BYTES for part in parts):
        yield f"{shown[:60]}… has a name of more than {_MOST_BYTES} bytes. Rename the file."


def collisions(paths: Iterable[str]) -> Iterator[str]:
    """Yield the names that are one on systems that do not tell upper from lower case, folders included."""
    seen: dict[str, str] = {}
    told: set[str] = set()
    for path in paths:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            key = unicodedata.normalize("NFKC", name).casefold()
            other = seen.setdefault(key, name)
            if other != name and key not in told:
                told.add(key)
                yield (
                    f"{shown_name(other)} and {shown_name(name)} are one file where upper and lower case are not told "
                    "apart. Remove or rename one."
                )
