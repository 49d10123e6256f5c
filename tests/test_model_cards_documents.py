"""The documents of one realistic evidence: golden files, agreement of numbers, hostile text, missing parts."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.formats import json as json_format
from audits.policy import Approval, Outcome, Waiver
from model_cards.approvals import subject_digest
from model_cards.errors import CardError, DocumentError, EvidenceError
from model_cards.evidence import Evidence, Statement
from model_cards.facts import check_rows
from model_cards.render import documents, render, write_documents
from model_cards.validate import card_metadata, validate_card
from tests.document_readers import Page, table_rows, tokens_of
from tests.evidence_samples import HOSTILE, comparison, evaluation_of, evidence_of, poisoned, ref, with_digests


@pytest.fixture(scope="module")
def evidence(model_evidence):
    return model_evidence


GOLDEN = ["card", "report_html", "notice", "use_restrictions", "cyclonedx", "sarif", "junit", "report_md"]


@pytest.mark.parametrize("name", GOLDEN)
def test_document_equals_its_golden_file(evidence, golden, name):
    golden(documents()[name].filename)(render(evidence, name))


NO_FREE_TEXT = {"use_restrictions"}
QUOTING = {"evidence_json", "report_json"}  # word by word what the evidence holds


@pytest.mark.parametrize("name", list(documents()))
def test_every_document_takes_hostile_text_and_shows_no_path_and_no_token(evidence, name):
    secret = f"{HOSTILE} see /home/alice/data.csv and C:\\Users\\alice and hf_{'a1B2' * 9}"
    applying = replace(evidence, training=replace(evidence.training, arguments={"seed": 7, "run_name": "x"}))
    hostile = with_digests(Evidence.from_dict(poisoned(applying.to_dict(), poison=secret)))
    assert documents()[name].applies(hostile)
    if name == "training_args":
        # arguments are recorded without tokens and paths: others are refused, not blanked
        with pytest.raises(DocumentError, match="holds a token or a local path"):
            render(hostile, name)
        return
    text = render(hostile, name)  # which validates it
    # there is hostile text in it, or there would be nothing to see
    assert ("heading" in text) == (name not in NO_FREE_TEXT)
    assert ("hf_a1B2" in text) == (name in QUOTING)
    assert ("alice" in text) == (name in (*QUOTING, "report_html"))
    if name.endswith("html"):
        assert "<script>alert" not in text
        assert "<img" not in text


@pytest.mark.parametrize("name", list(documents()))
@pytest.mark.parametrize("empty", [Evidence(), Evidence(model_name="m"), Evidence(repo_id="a/b", policy=None)])
def test_a_document_applies_to_little_evidence_or_says_what_is_missing(empty, name):
    if documents()[name].applies(empty):
        assert render(empty, name) == render(empty, name)
    else:
        with pytest.raises(DocumentError, match="holds nothing for the document"):
            render(empty, name)


@pytest.mark.parametrize("name", list(documents()))
def test_every_document_is_documented_and_deterministic(evidence, name):
    member = documents()[name]
    assert (member.__doc__ or "").startswith(member.filename)
    first, second = (
        item if member.applies(item) else replace(item, training=replace(item.training, arguments={"seed": 7}))
        for item in (evidence, evidence_of())
    )
    assert render(first, name) == render(second, name)


def test_numbers_agree_between_card_page_and_json(evidence):
    card, page = render(evidence, "card"), Page(render(evidence, "report_html"))
    index = card_metadata(card)["model-index"][0]["results"][0]["metrics"]
    stored = json.loads(render(evidence, "evidence_json"))["evidence"]["evaluations"][0]["metrics"]
    rows = {row[0]: row for row in table_rows(card)}
    for metric, item in zip(index, stored, strict=True):
        assert metric["value"] == item["after"]["value"]
        assert {str(item[key]["value"]) for key in ("before", "after", "difference")} <= set(page.values)
        row = rows[metric["name"] + (" (primary)" if metric["name"] == "ndcg@10" else "")]
        assert float(row[1]) == pytest.approx(item["before"]["value"], abs=5e-5)
        assert float(row[2]) == pytest.approx(item["after"]["value"], abs=5e-5)
        shown = [float(number) for number in re.findall(r"[-+]\d\.\d+", row[3])]
        assert shown == pytest.approx([item["difference"]["value"], *item["difference"]["interval"]], abs=5e-5)
    told = json.loads(render(evidence, "report_json"))
    for found in (item for result in told["results"] for item in result["findings"]):
        assert str(found["measurement"]["value"]) in page.values
    assert told["decision"] == "pass"
    assert told["report_digest"] in card
    assert told["report_digest"] in page.text
    for phrase in ("excused by waiver; no other rule was violated: 4 checks ran, 3 not checked", "1,120"):
        assert phrase.replace("1,120", "23,840") in card
        assert phrase.replace("1,120", "23,840") in page.text


def test_report_json_is_what_the_audit_alone_writes(evidence):
    assert render(evidence, "report_json") == json_format.render(evidence.audit, evidence.verdict)


def test_card_metadata_follows_the_evidence(evidence):
    data = card_metadata(render(evidence, "card"))
    assert data["license"] == "apache-2.0"
    assert data["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert data["base_model_relation"] == "finetune"
    assert data["datasets"] == ["docs-lab/docstring-pairs"]
    assert (data["pipeline_tag"], data["library_name"]) == ("sentence-similarity", "sentence-transformers")
    assert {"lora", "contrastive-learning", "feature-extraction"} <= set(data["tags"])
    result = data["model-index"][0]["results"][0]
    assert result["task"]["type"] == "information-retrieval"
    assert [metric["type"] for metric in result["metrics"]] == ["ndcg_at_10", "mrr_at_10", "recall_at_10"]
    assert "co2_eq_emissions" not in data


def test_adapter_alone_is_loaded_from_the_root(evidence):
    alone, merged = render(replace(evidence, save_format="adapter"), "card"), render(evidence, "card")
    assert card_metadata(alone)["base_model_relation"] == "adapter"
    assert 'subfolder="adapter"' in merged
    assert 'subfolder="adapter"' not in alone
    assert "normalize_embeddings=True" in alone


@pytest.mark.parametrize("save_format", ["merged", "adapter"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "weighted"])
def test_code_blocks_of_the_card_compile(evidence, save_format, pooling):
    training = replace(evidence.training, pooling=pooling)
    card = render(replace(evidence, training=training, save_format=save_format), "card")
    blocks = [token.content for token in tokens_of(card) if token.type == "fence"]
    for block in blocks:
        compile(block, "<card>", "exec")
    assert any("hidden[:, 0]" in block for block in blocks) == (pooling == "cls")


def test_every_statement_carries_its_origin(evidence):
    card = render(evidence, "card")
    body = card.split("\n---\n", 1)[1]
    for section in re.split(r"^#{2,3} .*$", re.sub(r"```.*?```", "", body, flags=re.DOTALL), flags=re.MULTILINE)[1:]:
        if section.strip() and "Pool" not in section and "transformers" not in section:
            assert re.search(r"\[(measured|copied|stated|unanswered)", section), section
    assert "Search over Python documentation.\n\nNot tried on other text. *[stated by Ada]*" in card
    assert "Not answered yet. Which harms are foreseeable, and to whom? To be answered by the sociotechnic." in card


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.02, "Training helped"),
        (-0.001, 0.02, "Training did not help"),
        (-0.02, -0.001, "made the model worse"),
    ],
)
def test_training_that_did_not_help_is_said_plainly(evidence, low, high, words):
    worse = replace(evidence, evaluations=(evaluation_of(comparison("ndcg@10", 0.61, 0.6105, low, high)),))
    assert words in render(worse, "card")
    assert words in Page(render(worse, "report_html")).text


def test_a_difference_without_interval_shows_nothing(evidence):
    metric = comparison("ndcg@10", 0.6, 0.7, 0.05, 0.15)
    for changed in (
        replace(metric, difference=replace(metric.difference, interval=None)),
        replace(metric, before=None, difference=None),
    ):
        card = render(replace(evidence, evaluations=(evaluation_of(changed),)), "card")
        assert "nothing shows whether training helped" in card
        assert "Training helped" not in card


def test_what_was_not_checked_never_reads_as_passed(evidence):
    card, text = render(evidence, "card"), Page(render(evidence, "report_html")).text
    for words in ("LAB001", "TOK001", "BENCH001"):
        assert words in card.split("### What was not checked")[1].split("\n## ")[0]
    assert "never run" in text
    assert "3 outcomes would not pass under policy “standard”" in text
    assert "compliant" not in (card + text).lower()


def test_a_check_that_did_not_run_is_shown_as_not_checked_whatever_its_outcome(evidence):
    skipped = Outcome(code="TOK001", decision="pass", rule="not required", observed="not checked", allowed="0.5")
    aside = Outcome(code="LIC001", decision="pass", rule="for commercial use", observed="not judged", allowed="0")
    verdict = replace(evidence.verdict, outcomes=(*evidence.verdict.outcomes, skipped, aside))
    rows = {row.code: row for row in check_rows(replace(evidence, verdict=verdict))}
    assert rows["TOK001"].decision == "not checked"
    assert rows["LIC001"].decision == "not judged"
    assert rows["LAB001"].decision == "pass by waiver"
    assert rows["LEAK001"].decision == "pass"


@pytest.mark.parametrize(
    ("decision", "words"), [("review", "asks a named person to decide on 1 outcome"), ("block", "blocks publication")]
)
def test_open_outcomes_come_first(evidence, decision, words):
    outcome = Outcome(code="PII001", decision=decision, rule="rows_with_email", observed="2 rows", allowed="0 rows")
    verdict = replace(evidence.verdict, decision=decision, outcomes=(*evidence.verdict.outcomes, outcome))
    text = Page(render(replace(evidence, verdict=verdict), "report_html")).text
    assert words in text.split("Inputs", 2)[1] + text.split("Digests")[0]
    assert "observed 2 rows, allowed 0 rows" in text.split("Digests")[0]
    assert words in render(replace(evidence, verdict=verdict), "card")


def test_the_base_is_measured_only_where_its_revision_is_known(evidence):
    def told(**changes):
        base = replace(evidence.training.base, **changes)
        changed = replace(evidence, training=replace(evidence.training, base=base))
        card, page = render(changed, "card"), Page(render(changed, "report_html")).text
        line = next(line for line in card.splitlines() if line.startswith("- **Adapted from:**"))
        return line, page.split("Base model")[1].split("; license")[0]

    for words in told():
        assert words.strip().endswith(("[measured]", "*[measured]*"))
        assert "not known" not in words
    for words in told(revision=None):
        assert "the revision of the weights is not known" in words
        assert "[stated]" in words
        assert "[measured]" not in words
    for words in told(revision=None, model_id=None):
        assert "local files" in words
        assert "[measured]" in words


def test_an_unverified_license_is_said_so_once(evidence):
    for source in ("model card", "license in the model card's metadata; text not verified", ""):
        base = replace(evidence.training.base, license_source=source)
        card = render(replace(evidence, training=replace(evidence.training, base=base)), "card")
        line = next(line for line in card.splitlines() if line.startswith("- **License of the base model:**"))
        assert line.count("not verified") == 1
        assert line.endswith(" *[copied]*")


@pytest.mark.parametrize("method", ["estimate: 6 x tokens", "6 x tokens", ""])
def test_operations_are_told_as_an_estimate_once(evidence, method):
    changed = replace(evidence, training=replace(evidence.training, flops_method=method))
    for text in (render(changed, "card"), Page(render(changed, "report_html")).text):
        assert text.count(f"about 1.31e+13 FLOPs, estimated{' as 6 x tokens' if method else ''}") == 1
        assert "estimate:" not in text
    none = replace(evidence, training=replace(evidence.training, flops=None))
    assert "FLOPs not estimated" in render(none, "card")


def test_approval_of_another_verdict_approves_nothing(evidence):
    verdict = replace(evidence.verdict, decision="review")
    given = Approval(verdict_digest="sha256:0", plan_digest="sha256:1", policy_digest="sha256:2", by="Grace")
    changed = replace(evidence, verdict=verdict)
    whole = {"verdict_digest": verdict.digest, "policy_digest": verdict.policy_digest}
    bound = replace(given, **whole, plan_digest=subject_digest(changed), by="Ada")
    stale = replace(given, **whole)
    changed = replace(changed, approvals=(given, bound, stale))
    text = Page(render(changed, "report_html")).text
    assert "no yes here: it was given under another policy" in text
    assert "no yes here: it was given for other files" in text
    assert "bound to this verdict and to exactly this content" in text
    for name in ("report_html", "report_md", "card"):
        words = render(changed, name)
        assert "An approval in the name of Ada is recorded. 2 recorded approvals do not hold." in words, name


def test_data_that_was_not_audited_is_named(evidence):
    training = replace(evidence.training, datasets=(ref("train", 9, "foreign"),))
    card = render(replace(evidence, training=training), "card")
    assert "**no.** Differs: the audit did not see the data trained on as train." in card


def test_verdict_of_another_audit_is_refused(evidence):
    for changed in (
        replace(evidence, audit=evidence.earlier_audit),
        replace(evidence, policy=replace(evidence.policy, name="lax")),
    ):
        for name in documents():
            with pytest.raises(EvidenceError, match="The verdict is of another"):
                render(changed, name)


def shape(card):
    """Everything that is structure in a card: blocks, tables, links, images, HTML, emphasis."""
    kept = [token for token in tokens_of(card) if token.type not in ("text", "code_inline", "softbreak", "inline")]
    return [(token.type, token.tag, token.attrs.get("href")) for token in kept]


def test_hostile_text_is_inert_in_the_card(evidence):
    data = evidence.to_dict()
    hostile, plain = (
        render(with_digests(Evidence.from_dict(poisoned(data, poison=poison))), "card")
        for poison in (HOSTILE, "plain license!")
    )
    assert shape(hostile) == shape(plain)
    assert not {"html_block", "html_inline", "image", "link_open"} & {token.type for token in tokens_of(hostile)}
    assert card_metadata(hostile)["license"] == "apache-2.0"
    assert set(card_metadata(hostile)) == set(card_metadata(plain))


def test_hostile_text_is_inert_in_the_page(evidence):
    hostile = with_digests(Evidence.from_dict(poisoned(evidence.to_dict())))
    page, plain = Page(render(hostile, "report_html")), Page(render(evidence, "report_html"))
    assert set(page.tags) <= set(plain.tags)
    assert page.attributes <= plain.attributes
    assert "<script>alert(1)</script>" in page.text
    assert page.tags.count("h2") == plain.tags.count("h2")


def carrying(text):
    evidence = evidence_of()
    results = tuple(replace(item, title=text, reason=text) for item in evidence.audit.results)
    said = (Statement(key="risks", text=text, origin="stated", by=text),)
    audit = replace(evidence.audit, results=results)
    return with_digests(replace(evidence, audit=audit, model_name=text, statements=said))


@settings(max_examples=20)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_keeps_the_structure_of_the_card(text):
    assert shape(render(carrying(text), "card")) == shape(render(carrying("plain"), "card"))


def test_paths_and_tokens_are_not_shown(evidence):
    token = "hf_" + "a1B2" * 9
    secret = f"see /home/alice/data.csv and C:\\Users\\alice and {token}"
    changed = replace(
        evidence,
        statements=(Statement(key="risks", text=secret, origin="stated"),),
        training=replace(evidence.training, objective=secret, base=replace(evidence.training.base, model_id="/root/m")),
    )
    card, page = render(changed, "card"), render(changed, "report_html")
    for leak in ("alice", token):
        assert leak not in card
    assert token not in page
    assert "base_model" not in card_metadata(card)
    assert "/home/alice" not in render(evidence, "card") + render(evidence, "report_html")


def test_the_card_shows_no_row_of_the_data(evidence):
    card = render(evidence, "card")
    for found in evidence.audit.findings:
        for row in found.evidence:
            assert row.excerpt not in card


def test_an_audit_alone_has_a_report_and_no_card(evidence, tmp_path):
    alone = Evidence(audit=evidence.audit, policy=evidence.policy, verdict=evidence.verdict)
    text = Page(render(alone, "report_html")).text
    assert "Report on an audit of data" in text
    assert "Statements of people" not in text
    with pytest.raises(DocumentError, match=r"README\.md"):
        render(alone, "card")
    unjudged = Evidence(audit=evidence.audit)
    assert "No policy was applied" in Page(render(unjudged, "report_html")).text
    assert set(write_documents(unjudged, tmp_path)) == {"evidence_json", "report_html"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.json", "report.html"]


def test_a_model_whose_training_was_not_seen_has_unanswered_statements(evidence):
    foreign = replace(evidence, training=None, evaluations=())
    card = render(foreign, "card")
    assert "No training was seen here. To be answered by the developer." in card
    assert "Not evaluated" in card
    assert "model-index" not in card_metadata(card)
    assert "Not evaluated" in Page(render(foreign, "report_html")).text


def test_without_an_audit_nothing_is_claimed(evidence, tmp_path):
    bare = replace(evidence, audit=None, earlier_audit=None, remedies=(), policy=None, verdict=None)
    card = render(bare, "card")
    assert "nothing is known here about duplicates, leakage, licenses or personal data" in card
    assert "report_json" not in write_documents(bare, tmp_path)
    with pytest.raises(DocumentError, match=r"report\.json"):
        render(bare, "report_json")


def test_the_smallest_model_has_valid_documents():
    card = render(Evidence(model_name="m"), "card")
    assert validate_card(card) == ()
    assert "license" not in card_metadata(card)
    render(Evidence(model_name="m"), "report_html")


def test_license_of_ones_own_needs_a_name_and_a_link(evidence):
    with pytest.raises(CardError, match="license_link"):
        render(replace(evidence, license="Docs-Lab-1.0"), "card")
    linked = Statement(key="license_link", text="LICENSE", origin="stated")
    data = card_metadata(render(replace(evidence, license="Docs-Lab-1.0", statements=(linked,)), "card"))
    assert (data["license"], data["license_name"], data["license_link"]) == ("other", "Docs-Lab-1.0", "LICENSE")


def test_nothing_is_written_when_one_document_is_invalid(evidence, tmp_path):
    with pytest.raises(CardError):
        write_documents(replace(evidence, license="Docs-Lab-1.0"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_write_leaves_no_half_document(evidence, tmp_path):
    write_documents(evidence, tmp_path)
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match="report"):
        write_documents(evidence, tmp_path)
    whole = {member.filename for member in documents().values() if member.applies(evidence)}
    assert {path.name for path in tmp_path.iterdir()} == whole


def test_unknown_document_names_the_known(evidence):
    with pytest.raises(
        DocumentError, match=r"known are card, .*evidence_json, .*notice, .*training_args, use_restrictions"
    ):
        render(evidence, "datasheet")


@pytest.mark.parametrize(
    "text",
    [
        "<p>no doctype</p>",
        "<!doctype html><script>1</script>",
        '<!doctype html><img src="data:,">',
        '<!doctype html><a href="https://example.org">x</a>',
        '<!doctype html><p onclick="x()">x</p>',
        "<!doctype html><style>@import 'x.css';</style>",
    ],
)
def test_a_page_that_loads_or_runs_something_is_refused(text):
    with pytest.raises(DocumentError, match="not self-contained"):
        documents()["report_html"].validate(text)


def contrast(one, other):
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_colour_stands_out_from_its_ground(evidence, scheme):
    style = render(evidence, "report_html").split("<style>")[1].split("</style>")[0]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split(":root {")[scheme + 1].split("}")[0]))
    pairs = [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("series", "paper")]
    pairs += [(text, f"{name}-bg") for name in ("pass", "review", "block", "none") for text in (name, "ink")]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_its_width_in_a_browser(evidence, tmp_path, width):
    words = Evidence.from_dict(poisoned(evidence.to_dict(), poison="x" * 400))
    long = {"plain": evidence, "long": with_digests(words)}
    for name, item in long.items():
        page = render(item, "report_html").replace("<details>", "<details open>")
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
    size = f'width="{width}" height="900" style="border:0"'
    frames = "".join(f'<iframe src="{name}.html" {size}></iframe>' for name in long)
    width_of = "frame => frame.contentDocument.documentElement.scrollWidth"
    script = f"onload = () => document.title = [...document.querySelectorAll('iframe')].map({width_of}).join()"
    (tmp_path / "frame.html").write_text(f"<!doctype html>{frames}<script>{script}</script>", encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
        "--allow-file-access-from-files", "--hide-scrollbars", "--window-size=1400,1000", "--dump-dom",
        (tmp_path / "frame.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    widths = [int(number) for number in re.search(r"<title>([\d,]+)</title>", shown)[1].split(",")]
    assert widths == [width, width]


def test_a_waiver_whose_scope_is_nowhere_is_told_with_near_ones(evidence):
    stray = Waiver(code="DUP002", scope="trian", reason="r", owner="Ada", approver="Grace", expires="2027-01-31")
    policy = replace(evidence.policy, waivers=(*evidence.policy.waivers, stray))
    given = with_digests(replace(evidence, policy=policy))
    text = Page(render(given, "report_html")).text
    assert "has the scope `trian`, which is no split" in text
    assert "excuses nothing" in text
