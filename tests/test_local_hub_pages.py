"""The local Hub's pages for people: what they show, and that nothing in a repository runs in them."""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from hypothesis import given
from hypothesis import strategies as st

from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.local_hub.layout import colored, size_words
from hf_contrastive.release.local_hub.markdown import Place, render_markdown

PLACE = Place("/local/m", "main", "docs")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TAGS = {"a", "blockquote", "br", "code", "div", "em", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "pre"}
TAGS |= {"s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
ATTRIBUTES = {"alt", "class", "href", "id", "rel", "src", "start", "style", "tabindex", "title"}


class Reader(HTMLParser):
    """Collects the elements of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def links(self, name: str = "href") -> list[str]:
        return [str(attributes[name]) for _, attributes in self.elements if name in attributes]


def check_inert(html: str) -> None:
    for tag, attributes in Reader(html).elements:
        assert tag in TAGS, html
        assert set(attributes) <= ATTRIBUTES, html
        assert re.match(r"#card-|/local/m/blob/|https?:|mailto:", attributes.get("href") or "#card-"), html
        assert re.match(
            r"/local/m/resolve/|data:image/(png|jpeg|gif|webp);base64,",
            attributes.get("src", "data:image/png;base64,") or "",
        ), html
        assert re.fullmatch(r"(text-align:(left|right|center))?", attributes.get("style") or ""), html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a> <b onclick=alert(1)>x</b> <details open ontoggle=alert(1)>',
        "<style>*{display:none}</style><link rel=stylesheet href=//evil.example><base href=//evil.example>",
        "<iframe src=/login></iframe><object data=x></object><form action=/api/repos/delete><button>",
        "[x](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [x](&#106;avascript:alert(1)) [x](\tjavascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>) [x](vbscript:x) [x](file:///etc/passwd) [x](blob:x)",
        "[x](//evil.example/x) [x](\\\\evil.example\\x) [x](/login) [x](../../../x) [x](..%2f..%2f..%2fx) [x](http://[)",
        '![x](https://evil.example/p.png "t") ![x](//evil.example/p.png) ![x](data:image/svg+xml;base64,PHN2Zz4=)',
        '[a"onmouseover="alert(1)](b"onmouseover="alert(1)) ![a"onerror="alert(1)](c.png"onerror="alert(1))',
        '# <script>x</script>" onclick="x\n\n# <script>x</script>" onclick="x',
        '```" onclick="alert(1)\n</code></pre><script>alert(1)</script>\n```',
        "<!-- a --><script>alert(1)</script><!-- -->",
        "<!-- never closed\n\n<script>alert(1)</script>",
        "| <script> |\n|:-:|\n| </table><script>x</script> |",
        "&lt;details onclick=x&gt; &#60;script&#62;",
        "[ref]\n\n[ref]: javascript:alert(1)",
        '<javascript:alert(1)> <https://ok.example/?a="b>',
        "<br><br/><BR /></p></div></article></main><details><summary>",
    ],
)
def test_a_hostile_card_is_text(text: str):
    html = render_markdown(text, PLACE)
    check_inert(html)
    assert "alert(1)" not in "".join(Reader(html).links())


@given(st.text("<>&\"'/=![](){}#*_`~|-:; \n\tabjs\\", max_size=200))
def test_no_markdown_gets_out_of_its_place(text: str):
    html = render_markdown(text, PLACE)
    check_inert(html)
    assert html.count("<div") == html.count("</div>")
    assert html.count("<pre") == html.count("</pre>")
    assert html.count("<span") + html.count("<a ") == html.count("</span>") + html.count("</a>")


def test_what_a_card_says_is_shown():
    html = render_markdown(
        "# Title\n\n<!-- hidden\n\nstill hidden -->\n\nSeen <details><summary>More</summary>kept</details> a<br>b\n\n"
        "[file](a%20b.md#part) [up](../LICENSE) [out](https://example.org/x?a=b&c=d) [top](#title) ![plot](p.png)\n\n"
        "```html\n<!-- code -->\n```\n\n| a | b |\n|--|-:|\n| 1 | 2 |\n\n# Title\n",
        PLACE,
    )
    reader = Reader(html)
    text = "".join(reader.text)
    assert "hidden" not in text
    for seen in ("Seen Morekept a", "<!-- code -->", "Title"):
        assert seen in text
    assert reader.links() == [
        "/local/m/blob/main/docs/a%20b.md#part",
        "/local/m/blob/main/LICENSE",
        "https://example.org/x?a=b&c=d",
        "#card-title",
    ]
    assert reader.links("src") == ["/local/m/resolve/main/docs/p.png"]
    assert reader.links("id") == ["card-title", "card-title-1"]
    assert "<h2" in html
    assert "<h1" not in html


def test_a_difference_is_told_line_by_line():
    html = colored("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- old\n+<b>\n same\n")
    kinds = re.findall(r'<span class="(\w*)">', html)
    assert kinds == ["file", "", "", "", "del", "add", ""]
    assert "&lt;b&gt;" in html
    assert [size_words(size) for size in (0, 999, 1000, 2_500_000_000)] == ["0 bytes", "999 bytes", "1.0 kB", "2.5 GB"]


ATTACK = """<!doctype html><title>report</title><p id=out>waiting</p><script>
const told = [];
const out = document.getElementById("out");
const tell = (name, value) => { told.push(name + "=" + value); out.textContent = told.join(";"); };
tell("script", "ran"); tell("origin", self.origin);
try { localStorage.x = 1; tell("storage", "open"); } catch (e) { tell("storage", "closed"); }
try { document.cookie = "a=b"; tell("cookie", "open"); } catch (e) { tell("cookie", "closed"); }
fetch("/api/models").then(r => r.text()).then(t => tell("fetch", "open")).catch(e => tell("fetch", "closed"));
const x = new XMLHttpRequest(); x.open("POST", "/api/repos/create");
x.onload = () => tell("post", "open"); x.onerror = () => tell("post", "closed"); x.send("{}");
const i = new Image(); i.onload = () => tell("image", "open"); i.onerror = () => tell("image", "closed");
i.src = "/local/m/resolve/main/plot.png";
</script>"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with serve(tmp_path_factory.mktemp("pages") / "hub", read_token="reads") as running:
        api = HfApi(endpoint=running.endpoint, token=running.token)
        card = (
            "---\nlicense: mit\ndatasets: [a/b, c/d]\n---\n# The card\n\n<script>document.title = 'attacked'</script>\n"
        )
        files = {"README.md": card, "report.html": ATTACK, "sub/notes.txt": "some <b>notes</b>", "sub/x.json": "{}"}
        for name, private in (("m", False), ("secret", True)):
            api.create_repo(f"local/{name}", private=private)
            operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
            operations.append(CommitOperationAdd("model.safetensors", bytes(3000)))
            operations.append(CommitOperationAdd("plot.png", b"\x89PNG"))
            api.create_commit(f"local/{name}", operations, commit_message="First <version>")
            api.create_tag(f"local/{name}", tag="v1")
            api.upload_file(
                path_or_fileobj=b"more\n",
                path_in_repo="sub/notes.txt",
                repo_id=f"local/{name}",
                commit_message="Second",
            )
        api.upload_file(
            path_or_fileobj=b"other\n", path_in_repo="x", repo_id="local/m", create_pr=True, commit_message="Proposed"
        )
        yield running


def ask(hub: LocalHub, target: str, *, password: str | None = None) -> tuple[int, http.client.HTTPMessage, str]:
    address = urlsplit(hub.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    headers = {"Accept": "text/html,*/*"}
    if password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
    try:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def test_every_link_leads_somewhere_and_every_page_is_closed_to_scripts(hub: LocalHub):
    waiting, seen = ["/"], {}
    while waiting:
        target = waiting.pop()
        if target in seen:
            continue
        status, headers, text = seen[target] = ask(hub, target)
        assert status in ((401,) if target == "/login" else (200, 302)), target
        if not headers.get("Content-Type", "").startswith("text/html") or "/page/" in target:
            continue
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        reader = Reader(text)
        assert not {"script", "iframe", "form", "link", "base", "object", "embed"} & {tag for tag, _ in reader.elements}
        assert [tag for tag, _ in reader.elements].count("h1") == 1
        waiting += [link for link in reader.links() if link.startswith("/")]
    for kind in ("/local/m", "/tree/main", "/tree/main/sub", "/blob/main/sub/notes.txt", "/commits/main", "/commit/"):
        assert any(kind in target for target in seen), kind
    assert any(target.endswith("report.html") and "/page/" in target for target in seen)
    assert not any("secret" in target or "secret" in text for target, (_, _, text) in seen.items())


def test_what_the_pages_show(hub: LocalHub):
    shown = {
        "/": ["local/m", "mit"],
        "/local/m": ["The card", "mit", "a/b, c/d", "&lt;script&gt;", "7 files, "],
        "/local/m/tree/v1": ["sub/", "model.safetensors", "3.0 kB", "The card"],
        "/local/m/tree/main/sub": ["notes.txt", "folder above"],
        "/local/m/blob/v1/sub/notes.txt": ["some &lt;b&gt;notes&lt;/b&gt;", "SHA-256"],
        "/local/m/blob/main/model.safetensors": ["in Git LFS", "Too large"],
        "/local/m/blob/main/plot.png": ['<img src="/local/m/resolve/main/plot.png"'],
        "/local/m/commits/main": ["v1", "First &lt;version&gt;", "Second", "initial commit", "report"],
        "/local/m/commit/main": ["Second", "sub/notes.txt", '<span class="del">-some &lt;b&gt;notes'],
        "/local/m/discussions": ["#1 Proposed", "open"],
        "/local/m/discussions/1": ["Proposed", '<span class="add">+other'],
    }
    for target, words in shown.items():
        status, _, text = ask(hub, target)
        assert status == 200
        for word in words:
            assert word in text, (target, word)
    assert ask(hub, "/local/m/resolve/main/plot.png")[1]["Content-Type"] == "image/png"


def test_what_is_not_there_is_told_as_a_page_to_browsers_only(hub: LocalHub):
    for target in ("/local/none", "/local/m/tree/none", "/local/m/blob/main/none", "/local/m/page/main/README.md"):
        status, headers, text = ask(hub, target)
        assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "<h1>Not here</h1>" in text
    status, headers, text = ask(hub, f"/local/m/tree/main/{quote('<script>alert(1)</script>')}")
    assert "<script" not in text
    status, headers, text = ask(hub, "/api/models/local/none")
    assert (status, json.loads(text).keys(), headers["X-Error-Code"]) == (404, {"error"}, "RepoNotFound")


def test_private_pages_need_a_token(hub: LocalHub):
    targets = ["", "/tree/main", "/blob/main/README.md", "/page/main/report.html", "/commits/main", "/commit/main"]
    targets += ["/discussions", "/resolve/main/README.md"]
    for target in targets:
        assert ask(hub, f"/local/secret{target}")[0] == 404
        assert ask(hub, f"/local/secret{target}", password="wrong")[0] == 401
        assert ask(hub, f"/local/secret{target}", password="reads")[0] == 200
    assert "local/secret" in ask(hub, "/", password="reads")[2]
    status, headers, _ = ask(hub, "/login")
    assert (status, headers["WWW-Authenticate"][:5]) == (401, "Basic")
    assert ask(hub, "/login", password="wrong")[0] == 401
    assert ask(hub, "/login", password="reads")[1]["Location"] == "/"


def test_a_gated_repository_shows_no_content_without_a_token(hub: LocalHub):
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("local/gated")
    api.upload_file(
        path_or_fileobj=b"---\nlicense: mit\n---\nHidden words\n", path_in_repo="README.md", repo_id="local/gated"
    )
    api.upload_file(
        path_or_fileobj=b"hidden words\n",
        path_in_repo="a.txt",
        repo_id="local/gated",
        create_pr=True,
        commit_message="x",
    )
    api.update_repo_settings("local/gated", gated="auto")
    try:
        for target in ("", "/tree/main", "/blob/main/README.md", "/commit/main", "/discussions/1"):
            status, _, text = ask(hub, f"/local/gated{target}")
            assert status in (200, 401)
            assert "idden words" not in text
            assert "idden words" in ask(hub, f"/local/gated{target}", password="reads")[2]
    finally:
        api.delete_repo("local/gated")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser_the_report_reaches_nothing_and_the_card_runs_nothing(hub: LocalHub, tmp_path: Path):
    def shown(target: str) -> str:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
        command += ["--virtual-time-budget=4000", "--dump-dom", f"{hub.endpoint}{target}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    report = shown("/local/m/page/main/report.html")
    assert "script=ran;origin=null" in report
    for way in ("storage", "cookie", "fetch", "post", "image"):
        assert f"{way}=closed" in report, report
    assert "open" not in report.partition('<p id="out">')[2].partition("</p>")[0]
    assert "<title>Card · local/m</title>" in shown("/local/m")
