"""What tests read out of rendered documents."""

import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt


class Page(HTMLParser):
    """Tags, attribute names, table cells, <data> values and text of a report."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.values, self.words = [], set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {key for key, _ in attrs}
        self.values += [value for key, value in attrs if tag == "data" and key == "value"]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def tokens_of(card):
    body = card.split("\n---\n", 1)[1]
    markdown = MarkdownIt("commonmark").enable("table")
    return [inner for token in markdown.parse(body) for inner in (token, *(token.children or ()))]


def table_rows(card):
    rows, inside = [], False
    for token in tokens_of(card):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            inside = True
        elif token.type == "inline" and inside:
            rows[-1].append("".join(child.content for child in token.children))
            inside = False
    return rows


class _Rows(HTMLParser):
    """The rows of all tables of a page; each cell is its text and the values of its <data>."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append(("", []))
            self.inside = True
        elif tag == "data" and self.inside:
            self.rows[-1][-1][1].append(dict(attrs)["value"])

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            words, values = self.rows[-1][-1]
            self.rows[-1][-1] = (re.sub(r"\s+", " ", words + data).strip(), values)


def page_rows(text):
    """Return the rows of all tables of a page as lists of (text, values of <data>)."""
    return _Rows(text).rows


def own_properties(component):
    """Return the own properties of a component of a bill of materials, by name without the prefix."""
    told = component.get("properties", component.get("contents", {}).get("properties", []))
    return {item["name"].removeprefix("hf-contrastive:"): item["value"] for item in told}
