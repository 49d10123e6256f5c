"""A card as HTML that loads nothing and runs nothing: Markdown only, raw HTML is shown as text."""

from __future__ import annotations

import posixpath
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

Env = MutableMapping[str, Any]
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# tags without attributes that cards are full of; they are left out, and what they hold stays
_PLAIN_TAG = re.compile(
    r"&lt;/?(?:details|summary|p|div|center|b|i|em|strong|code|ul|ol|li|sub|sup|small|span|hr)\s*/?&gt;", re.IGNORECASE
)
_BREAK = re.compile(r"&lt;br\s*/?&gt;", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_DEEPEST_HEADING = 6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands, for its relative links.

    Attributes:
        repository: path of the repository's page, such as ``/local/model``.
        revision: the one whose files are meant.
        folder: of the text, or an empty text.
    """

    repository: str
    revision: str
    folder: str = ""

    def address(self, kind: str, path: str) -> str | None:
        """Return the address of a file named by a relative path, or None where that leaves the repository."""
        found = posixpath.normpath(posixpath.join("/" + self.folder, path)).lstrip("/")
        inside = posixpath.normpath(posixpath.join(self.folder, path))
        if not found or inside.startswith("../") or inside == "..":
            return None
        return f"{self.repository}/{kind}/{quote(self.revision, safe='')}/{quote(found)}"


def render_markdown(text: str, place: Place) -> Markup:
    """Return ``text`` as HTML.

    Headings are one level lower, since the page has its own. Links lead to files of the repository, to other
    addresses by http, https and mailto, or nowhere. Images of other origins are not loaded but linked.
    """
    return Markup(_parser().render(_without_comments(text), {"place": place, "seen": {}}))


def _without_comments(text: str) -> str:
    """Return ``text`` without HTML comments, those within fenced code apart."""
    kept, fence, commented = [], "", False
    for line in text.splitlines():
        found = _FENCE.match(line)
        if not commented and found:
            if not fence:
                fence = found[1]
            elif found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        if fence:
            kept.append(line)
            continue
        rest, shown = line, ""
        while rest:
            mark = "-->" if commented else "<!--"
            before, met, rest = rest.partition(mark)
            if not commented:
                shown += before
            commented ^= bool(met)
        if shown.strip() or not line.strip():
            kept.append(shown)
    return "\n".join(kept)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    for name, rule in (
        ("text", _text),
        ("heading_open", _heading_open),
        ("heading_close", _heading_close),
        ("link_open", _link_open),
        ("link_close", _link_close),
        ("image", _image),
        ("table_open", _table_open),
        ("table_close", _table_close),
    ):
        parser.add_render_rule(name, rule)
    return parser


def _text(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: Env) -> str:
    return _BREAK.sub("<br>", _PLAIN_TAG.sub("", str(escape(tokens[index].content))))


def _level(tag: str) -> int:
    return min(int(tag[1:]) + 1, _DEEPEST_HEADING)


def _heading_open(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, env: Env) -> str:
    slug = re.sub(r"[^\w\- ]", "", tokens[index + 1].content.lower()).replace(" ", "-")
    count = env["seen"][slug] = env["seen"].get(slug, -1) + 1
    name = escape(f"card-{slug}-{count}" if count else f"card-{slug}")
    return f'<h{_level(tokens[index].tag)} id="{name}">'


def _heading_close(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: Env) -> str:
    return f"</h{_level(tokens[index].tag)}>\n"


def _link_open(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, env: Env) -> str:
    href = _href(str(tokens[index].attrGet("href") or ""), env["place"])
    if href is None:
        return "<span>"
    outside = ' rel="noopener noreferrer nofollow"' if re.match(r"[a-z]+:", href) else ""
    return f'<a href="{escape(href)}"{outside}>'


def _link_close(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, env: Env) -> str:
    depth = 0
    for token in reversed(tokens[: index + 1]):
        depth += token.type == "link_close"
        depth -= token.type == "link_open"
        if depth == 0:
            return "</span>" if _href(str(token.attrGet("href") or ""), env["place"]) is None else "</a>"
    return "</a>"


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Env) -> str:
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    alt = escape(self.renderInlineAsText(token.children or [], options, env))
    if _DATA_IMAGE.fullmatch(source):
        return f'<img src="{escape(source)}" alt="{alt}">'
    href = _href(source, env["place"], kind="resolve")
    if href is None:
        return f'<span class="soft">[image: {alt}]</span>'
    if re.match(r"[a-z]+:", href):
        return f'<span class="soft">[image of another site, not loaded: {alt or escape(href)}]</span>'
    return f'<img src="{escape(href)}" alt="{alt}">'


def _table_open(_self: RendererHTML, _tokens: Sequence[Token], _index: int, _options: OptionsDict, _env: Env) -> str:
    return '<div class="scroll" tabindex="0"><table>\n'


def _table_close(_self: RendererHTML, _tokens: Sequence[Token], _index: int, _options: OptionsDict, _env: Env) -> str:
    return "</table></div>\n"


def _href(target: str, place: Place, *, kind: str = "blob") -> str | None:
    """Return where a link of a card leads, or None where it must lead nowhere."""
    if target.startswith("#"):
        return f"#card-{target[1:]}"
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme in {"http", "https", "mailto"}:
        return target
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith(("/", "\\")):
        return None
    found = place.address(kind, unquote(parts.path))
    return found and (f"{found}#{parts.fragment}" if parts.fragment else found)
