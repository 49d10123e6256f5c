"""What is measured beside a task stands in the card and, with its curves, in the report."""

import re
from dataclasses import replace

import pytest

from audits.findings import Measurement, Table
from model_cards.charts import section_charts
from model_cards.evidence import EvaluationReport, EvaluationSection, Evidence, MetricComparison
from model_cards.render import render
from tests.evidence_samples import ref


def number(name, value, low, high, *, rows=200, unit="score"):
    return Measurement(name=name, value=value, unit=unit, sample_size=rows, interval=(low, high), method="bootstrap")


def compared(name, before, after):
    return MetricComparison(
        before=number(name, before, before - 0.05, before + 0.05),
        after=number(name, after, after - 0.05, after + 0.05),
        difference=number(f"{name} difference", after - before, after - before - 0.06, after - before + 0.06),
    )


CURVES = Table(
    name="severity curves",
    columns=("way", "severity", "texts changed", "ndcg@10", "metric low", "metric high", "change", "change low",
             "change high", "base change"),
    rows=(
        ("as it is", 0, 0.0, 0.8, 0.7, 0.9, None, None, None, None),
        ("typo", 1, 1.0, 0.7, 0.6, 0.8, -0.1, -0.15, -0.05, -0.2),
        ("typo", 2, 1.0, 0.6, 0.5, 0.7, -0.2, -0.25, -0.15, -0.3),
    ),
)  # fmt: skip
RELIABILITY = Table(
    name="reliability of the model",
    columns=("lowest confidence", "highest confidence", "rows", "mean confidence", "accuracy", "band low", "band high"),
    rows=((0.3, 0.5, 20, 0.4, 0.1, 0.2, 0.6), (0.5, 0.9, 20, 0.7, 0.75, 0.5, 0.9)),
)
SLICES = Table(
    name="ndcg@10 by source",
    columns=("value", "rows", "ndcg@10", "low", "high", "gap to the rest", "gap low", "gap high", "p (Holm)"),
    rows=(("<b>pip</b>", 30, 0.5, 0.4, 0.6, -0.2, -0.3, -0.1, 0.01), ("numpy", 40, 0.7, 0.6, 0.8, 0.2, 0.1, 0.3, 0.01)),
)
DEPTHS = Table(name="ranking by depth", columns=("metric", "value"), rows=(("ndcg@1", 0.4375), ("map", 0.5625)))
SECTIONS = (
    EvaluationSection(name="robustness", metrics=(compared("ndcg@10 change, typo", -0.25, -0.15),), tables=(CURVES,)),
    EvaluationSection(
        name="calibration", metrics=(compared("ece", 0.2, 0.1),), tables=(RELIABILITY,), method="A probe"
    ),
    EvaluationSection(
        name="slices",
        metrics=(MetricComparison(after=number("ndcg@10 of the worst slice (<b>pip</b>)", 0.5, 0.35, 0.65)),),
        tables=(SLICES,),
    ),
    EvaluationSection(name="out-of-distribution", metrics=(compared("auroc kNN, near", 0.9, 0.7),), tables=(DEPTHS,)),
    EvaluationSection(name="membership", not_computed="no training rows were given by `members`"),
)


@pytest.fixture(scope="module")
def evidence():
    report = EvaluationReport(
        task="classification",
        dataset=ref("test", 400),
        rows=400,
        max_length=64,
        seed=0,
        metrics=(compared("probe accuracy", 0.6, 0.8),),
        primary_metric="probe accuracy",
        sections=SECTIONS,
    )
    return Evidence(model_name="docs", evaluations=(report,))


def test_the_card_has_a_table_for_each_section_and_says_what_is_missing(evidence):
    card = render(evidence, "card")
    headings = re.findall(r"^#### (.+)$", card.partition("## Evaluation")[2], re.MULTILINE)
    assert headings == ["Robustness", "Calibration", "Slices", "Out-of-distribution"]
    row = next(line for line in card.splitlines() if line.startswith("| ndcg@10 change, typo"))
    assert [re.sub(r"\\", "", cell.strip()) for cell in row.split("|")[2:5]] == [
        "-0.2500 [-0.3000, -0.2000]",
        "-0.1500 [-0.2000, -0.1000]",
        "+0.1000 [+0.0400, +0.1600]",
    ]
    # without a base: how many rows instead of dashes
    worst = next(line for line in card.splitlines() if line.startswith("| ndcg@10 of the worst slice"))
    assert worst.endswith("| 200 |")
    assert "<b>" not in card
    assert "- Membership: not computed, because no training rows were given by \\`members\\`. *[unanswered]*" in card
    assert "400 rows, at most 64 tokens" in card
    glossary = card.partition("## Glossary")[2]
    assert "**ECE:**" in glossary
    assert "**AUROC:**" in glossary
    assert "**AP:**" not in glossary
    assert "**RankMe:**" not in glossary


def test_the_report_has_tables_charts_and_reasons(evidence):
    page = render(evidence, "report_html")
    part = page.partition('id="evaluation"')[2].partition('id="versions"')[0]
    assert re.findall(r"<h4[^>]*>([^<]+)</h4>", part) == [
        "Robustness", "Calibration", "Slices", "Out-of-distribution", "Membership",
    ]  # fmt: skip
    assert "Not computed: no training rows were given by `members`." in part
    assert part.count('<svg class="chart"') == 5  # the task's own, and one for each of four sections
    assert "400 rows, at most 64 tokens" in part
    assert "queries" not in part
    # a table without a chart is there all the same
    assert "ranking by depth" in part
    assert "0.4375" in part
    assert '<data value="-0.15">-0.1500 [-0.2000, -0.1000]</data>' in part
    assert "&lt;b&gt;pip&lt;/b&gt;" in part
    assert "<b>pip" not in part
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_chart_says_all_it_draws():
    titles = {}
    for section in SECTIONS:
        for chart in section_charts(section, key=section.name):
            told = re.search(r"<desc[^>]*>(.*?)</desc>", chart.svg)[1]
            titles[chart.title] = (told, chart.caption, chart.table)
    assert list(titles) == [
        "Change of ndcg@10 by how much texts are changed",
        "Reliability of the model",
        "Ndcg@10 by source",
        "Foreign texts told by distance, AUROC",
    ]
    told, caption, table = titles["Change of ndcg@10 by how much texts are changed"]
    assert told == (
        "typo, severity 1: -0.1000, interval -0.1500 to -0.0500, base -0.2000; "
        "typo, severity 2: -0.2000, interval -0.2500 to -0.1500, base -0.3000."
    )
    assert "Open circle: the base. Dashed: no change." in caption
    assert table == CURVES
    assert "1 of 2 lie outside" in titles["Reliability of the model"][1]
    assert titles["Foreign texts told by distance, AUROC"][2].rows == (
        ("kNN, near", 0.7, pytest.approx(0.65), pytest.approx(0.75), 0.9),
    )
    assert "chance" in titles["Foreign texts told by distance, AUROC"][1]


def test_what_has_no_numbers_has_no_chart():
    empty = replace(CURVES, rows=CURVES.rows[:1])
    missing = replace(RELIABILITY, rows=((0.3, 0.5, 0, None, None, None, None),))
    for table in (empty, missing, replace(SLICES, rows=())):
        assert section_charts(EvaluationSection(name="x", tables=(table,)), key="x") == ()


def test_more_slices_than_can_be_drawn_are_counted():
    rows = tuple((f"s{i}", 30, 0.5, 0.4, 0.6, 0.0, -0.1, 0.1, 1.0) for i in range(40))
    (chart,) = section_charts(EvaluationSection(name="slices", tables=(replace(SLICES, rows=rows),)), key="slices")
    assert "The first 24 of 40 are drawn." in chart.caption
    assert len(chart.table.rows) == 40
