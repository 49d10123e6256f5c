"""report.html in headless Chromium: who can read it, what its script does, what leaves, what is printed."""

import re
from dataclasses import replace

import pytest
from huggingface_hub import HfApi

from hf_contrastive.release.local_hub import serve
from model_cards.evidence import SigningKey
from model_cards.render import render
from tests.browser import CHROMIUM, Browser
from tests.report_samples import release

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

SHOWN = "[...document.querySelectorAll('#finding-table tbody tr')].filter(row => !row.hidden)"
STATUS = "document.getElementById('finding-count').textContent"
FOCUS = "(() => { const e = document.activeElement; return e.id || e.textContent.trim(); })()"
OPEN_ALL = "for (const part of document.querySelectorAll('details')) part.open = true; 0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for decision in ("pass", "review", "block"):
        (folder / f"{decision}.html").write_text(render(release(decision), "report_html"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(folder):
    with Browser(folder / "profile") as tab:
        yield tab


@pytest.fixture
def shown(browser, folder):
    """Open one of the reports, and hold at the end that it asked for nothing else and said nothing."""

    def show(name, **options):
        browser.console.clear()
        browser.requests.clear()
        browser.open((folder / f"{name}.html").as_uri(), **options)
        return browser

    yield show
    assert browser.console == []
    assert all(address.startswith(folder.as_uri()) for address in browser.requests)
    assert len(set(browser.requests)) <= 1


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_grave_barrier(shown, width, dark):
    tab = shown("review", width=width, dark=dark)
    tab.run(OPEN_ALL)
    assert tab.violations() == []


@pytest.mark.parametrize("name", ["pass", "review", "block"])
@pytest.mark.parametrize("width", [1280, 400, 320])
def test_nothing_is_wider_than_the_window(shown, name, width):
    tab = shown(name, width=width)
    assert tab.overflow() == 0
    tab.run(OPEN_ALL)
    assert tab.overflow() == 0


def column(tab, at):
    return tab.run(f"{SHOWN}.map(row => row.cells[{at}].textContent.trim())")


def test_a_click_on_a_header_sorts_by_numbers_and_back(shown):
    tab = shown("pass")
    rows = "#finding-table thead th:nth-child(6) button"
    tab.click(rows)
    numbers = [int(text.replace(",", "")) for text in column(tab, 5)]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[-1]
    assert tab.run("document.querySelector('#finding-table [aria-sort]').textContent.trim()") == "Rows"
    tab.click(rows)
    assert [int(text.replace(",", "")) for text in column(tab, 5)] == numbers[::-1]
    assert tab.run("document.querySelectorAll('#finding-table [aria-sort=descending]').length") == 1


def test_decisions_sort_by_gravity_and_everything_by_keyboard(shown):
    tab = shown("block")
    tab.run("document.querySelector('#finding-table thead th:nth-child(7) button').focus()")
    tab.press("Enter")
    decisions = column(tab, 6)
    assert decisions[0] == "block"
    assert decisions[-1] == "pass"
    assert tab.run(FOCUS) == "Decision"
    tab.press("Space")
    assert column(tab, 6)[-1] == "block"
    tab.press("Tab")
    assert tab.run(FOCUS) == "Examples"
    tab.press("Tab", shift=True)
    assert tab.run(FOCUS) == "Decision"
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_filters_show_what_matches_and_say_how_much(shown):
    tab = shown("pass")
    everything = len(column(tab, 0))
    assert tab.run(STATUS).startswith(f"{everything} of {everything} findings shown. They list ")
    tab.run("document.getElementById('filter-code').focus()")
    tab.run(
        "(() => { const e = document.getElementById('filter-code'); e.value = '=PAIR004';"
        " e.dispatchEvent(new Event('change')); })()"
    )
    assert column(tab, 0) == ["PAIR004", "PAIR004"]
    assert tab.run(STATUS).startswith(f"2 of {everything} findings shown. They list {10609 + 194:,} rows")
    # the words of examples count, in whatever case and order
    tab.click("#filter-text")
    tab.write("zanzibar TEST")
    assert column(tab, 2) == ["test"]
    tab.run("document.getElementById('filter-text').focus()")
    tab.press("Tab")
    assert tab.run(FOCUS) == "filter-clear"
    tab.press("Enter")
    assert len(column(tab, 0)) == everything
    tab.click("#filter-text")
    tab.write("nothing says this")
    assert column(tab, 0) == []
    assert tab.run(STATUS).startswith(f"0 of {everything} findings shown. They list 0 rows")
    assert tab.run("document.getElementById('finding-count').getAttribute('role')") == "status"


def test_each_choice_is_one_that_there_is(shown):
    tab = shown("block")
    options = "[...document.getElementById('filter-{}').options].map(option => option.textContent)"
    assert tab.run(options.format("decision")) == ["all", "block", "pass"]
    assert tab.run(options.format("split")) == ["all", "test", "train"]
    assert tab.run("document.querySelectorAll('#finding-filter label[for]').length") == 5


def test_a_link_to_examples_opens_where_they_are(shown):
    tab = shown("pass")
    assert tab.run("document.querySelectorAll('details[open]').length") == 0
    tab.click("#finding-table tbody tr td:last-child a")
    target = "document.getElementById(location.hash.slice(1))"
    assert tab.run(f"{target}.closest('details').open")
    assert tab.run(f"document.activeElement === {target}")


def test_the_first_key_leads_past_the_contents(shown):
    tab = shown("pass")
    tab.press("Tab")
    assert tab.run(FOCUS) == "To the summary"
    assert tab.run("document.activeElement.getBoundingClientRect().left") >= 0
    tab.press("Enter")
    assert tab.run("location.hash") == "#summary"


def test_with_colours_of_the_system_nothing_rests_on_ours(shown):
    tab = shown("block")
    tab.show(forced_colors="active")
    assert tab.run("matchMedia('(forced-colors: active)').matches")
    assert tab.run("getComputedStyle(document.querySelector('.tag')).borderTopStyle") == "solid"
    assert tab.run("getComputedStyle(document.querySelector('.chart .bar')).fill") != "rgb(11, 87, 164)"


def sheets(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("name", ["pass", "review", "block"])
def test_the_first_sheet_holds_all_that_a_signer_needs(shown, name):
    tab = shown(name)
    whole = sheets(tab.paper())
    assert whole > 5
    assert tab.run("document.querySelector('.signer .sign').textContent.trim()") == "NameRoleDateSignature"
    text = tab.run("document.querySelector('.signer').textContent")
    for words in ("Waivers", "Counsel: weights", "Digests and signature", release(name).digest):
        assert words in text
    # with all behind it gone, what is left is one sheet; what is open may need another
    tab.run("for (const part of [...document.querySelectorAll('.signer ~ *, footer')]) part.remove(); 0")
    assert sheets(tab.paper()) <= (1 if name == "pass" else 2)


def test_paper_holds_what_a_filter_hides_and_no_controls(shown):
    tab = shown("pass")
    tab.click("#filter-text")
    tab.write("nothing says this")
    tab.show(medium="print")
    heights = "[...document.querySelectorAll('#finding-table tbody tr')].map(row => row.getBoundingClientRect().height)"
    assert min(tab.run(heights)) > 0
    for control in ("nav", "#finding-filter", "#open-all", "#finding-count", ".skip"):
        assert tab.run(f"getComputedStyle(document.querySelector('{control}')).display") == "none"
    assert tab.run("getComputedStyle(document.querySelector('.signer')).breakAfter") == "page"
    assert tab.run("getComputedStyle(document.querySelector('.verdict')).color") != "rgb(255, 255, 255)"


def test_on_paper_nothing_beside_the_text_is_larger_and_words_and_days_stay_whole(shown):
    tab = shown("review", width=718)  # as wide as the text on A4
    tab.run(OPEN_ALL)
    tab.show(medium="print")
    sizes = (
        "[...document.querySelectorAll('.signer ~ section :is(caption, figcaption, .small, .origin, .excerpt)')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    found = tab.run(sizes)
    assert len(found) > 50
    assert max(found) < tab.run("parseFloat(getComputedStyle(document.body).fontSize)")
    # each word of a question on one line, each day too
    lines = (
        "(part => { const range = document.createRange(); range.selectNodeContents(part);"
        " return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size; })"
    )
    questions = (
        "[...document.querySelectorAll('#statements tbody th')].filter(e => !e.textContent.trim().includes(' '))"
    )
    told = tab.run(f"{questions}.map(e => [e.textContent, {lines}(e)])")
    assert "Recommendations" in [words for words, _ in told]
    assert {count for _, count in told} == {1}
    days = tab.run(f"[...document.querySelectorAll('span.date, td.date > div')].map(e => [e.textContent, {lines}(e)])")
    assert "2026-12-31" in [words for words, _ in days]
    assert {count for _, count in days} == {1}


def test_one_button_opens_all_of_it_for_the_printer(shown):
    tab = shown("pass")
    few = sheets(tab.paper())
    tab.click("#open-all button")
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    assert sheets(tab.paper()) > few
    tab.click("#open-all button")
    assert tab.run("document.querySelectorAll('details[open]').length") == 0


def test_another_script_does_not_run_and_all_can_be_read_without(browser, folder):
    text = (folder / "block.html").read_text(encoding="utf-8")
    changed = text.replace('"use strict";', '"use strict"; document.title = "changed";')
    changed = changed.replace("<main>", "<main><p id='x' onclick='document.title = 1' style='color: red'>x</p>")
    (folder / "changed.html").write_text(changed, encoding="utf-8")
    browser.console.clear()
    browser.open((folder / "changed.html").as_uri())
    assert browser.run("document.title") == "docstring-minilm: Blocked"
    refused = [line for line in browser.console if "Content Security Policy" in line]
    assert [sum(kind in line for line in refused) for kind in ("inline script", "inline style")] == [1, 1]
    browser.click("#x")
    assert browser.run("document.title") == "docstring-minilm: Blocked"
    assert browser.run("getComputedStyle(document.getElementById('x')).color") != "rgb(255, 0, 0)"
    # what needs the script is not there, all else is
    hidden = "[...document.querySelectorAll('#finding-filter, #open-all')].map(e => getComputedStyle(e).display)"
    assert browser.run(hidden) == ["none", "none"]
    assert browser.run("document.querySelectorAll('th button').length") == 0
    assert len(column(browser, 0)) == len(release("block").audit.findings)
    assert browser.overflow() == 0


def test_a_hub_that_keeps_the_page_in_a_sandbox_leaves_it_as_useful(browser, tmp_path):
    with serve(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo("local/m")
        key = SigningKey(algorithm="ecdsa-p256", fingerprint="sha256:" + "ab" * 32)
        page = render(replace(release("pass"), signing_key=key), "report_html")
        api.upload_file(path_or_fileobj=page.encode(), path_in_repo="report.html", repo_id="local/m")
        address = f"{hub.endpoint}/local/m/page/main/report.html"
        browser.console.clear()
        browser.requests.clear()
        browser.open(address)
        assert browser.run("self.origin") == "null"
        browser.click("#finding-table thead th:nth-child(6) button")
        assert browser.run("document.querySelector('#finding-table [aria-sort]').textContent.trim()") == "Rows"
        browser.click("#filter-text")
        browser.write("zanzibar test")
        assert column(browser, 2) == ["test"]
        assert key.fingerprint in browser.run("document.querySelector('.signer').textContent")
        told = [line for line in browser.console if "favicon" not in line]
        assert told == []
        assert {one for one in browser.requests if not one.endswith("/favicon.ico")} == {address}
