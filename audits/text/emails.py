"""Finding e-mail addresses, precision first, and masking them.

An address is local part @ domain with a known top-level domain: every two-letter country code and the
generic domains below (the rarer of the over 1,000 generic ones are missed on purpose: in source code
``x@weights.sum`` is a matrix product). Left out are remotes such as ``git@host.org:path``, the user part
of a URL, the domains that RFC 2606 reserves for examples (example.com, .net, .org and everything under
.example, .invalid, .localhost, .test), a few stand-ins that documentation uses instead (domain.com,
foo.com …), and message ids (a long local part without letters). Spelled-out forms ("jane at host dot
org") are not found.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_GENERIC_DOMAINS = """
academy ac aero agency ai app art asia berlin biz blog bot business cat center cloud club co codes com
community company consulting coop design dev digital edu education email eu foundation global gmbh gov
group health info int io jobs lab life live london ltd media mil mobi museum net network ngo ninja
online ooo org page paris press pro pub research science services shop site social software solutions
space store studio support systems team tech technology tel travel university ventures website wiki
work works world xyz zone
"""
_COUNTRY_DOMAINS = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by
bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi
fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in
io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md
me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe
pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st
su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu
wf ws ye yt za zm zw
"""
_GENERIC = frozenset(_GENERIC_DOMAINS.split())
_COUNTRY = frozenset(_COUNTRY_DOMAINS.split())
_RESERVED = ("example.com", "example.net", "example.org")
_STAND_INS = frozenset(
    f"{name}.{ending}"
    for name in ("domain", "yourdomain", "mydomain", "mycompany", "yourcompany", "foo", "bar")
    for ending in ("com", "net", "org")
)
_LOCAL_WINDOW = 80  # a local part has at most 64 characters
_URL_WINDOW = 300
_LONGEST_NUMBER = 12  # numeric mailboxes exist (phone numbers); message ids are longer

# Starts at the @, so that a long run of letters is never scanned once per letter.
_AT = re.compile(
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24})(?![A-Za-z0-9_@-]|\.[A-Za-z0-9])"
)
_LOCAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_+-])?\Z")
_LOCAL_CHARACTER = re.compile(r"[A-Za-z0-9._%+-]*\Z")
_URL_USER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@]*\Z")
# The wide pattern of masking: what merely looks like an address must not be shown either.
_ANY = re.compile(r"([\w.%+-]{1,256})@([\w-]{1,64})((?:\.[\w-]{1,64}){0,8})")


class Address(NamedTuple):
    """Where an address stands in its text."""

    start: int
    end: int
    text: str


def find_addresses(text: str) -> tuple[Address, ...]:
    """Return the e-mail addresses in ``text`` in order of appearance."""
    if "@" not in text:
        return ()
    found = []
    for match in _AT.finditer(text):
        before = text[max(0, match.start() - _LOCAL_WINDOW) : match.start()]
        run = _LOCAL_CHARACTER.search(before)
        local = run.group().lstrip("._%+-") if run else ""
        start = match.start() - len(local)
        if not local or len(local) > 64 or not _LOCAL.match(local) or ".." in local:
            continue
        if len(local) > _LONGEST_NUMBER and not any(map(str.isalpha, local)):
            continue
        left, right = text[max(0, start - 1) : start], text[match.end() : match.end() + 2]
        # a path or a code literal before; a call, an index or a path after
        if left in ("/", "@") or (left == "`" and right[:1] != "`"):
            continue
        if right[:1] in ("(", "[", "/") or (right[:1] == ":" and right[1:].strip()):
            continue
        if _plausible_domain(match.group(1)) and not _in_url(text[max(0, start - _URL_WINDOW) : start]):
            found.append(Address(start, match.end(), text[start : match.end()]))
    return tuple(found)


def mask_address(address: str) -> str:
    """Return ``j•••@d•••.org`` for ``jane@domain.org``; only first characters and the ending stay."""
    local, _, domain = address.rpartition("@")
    name, _, ending = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{ending}" if name else f"{local[:1]}•••@{domain[:1]}•••"


def mask_addresses(text: str) -> str:
    """Return ``text`` with everything that looks like an address masked, reserved domains included."""
    previous = ""
    while "@" in text and text != previous:
        # the domain of one address can be the local part of the next
        previous = text
        text = _ANY.sub(lambda match: mask_address(match.group()), text)
    return text


def find_look_alikes(text: str) -> tuple[Address, ...]:
    """Return what :func:`mask_addresses` masks first: everything that looks like an address."""
    if "@" not in text:
        return ()
    return tuple(Address(match.start(), match.end(), match.group()) for match in _ANY.finditer(text))


def _in_url(before: str) -> bool:
    return "://" in before and _URL_USER.search(before) is not None


def _plausible_domain(domain: str) -> bool:
    ending = domain.rpartition(".")[2]
    label = domain.split(".")[-2]
    lowered = domain.lower()
    if ending not in (ending.lower(), ending.upper()):
        return False  # A@B.mT is a product, not Malta
    if lowered in _STAND_INS or lowered in _RESERVED or lowered.endswith(tuple("." + name for name in _RESERVED)):
        return False
    if ending.lower() in _GENERIC:
        return True
    return ending.lower() in _COUNTRY and len(label) > 1
