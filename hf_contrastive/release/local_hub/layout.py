"""What all pages share: one frame, one style, and headers under which a page loads and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files

from markupsafe import Markup

from hf_contrastive.release.local_hub.wire import Response

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FRAME = Markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    "<title>{title}</title><style>{style}</style></head>"
    '<body><a class="skip" href="#content">To the content</a>{body}</body></html>\n'
)


def page(title: str, body: Markup, *, status: int = 200) -> Response:
    """Return a whole page."""
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return Response(status, headers, _FRAME.format(title=title, style=_style(), body=body).encode())


def link(address: str, text: str | Markup) -> Markup:
    """Return a link within this Hub."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Markup]], *, none: str, stack: bool = False) -> Markup:
    """Return a table whose first column names its rows, or the sentence ``none`` where there are no rows.

    A column's name may end with its class: ``"Size|num"``. On a narrow screen a row of a ``stack`` becomes a list.
    """
    named = [column.partition("|")[::2] for column in columns]
    # told in full: a table that is laid out as blocks is none for a screen reader otherwise
    row, head_role, first_role, cell_role = (
        Markup(' role="{}"').format(role) if stack else Markup("")
        for role in ("row", "columnheader", "rowheader", "cell")
    )
    head = joined(Markup('<th scope="col"{}{}>{}</th>').format(head_role, _class(kind), name) for name, kind in named)
    body = []
    for first, *others in rows:
        cells = joined(
            Markup("<td{}{}{}>{}</td>").format(
                cell_role,
                _class(kind),
                Markup(' data-label="{}"').format(name) if stack else Markup(""),
                _cell(cell, stack),
            )
            for cell, (name, kind) in zip(others, named[1:], strict=True)
        )
        body.append(Markup('<tr{}><th scope="row"{}>{}</th>{}</tr>').format(row, first_role, first, cells))
    if not body:
        return Markup('<p class="soft">{}</p>').format(none)
    kind, group = ("wide stack", Markup(' role="rowgroup"')) if stack else ("wide", Markup(""))
    return Markup(
        '<div class="scroll" tabindex="0"><table class="{}"{}><thead{}><tr{}>{}</tr></thead>'
        "<tbody{}>{}</tbody></table></div>"
    ).format(kind, Markup(' role="table"') if stack else Markup(""), group, row, head, group, joined(body))


def mark(words: str, kind: str) -> Markup:
    """Return a short word on the colour of a decision: pass, review, block or none."""
    return Markup('<span class="tag {}">{}</span>').format(kind, words)


def facts(pairs: Iterable[tuple[str, str | Markup]]) -> Markup:
    """Return a list of names and values, those without a value left out."""
    items = joined(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in pairs if value)
    return Markup("<dl>{}</dl>").format(items) if items else Markup("")


def colored(difference: str) -> Markup:
    """Return a unified diff with what was added and deleted told apart by colour, and by its sign."""
    lines, in_header = [], True
    for line in difference.splitlines():
        if line.startswith("diff --git "):
            in_header, kind = True, "file"
        else:
            # a deleted line may look like the name of a file
            kind = "" if in_header else {"+": "add", "-": "del"}.get(line[:1], "")
            in_header = in_header and not line.startswith("@@")
        lines.append(Markup('<span class="{}">{}</span>').format(kind, line))
    return Markup('<pre class="diff" tabindex="0">{}</pre>').format(joined(lines))


def joined(parts: Iterable[str | Markup]) -> Markup:
    """Return all parts in one, escaped where they are plain text."""
    return Markup("").join(parts)


def size_words(size: int) -> str:
    """Return a number of bytes as people read it."""
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def date_words(time: str) -> Markup:
    """Return a point in time, as the Hub writes it, to the minute."""
    return Markup('<time datetime="{}">{} {} UTC</time>').format(time, time[:10], time[11:16])


def _cell(content: str | Markup, stack: bool) -> Markup:
    return Markup("<div>{}</div>").format(content) if stack else Markup("{}").format(content)


def _class(kind: str) -> Markup:
    return Markup(' class="{}"').format(kind) if kind else Markup("")


@lru_cache(maxsize=1)
def _style() -> Markup:
    # of this package, not of a repository
    return Markup(files(__package__).joinpath("page.css").read_text("utf-8"))
