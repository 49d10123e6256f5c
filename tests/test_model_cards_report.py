"""report.html as a document: its first page, its one script, its table of findings, its charts and its structure."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.findings import DatasetRef, Table
from audits.intent import Intent
from hf_contrastive.release.approvals import subject_digest
from model_cards.charts import audit_charts, comparison_chart, loss_chart
from model_cards.charts.audits import histogram_chart, reliability_chart
from model_cards.errors import DocumentError
from model_cards.evidence import Evidence, SigningKey, VersionComparison
from model_cards.facts import headline
from model_cards.finding_lines import finding_lines
from model_cards.licensing import rule_rows
from model_cards.questions import answers
from model_cards.render import documents, render
from model_cards.signoff import approval_rows, assumed, first_inputs, gaps, purpose, tone
from tests.document_readers import Page
from tests.evidence_samples import HOSTILE, comparison, evidence_of, poisoned, with_digests
from tests.report_samples import CUT, LABELS, release, rows_of, versions


@pytest.fixture(scope="module")
def pages():
    return {decision: render(release(decision), "report_html") for decision in ("pass", "review", "block")}


def first_page(text):
    """What a person reads before the reasons."""
    return Page(text[text.index('<section id="summary"') : text.index('<section id="outcomes"')]).text


def test_the_first_page_says_what_a_signer_needs_in_order(pages):
    text = first_page(pages["review"])
    wanted = [
        "Review needed",
        "asks a named person to decide on 1 outcome",
        "under license facts of 2026-11-27 for 6 inputs, 1 undetermined",
        "publishes only with a recorded approval",
        "docs-lab/docstring-minilm",
        "Intended use Search over Python documentation.",
        "Not to be used for Decisions about people.",
        "Legal entity Docs Lab GmbH, Berlin",
        "Commercial use intended",
        "Distribution public: others get the weights",
        "Territory EU [stated]",
        "Outgoing license apache-2.0",
        "What ships merged weights; no rows of the data",
        "as policy “standard” states them",
        "Data trained on = data audited yes",
        "Better than v2: ndcg@10 +0.0120 [+0.0030, +0.0210] on 1,500 queries",
        "docs-lab/older-pairs",
        "undetermined",
        "PII001",
        "observed 2 rows in test/positive, allowed 0 rows",
        "What to do: Mask the addresses.",
        "LAB001 Label noise",
        "errored",
        "TOK001",
        "Needs count_tokens: no tokenizer was given.",
        "not judged : test: 3 rows with a label are too few",
        "Counsel: weights are no adaptation. Ada Grace 2027-03-31 conflict: rows: CC-BY-SA-4.0",
        "Grace Hopper head of model risk",
        "bound to this verdict and to exactly this content.",
        "2026-12-31",
        release("review").digest,
        release("review").verdict.digest,
        "Not signed: this evidence names no key.",
        "Name Role Date Signature",
    ]
    at = 0
    for words in wanted:
        assert words in text[at:], (words, text[at : at + 400])
        at = text.index(words, at)


@pytest.mark.parametrize("decision", ["pass", "review", "block"])
def test_no_page_claims_more_than_was_checked(pages, decision):
    text = Page(pages[decision]).text
    claims = r"\b(compliant|certified|guarantee[ds]?|approved by counsel|no personal data|license is valid)\b"
    assert not re.search(claims, text, re.IGNORECASE)
    assert "3 not checked" in first_page(pages[decision])


def test_what_passes_by_a_waiver_does_not_look_like_a_pass(pages):
    assert '<div class="verdict review">' in pages["pass"]
    assert "because the waivers below excuse what would not pass" in first_page(pages["pass"])
    evidence = release()
    plain = tuple(replace(item, waiver=None, waived_by=()) for item in evidence.verdict.outcomes)
    text = render(replace(evidence, verdict=replace(evidence.verdict, outcomes=plain)), "report_html")
    assert '<div class="verdict pass">' in text
    assert "what was checked violates no rule, and no more" in first_page(text)
    assert [tone(Evidence()), tone(release("block"))] == ["none", "block"]


def test_a_regression_and_a_missing_comparison_are_said_plainly():
    told = {
        "Regression. Worse than v2": versions(-0.031),
        "Not compared: this evidence holds no comparison": None,
        "the new one was not compared with it: no data was given": VersionComparison(
            repo_id="a/b", tag="v1", note="no data was given"
        ),
    }
    for words, item in told.items():
        assert words in first_page(render(replace(release(), comparison=item), "report_html"))
    assert "Regression" not in first_page(render(release(), "report_html"))


def test_a_signature_claims_no_more_than_that_nothing_changed():
    key = SigningKey(algorithm="ecdsa-p256", fingerprint="sha256:" + "ab" * 32)
    text = first_page(render(replace(release(), signing_key=key), "report_html"))
    assert f"Unchanged since signed by the ecdsa-p256 key {key.fingerprint}, if `hf-contrastive verify` says so" in text


def test_an_approval_is_bound_to_verdict_policy_and_content():
    evidence = release("review")
    (given_yes,) = evidence.approvals
    assert given_yes.plan_digest == subject_digest(evidence)
    cases = {
        "to exactly this content": (given_yes, True),
        "given for other files": (replace(given_yes, plan_digest="sha256:0"), False),
        "given under another policy": (replace(given_yes, policy_digest="sha256:0"), False),
        "given for another verdict": (replace(given_yes, verdict_digest="sha256:0"), False),
        "it expired on 2020-01-01": (replace(given_yes, expires="2020-01-01"), False),
        "it was given on 2099-01-01": (replace(given_yes, created_at="2099-01-01T00:00:00+00:00"), False),
        "names nobody": (replace(given_yes, by=" "), False),
    }
    for words, (approval, bound) in cases.items():
        (row,) = approval_rows(replace(evidence, approvals=(approval,)))
        assert words in row.words
        assert row.bound is bound


def test_where_no_check_ran_nothing_looks_passed():
    evidence = release()
    none_ran = tuple(
        replace(item, status="skipped", reason="not asked for", findings=()) for item in evidence.audit.results
    )
    found = with_digests(replace(evidence, audit=replace(evidence.audit, results=none_ran)))
    assert found.verdict.decision == "pass"
    assert headline(found).title == "Nothing was checked"
    assert tone(found) == "none"


def test_every_gap_is_told_with_its_reason_and_required_ones_first():
    evidence = release()
    unread = DatasetRef(split="stream", fingerprint="sha256:1", num_rows=10, unread_rows=None)
    audit = replace(evidence.audit, datasets=(*evidence.audit.datasets, unread))
    rules = tuple(replace(rule, required=rule.code == "BENCH001") for rule in evidence.policy.rules)
    found = gaps(with_digests(replace(evidence, audit=audit, policy=replace(evidence.policy, rules=rules))))
    assert [found[0].what, found[0].required] == [(("BENCH001", ""),), True]
    told = {name: (gap.status, gap.reason) for gap in found for name, _ in gap.what}
    assert told["TOK001"] == ("skipped", "Needs count_tokens: no tokenizer was given.")
    assert told["LABEL001"] == ("not judged", "test: 3 rows with a label are too few")
    assert told["an unknown number of rows of stream"] == ("not read", "")
    assert set(told) == {"BENCH001", "LAB001", "TOK001", "LABEL001", "an unknown number of rows of stream"}


def test_clear_rows_are_one_line_and_open_inputs_stand_first():
    rows, others = first_inputs(release())
    # the second is what L3, though waived, is about
    assert [row.name for row in rows[:3]] == ["docs-lab/older-pairs", "rows: CC-BY-SA-4.0", "rows of the data"]
    assert rows[3].role == "base model"
    assert rows[2].amount == "22,640 rows"
    assert rows[2].concluded == "BSD-3-Clause (13,010), MIT (6,011), PSF-2.0 (3,619)"
    assert others == ""
    assert first_inputs(Evidence(model_name="m")) == ((), "")


def test_no_input_that_needs_somebody_is_folded_on_the_first_page():
    evidence = release()
    analysis = evidence.licenses
    clear = tuple(rows_of(f"MIT-{i}", 10_000 - i) for i in range(2))
    packages = tuple(replace(rows_of("MIT", 9), name=f"package{i}", kind="dataset") for i in range(30))
    inputs = (*clear, *packages, *analysis.inputs)
    l3 = replace(analysis.results[1], inputs=("package29",), milder=("package28",), unsettled=("package27",))
    found = replace(evidence, licenses=replace(analysis, inputs=inputs, results=(l3, *analysis.results[2:])))
    rows, others = first_inputs(found)
    assert {"package27", "package28", "package29", "docs-lab/older-pairs"} <= {row.name for row in rows}
    assert re.fullmatch(r"\d+ more inputs", others)
    settled = replace(l3, result="pass")
    found = replace(found, licenses=replace(found.licenses, results=(settled, *analysis.results[2:])))
    assert "package29" not in {row.name for row in first_inputs(found)[0]}
    # so many that nobody knows are one row, and each stands in it by name
    unknown = tuple(replace(item, license=None) for item in packages)
    found = replace(found, licenses=replace(found.licenses, inputs=(*clear, *unknown)))
    row, *_ = first_inputs(found)[0]
    assert (row.amount, row.concluded) == ("30 inputs", "undetermined")
    assert row.name.split("; ") == [item.name for item in unknown]


def test_what_a_shipped_policy_takes_for_granted_is_stated_by_nobody():
    evidence = release()
    assert not assumed(evidence)
    told = {}
    for name, intent in (
        ("standard", Intent()),
        ("standard", Intent(outgoing_license="mit")),
        ("standard", Intent(commercial=False)),
        ("ours", Intent()),
    ):
        policy = replace(evidence.policy, name=name, intent=intent)
        found = with_digests(replace(evidence, policy=policy))
        origins = {point.title: point.origin for point in purpose(found)}
        told[name, intent.outgoing_license, intent.commercial] = [
            origins[title] for title in ("Commercial use", "Distribution", "Territory", "What ships")
        ]
        text = first_page(render(found, "report_html"))
        assert ("assumed by the shipped policy “standard”, confirmed by nobody" in text) is assumed(found)
        assert "Territory everywhere, since no territory is named [unanswered]" in text
    assert told == {
        ("standard", None, True): ["unanswered"] * 4,
        ("standard", "mit", True): ["unanswered"] * 4,
        ("standard", None, False): ["stated", "stated", "unanswered", "stated"],
        ("ours", None, True): ["stated", "stated", "unanswered", "stated"],
    }


def test_the_revision_of_a_license_is_not_taken_for_that_of_the_weights():
    evidence = release()
    training = replace(evidence.training, base=replace(evidence.training.base, revision=None))
    found = replace(evidence, training=training)
    revision = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
    assert f"license read at {revision} ; the revision of the weights is not known" in first_page(
        render(found, "report_html")
    )
    assert f"license read at `{revision}`; the revision of the weights is not known" in render(found, "card")
    inputs = tuple(replace(item, revision=None) for item in found.licenses.inputs)
    found = replace(found, licenses=replace(found.licenses, inputs=inputs), lineage=None)
    assert "by the name that was given; its revision is not known" in first_page(render(found, "report_html"))


def test_open_questions_of_frameworks_are_counted_on_the_first_page():
    evidence = release()
    text = render(evidence, "report_html")
    (count,) = re.findall(r"and (\d+) asked by frameworks", first_page(text))
    assert '<a href="#frameworks">' in text
    listed = sum(int(found) for found in re.findall(r"<summary>For the [a-z ]+, (\d+) open question", text))
    own = {item.question.key for item in answers(evidence) if not item.answered}
    asked = set(re.findall(r"<code>([a-z_0-9]+)</code>", text[text.index("What only people can answer") :]))
    assert 0 < int(count) == listed - len(own & asked)


def test_a_rule_without_an_outcome_has_no_decision_of_its_own():
    evidence = release()
    assert {row.code: row.decision for row in rule_rows(evidence)} == {
        "L3": "pass by waiver", "L13": "pass by waiver", "L14": "pass",
    }  # fmt: skip
    outcomes = tuple(item for item in evidence.verdict.outcomes if item.code != "L13")
    l3 = next(item for item in outcomes if item.code == "L3")
    graver = replace(evidence.verdict, outcomes=(replace(l3, decision="block", waiver=None), *outcomes))
    told = {row.code: row.decision for row in rule_rows(replace(evidence, verdict=graver))}
    assert (told["L3"], told["L13"]) == ("block", "no rule")
    assert {row.decision for row in rule_rows(replace(evidence, verdict=None))} == {"not judged"}


def test_a_caption_names_what_the_check_says_it_compared():
    audit = release().audit
    (chart,) = [chart for chart in audit_charts(audit) if "near-duplicate" in chart.title]
    assert "Jaccard similarity of word 3-grams of each near duplicate" in chart.caption
    results = [
        replace(item, findings=tuple(replace(f, measurement=replace(f.measurement, method="")) for f in item.findings))
        for item in audit.results
    ]
    (chart,) = [c for c in audit_charts(replace(audit, results=tuple(results))) if "near-duplicate" in c.title]
    assert "Jaccard similarity of each near duplicate" in chart.caption


def test_a_key_that_no_question_has_is_told_in_words():
    text = Page(render(release(), "report_html")).text
    assert "Upstream license apache-2.0" in text
    assert "upstream_license" not in text


def test_what_ships_is_held_against_what_was_saved():
    evidence = release()
    policy = replace(evidence.policy, intent=Intent(ships="adapter", commercial=False, territory=("DE", "EU")))
    text = first_page(render(with_digests(replace(evidence, policy=policy)), "report_html"))
    assert "an adapter alone, but the model was saved as merged" in text
    assert "Commercial use not intended" in text
    assert "Territory DE, EU" in text


def test_each_finding_has_the_decision_on_its_own_place():
    evidence = release("review")
    lines = {(line.finding.code, line.finding.split): line for own in finding_lines(evidence) for line in own}
    assert lines["PII001", "test"].decision == "review"
    assert lines["PAIR004", "train"].decision == "pass"
    other = replace(evidence.verdict.outcomes[3], decision="block", observed="44.5 % in train/positive")
    outcomes = (*evidence.verdict.outcomes[:3], other, *evidence.verdict.outcomes[4:])
    changed = replace(evidence, verdict=replace(evidence.verdict, outcomes=outcomes))
    lines = {(line.finding.code, line.finding.split): line for own in finding_lines(changed) for line in own}
    assert [lines["PAIR004", split].decision for split in ("train", "test")] == ["block", "pass"]
    unjudged = replace(evidence, verdict=None, policy=None, approvals=())
    assert {line.decision for own in finding_lines(unjudged) for line in own} == {"not judged"}
    assert [len(own) for own in finding_lines(evidence)] == [len(item.findings) for item in evidence.audit.results]


class Structure(HTMLParser):
    """What assistive technology goes by."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets, self.headings, self.named = [], [], [], []
        self.tables = self.captions = self.scopes = self.headers = self.buttons = 0
        self.hidden = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.ids += [told["id"]] if "id" in told else []
        self.targets += [told["href"][1:]] if "href" in told else []
        self.targets += [name for key in ("aria-labelledby", "for") for name in (told.get(key) or "").split()]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "svg":
            self.named.append((told.get("role"), told.get("aria-labelledby")))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.headers += tag == "th"
        self.scopes += tag == "th" and told.get("scope") in ("col", "row")
        self.hidden |= {told["id"]} if "hidden" in told else set()


@pytest.mark.parametrize("decision", ["pass", "review", "block"])
def test_the_page_can_be_read_by_its_structure(pages, decision):
    found = Structure(pages[decision])
    assert len(set(found.ids)) == len(found.ids)
    assert set(found.targets) <= set(found.ids)
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(two <= one + 1 for one, two in zip(found.headings, found.headings[1:], strict=False))
    assert found.tables == found.captions > 20
    assert found.scopes == found.headers
    assert all(role == "img" and len(names.split()) == 2 for role, names in found.named)
    assert len(found.named) == 8
    # without the script there is nothing to press
    assert {"finding-filter", "open-all"} == found.hidden
    assert "<button" not in re.sub(r"(?s)<(p|div)[^>]* hidden>.*?</\1>", "", pages[decision].partition("<script>")[0])


def test_what_the_policy_of_the_page_allows_is_what_it_holds(pages):
    def digest(text):
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    text = pages["pass"]
    (style,), (script,) = (re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", text) for tag in ("style", "script"))
    policy = re.search(r'Security-Policy" content="([^"]*)"', text)[1]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest(style)}'",
        f"script-src 'sha256-{digest(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert f'content: "Evidence {release().digest}"' in style
    assert text.index("Security-Policy") < text.index("<style>")


CHANGES = {
    "another script": ("</body>", "<script>1</script></body>"),
    "a changed script": ('"use strict";', '"use strict"; alert(1);'),
    "no script": (r"(?s)<script>.*</script>", ""),
    "a loaded script": ("<script>", '<script src="#x">'),
    "a script of another type": ("<script>", '<script type="module">'),
    "a laxer policy": (r"script-src 'sha256-[^']*'", "script-src 'unsafe-inline'"),
    "no policy": (r"<meta http-equiv[^>]*>", ""),
    "a second policy": ("</title>", '</title><meta http-equiv="Content-Security-Policy" content="x">'),
    "a refresh": ("</title>", '</title><meta http-equiv="refresh" content="0;url=https://example.org">'),
    "another style": ("</title>", "</title><style>p { color: red }</style>"),
    "a changed style": (r"\* \{ box-sizing", "p { color: red } * { box-sizing"),
    "a style attribute": ("<main>", '<main style="color: red">'),
    "a handler": ("<main>", '<main onclick="x()">'),
    "a form": ("<main>", '<main><form action="#x"></form>'),
    "a frame": ("<main>", '<main><iframe srcdoc="x"></iframe>'),
    "a picture": ("<main>", '<main><img src="#x">'),
    "an address": ('href="#summary"', 'href="https://example.org"'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_page_that_holds_anything_else_is_refused(pages, name):
    validate = documents()["report_html"].validate
    validate(pages["pass"])
    pattern, replacement = CHANGES[name]
    changed = re.sub(pattern if "\\" in pattern or "[" in pattern or "(" in pattern else re.escape(pattern),
                     lambda _: replacement, pages["pass"], count=1)  # fmt: skip
    assert changed != pages["pass"]
    with pytest.raises(DocumentError, match="not self-contained"):
        validate(changed)


def test_hostile_text_stays_text_everywhere():
    def shape(page):
        return {
            tag: page.tags.count(tag) for tag in ("script", "style", "section", "svg", "table", "h1", "h2", "button")
        }

    evidence = release("block")
    hostile, plain = (
        Page(render(with_digests(Evidence.from_dict(poisoned(evidence.to_dict(), poison=poison))), "report_html"))
        for poison in (HOSTILE, "plain license!")
    )
    assert shape(hostile) == shape(plain)
    assert hostile.attributes <= plain.attributes
    assert HOSTILE.split()[0] in hostile.text


COUNTS = st.lists(st.integers(0, 10**7), min_size=1, max_size=40)


@given(COUNTS)
def test_a_histogram_draws_every_count_and_tells_them_all(counts):
    rows = tuple((float(i), float(i + 1), count) for i, count in enumerate(counts))
    chart = histogram_chart(Table(name="x", columns=("from", "to", "rows"), rows=rows), key="k", code="X1")
    if not any(counts):
        assert chart is None
        return
    assert chart.svg.count('<rect class="bar"') == len(counts)
    heights = [float(found) for found in re.findall(r'<rect[^>]* height="([\d.]+)"', chart.svg)]
    assert all((height > 0) == (count > 0) for height, count in zip(heights, counts, strict=True))
    tallest = max(heights)
    for height, count in zip(heights, counts, strict=True):
        assert height == pytest.approx(max(count / max(counts) * tallest, 1.0 if count else 0.0), abs=0.06)
    assert f"{sum(counts):,}" in chart.svg
    assert chart.table.rows == rows


def test_a_histogram_of_what_is_no_histogram_is_not_drawn():
    for rows in ((("low", "high", 3),), ((0.0, float("nan"), 3),), (), ((0.0, 1.0, None),)):
        assert histogram_chart(Table(name="x", columns=("from", "to", "n"), rows=rows), key="k", code="X1") is None


def test_the_reliability_diagram_says_what_it_is_and_how_far_it_is_off():
    table = LABELS.tables[1]
    chart = reliability_chart(table, key="k", code="LABEL001")
    gap = sum(count * abs(mean - share) for _, _, count, mean, share in table.rows) / 23840
    assert f"weighted by rows: {100 * gap:.2g} percentage points" in chart.caption
    assert "not of the published model" in chart.caption
    assert chart.svg.count('<circle class="after"') == 3
    assert "sure 0.500, right 0.440 in 2,384 rows" in chart.svg
    assert '<line class="ideal"' in chart.svg
    assert reliability_chart(replace(table, rows=()), key="k", code="LABEL001") is None


def test_every_chart_of_an_audit_has_its_numbers_and_a_name_of_its_own():
    evidence = release()
    charts = audit_charts(evidence.audit, evidence.licenses.inputs)
    assert [chart.title for chart in charts] == [
        "Similarity of near-duplicate pairs (train) (DUP002)",
        "Label quality (LABEL001)",
        "Reliability of the label probe (LABEL001)",
        "Texts that the model will not read to the end (PAIR004)",
        "Rows trained on by concluded license",
    ]
    ids = [found for chart in charts for found in re.findall(r' id="([^"]*)"', chart.svg)]
    assert len(set(ids)) == len(ids) == 2 * len(charts)
    assert charts[-1].table.rows == (("BSD-3-Clause", 13010), ("MIT", 6011), ("PSF-2.0", 3619), ("CC-BY-SA-4.0", 1200))
    cut = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', charts[3].svg)]
    assert cut == pytest.approx([384 * item.measurement.value for item in CUT.findings], abs=0.06)
    assert audit_charts(None) == ()


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(allow_nan=True, width=32)), max_size=12))
def test_a_loss_curve_is_of_finite_numbers_only(losses):
    chart = loss_chart(losses)
    if chart is not None:
        assert "nan" not in chart.svg
        assert "inf" not in chart.svg.replace("information", "")
        assert chart.table.rows == tuple(losses)


def test_a_comparison_without_a_before_is_not_drawn():
    metric = comparison("ndcg@10", 0.6, 0.7, 0.05, 0.15)
    chart = comparison_chart([metric], key="versions", before="published version", after="new version")
    assert "interval of the difference +0.0500 to +0.1500" in chart.svg
    assert chart.table.columns == ("Metric", "Published version", "New version")
    assert comparison_chart([replace(metric, before=None)], key="x", before="a", after="b") is None


def test_of_thousands_of_findings_each_shows_twenty_rows_at_most():
    text = render(release(findings=120), "report_html")
    assert text.count('data-code="DUP002"') == 121
    assert len(text) < 12_000_000
    blocks = re.split(r'<h4 id="finding-\d+"', text)[1:]
    assert max(block.count('<span class="excerpt"><span class="soft">') for block in blocks) == 20


def test_an_audit_alone_has_a_first_page_without_a_model():
    evidence = evidence_of()
    alone = Evidence(audit=evidence.audit, policy=evidence.policy, verdict=evidence.verdict)
    text = first_page(render(alone, "report_html"))
    assert "Passed by waiver" in text
    assert "Rows audited 26,940 (train 23,840, test 3,100)" in text
    assert "Intended use" not in text
    assert "Against the published version" not in text
