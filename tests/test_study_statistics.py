"""What a study may say: intervals that hold their truth, pairing, Holm, censored savings and break-even points."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hf_contrastive.errors import EvaluationError
from hf_contrastive.study.draws import Draws, holm, open_interval, two_sided
from hf_contrastive.study.records import Cost, Predictions, StudyReport
from hf_contrastive.study.savings import Curve, label_saving, reach, times
from hf_contrastive.study.statistics import analyse
from tests.study_outcomes import outcome, typical


@pytest.fixture(scope="module")
def report():
    return analyse(typical(rows=600))


def saving(report, arm):
    return next(item for item in report.savings if item.arm == arm)


def difference(report, arm, budget, other="A2"):
    return next(item for item in report.differences if (item.arm, item.other, item.budget) == (arm, other, budget))


# ---- the record ----------------------------------------------------------------------------------------


def test_a_report_survives_json_and_repeats(report):
    assert StudyReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert analyse(typical(rows=600)).content_digest == report.content_digest
    assert analyse(typical(rows=600), seed=1).content_digest != report.content_digest


def test_points_are_means_of_cells(report):
    cells = [cell for cell in report.cells if (cell.arm, cell.budget) == ("A4", 8)]
    point = report.point("A4", 8)
    assert point.accuracy.value == pytest.approx(np.mean([cell.accuracy for cell in cells]))
    assert (point.seeds, point.labels, point.accuracy.sample_size) == (5, 32, 600)
    assert point.accuracy.interval[0] < point.accuracy.value < point.accuracy.interval[1]
    assert report.point("A7", None) is None


def test_a_planted_difference_is_shown_and_none_is_not(report):
    planted = difference(report, "A4", 8)
    assert planted.shown
    assert planted.difference.interval[0] < 0.18 < planted.difference.interval[1]
    assert not difference(report, "A4", None).shown
    worse = difference(report, "A1", None)
    assert worse.shown
    assert worse.difference.interval[1] < 0


def test_each_family_is_of_one_other_arm_and_has_no_pair_twice(report):
    pairs = [(item.arm, item.other, item.budget) for item in report.differences]
    assert len(pairs) == len(set(pairs))
    assert {item.other for item in report.differences} == {"A2", "A5", "A1"}
    assert {item.arm for item in report.differences if item.other == "A1"} == {"A3"}
    assert not any({item.arm, item.other} == {"A2", "A5"} for item in report.differences if item.other == "A5")
    for other in ("A2", "A5", "A1"):
        family = [item for item in report.differences if item.other == other]
        assert [item.adjusted for item in family] == holm([item.p_value for item in family])


def test_the_least_p_value_survives_the_correction(report):
    family = [item for item in report.differences if item.other == "A2"]
    assert report.resamples >= 200 * len(family)
    assert 2 / (1 + report.resamples) * len(family) < 0.05


# ---- draws ---------------------------------------------------------------------------------------------


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .06
    assert holm([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_p_values_count_zeros_on_both_sides():
    assert two_sided(np.zeros(99)) == 1
    assert two_sided(np.ones(99)) == pytest.approx(0.02)
    assert two_sided(np.array([-1.0] * 9 + [1.0] * 90)) == pytest.approx(0.2)


def simulated(generator, *, seeds, rows, spread, gap=0.0):
    """Right answers of two arms ``[rows, seeds]`` whose true difference is ``gap``."""
    hard = generator.normal(size=(rows, 1))
    shared = generator.normal(size=(1, seeds)) * spread
    sides = []
    for shift in (0.0, gap):
        own = generator.normal(size=(1, seeds)) * spread
        sides.append(generator.random((rows, seeds)) < np.clip(0.6 + shift + 0.1 * hard + shared + own, 0, 1))
    return sides


def as_outcome(sides, seeds):
    base = outcome({"A2": [0.5], "A4": [0.5]}, [8], seeds=range(seeds), rows=len(sides[0]))
    predictions = {}
    for arm, right in zip(("A2", "A4"), sides, strict=True):
        for seed in range(seeds):
            told = np.where(right[:, seed], base.truth, (base.truth + 1) % 4)
            predictions[arm, 8, seed] = Predictions(np.eye(4, dtype=np.float32)[told])
    return replace(base, predictions=predictions)


@pytest.mark.parametrize("spread", [0.0, 0.06], ids=["rows vary", "seeds vary"])
@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds, spread):
    generator = np.random.default_rng(seeds)
    held, beyond, rounds = 0, 0, 200
    for number in range(rounds):
        sides = simulated(generator, seeds=seeds, rows=300, spread=spread, gap=0.05)
        draws = Draws(as_outcome(sides, seeds), resamples=400, seed=number)
        places = (("A4", 8), ("A2", 8))
        drawn = np.subtract(*(draws.drawn(place, draws.seeds(*places)) for place in places))
        low, high = np.quantile(drawn, [0.025, 0.975])
        held += low <= 0.05 <= high
        beyond += two_sided(drawn - 0.05) < 0.05
    # 95 % of 200 is 190, with a standard deviation of 3; the plain bootstrap over 3 seeds held about 150
    assert held >= 182
    assert beyond <= 18


def test_five_seeds_of_one_sign_are_no_proof_by_themselves():
    # differences of 1 to 9 points, all of one sign: Student's t is 3.5, p = .025, and no more than that
    rows, shares = 4000, (0.01, 0.02, 0.05, 0.08, 0.09)
    sides = [np.zeros((rows, 5), bool), np.zeros((rows, 5), bool)]
    for place, share in enumerate(shares):
        sides[1][: int(share * rows), place] = True
    draws = Draws(as_outcome(sides, 5), resamples=20_000, seed=0)
    drawn = draws.drawn(("A4", 8), (0, 1, 2, 3, 4)) - draws.drawn(("A2", 8), (0, 1, 2, 3, 4))
    assert 0.01 < two_sided(drawn) < 0.06


def test_rows_and_seeds_are_paired():
    # the same answers on both sides: whatever is drawn, there is no difference
    sides = simulated(np.random.default_rng(0), seeds=4, rows=200, spread=0.05)
    report = analyse(as_outcome([sides[0], sides[0]], 4))
    (found,) = report.differences
    assert found.difference.interval == (0, 0)
    assert (found.p_value, found.adjusted) == (1, 1)
    assert report.point("A2", 8).accuracy.interval[0] < report.point("A2", 8).accuracy.interval[1]


def test_only_seeds_of_both_are_paired():
    given = typical(rows=400, missing=[("A4", 8, 0), ("A4", 8, 1), ("A2", 8, 4), ("A2", 16, 0)])
    report = analyse(given)
    found = difference(report, "A4", 8)
    assert found.seeds == 2
    by_key = {(cell.arm, cell.budget, cell.seed): cell.accuracy for cell in given.cells}
    paired = [by_key["A4", 8, seed] - by_key["A2", 8, seed] for seed in (2, 3)]
    assert found.difference.value == pytest.approx(np.mean(paired))
    assert "over 2 seeds" in found.difference.method
    assert report.point("A2", 8).seeds == 4
    none = [("A4", 8, 0), ("A4", 8, 1), *(("A2", 8, seed) for seed in (2, 3, 4))]
    assert not [item for item in analyse(typical(rows=400, missing=none)).differences
                if (item.arm, item.other, item.budget) == ("A4", "A2", 8)]  # fmt: skip


def test_one_seed_says_so():
    report = analyse(typical(rows=400, seeds=[7]))
    point = report.point("A2", 8)
    assert "over test rows alone, since there is one seed" in point.accuracy.method
    # as wide as a share of 400 rows is
    half = (point.accuracy.interval[1] - point.accuracy.interval[0]) / 2
    assert half == pytest.approx(1.96 * np.sqrt(point.accuracy.value * (1 - point.accuracy.value) / 400), rel=0.1)
    assert any(sentence.startswith("One seed:") for sentence in report.conclusion)
    assert {item.adjusted for item in report.differences} == {1}
    assert min(item.p_value for item in report.differences) < 0.01
    assert all("does not tell what another seed would do" in item.difference.method for item in report.differences)
    assert not any(item.claimed for item in report.savings)


def test_a_pair_of_one_seed_costs_the_others_no_correction():
    report = analyse(typical(rows=400, missing=[("A4", 8, seed) for seed in (1, 2, 3, 4)]))
    family = [item for item in report.differences if item.other == "A2"]
    paired = [item for item in family if item.seeds > 1]
    assert len(paired) == len(family) - 1
    assert difference(report, "A4", 8).adjusted == 1
    assert [item.adjusted for item in paired] == holm([item.p_value for item in paired])


def test_savings_are_of_the_seeds_that_both_have_everywhere():
    given = typical(rows=400)

    def without(*keys):
        return replace(
            given, cells=tuple(cell for cell in given.cells if (cell.arm, cell.budget, cell.seed) not in keys)
        )

    report = analyse(without(("A4", 64, 0), ("A2", 2, 1)))
    found = saving(report, "A4")
    assert (found.seeds, saving(report, "A6").seeds) == (3, 4)
    alone = saving(analyse(replace(given, cells=tuple(cell for cell in given.cells if cell.seed > 1))), "A4")
    assert replace(alone, words="") == replace(found, words="")
    none = [("A4", 64, seed) for seed in (0, 1)] + [("A2", 2, seed) for seed in (2, 3, 4)]
    assert "A4" not in {item.arm for item in analyse(without(*none)).savings}


# ---- labels to reach -----------------------------------------------------------------------------------


def test_the_crossing_is_linear_over_the_logarithm():
    labels = [8, 32, 128]
    found = reach([[0.5, 0.6, 0.7], [0.5, 0.7, 0.6], [0.5, 0.5, 0.5], [0.9, 0.1, 0.1]], labels, [0.65, 0.6, 0.6, 0.6])
    assert found.low[:2] == pytest.approx([64, 16])
    assert (found.high[:2] == found.low[:2]).all()
    # never, and at once
    assert (found.low[2], found.high[2]) == (128, np.inf)
    assert (found.low[3], found.high[3]) == (0, 8)


def test_the_first_crossing_counts_though_the_curve_falls_again():
    found = reach([[0.5, 0.8, 0.6, 0.9]], [1, 2, 4, 8], [0.8])
    assert found.low[0] == pytest.approx(2)


def test_a_target_that_is_met_to_rounding_is_met():
    assert reach([[0.1, 0.3]], [1, 10], [0.1 + 0.2]).high[0] == pytest.approx(10)


def test_open_ends_stay_open():
    low, high = open_interval(np.array([0.0] * 5 + [2.0] * 95), np.array([3.0] * 95 + [np.inf] * 5))
    assert (low, high) == (0.0, np.inf)
    low, high = open_interval(np.array([0.0] * 2 + [2.0] * 98), np.array([3.0] * 98 + [np.inf] * 2))
    assert (low, high) == (2.0, 3.0)


def planted(curve, reference, target, labels=(8.0, 32.0, 128.0), seeds=3):
    """The saving of two curves that are known for sure."""
    own, other = (Curve(np.array(labels), np.array(values), np.tile(values, (200, 1))) for values in (curve, reference))
    return label_saving(
        "A4", own, reference_arm="A2", reference=other, target=target, targets=np.full(200, target), seeds=seeds
    )  # fmt: skip


def test_a_known_saving():
    found = planted([0.5, 0.7, 0.8], [0.4, 0.5, 0.7], 0.7)
    assert (found.labels, found.reference_labels) == (pytest.approx(32), pytest.approx(128))
    assert (found.ratio, found.low, found.high) == (pytest.approx(4),) * 3
    assert found.claimed
    assert found.words == "4.0× [4.0, 4.0]"
    assert not planted([0.5, 0.7, 0.8], [0.4, 0.5, 0.7], 0.7, seeds=1).claimed


@pytest.mark.parametrize(
    ("curve", "reference", "sign", "claimed", "ends"),
    [
        ([0.5, 0.6, 0.65], [0.4, 0.5, 0.7], "<1.0×", False, (None, 1.0)),
        ([0.5, 0.7, 0.8], [0.4, 0.5, 0.6], ">4.0×", True, (4.0, None)),
        ([0.7, 0.8, 0.9], [0.4, 0.5, 0.7], "≥16×", True, (16.0, None)),
        ([0.5, 0.7, 0.8], [0.7, 0.8, 0.9], "≤0.25×", False, (None, 0.25)),
        ([0.5, 0.6, 0.65], [0.4, 0.5, 0.6], "unknown", False, (None, None)),
        ([0.7, 0.8, 0.9], [0.8, 0.8, 0.9], "unknown", False, (None, None)),
        ([0.7, 0.8, 0.9], [0.4, 0.5, 0.6], ">16×", True, (16.0, None)),
        ([0.5, 0.6, 0.65], [0.7, 0.8, 0.9], "<0.06×", False, (None, 0.0625)),
    ],
    ids=["own never", "other never", "own at once", "other at once", "both never", "both at once", "won", "lost"],
)
def test_a_censored_saving_is_told_and_never_imputed(curve, reference, sign, claimed, ends):
    found = planted(curve, reference, 0.7)
    assert found.ratio is None
    assert found.words.startswith(sign)
    assert found.claimed is claimed
    assert (found.low, found.high) == tuple(end if end is None else pytest.approx(end) for end in ends)
    assert (found.labels is None) == (max(curve) < 0.7)
    assert "reach" in found.words
    assert found.at_most is (curve[0] >= 0.7)


def test_a_study_without_its_target_has_no_savings():
    given = typical(rows=300)
    report = analyse(replace(given, cells=tuple(cell for cell in given.cells if cell.arm != "A2")))
    assert report.target is None
    assert report.savings == ()
    assert report.break_evens == ()
    assert "A2, whose quality is the target, did not run" in report.conclusion[0]


def test_the_target_is_of_the_largest_budget_that_ran(report):
    assert report.target == pytest.approx(0.95 * report.point("A2", None).accuracy.value)
    smaller = analyse(typical(rows=300, missing=[("A2", None, seed) for seed in range(5)]))
    assert smaller.target_budget == 64
    assert smaller.target == pytest.approx(0.95 * smaller.point("A2", 64).accuracy.value)


def test_each_draw_has_a_target_of_its_own():
    # both curves move with the seeds alike: a target that stood still would widen the ratio
    given = typical(rows=2000, spread=0.0)
    found = saving(analyse(given), "A4")
    assert found.low < 6 < found.high
    assert found.claimed


def test_times_of_all_sizes():
    assert [times(value) for value in (0.062, 0.994, 0.996, 3.14, 9.94, 9.96, 123.4)] == [
        "0.06", "0.99", "1.0", "3.1", "9.9", "10", "123",
    ]  # fmt: skip


# ---- break-even ----------------------------------------------------------------------------------------


def test_break_even_by_hand(report):
    found = next(item for item in report.break_evens if (item.arm, item.unit) == ("A4", "seconds"))
    # 32 rows of 4 classes against all 4,000: 0.01 s a row and 5 s
    assert (found.adapting, found.other_adapting) == (pytest.approx(6.28), pytest.approx(45.0))
    assert found.tasks == pytest.approx(300 / (45 - 6.28))
    probe = [item for item in report.break_evens if item.arm == "A3"]
    assert {item.unit for item in probe} == {"seconds", "FLOPs", "kWh"}
    assert all(item.tasks is None and "A3 does not reach" in item.words for item in probe)


def test_a_pretraining_pays_only_where_the_seeds_agree():
    given = typical(rows=300)

    def costing(seconds):
        cells = tuple(
            replace(cell, cost=replace(cell.cost, seconds=seconds[cell.seed])) if cell.arm == "A2" else cell
            for cell in given.cells
        )
        found = analyse(replace(given, cells=cells)).break_evens
        return next(item for item in found if (item.arm, item.unit) == ("A4", "seconds"))

    # adapting A4 takes 6.28 s, so that 4, 8, 12, 16 and 20 s are saved: mean 12, deviation 6.3, Student's t 2.776
    found = costing([10.28, 14.28, 18.28, 22.28, 26.28])
    half = 2.776 * np.sqrt(40 / 5)
    assert (found.saved_low, found.saved_high) == pytest.approx((12 - half, 12 + half), abs=0.01)
    assert found.tasks == pytest.approx(300 / 12)
    apart = costing([1.28, 2.28, 18.28, 32.28, 37.28])
    assert apart.tasks is None
    assert apart.words == "not shown to pay: adapting costs 6.3 s against 18 s"
    alone = next(item for item in analyse(typical(rows=300, seeds=[0])).break_evens if item.arm == "A4")
    assert (alone.tasks, alone.saved_low, alone.seeds) == (None, None, 1)
    assert alone.words.startswith("not shown to pay: adapting costs ")
    assert alone.words.endswith(", with one seed")


def test_what_is_not_known_is_left_out_and_what_saves_nothing_never_pays():
    dear = Cost(seconds=100.0, flops=1e12, energy_kwh=None)
    report = analyse(typical(rows=300, costs={"A4": dear, "A2": replace(dear, seconds=90.0, flops=9e12)}))
    found = {item.unit: item for item in report.break_evens if item.arm == "A4"}
    assert set(found) == {"seconds", "FLOPs"}
    assert found["seconds"].words == "never: adapting A4 costs no less than adapting A2"
    assert found["FLOPs"].tasks == pytest.approx(4e12 / 8e12)
    assert any("The units contradict each other" in sentence for sentence in report.conclusion)


# ---- what can not be analysed --------------------------------------------------------------------------


def test_what_is_no_outcome_is_refused():
    given = typical(rows=50)
    with pytest.raises(EvaluationError, match="at least 100"):
        analyse(given, resamples=10)
    with pytest.raises(EvaluationError, match="0 cells"):
        analyse(replace(given, cells=()))
    with pytest.raises(EvaluationError, match="arm A0, budget 2 and seed 0 has predictions of shape None"):
        analyse(replace(given, predictions={}))
    short = {**given.predictions, ("A0", 2, 0): Predictions(np.zeros((3, 4), np.float32))}
    with pytest.raises(EvaluationError, match=r"shape \(3, 4\)"):
        analyse(replace(given, predictions=short))


def test_an_answer_that_is_no_number_is_wrong():
    given = outcome({"A2": [0.9]}, [8], seeds=[0], rows=40)
    broken = {("A2", 8, 0): Predictions(np.full((40, 4), np.nan, np.float32))}
    assert analyse(replace(given, predictions=broken)).point("A2", 8).accuracy.value == 0
