"""What a study concludes: each answer it can give, and nothing that its numbers do not show."""

from dataclasses import replace

import pytest

from hf_contrastive.study.conclusion import conclude, headline, verdict
from hf_contrastive.study.records import Cost, Skipped
from hf_contrastive.study.statistics import analyse
from tests.study_outcomes import outcome, typical

BUDGETS = (4, 16, 64)
FINE_TUNED = [0.50, 0.65, 0.85]
AHEAD = [0.72, 0.86, 0.88]
SLIGHTLY = [0.51, 0.66, 0.85]


def analysed(curves, budgets=BUDGETS, rows=800, **options):
    return analyse(outcome(curves, budgets, rows=rows, spread=0.004, **options))


def text(report):
    return "\n".join(report.conclusion)


def test_saved_labels_with_contrast_as_the_cause():
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD, "A5": SLIGHTLY})
    assert report.conclusion[0] == "Yes, fewer labels; contrast is shown to be the cause with 4 and 16 rows a class."
    saving = next(item for item in report.savings if item.arm == "A4")
    assert saving.claimed
    needed = f"A4 (contrastive pretraining, then fine-tuning) {saving.labels:,.0f} labels: {saving.words} fewer"
    assert needed in report.conclusion[1]
    assert "(95 % of what A2 reaches with 64 rows a class)" in report.conclusion[1]
    assert "Without contrast: A5" in report.conclusion[1]
    assert report.conclusion[2].startswith("A4 is shown better than A5 at equal FLOPs with 4 and 16 rows a class")
    assert "the cause of the gain where it is shown better than A2 too: A4 with 4 and 16" in report.conclusion[2]
    assert "with 64" not in report.conclusion[2]


def test_saved_labels_that_the_control_saves_too():
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD, "A5": AHEAD})
    assert report.conclusion[0] == "Fewer labels, yes, but contrast is not shown to be the cause."
    assert "Contrast is not shown to be the cause: A4 is not shown to beat A5" in report.conclusion[2]
    assert "Not shown is not equal" in report.conclusion[2]


def test_a_control_that_does_better_is_told_as_plainly():
    report = analysed({"A2": FINE_TUNED, "A4": [0.68, 0.83, 0.88], "A5": [0.84, 0.94, 0.96]})
    assert report.conclusion[0] == "Fewer labels, yes, but not because of contrast."
    assert "Contrast is not the cause of any gain over A5" in report.conclusion[2]
    assert "it is shown to do worse: A4 with 4, 16 and 64" in report.conclusion[2]


def test_without_a_control_nothing_is_said_of_the_cause():
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD})
    assert report.conclusion[0] == "Fewer labels, yes, but contrast is not shown to be the cause."
    assert "cannot be told: A5, equal compute without contrast, did not run" in text(report)
    missing = [("A5", budget, seed) for budget in BUDGETS for seed in (0, 1, 2, 3)]
    missing += [("A4", budget, 4) for budget in BUDGETS]
    apart = analysed({"A2": FINE_TUNED, "A4": AHEAD, "A5": SLIGHTLY}, missing=missing)
    assert "did not run with the same budgets and seeds" in text(apart)


def test_more_compute_is_not_called_contrast():
    costs = {"contrastive": Cost(seconds=1.0, flops=6e12), "masked": Cost(seconds=1.0, flops=4e12)}
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD, "A5": SLIGHTLY}, pretraining_costs=costs)
    assert report.conclusion[0] == "Fewer labels, yes, but contrast is not shown to be the cause."
    assert "not at equal FLOPs, so that compute may be the cause: A4 with 4 and 16" in text(report)
    assert "The pretraining of A4 took 1.5 times the FLOPs of that of A5." in text(report)
    unknown = {"contrastive": Cost(seconds=1.0), "masked": Cost(seconds=1.0)}
    told = analysed({"A2": FINE_TUNED, "A4": AHEAD, "A5": SLIGHTLY}, pretraining_costs=unknown)
    assert "FLOPs of the pretraining of A4 or of A5 are not known" in text(told)


def test_a_probe_has_controls_of_its_own():
    report = analysed({"A1": FINE_TUNED, "A2": FINE_TUNED, "A3": AHEAD, "A5P": SLIGHTLY})
    assert report.conclusion[0].startswith("Yes, fewer labels; contrast is shown to be the cause with 4")
    # masked words that harm are no proof of contrast: the checkpoint as it is does as well
    harmed = analysed({"A1": AHEAD, "A2": FINE_TUNED, "A3": AHEAD, "A5P": [0.45, 0.6, 0.7]})
    assert verdict(harmed) == "Fewer labels, yes, but contrast is not shown to be the cause"
    assert "none of these budgets it is shown better than A1, the same without pretraining" in text(harmed)
    unknown = analysed({"A2": FINE_TUNED, "A3": AHEAD, "A5P": SLIGHTLY})
    assert unknown.conclusion[0] == "Fewer labels, yes, but contrast is not shown to be the cause."
    assert "cause is not shown: A1, the same without pretraining, did not run" in text(unknown)
    # and that of fine-tuning says nothing about it
    other = analysed({"A2": FINE_TUNED, "A3": AHEAD, "A5": SLIGHTLY})
    assert other.conclusion[0] == "Fewer labels, yes, but contrast is not shown to be the cause."


def test_a_control_that_saves_more_or_a_loss_to_it_is_no_cause():
    dearer = analysed({"A2": FINE_TUNED, "A4": [0.72, 0.80, 0.88], "A5": [0.52, 0.87, 0.89]})
    assert any(item.claimed for item in dearer.savings if item.arm == "A4")
    assert any(item.shown and item.difference.value > 0 for item in dearer.differences if item.other == "A5")
    assert dearer.conclusion[0] == "Fewer labels, yes, but contrast is not shown to be the cause."


def test_better_than_the_control_without_a_gain_is_no_cause():
    report = analysed({"A2": [0.6, 0.75, 0.85], "A4": [0.55, 0.7, 0.83], "A5": [0.45, 0.6, 0.8]})
    assert "A4 is shown better than A5 at equal FLOPs with 4" in text(report)
    assert "none of these budgets it is shown better than A2" in text(report)
    assert "Contrast is the cause" not in text(report)


def test_one_seed_answers_nothing():
    report = analysed({"A0": [0.9, 0.9, 0.9], "A2": FINE_TUNED, "A4": AHEAD, "A5": SLIGHTLY}, seeds=(0,))
    assert max(item.low or 0 for item in report.savings) > 1
    assert report.conclusion[0] == "One seed: cannot be told."
    assert headline(report) == verdict(report) == "One seed: cannot be told"
    assert "with one seed, which shows nothing" in report.conclusion[1]
    assert not any(" fewer;" in line or "better than A2 with" in line for line in report.conclusion)


def test_a_near_miss_is_no_no():
    curves = {"A2": FINE_TUNED, "A4": [0.55, 0.7, 0.8]}
    report = analyse(outcome(curves, BUDGETS, rows=800, spread=0.02, seed=0))
    (found,) = report.savings
    assert found.labels is None
    assert found.high > 1
    assert report.conclusion[0] == "Not shown: A4 does not reach the target in the mean."


def test_no_saving_shown():
    report = analysed({"A2": FINE_TUNED, "A4": SLIGHTLY, "A5": FINE_TUNED})
    assert report.conclusion[0] == "Not shown: no saving of labels can be claimed."
    assert "which shows neither fewer nor more" in report.conclusion[1]
    assert "A4: no difference from A2 is shown with 4, 16 and 64 rows a class." in report.conclusion


def test_a_loss_is_a_no():
    report = analysed({"A2": [0.50, 0.84, 0.86], "A4": [0.40, 0.55, 0.85]})
    assert report.conclusion[0] == "No: contrastive pretraining needs more labels here."
    assert "which is more" in report.conclusion[1]
    assert any(line.startswith("A4: worse than A2 with 4 and 16 rows a class (most −") for line in report.conclusion)


def test_a_target_out_of_reach_is_a_no():
    report = analysed({"A2": FINE_TUNED, "A4": [0.4, 0.5, 0.6]})
    assert report.conclusion[0] == "No: no arm with contrastive pretraining reaches the target."
    assert "more than the 256 labels that were tried: <" in report.conclusion[1]
    assert "is not shown to pay: A4 does not reach the target in the mean" in text(report)


def test_already_at_the_fewest_labels_is_told_as_at_most():
    report = analysed({"A2": FINE_TUNED, "A4": [0.86, 0.88, 0.9]})
    assert "A4 (contrastive pretraining, then fine-tuning) at most 16 labels: ≥" in report.conclusion[1]


@pytest.mark.parametrize("code", ["A0", "A1"])
def test_a_baseline_that_beats_everything_comes_first(code):
    report = analysed({code: [0.75, 0.85, 0.95], "A2": FINE_TUNED, "A4": [0.6, 0.7, 0.85]})
    assert report.conclusion[0].startswith(f"The cheapest wins: {code} (")
    assert "with 4, 16 and 64 rows a class, which is every budget" in report.conclusion[0]
    assert "the lead over A2 is shown with 4, 16 and 64 rows a class" in report.conclusion[0]
    assert headline(report) == f"The cheapest wins: {code}"
    assert report.conclusion[1].startswith("Against A2 alone: not shown: no saving")


def test_a_baseline_that_leads_at_times_is_told_where():
    report = analysed({"A0": [0.75, 0.5, 0.5], "A2": FINE_TUNED, "A4": [0.6, 0.7, 0.85]})
    assert not report.conclusion[0].startswith("The cheapest")
    assert "A cheap baseline has the highest mean accuracy of all arms with 4 rows a class." in report.conclusion
    assert any(
        line.startswith("Cheap baseline A0 (TF-IDF and logistic regression): better") for line in report.conclusion
    )


def test_a_lead_that_is_not_shown_is_not_claimed():
    report = analysed({"A1": [0.53, 0.68, 0.88], "A2": [0.50, 0.65, 0.85]}, rows=300, seeds=range(3))
    assert report.conclusion[0].startswith("The cheapest wins: A1")
    assert "the lead over A2 is not shown with any of them" in report.conclusion[0]


def few_shot(values):
    report = analysed({"A2": FINE_TUNED, "A7": values})
    return next(line for line in report.conclusion if line.startswith("A7"))


def test_few_shot_and_from_where_it_is_overtaken():
    assert few_shot([0.7, 0.75, 0.78]).endswith("In the mean it is overtaken from 64 rows a class on.")
    assert few_shot([0.7, 0.75, 0.9]).endswith("It is not overtaken up to 64 rows a class, the most that it ran with.")
    assert few_shot([0.4, 0.5, 0.6]).endswith("Its mean is above that of A2 with none of them.")
    assert "ahead with 4 and 64 rows a class and behind with 16" in few_shot([0.7, 0.5, 0.95])


def test_costs_that_contradict_each_other():
    costs = {
        "A2": Cost(seconds=50.0, flops=2e12, energy_kwh=0.001),
        "A4": Cost(seconds=60.0, flops=1e12, energy_kwh=0.0005),
    }
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD}, costs=costs)
    told = next(line for line in report.conclusion if line.startswith("The pretraining of A4"))
    assert "in time never pays for itself: adapting A4 costs no less than adapting A2" in told
    assert "in compute pays for itself after 4.0 tasks (4.0×10¹² FLOPs once, then 1.0×10¹² FLOPs a task" in told
    assert "in energy pays for itself after 8.0 tasks" in told
    assert told.endswith("The units contradict each other.")


def test_what_a_probe_saves_is_not_said_of_its_pretraining():
    costs = {"A2": Cost(seconds=50.0), "A3": Cost(seconds=2.0), "A1": Cost(seconds=2.0)}

    def told(probe: list[float]) -> str:
        report = analysed({"A1": probe, "A2": FINE_TUNED, "A3": AHEAD}, costs=costs)
        return next(line for line in report.conclusion if line.startswith("The pretraining of A3"))

    saved = "What is saved is saved by the probe: A1, the same without pretraining, is not shown worse."
    assert told(AHEAD).endswith(saved)
    assert "pays for itself after" in told(SLIGHTLY)
    assert saved not in told(SLIGHTLY)


def test_a_short_pretraining_and_one_that_learned_nothing_are_told():
    given = outcome({"A2": FINE_TUNED, "A4": AHEAD, "A5": SLIGHTLY}, BUDGETS, rows=800, spread=0.004)
    assert "pretraining is short" not in text(analyse(given))
    one, other = given.pretrainings
    short = replace(given, pretrainings=(replace(one, steps=15), replace(other, steps=18)))
    told = analyse(short).conclusion
    assert told[3] == "The pretraining is short (15 to 18 steps): what it shows speaks of it alone."
    losses = (replace(one, first_loss=3.0, last_loss=2.0), replace(other, first_loss=10.0, last_loss=10.25))
    told = text(analyse(replace(given, pretrainings=losses)))
    assert "The loss of the pretraining masked did not fall with seed 0 (from 10 to 10.2): it learned little" in told
    assert "pretraining contrastive did not fall" not in told


def test_what_the_arms_were_tuned_over_is_told_where_it_differs():
    report = analysed({"A1": FINE_TUNED, "A2": FINE_TUNED, "A4": AHEAD})
    assert "not tuned alike: A2 and A4 chose from 3 settings; A1 chose from 5 settings." in report.conclusion[-1]
    assert "not tuned alike" not in text(analysed({"A2": FINE_TUNED, "A4": AHEAD}))


def test_energy_that_was_not_measured_is_said():
    costs = {code: Cost(seconds=50.0, flops=2e12) for code in ("A2", "A4")}
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD}, costs=costs)
    assert "Not known: what it costs in energy." in report.conclusion


def test_what_was_not_run_is_named_and_counted():
    skipped = [Skipped(arm="A4", budget=budget, seeds=(0,), reason="out of time.") for budget in (1, 2, 3, 5, 6)]
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD}, skipped=skipped)
    told = next(line for line in report.conclusion if line.startswith("Not run"))
    assert told.startswith("Not run: A4 with 1 row a class, 1 seed (out of time); A4 with 2 rows a class")
    assert told.endswith("; 2 more.")


def test_how_much_it_rests_on():
    report = analysed({"A2": FINE_TUNED, "A4": AHEAD})
    assert report.conclusion[-1].startswith("It rests on 5 seeds and 800 test rows.")
    assert "so few seeds" not in report.conclusion[-1]
    few = analysed({"A2": FINE_TUNED, "A4": AHEAD}, seeds=(0, 1))
    assert few.conclusion[-1].endswith("With so few seeds even large differences often are not shown.")
    fewer = analysed({"A2": FINE_TUNED, "A4": AHEAD}, missing=[("A2", 64, seed) for seed in (1, 2, 3, 4)])
    assert "1 to 5 seeds" in fewer.conclusion[-1]
    assert "over test rows alone: A2 with 64 rows a class" in fewer.conclusion[-1]


def test_without_contrast_there_is_no_answer():
    report = analysed({"A2": FINE_TUNED, "A5": AHEAD})
    assert report.conclusion[0] == "Cannot be told: no arm with contrastive pretraining ran."


def test_the_answer_follows_from_the_record_alone():
    report = analyse(typical(rows=300))
    assert conclude(report) == report.conclusion
    assert conclude(replace(report, conclusion=())) == report.conclusion
    # each arm is named in full once
    assert text(report).count("A4 (contrastive pretraining, then fine-tuning)") == 1
