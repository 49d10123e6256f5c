"""How values become text: numbers, intervals, escaping for Markdown, and what is never printed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from audits.findings import Measurement

LOCAL_PATH = re.compile(
    r"""(?<![\w./:~<-])(?:
        file:/{1,3}[^\s'"`)<\]]+
      | /(?:home|Users|root|tmp|mnt|private|var|opt|workspace|kaggle)(?:/[^\s'"`)<\]|]*)?(?![\w-])
      | [A-Za-z]:\\[^\s'"`)<\]|]*
      | \\\\[\w.-]+\\[^\s'"`)<\]|]*
    )""",
    re.VERBOSE,
)
"""An absolute path of somebody's machine; paths inside a URL do not match."""

_ROOTS = (
    "home|Users|root|tmp|mnt|private|workspaces?|kaggle|data\\d*|dbfs|opt|scratch\\w*|content|Volumes|srv|var|nfs\\w*|media"
    "|lustre|gpfs|fsx|efs|raid\\d*|ssd\\d*|hdd\\d*|disk\\d*|export|storage|shared|projects?|teamspace|work|dev/shm|usr/local"
)
# a chat template may well hold `A:\\n`: what could be a line break or a tab must be a name that is known
_FOLDER = r"(?:(?![nrt])[\w.-]+|runs?|results?|repos?|research|training|team|temp|tmp|nlp)"
_PLACE = (
    rf"(?:(?<![\w/.:~<-])(?:/(?:{_ROOTS})/[\w.-]+|~/[\w.-]+)"
    rf"|(?<![\w\\])[A-Za-z]:(?:\\{{1,2}}Users\\{{1,2}}[\w.-]+|\\{{1,2}}{_FOLDER}\\{{1,2}}[\w.-]+|/(?!/)[\w.-]+/[\w.-]+)"
    r"|(?:^|(?<=[\"'`\s(=]))\\\\(?![nrt]\\)\w[\w.-]+\\[\w$][\w$.-]+"
    r"|(?<![\w])(?:file://|dbfs:/|(?:s3[an]?|gs|gcs|abfss?|wasbs?|adl|hdfs|viewfs|oss|r2|nfs|smb|sftp|ssh)://)/{0,2}[\w~.-]+)"
)
PLACE = re.compile(_PLACE, re.MULTILINE)
"""The beginning of a place that only somebody's own machine or network knows: a path, a share or a bucket."""

_WHOLE_PLACE = re.compile(rf"{_PLACE}[^\s'\"`)<\]|]*", re.MULTILINE)

TOKEN = re.compile(r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z0-9]{20,})")
"""A Hugging Face access token."""

_LOCAL_NOTE = "‹local path›"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|!~$^])")
_BLOCK_START = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[-+=](?:[\s=+-]|$)))")
_ADDRESS_SIGN = re.compile(r"@(?=[^\s@]*\.)")
_PLAIN_UNITS = frozenset({"", "fraction", "score", "ratio"})


def one_line(text: str) -> str:
    """Return ``text`` without line breaks, control characters and text direction overrides."""
    return re.sub(r"\s+", " ", _CONTROL.sub(" ", text)).strip()


def redact_tokens(text: str) -> str:
    """Return ``text`` with access tokens replaced by a visible note."""
    return TOKEN.sub("‹token›", text)


def redact(text: str) -> str:
    """Return ``text`` with access tokens, and places that only a machine or network knows, replaced by visible notes.

    What is left holds no :data:`PLACE`: the gate would refuse it.
    """
    text, before = redact_tokens(text), ""
    # every place has one of these
    while text != before and ("/" in text or "\\" in text):
        # what stands behind one that is gone may begin another
        before, text = text, _WHOLE_PLACE.sub(_LOCAL_NOTE, LOCAL_PATH.sub(_LOCAL_NOTE, text))
    return text


def cut(text: str, most: int) -> str:
    """Return ``text`` in at most ``most`` characters, the last of them an ellipsis where it was longer."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def clock(moment: str) -> str:
    """Return a moment in ISO 8601 for people, e.g. ``2026-11-02 10:00:00 UTC``; one without a zone as it is."""
    try:
        told = datetime.datetime.fromisoformat(moment)
        return f"{told.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC" if told.tzinfo is not None else moment
    except (ValueError, OverflowError):
        return moment


def number(value: float | None) -> str:
    """Return a number for people: 31,763 or 0.001 or 1.2e-05; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.3g}"


def measured(item: Measurement | None, *, signed: bool = False) -> str:
    """Return value, interval and unit, e.g. ``0.4812 [0.4701, 0.4923]``; a fraction is shown in per cent."""
    if item is None:
        return "–"

    def show(value: float) -> str:
        if item.unit == "fraction":
            return f"{100 * value:{'+.3g' if signed else '.3g'}} %"
        if isinstance(item.value, int):
            return number(value)
        return f"{value:{'+' if signed else ''}.4f}" if 1e-4 <= abs(value) < 10 or value == 0 else number(value)

    text = show(item.value)
    if item.interval is not None:
        text += f" [{show(item.interval[0])}, {show(item.interval[1])}]"
    return text if item.unit in _PLAIN_UNITS else f"{text} {item.unit}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return ``1 row``, ``2 rows``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def escape_markdown(text: str) -> str:
    """Return ``text`` as one line that Markdown shows as it stands: no markup, link, HTML or cell."""
    line = redact(one_line(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN.sub(r"\\\1", line)
    # no address may become a link by itself
    line = _ADDRESS_SIGN.sub("&#64;", line.replace("://", "&#58;//").replace("www.", "www&#46;"))
    line = _BLOCK_START.sub(lambda match: f"{match[1] or ''}\\", line, count=1)
    # what was part of a word, as in `</home/x`, begins one after the escape
    return redact(line)


def code_markdown(text: str) -> str:
    """Return an identifier as a code span, or escaped where a code span could be broken out of."""
    line = redact(one_line(text))
    return f"`{line}`" if line and not re.search(r"[`|\\]", line) else escape_markdown(text)


def paragraphs_markdown(text: str) -> str:
    """Return what a person wrote as plain paragraphs, without markup of its own."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
    return "\n\n".join(line for line in map(escape_markdown, blocks) if line)


@cache
def markdown_environment() -> jinja2.Environment:
    """Return the environment of Markdown templates; every value passes a filter or is redacted."""
    environment = _environment(autoescape=False, finalize=_finalize(redact))
    environment.filters.update(md=escape_markdown, code=code_markdown, paragraphs=paragraphs_markdown)
    return environment


@cache
def html_environment() -> jinja2.Environment:
    """Return the environment of HTML templates: everything is escaped, tokens are never shown."""
    return _environment(autoescape=True, finalize=_finalize(redact_tokens))


def _finalize(clean: Callable[[str], str]) -> Callable[[Any], Any]:
    def finalize(value: Any) -> Any:
        if isinstance(value, str) and not isinstance(value, Markup):
            return clean(value)
        return value

    return finalize


def _environment(*, autoescape: bool, finalize: Callable[[Any], Any]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("model_cards", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, measured=measured, redact=redact, one_line=one_line, clock=clock)
    environment.globals.update(plural=plural, measured=measured, number=number)
    return environment
