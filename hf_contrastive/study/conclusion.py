"""Does contrastive pretraining pay here? Sentences that follow from the numbers alone, losses as plainly as wins."""

from __future__ import annotations

from collections.abc import Iterator

from hf_contrastive.study.draws import FEWEST_SEEDS
from hf_contrastive.study.records import LabelSaving, StudyReport
from hf_contrastive.study.remarks import against_fine_tuning, baselines, costs, few_shot, left_out, pretrained, scope
from hf_contrastive.study.roles import CONTRASTIVE, CONTROL, CONTROLS, FINE_TUNED, PROBED_CONTROL, UNTOUCHED
from hf_contrastive.study.telling import Telling, difference_words
from hf_contrastive.study.wording import budgets_words, listed, reading, target_words
from model_cards.typesetting import plural

FIRST = 5
"""So many sentences answer the question; the others follow where there is room."""

_CHEAPEST = "The cheapest wins"


def conclude(report: StudyReport) -> tuple[str, ...]:
    """Return sentences, the most important first; the first answers the question, unless a baseline beats everything.

    A saving is claimed only where its interval over two seeds or more lies above 1 as a whole, a difference only where
    it is shown after the correction for all that were looked at. Contrast is called the cause only where the arm is
    shown better than both the control of equal compute and the same without pretraining, and in the answer only where
    it also saves more labels than these and is shown worse than none of them.
    """
    told = Telling(report)
    parts = (
        cheapest_wins, answer, cause, pretrained, few_shot, against_fine_tuning, baselines, costs, left_out, scope,
    )  # fmt: skip
    return tuple(sentence for part in parts for sentence in part(told))


def headline(report: StudyReport) -> str:
    """Return what stands above everything: the answer, unless a cheap baseline beats everything."""
    best = _cheapest(Telling(report))
    return f"{_CHEAPEST}: {listed(best)}" if best else verdict(report)


def verdict(report: StudyReport) -> str:
    """Return the answer in a few words, baselines left aside."""
    told = Telling(report)
    savings = told.savings()
    if not savings:
        return f"Cannot be told: {_why_no_savings(told)}"
    if all(item.seeds < FEWEST_SEEDS for item in savings):
        return "One seed: cannot be told"
    claimed = [item.arm for item in savings if item.claimed]
    if claimed:
        caused = {budget for code in claimed if _saves_most(told, code) for budget in told.caused(code)}
        if caused:
            where = budgets_words([budget for budget in told.budgets if budget in caused])
            return f"Yes, fewer labels; contrast is shown to be the cause with {where}"
        fair = [code for code in claimed if not told.uneven(code)]
        read = {reading(item) for code in fair for other in _rivals(code) for item in told.against(code, other)}
        if "worse" in read and "better" not in read:
            return "Fewer labels, yes, but not because of contrast"
        return "Fewer labels, yes, but contrast is not shown to be the cause"
    none_reaches = all(item.labels is None for item in savings)
    if all(item.seeds >= FEWEST_SEEDS and item.high is not None and item.high < 1 for item in savings):
        if none_reaches:
            return "No: no arm with contrastive pretraining reaches the target"
        return "No: contrastive pretraining needs more labels here"
    if none_reaches:
        codes = [item.arm for item in savings]
        return f"Not shown: {listed(codes)} {'does' if len(codes) == 1 else 'do'} not reach the target in the mean"
    return "Not shown: no saving of labels can be claimed"


def _why_no_savings(told: Telling) -> str:
    setup, ran = told.report.setup, [code for code in CONTRASTIVE if code in told.ran]
    if told.report.target is None:
        return f"{setup.target_arm}, whose quality is the target, did not run"
    if not ran:
        return "no arm with contrastive pretraining ran"
    return f"no seed has all budgets of {setup.target_arm} and of {' or '.join(ran)}"


def _rivals(arm: str) -> tuple[str, ...]:
    """Return what an arm must save more labels than, before the answer calls contrast the cause.

    Fine-tuning is none of them: savings are over it already.
    """
    return tuple(other for other in (CONTROLS[arm], UNTOUCHED[arm]) if other != FINE_TUNED)


def _saves_most(told: Telling, arm: str) -> bool:
    """Return whether an arm saves more labels than its rivals, as measured, and is shown worse than none of them."""
    found = {item.arm: item for item in told.report.savings}
    return all(
        other in found
        and _saves_more(found[arm], found[other])
        and not any(reading(item) == "worse" for item in told.against(arm, other))
        for other in _rivals(arm)
    )


def _saves_more(one: LabelSaving, other: LabelSaving) -> bool:
    if one.ratio is not None and other.ratio is not None:
        return one.ratio > other.ratio
    return one.labels is not None and (other.labels is None or one.labels < other.labels)


def _cheapest(told: Telling) -> list[str]:
    """Return the baselines that have the highest mean accuracy with every budget; none with one seed."""
    led, shared = told.led_by_baselines(), told.shared_with_baselines()
    if not shared or len(led) < len(shared) or all(point.seeds < FEWEST_SEEDS for point in told.report.curves):
        return []
    return list(dict.fromkeys(led.values()))


def cheapest_wins(told: Telling) -> Iterator[str]:
    """Tell first that counted words, or a probe, beat everything, if they do."""
    best = _cheapest(told)
    if not best:
        return
    led, shared = told.led_by_baselines(), told.shared_with_baselines()
    found = [item for code in best for item in told.against(code) if led.get(item.budget) == code]
    shown = [item.budget for item in found if reading(item) == "better"]
    if shown:
        lead = f"the lead over {FINE_TUNED} is shown with {budgets_words(shown)}"
    else:
        lead = f"the lead over {FINE_TUNED} is not shown with any of them" if found else f"{FINE_TUNED} did not run"
    has = "has" if len(best) == 1 else "have"
    yield (
        f"{_CHEAPEST}: {listed([told.name(code) for code in best])} {has} the highest mean accuracy of all arms "
        f"with {budgets_words(shared)}, which is every budget that can be compared; {lead}. Nothing that costs more "
        "is shown to pay here."
    )


def answer(told: Telling) -> Iterator[str]:
    """Answer the question in labels, and say what the target is."""
    found = verdict(told.report)
    # below the headline that a baseline wins, it is an answer to a smaller question
    yield f"Against {FINE_TUNED} alone: {found[0].lower()}{found[1:]}." if _cheapest(told) else f"{found}."
    savings, reference = told.savings(), told.report.setup.target_arm
    if not savings:
        return
    most = max(savings, key=lambda item: item.seeds)
    needed = _labels(most.reference_labels, at_most=most.reference_at_most)
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
    """Tell whether contrast is the cause of what these arms gain, by their control and by the same untouched."""
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
    won = told.by_arm(fair, "better", f"is shown better than {control} at equal FLOPs ")
    lost = told.by_arm(found, "worse")
    sentences = []
    if won:
        sentences += [f"{won}.", _beside_untouched(told, arms)]
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
        start = "Also shown" if won else f"Contrast is not the cause of any gain over {control}; it is shown"
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
    elif item.seeds < FEWEST_SEEDS:
        ratio += ", with one seed, which shows nothing"
    elif item.ratio is not None:
        fewer = item.high is None or item.high >= 1
        ratio += ", which shows neither fewer nor more" if fewer else ", which is more"
    apart = item.seeds < max(found.seeds for found in told.report.savings)
    shared = f" ({item.seeds} of the seeds alone)" if apart and item.seeds >= FEWEST_SEEDS else ""
    return f"{told.name(item.arm)} {needed}{shared}: {ratio}"


def _beside_untouched(told: Telling, arms: list[str]) -> str:
    """Tell with which budgets the arms that beat their control beat the same without pretraining too."""
    untouched = UNTOUCHED[arms[0]]
    caused = {code: told.caused(code) for code in arms}
    parts = [f"{code} with {budgets_words(budgets)}" for code, budgets in caused.items() if budgets]
    if parts:
        return f"Contrast is the cause of the gain where it is shown better than {untouched} too: {'; '.join(parts)}."
    if not any(told.against(code, untouched) for code in arms):
        return f"That contrast is the cause is not shown: {untouched}, the same without pretraining, did not run."
    return (
        f"That contrast is the cause is not shown: with none of these budgets it is shown better than {untouched}, the "
        "same without pretraining, too."
    )


def _labels(count: float | None, most: float | None = None, *, at_most: bool) -> str:
    if count is None:
        return f"more than the {most:,.0f} labels that were tried" if most else "more labels than were tried"
    return f"{'at most ' if at_most else ''}{count:,.0f} labels"
