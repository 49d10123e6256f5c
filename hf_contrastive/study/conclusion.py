"""Does contrastive pretraining pay here? Sentences that follow from the numbers alone, losses as plainly as wins."""

from __future__ import annotations

from collections.abc import Iterator

from hf_contrastive.study.records import LabelSaving, StudyReport
from hf_contrastive.study.remarks import against_fine_tuning, baselines, costs, few_shot, left_out, scope
from hf_contrastive.study.roles import CONTRASTIVE, CONTROL, CONTROLS, FINE_TUNED, PROBED_CONTROL
from hf_contrastive.study.telling import Telling, difference_words
from hf_contrastive.study.wording import budgets_words, listed, reading, target_words
from model_cards.typesetting import plural

FIRST = 5
"""So many sentences answer the question; the others follow where there is room."""


def conclude(report: StudyReport) -> tuple[str, ...]:
    """Return sentences, the most important first; the first answers the question, unless a baseline beats everything.

    A saving is claimed only where its interval lies above 1 as a whole, a difference only where it is shown after the
    correction for all that were looked at, and contrast is called the cause only where fine-tuning after it is shown
    better than after the control of equal compute.
    """
    told = Telling(report)
    parts = (cheapest_wins, answer, cause, few_shot, against_fine_tuning, baselines, costs, left_out, scope)
    return tuple(sentence for part in parts for sentence in part(told))


def verdict(report: StudyReport) -> str:
    """Return the answer in a few words."""
    told = Telling(report)
    savings = told.savings()
    if not savings:
        why = (
            f"{report.setup.target_arm}, whose quality is the target, did not run"
            if report.target is None
            else "no arm with contrastive pretraining ran"
        )
        return f"Cannot be told: {why}"
    claimed = [item.arm for item in savings if item.claimed]
    if claimed:
        fair = [code for code in claimed if not told.uneven(code)]
        found = [item for code in fair for item in told.against(code, CONTROLS[code])]
        better = {item.budget for item in found if reading(item) == "better"}
        if better:
            where = budgets_words([budget for budget in told.budgets if budget in better])
            return f"Yes, fewer labels; contrast is shown to be the cause with {where}"
        if any(reading(item) == "worse" for item in found):
            return "Fewer labels, yes, but not because of contrast"
        return "Fewer labels, yes, but contrast is not shown to be the cause"
    if all(item.labels is None for item in savings):
        return "No: no arm with contrastive pretraining reaches the target"
    if all(item.high is not None and item.high < 1 for item in savings):
        return "No: contrastive pretraining needs more labels here"
    return "Not shown: no saving of labels can be claimed"


def cheapest_wins(told: Telling) -> Iterator[str]:
    """Tell first that counted words, or a probe, beat everything, if they do."""
    led, shared = told.led_by_baselines(), told.shared_with_baselines()
    if not shared or len(led) < len(shared):
        return
    best = list(dict.fromkeys(led.values()))
    found = [item for code in best for item in told.against(code) if led.get(item.budget) == code]
    shown = [item.budget for item in found if reading(item) == "better"]
    if shown:
        lead = f"the lead over {FINE_TUNED} is shown with {budgets_words(shown)}"
    else:
        lead = f"the lead over {FINE_TUNED} is not shown with any of them" if found else f"{FINE_TUNED} did not run"
    has = "has" if len(best) == 1 else "have"
    yield (
        f"The cheapest wins: {listed([told.name(code) for code in best])} {has} the highest mean accuracy of all arms "
        f"with {budgets_words(shared)}, which is every budget that can be compared; {lead}. Nothing that costs more "
        "is shown to pay here."
    )


def answer(told: Telling) -> Iterator[str]:
    """Answer the question in labels, and say what the target is."""
    yield f"{verdict(told.report)}."
    savings, reference = told.savings(), told.report.setup.target_arm
    if not savings:
        return
    needed = _labels(savings[0].reference_labels, at_most=savings[0].reference_at_most)
    sentence = f"To reach {target_words(told.report)}, {told.name(reference)} needs {needed}. "
    parts = [_saving(told, item) for item in savings]
    sentence += f"With contrastive pretraining: {'; '.join(parts)}."
    controls = [item for item in told.report.savings if item.arm in CONTROLS.values()]
    if controls:
        sentence += f" Without contrast: {'; '.join(_saving(told, item) for item in controls)}."
    yield sentence


def cause(told: Telling) -> Iterator[str]:
    """Tell whether contrast is the cause, by the control of equal compute."""
    for control in (CONTROL, PROBED_CONTROL):
        arms = [code for code in CONTRASTIVE if code in told.ran and CONTROLS[code] == control]
        if arms:
            yield _cause(told, arms, control)


def _cause(told: Telling, arms: list[str], by: str) -> str:
    """Tell whether contrast is the cause of what these arms gain, by their control."""
    found = [item for code in arms for item in told.against(code, by)]
    names = listed([told.name(code) for code in arms])
    if not found:
        why = "did not run with the same budgets and seeds" if by in told.ran else "did not run"
        return (
            f"Whether contrast is the cause of what {names} {'gains' if len(arms) == 1 else 'gain'} cannot be told: "
            f"{by}, equal compute without contrast, {why}."
        )
    uneven = {code: told.uneven(code) for code in arms}
    fair = [item for item in found if not uneven[item.arm]]
    unfair = [item for item in found if uneven[item.arm]]
    control = told.name(by)
    won, lost = told.by_arm(fair, "better"), told.by_arm(found, "worse")
    sentences = []
    if won:
        sentences.append(f"Contrast is the cause where it is shown to beat {control} at equal FLOPs: {won}.")
    elif not lost:
        most = max(found, key=lambda item: abs(item.difference.value))
        names = listed(arms)
        verb = "is" if len(arms) == 1 else "are"
        sentences.append(
            f"Contrast is not shown to be the cause: {names} {verb} not shown to beat {control} at equal FLOPs with "
            f"any of {plural(len({item.budget for item in found}), 'budget')}. Not shown is not equal: the largest "
            f"difference is {difference_words(most)}."
        )
    if lost:
        start = "It is also shown" if won else f"Contrast is not the cause of any gain over {control}; it is shown"
        sentences.append(f"{start} to do worse: {lost}.")
    beyond = told.by_arm(unfair, "better")
    if beyond:
        sentences.append(f"Better, but not at equal FLOPs, so that compute may be the cause: {beyond}.")
    return " ".join([*sentences, *filter(None, uneven.values())])


def _saving(told: Telling, item: LabelSaving) -> str:
    needed = _labels(item.labels, item.most_labels, at_most=item.at_most)
    # the reason of an open end is told by the labels
    ratio = item.words.partition(" (")[0]
    if item.claimed:
        ratio += " fewer"
    elif item.ratio is not None:
        fewer = item.high is None or item.high >= 1
        ratio += ", which shows neither fewer nor more" if fewer else ", which is more"
    return f"{told.name(item.arm)} {needed}: {ratio}"


def _labels(count: float | None, most: float | None = None, *, at_most: bool) -> str:
    if count is None:
        return f"more than the {most:,.0f} labels that were tried" if most else "more labels than were tried"
    return f"{'at most ' if at_most else ''}{count:,.0f} labels"
