"""Secrets that only their label gives away: a password, a key of no known form, an address with a password in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from audits.personal.secrets import entropy

_LABEL = (
    r"(?:[A-Za-z0-9]+[_-])*(?:secret(?:[_-]?(?:access[_-]?)?key)?|api[_-]?(?:key|token)|access[_-]?(?:key|token)"
    r"|auth[_-]?token|private[_-]?key|client[_-]?secret|session[_-]?token|(?:hf|hub|bot|github)[_-]token"
    r"|account[_-]?key|pass(?:word|wd|phrase)|pwd|credentials?)(?:[_-](?:id|value))?"
)
_LABEL_ALONE = re.compile(_LABEL, re.IGNORECASE)
_LABELLED = re.compile(
    rf"(?<![A-Za-z0-9_.-])(?P<label>{_LABEL})[\"'`*]{{0,3}}[ \t]*(?::=|=>|[:=])[ \t]*[\"'`*]{{0,3}}"
    r"(?P<value>[^\s\"'`<>{}$()\[\]|,;]{6,200})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?:Bearer|Basic)[ \t]+(?P<value>[A-Za-z0-9._~+/-]{12,}=*)")
_SIGNED = re.compile(r"[?&;]sig=(?P<value>[A-Za-z0-9%+/_-]{20,}=*)")
_DATABASE = re.compile(
    r"\b(?:postgres(?:ql)?|mysql|mariadb|mssql|sqlserver|oracle|mongodb|rediss?|amqps?|clickhouse|snowflake|ftps?|sftp|smb)"
    r"(?:\+\w+)?://[^\s/:@<>{}$]*:(?P<value>[^\s/@<>{}$*\[\]]+)@[\w.-]"
)
_HINT = re.compile(r"(?i)secret|key|token|pass|pwd|credential|bearer|basic|sig=|://")
_PLACEHOLDER = re.compile(r"(?i)example|your|dummy|sample|placeholder|redacted|changeme|xxx|\*{3}|\.\.\.|withheld")


def labelled_secrets(text: str, data: Any = None) -> Iterator[str]:
    """Yield the kinds of what stands in ``text`` as a secret, by what is said about it.

    Args:
        text: what is searched.
        data: the objects of a JSON file, whose keys are labels.
    """
    if not _HINT.search(text):
        return
    for match in _LABELLED.finditer(text):
        if _is_secret(match["label"], match["value"]):
            yield "a password or key by its label"
            break
    for kind, pattern in (("authorization header", _BEARER), ("signed address", _SIGNED)):
        if any(_is_random(match["value"]) for match in pattern.finditer(text)):
            yield kind
    if any(not _PLACEHOLDER.search(match["value"]) for match in _DATABASE.finditer(text)):
        yield "password in the address of a database"
    if any(
        isinstance(key, str) and isinstance(value, str) and _LABEL_ALONE.fullmatch(key) and _is_secret(key, value)
        for key, value in data or ()
    ):
        yield "a password or key by its name"


def _is_secret(label: str, value: str) -> bool:
    if not re.search(r"(?i)pass|pwd", label):
        return _is_random(value)
    plain = _PLACEHOLDER.search(value) or not re.search(r"[A-Za-z]", value)
    return len(value) >= 6 and " " not in value and not plain and re.search(r"[\d!#%&?^~]", value) is not None


def _is_random(value: str) -> bool:
    """Whether letters and digits follow each other as in no word, path or call."""
    value = value.rstrip(".,:")
    return (
        len(value) >= 16
        and re.fullmatch(r"[A-Za-z0-9+/=_.~%-]+", value) is not None
        and re.search(r"\d", value) is not None
        and re.search(r"[A-Za-z]", value) is not None
        and not _PLACEHOLDER.search(value)
        and entropy(value) >= 3.2
    )
