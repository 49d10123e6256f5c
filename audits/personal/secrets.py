"""Keys and passwords of services, by the prefixes that their makers gave them and how random they look."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from audits.personal.matches import Detector, Match

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLACEHOLDER = re.compile(
    r"(?i)example|your|dummy|sample|placeholder|redacted|xxxx|\*{3}|\.\.\.|<|abcdef|123456|(.)\1{5}"
)


class Form(NamedTuple):
    """How the keys of one service look.

    Attributes:
        kind: the service, in plain words.
        pattern: the whole key; the group ``key`` is its random part.
        entropy: least Shannon entropy of that part, in bits a character.
        right: a check digit, where there is one.
        literals: one of them stands in every key; a text without them needs no look, and most have none. Empty where
            a key has none.
    """

    kind: str
    pattern: re.Pattern[str]
    entropy: float = 3.0
    right: Callable[[str], bool] | None = None
    literals: tuple[str, ...] = ()


def _github(token: str) -> bool:
    """Whether the last six characters are the CRC32 of the others in base 62, as in GitHub's tokens since 2021."""
    body, check = token[4:-6], token[-6:]
    value, written = zlib.crc32(body.encode()), ""
    while value:
        value, digit = divmod(value, 62)
        written = _BASE62[digit] + written
    return written.rjust(6, "0") == check


def _form(
    kind: str, literals: str, pattern: str, entropy: float = 3.0, right: Callable[[str], bool] | None = None
) -> Form:
    whole = re.compile(rf"(?<![A-Za-z0-9_]){pattern}(?![A-Za-z0-9_])")
    return Form(kind, whole, entropy, right, tuple(literals.split()))


FORMS = (
    _form("AWS access key", "AKIA ASIA", r"(?:AKIA|ASIA)(?P<key>[A-Z2-7]{16})"),
    _form("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_(?P<key>[A-Za-z0-9]{36})", right=_github),
    _form("GitHub token", "github_pat_", r"github_pat_(?P<key>[A-Za-z0-9]{22}_[A-Za-z0-9]{59})"),
    _form("GitLab token", "glpat-", r"glpat-(?P<key>[A-Za-z0-9_-]{20})"),
    _form("Slack token", "xox", r"xox[abeoprs]-(?P<key>[0-9]{8,14}-[A-Za-z0-9-]{16,80})"),
    _form(
        "Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/services/(?P<key>T[A-Z0-9]{8,11}/B[A-Z0-9]{8,11}/[A-Za-z0-9]{24})",
    ),
    _form("Google API key", "AIza", r"AIza(?P<key>[A-Za-z0-9_-]{35})"),
    _form("Google OAuth secret", "GOCSPX-", r"GOCSPX-(?P<key>[A-Za-z0-9_-]{28})"),
    _form("Stripe key", "_live_", r"(?:sk|rk)_live_(?P<key>[A-Za-z0-9]{24,99})"),
    _form("Twilio key", "SK", r"SK(?P<key>[0-9a-f]{32})"),
    _form("SendGrid key", "SG.", r"SG\.(?P<key>[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})"),
    _form("Mailgun key", "key-", r"key-(?P<key>[0-9a-f]{32})"),
    _form("npm token", "npm_", r"npm_(?P<key>[A-Za-z0-9]{36})"),
    _form("PyPI token", "pypi-AgEIcHlwaS5vcmc", r"pypi-AgEIcHlwaS5vcmc(?P<key>[A-Za-z0-9_-]{50,})"),
    _form("Hugging Face token", "hf_", r"hf_(?P<key>[A-Za-z]{34})"),
    _form(
        "OpenAI key",
        "T3BlbkFJ",
        r"sk-(?:proj-|svcacct-|admin-)?(?P<key>[A-Za-z0-9_-]{20,74}T3BlbkFJ[A-Za-z0-9_-]{20,74})",
    ),
    _form("Anthropic key", "sk-ant-", r"sk-ant-(?:api|admin)\d\d-(?P<key>[A-Za-z0-9_-]{80,110})"),
    _form("DigitalOcean token", "doo_v1_ dop_v1_ dor_v1_", r"do[opr]_v1_(?P<key>[a-f0-9]{64})"),
    _form("Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_(?P<key>[a-fA-F0-9]{32})"),
    _form("Telegram bot token", ":AA", r"[0-9]{8,10}:(?P<key>AA[A-Za-z0-9_-]{33})"),
    _form("Discord bot token", "", r"(?P<key>[MNO][A-Za-z0-9]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38})", 3.5),
    _form("Azure storage key", "AccountKey=", r"AccountKey=(?P<key>[A-Za-z0-9+/]{86}==)", 4.0),
    _form("Databricks token", "dapi", r"dapi(?P<key>[0-9a-f]{32})"),
    _form("Doppler token", "dp.", r"dp\.(?:pt|st|ct|scim|audit)\.(?P<key>[A-Za-z0-9]{40,44})"),
    _form("Linear key", "lin_api_", r"lin_api_(?P<key>[A-Za-z0-9]{40})"),
    _form("Grafana token", "glsa_", r"glsa_(?P<key>[A-Za-z0-9]{32}_[a-f0-9]{8})"),
    _form("Square token", "sq0atp- sq0csp-", r"sq0(?:atp|csp)-(?P<key>[A-Za-z0-9_-]{22,43})"),
    _form("Replicate token", "r8_", r"r8_(?P<key>[A-Za-z0-9]{37})"),
    _form("JSON web token", "eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ(?P<key>[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,})", 3.5),
    Form(
        "password in a URL",
        re.compile(
            r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>{}$]{1,64}:(?P<key>[^\s/@'\"<>{}$%\[\]]{6,64})@[\w.-]+\.\w"
        ),
        2.5,
        literals=("://",),
    ),
    Form(
        "private key",
        re.compile(
            r"-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP) )?PRIVATE KEY(?: BLOCK)?-----"
            # headers before the key, as an encrypted one has; no second key begins in them
            r"(?P<key>(?:\s|\\[nr]|[A-Za-z0-9+/=:,.()<>@_;]|-(?!----)){0,4000}?"
            r"[A-Za-z0-9+/=]{40}(?:\s|\\[nr]|[A-Za-z0-9+/=])*)"
            r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        4.0,
        literals=("PRIVATE KEY",),
    ),
)

_PASSWORD_WORDS = re.compile(
    r"(?i)^(?:my|your|some|the|a|db|user|super|top)?[-_]?"
    r"(?:pass(?:word|wd|phrase)?|pw|secret|token|key|user(?:name)?|admin|root|guest|changeme|test|hunter)\d*$"
)


def _secrets(text: str) -> Iterator[Match]:
    found: dict[tuple[int, int], str] = {}
    for form in FORMS:
        if form.literals and not any(literal in text for literal in form.literals):
            continue
        for match in form.pattern.finditer(text):
            key = match["key"]
            if entropy(key) < form.entropy or (form.right is not None and not form.right(match.group())):
                continue
            if form.kind == "password in a URL" and _PASSWORD_WORDS.match(key):
                continue
            if form.kind != "private key" and _PLACEHOLDER.search(key):
                continue
            found.setdefault(match.span(), form.kind)
    taken = 0
    for (start, end), kind in sorted(found.items()):
        if start >= taken:
            yield Match(start, end, kind)
            taken = end


def entropy(text: str) -> float:
    """Return the Shannon entropy of the characters of ``text``, in bits a character."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) if text else 0.0


SECRETS = Detector(
    "secret",
    _secrets,
    r"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox|hooks\.slack|AIza|GOCSPX|_live_|SK[0-9a-f]{32}|SG\.|key-|npm_|pypi-|hf_|"
    r"sk-|do[opr]_v1|shp|:AA|[MNO][A-Za-z0-9]{23}|AccountKey|dapi|dp\.|lin_api|glsa_|sq0|r8_|eyJ|://[^ ]*:[^ ]*@|BEGIN",
)
