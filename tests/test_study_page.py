"""study.html and what stands beside it: the numbers of the report, escaped, from nowhere else, and readable."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pyarrow.parquet as pq
import pytest

from hf_contrastive.release.chain import _foreign_claims
from hf_contrastive.study.charts import (
    best_contrastive,
    cost_charts,
    curve_charts,
    focus_budget,
    reliability_charts,
    saving_chart,
)
from hf_contrastive.study.evaluation import as_evaluation
from hf_contrastive.study.line_charts import LOOKS, Line, Spot, line_chart, log_marks
from hf_contrastive.study.page import render_page
from hf_contrastive.study.records import Cost, StudyReport
from hf_contrastive.study.report_files import write_report
from hf_contrastive.study.statistics import analyse
from hf_contrastive.study.tables import cell_table, markdown, matrices, rules
from hf_contrastive.study.wording import budgets_words, cost_words, flops_words, listed, points
from model_cards.documents.report_html import validate
from model_cards.evidence import EvaluationReport
from model_cards.render import render
from tests.browser import CHROMIUM, Browser
from tests.report_samples import release
from tests.study_outcomes import outcome, typical

HOSTILE = "<script>alert('x')</script> & \"co\""


@pytest.fixture(scope="module")
def measured():
    return typical(rows=600)


@pytest.fixture(scope="module")
def report(measured):
    return replace(analyse(measured), created_at="2026-11-01T10:00:00+00:00")


@pytest.fixture(scope="module")
def page(report, measured):
    return render_page(report, measured)


# ---- the page ------------------------------------------------------------------------------------------


def test_all_that_is_concluded_stands_there_in_order(report, page):
    text = re.sub(r"<[^>]+>", "", page).replace("&#39;", "'").replace("&lt;", "<")
    places = [text.index(sentence.rstrip(".")) for sentence in report.conclusion]
    assert places == sorted(places)


def test_numbers_are_those_of_the_report(report, page):
    for item in report.savings:
        assert item.words.partition(" (")[0].replace("<", "&lt;") in page
    for item in report.differences:
        difference, _, ends = points(item.difference).partition(" ")
        assert difference in page
        assert ends in page
    for cell in report.cells[:20]:
        assert f'data-sort="{round(cell.accuracy, 4)}"' in page


def test_nothing_is_loaded_and_the_policy_allows_two_texts(page):
    assert page.count("<script>") == 1
    assert page.count("<style>") == 1
    assert "default-src 'none'; style-src 'sha256-" in page
    for sign in ("http://", "https://", "src=", "@import", "url("):
        assert sign not in page
    # addresses of charts are unique
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names))
    for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(chart)
    assert "nan" not in page.lower().split("<script>")[0].split("</style>")[1].replace("tenant", "")


def test_names_from_data_are_escaped():
    given = outcome({"A2": [0.5, 0.8], "A4": [0.7, 0.9]}, (4, 16), seeds=(0,), rows=60, classes=("a", HOSTILE))
    arms = tuple(replace(arm, name=HOSTILE, description=HOSTILE) for arm in given.arms)
    given = replace(given, arms=arms, setup=replace(given.setup, notes=(HOSTILE,), text_column=HOSTILE))
    found = analyse(given)
    assert "<script>alert" not in render_page(found, given)
    assert "<script>" not in markdown(found)
    assert render_page(found, given).count("<script>") == 1


def test_notes_stand_above_everything(report, measured):
    noted = replace(report, setup=replace(report.setup, notes=("seeds were added after results were seen",)))
    page = render_page(noted, measured)
    assert page.index("seeds were added after") < page.index(report.conclusion[1][:30])
    assert page.count("seeds were added after") == 1
    told = markdown(noted)
    assert told.index("**Note:** seeds were added after") < told.index(report.conclusion[0])
    assert "Note: seeds were added after" in as_evaluation(noted).sections[0].method


def test_seeds_that_were_not_run_are_not_counted():
    given = typical(rows=600)
    asked = replace(given.setup, seeds=(*given.setup.seeds, 97, 98))
    page = render_page(analyse(replace(given, setup=asked)), replace(given, setup=asked))
    run = len(given.setup.seeds)
    assert f"600 test rows, {run} of {run + 2} seeds, " in page
    assert f"paired draws of {run} of {run + 2} seeds and" in page


def test_data_without_an_origin_is_this_data(report):
    unknown = replace(report.setup.dataset, repo_id=None)
    told = markdown(replace(report, setup=replace(report.setup, dataset=unknown)))
    assert told.startswith("## Does contrastive pretraining pay on this data?\n")


def test_the_headline_of_a_baseline_is_that_of_the_box():
    curves = {"A1": [0.75, 0.86], "A2": [0.5, 0.6], "A3": [0.7, 0.8], "A5P": [0.5, 0.6]}
    given = outcome(curves, (4, 16), rows=600, spread=0.004)
    page = render_page(analyse(given), given)
    assert '<div class="verdict review"><p class="title">The cheapest wins: A1</p>' in page
    assert "<li>The cheapest wins: A1 (linear probe on the base) has" in page


def test_one_seed_is_no_interval_in_the_evidence():
    given = outcome({"A2": [0.5, 0.6], "A4": [0.7, 0.8]}, (4, 16), seeds=(0,), rows=600)
    assert [item.difference.interval for item in as_evaluation(analyse(given)).metrics] == [None, None]


def test_what_each_arm_chose_from_is_a_rule(report):
    told = " ".join(rules(report))
    assert "A0, A1 and A3 from 5 penalties by cross-validation; A2, A4, A5, A6 and A7 from 3 learning rates" in told
    assert "other work included" in told


def test_a_study_with_next_to_nothing_renders():
    costs = {"A0": Cost(seconds=0.0)}
    lone = outcome({"A0": [0.6]}, (8,), seeds=(0,), rows=30, costs=costs)
    page = render_page(analyse(lone), lone)
    assert "There is no target" in page
    assert "No two arms could be compared." in page
    pair = outcome({"A2": [0.6], "A4": [0.7]}, (None,), seeds=(0,), rows=30)
    assert "with all labelled rows" in render_page(analyse(pair), pair)


# ---- charts --------------------------------------------------------------------------------------------


def test_open_ends_are_arrows_and_claims_are_filled(report):
    chart = saving_chart(report)
    open_ends = sum((item.low is None) + (item.high is None) for item in report.savings)
    assert chart.svg.count('class="arrow"') == open_ends > 0
    claimed = sum(item.claimed for item in report.savings)
    drawn = re.findall(r'class="mark contrast( hollow)?"', chart.svg)
    assert drawn.count("") == claimed > 0
    assert len(drawn) == sum(item.ratio is not None for item in report.savings)


def test_lines_can_be_told_apart_without_colour():
    looks = [(look.shape, look.filled) for look in LOOKS.values()]
    assert len(looks) - len(set(looks)) <= 2
    assert len({(look.shape, look.filled, look.dash) for look in LOOKS.values()}) == len(LOOKS)


def test_each_line_has_a_label_and_none_lies_over_another(report):
    overview, *each = curve_charts(report)
    labels = re.findall(r'<text class="label" x="[^"]+" y="([^"]+)"[^>]*>(A\w+)<', overview.svg)
    assert {code for _, code in labels} == {arm.code for arm in report.arms}
    heights = sorted(float(height) for height, _ in labels)
    assert min(high - low for low, high in pairwise(heights)) >= 11.9
    assert heights[0] > 0
    assert heights[-1] < 380
    assert len(each) == len(report.arms) - 1
    assert all(chart.svg.count('class="band') == 2 for chart in each)


def test_a_cost_that_is_not_known_has_no_chart():
    costs = {code: Cost(seconds=3.0, flops=2e9) for code in ("A2", "A4")}
    bare = outcome({"A2": [0.5, 0.8], "A4": [0.7, 0.9]}, (4, 16), seeds=(0,), rows=60, costs=costs)
    assert [chart.title for chart in cost_charts(analyse(bare))] == ["Quality by compute", "Quality by time"]


def test_the_whole_pretraining_is_counted(report):
    chart = next(chart for chart in cost_charts(report) if chart.title == "Quality by time")
    rows = {(row[0], row[1]): row for row in chart.table.rows}
    assert rows["A4", "8 rows a class"][2:4] == (300, pytest.approx(5.32))
    assert rows["A2", "8 rows a class"][2] == 0


def test_reliability_is_of_fine_tuning_and_the_best_contrastive_arm(report, measured):
    assert focus_budget(report) == 64
    assert best_contrastive(report) == "A4"
    titles = [chart.title for chart in reliability_charts(report, measured)]
    assert titles == [f"Reliability of {code} with 64 rows a class, seed 0" for code in ("A2", "A4")]


def test_words_below_a_chart_do_not_run_into_each_other():
    costs = {code: Cost(seconds=1.0, flops=flops) for code, flops in (("A1", 4e10), ("A2", 1.2e12), ("A4", 6e12))}
    measured = outcome({code: [0.5, 0.6] for code in costs}, (8, 32), seeds=(0,), rows=60, costs=costs)
    chart = next(chart for chart in cost_charts(analyse(measured)) if chart.title == "Quality by compute")
    marks = re.findall(r'<text x="([\d.]+)"[^>]*>((?:\d×)?10[⁰¹²³⁴⁵⁶⁷⁸⁹]+)<', chart.svg)
    assert len(marks) >= 3
    for (left, before), (right, after) in pairwise((float(place), words) for place, words in marks):
        assert right - left >= 5 * (len(before) + len(after)) / 2


def test_a_line_chart_of_odd_values():
    chart_of = {"key": "k", "title": "t", "across": "a", "caption": "c", "table": None}
    assert line_chart([], **chart_of) is None
    alone = line_chart([Line("own", (Spot(5.0, 50.0, 50.0, 50.0),))], **chart_of)
    ET.fromstring(alone.svg)
    assert "nan" not in alone.svg
    assert log_marks(1e9, 1e15) == [1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]
    assert log_marks(3.0, 4.0) == [3.0, 4.0]


# ---- words ---------------------------------------------------------------------------------------------


def test_words_of_budgets_and_costs():
    assert budgets_words([2, 8, None]) == "2 and 8 rows a class and all labelled rows"
    assert budgets_words([1]) == "1 row a class"
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert [cost_words(value, "seconds") for value in (0.123, 9.96, 1234.0, None)] == ["0.12 s", "10 s", "1,234 s", "–"]
    assert flops_words(3.21e14) == "3.2×10¹⁴"
    assert [cost_words(value, "kWh") for value in (0.0002817, 0.9996, 12.5)] == ["0.2817 Wh", "999.6 Wh", "12,500 Wh"]


# ---- files ---------------------------------------------------------------------------------------------


def test_files_hold_the_record_and_the_costs(report, measured, tmp_path):
    names = write_report(report, measured, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)
    assert StudyReport.from_dict(json.loads((tmp_path / "out" / "study.json").read_text())) == report
    cells = pq.read_table(tmp_path / "out" / "cells.parquet").to_pylist()
    assert len(cells) == len(report.cells)
    first = report.cells[0]
    assert (cells[0]["arm"], cells[0]["budget"], cells[0]["seconds"]) == (first.arm, first.budget, first.cost.seconds)
    assert {row["budget"] for row in cells if row["arm"] == "A2"} == {2, 4, 8, 16, 32, 64, None}
    assert cells[0]["flops"] is None
    spent = pq.read_table(tmp_path / "out" / "pretrainings.parquet").to_pylist()
    assert [row["name"] for row in spent] == ["contrastive", "masked", "hybrid"]
    assert spent[0]["energy_kwh"] == 0.004


def test_files_of_no_pretraining_and_none_where_one_fails(tmp_path, monkeypatch):
    given = outcome({"A2": [0.6]}, (8,), seeds=(0,), rows=30)
    write_report(analyse(given), given, tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "pretrainings.parquet").num_rows == 0
    monkeypatch.setattr("pyarrow.parquet.write_table", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_report(analyse(given), given, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_short_text(report, golden):
    golden("study.md")(markdown(report))


def test_every_cell_is_listed_and_losses_as_well_as_wins(report):
    assert len(cell_table(report).rows) == len(report.cells)
    words = [field.words for matrix in matrices(report) for _, _, fields in matrix.rows for field in fields]
    assert {"better", "worse", "not shown"} <= set(words)


# ---- in the evidence of a model ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluation(report):
    return as_evaluation(report)


def test_as_an_evaluation_it_survives_json(report, evaluation):
    assert EvaluationReport.from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation
    assert (evaluation.rows, evaluation.primary_metric) == (600, "accuracy with 64 rows a class")
    by_name = {item.after.name: item for item in evaluation.metrics}
    found = by_name["accuracy with 8 rows a class"]
    assert found.before.value == report.point("A2", 8).accuracy.value
    assert found.after.value == report.point("A4", 8).accuracy.value
    assert found.difference.name == "A4 minus A2"
    assert found.difference.value == pytest.approx(found.after.value - found.before.value)


def test_without_contrast_it_has_no_metrics_and_still_says_what_it_found():
    found = as_evaluation(analyse(outcome({"A2": [0.6]}, (8,), seeds=(0,), rows=30)))
    assert found.metrics == ()
    evidence = replace(release("pass"), evaluations=(found,))
    card = render(evidence, "card")
    assert "Cannot be told: no arm with contrastive pretraining ran" in card
    assert "Not evaluated: no quality was measured." in card
    for document in ("report_html", "report_md", "cyclonedx", "evidence_json"):
        render(evidence, document)


def test_the_card_and_the_report_read_it_as_a_study(evaluation):
    evidence = release("pass")
    evidence = replace(evidence, evaluations=(*evidence.evaluations, evaluation))
    card = render(evidence, "card")
    assert "**Evaluation (efficiency study):** " in card
    assert "| Metric | A2 | A4 | Difference [95 % interval] | Reading |" in card
    helped = "Training helped on this task"
    assert card.count(helped) == render(release("pass"), "card").count(helped)
    assert "Quality was measured on 1 task only" in card
    # the front matter and the bill of materials tell what this model does, and nothing of the study
    assert "efficiency" not in card.split("\n---\n")[0]
    assert "rows a class" not in render(evidence, "cyclonedx")
    page = render(evidence, "report_html")
    validate(page)
    assert "Two ways of training, as measured" in page
    assert "Efficiency study" in page
    assert "All that follows, in words" in page
    assert "| A2 | A4 |" in render(evidence, "report_md").replace("  ", " ")


def test_a_study_of_another_checkpoint_is_foreign(evaluation):
    known = release("pass")
    trained = replace(known.training, weights_sha256="sha256:" + "7" * 64)
    evidence = replace(known, training=trained, evaluations=())
    study = replace(evaluation, weights_sha256=trained.base.weights_sha256)
    assert _foreign_claims(replace(evidence, evaluations=(study,)), evidence.audit) == []
    foreign = replace(evidence, evaluations=(replace(study, weights_sha256="sha256:" + "9" * 64),))
    assert "starts from another checkpoint" in " ".join(_foreign_claims(foreign, evidence.audit))


# ---- in a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.html").write_text(page, encoding="utf-8")
    with Browser(folder / "profile") as tab:
        yield tab, (folder / "study.html").as_uri()


@pytest.fixture(scope="module")
def fewer(tmp_path_factory):
    """The address of a page with every kind of section and few rows, which axe is done with sooner."""
    curves = {"A0": [0.6, 0.7], "A2": [0.5, 0.85], "A4": [0.7, 0.9], "A5": [0.5, 0.85], "A7": [0.6, None]}
    given = outcome(curves, (4, 64), seeds=(0, 1), rows=200)
    path = tmp_path_factory.mktemp("fewer") / "study.html"
    path.write_text(render_page(analyse(given), given), encoding="utf-8")
    return path.as_uri()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_grave_barrier(browser, fewer, width, dark):
    tab, _ = browser
    tab.console.clear()
    tab.requests.clear()
    tab.open(fewer, width=width, dark=dark)
    tab.run("for (const part of document.querySelectorAll('details')) part.open = true; 0")
    assert tab.violations() == []
    assert tab.console == []
    assert set(tab.requests) == {fewer}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(browser, width):
    tab, address = browser
    tab.open(address, width=width)
    assert tab.overflow() == 0
    tab.run("for (const part of document.querySelectorAll('details')) part.open = true; 0")
    assert tab.overflow() == 0


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_first_sheet_holds_answer_chart_and_wins(browser):
    tab, address = browser
    tab.open(address)
    whole = len(re.findall(rb"/Type\s*/Page\b", tab.paper()))
    assert whole > 4
    tab.run("for (const part of [...document.querySelectorAll('section:not(#answer), footer')]) part.remove(); 0")
    assert len(re.findall(rb"/Type\s*/Page\b", tab.paper())) == 1


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_tables_sort_by_a_click(browser):
    tab, address = browser
    tab.open(address)
    tab.run("for (const part of document.querySelectorAll('details')) part.open = true; 0")
    tab.click("#all-cells thead th:nth-child(5) button")
    values = tab.run(
        "[...document.querySelectorAll('#all-cells tbody tr')].map(row => Number(row.cells[4].dataset.sort))"
    )
    assert values == sorted(values)
    assert values[0] < values[-1]
