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
