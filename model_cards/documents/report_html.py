"""report.html: the whole evidence for a reviewer, in one file that needs no network.

The first page is what a person who signs has to see; reasons and evidence follow. The one script, which sorts and
filters the findings, is shipped with this package and named by its hash in the page's own content policy: no other can
run, and without it everything is there to be read. A Hub that serves the page keeps it in a sandbox all the same, since
a report comes from anyone who can push.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files

from markupsafe import Markup

from model_cards.errors import DocumentError
from model_cards.evidence import Evidence
from model_cards.questions import describes_model
from model_cards.report_page import page_context
from model_cards.typesetting import html_environment

name = "report_html"
filename = "report.html"
published = True

_LOADING = frozenset({"link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "source", "track"})
_ADDRESSES = frozenset({"src", "srcset", "href", "action", "formaction", "data", "poster", "background", "xlink:href"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def applies(evidence: Evidence) -> bool:
    """Whether there is anything to report."""
    return evidence.audit is not None or describes_model(evidence)


def render(evidence: Evidence) -> str:
    """Return the report as one self-contained HTML page."""
    script, style = _shipped("report.js"), _style(evidence.digest)
    text = (
        html_environment()
        .get_template("report.html.j2")
        .render(
            **page_context(evidence),
            script=Markup(script),
            style=Markup(style),
            content_policy=Markup(_content_policy(style, script)),
        )
    )
    head, opening, tail = text.partition("<body>")
    body, closing, end = tail.rpartition("<script>")
    # the style sheet and the script stay as they were hashed
    return "".join((head, opening, re.sub(r"\n\s*\n+", "\n", body), closing, end))


def validate(text: str) -> None:
    """Check that the page stands alone: nothing is loaded, no handler, no script but the one that is shipped.

    Raises:
        DocumentError: something would be loaded, or something else would be run.
    """
    page = _Page()
    page.feed(text)
    page.close()
    problems = list(page.problems)
    if not text.lstrip().lower().startswith("<!doctype html>"):
        problems.append("it does not begin with <!doctype html>")
    if any(re.search(r"@import|url\(", style) for style in page.styles):
        problems.append("its style sheet loads a file")
    script = _shipped("report.js")
    if page.scripts != [script]:
        problems.append(f"it holds {len(page.scripts)} scripts, not exactly the one that is shipped")
    if len(page.styles) != 1 or page.policies != [_content_policy(page.styles[0], script)]:
        problems.append("its content policy is not the one that allows its style sheet and that script alone")
    if problems:
        msg = (
            f"report.html is not self-contained: {'; '.join(problems)}; allowed are inline styles, inline SVG, the "
            "shipped script and links within the page. Render it again from the evidence."
        )
        raise DocumentError(msg)


class _Page(HTMLParser):
    """Collects whatever makes a browser load or run something."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.policies: list[str] = []
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LOADING:
            self.problems.append(f"it holds <{tag}>")
        self._into = {"script": self.scripts, "style": self.styles}.get(tag)
        if self._into is not None:
            self._into.append("")
            if attrs:
                self.problems.append(f"<{tag}> has attributes")
        if tag == "meta" and any(key == "http-equiv" for key, _ in attrs):
            told = dict(attrs)
            if (told["http-equiv"] or "").lower() != "content-security-policy":
                self.problems.append(f"<meta> sets {told['http-equiv']!r}")
            self.policies.append(told.get("content") or "")
        for key, value in attrs:
            if key.startswith("on") or key in {"style", "srcdoc"}:
                self.problems.append(f"<{tag}> has the attribute {key}")
            if key in _ADDRESSES and not (value or "").startswith("#"):
                self.problems.append(f"<{tag}> names {value!r}")

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._into = None


def _shipped(filename: str) -> str:
    return files("model_cards").joinpath("templates", filename).read_text(encoding="utf-8")


def _style(digest: str) -> str:
    """Return the style sheet; on paper every page names the evidence, so that none can be slipped in."""
    told = digest if _DIGEST.fullmatch(digest) else ""
    corner = f'@bottom-left {{ content: "Evidence {told}"; font: 6.5pt monospace; color: #444444; }}'
    return f"{_shipped('report.css')}@media print {{\n  @page {{ {corner} }}\n}}\n"


def _content_policy(style: str, script: str) -> str:
    def allowed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"

    return (
        f"default-src 'none'; style-src {allowed(style)}; script-src {allowed(script)}; base-uri 'none'; "
        "form-action 'none'"
    )
