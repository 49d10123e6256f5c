"""What to use where, by rules that are stated beside the answer."""

from __future__ import annotations

from collections.abc import Sequence

from audits.findings import Measurement
from hf_contrastive.inference.records import InferenceReport, Recommendation, StorageReport, VariantReport
from model_cards.typesetting import plural

_SAME = 0.99999


def recommend(report: InferenceReport) -> tuple[Recommendation, ...]:
    """Return what to use at the edge, where memory or latency is bounded, and in the cloud, where there is a price.

    Args:
        report: the measurements; its bounds decide what is asked.
    """
    bounds, found = report.bounds, []
    if bounds.memory_mb is not None or bounds.latency_ms is not None:
        found.append(edge(report))
    if bounds.hourly_price is not None:
        found.append(cloud(report))
    return tuple(found)


def edge(report: InferenceReport) -> Recommendation:
    """Return the variant that answers a single text soonest within the bounds of memory and latency."""
    bounds = report.bounds
    rule = (
        f"Of the variants that keep the quality ({_quality_rule(report)}) and are within the bounds of memory (peak "
        f"of a process that encodes single texts) and latency (95th percentile of one text of {report.length} tokens), "
        "the one of the lowest latency. Then the smallest way of keeping vectors that keeps the quality with this "
        "variant."
    )
    usable = [item for item in report.measured if _latency(item, report) is not None and keeps(item, report)]
    if not usable:
        return _none("edge", report, rule)
    within = [item for item in usable if _excess(item, report) <= 1]
    if not within:
        near = min(usable, key=lambda item: _excess(item, report))
        told = _edge_words(near, report)
        words = f"For the edge no variant is within the bounds. The nearest is {near.name}: {told}."
        return Recommendation(target="edge", words=words, rule=rule)
    best = min(within, key=lambda item: (_latency(item, report), item.peak_memory_mb))
    allowed = " and ".join(
        words
        for words, bound in (
            (f"{bounds.memory_mb:,.0f} MB" if bounds.memory_mb is not None else "", bounds.memory_mb),
            (f"{bounds.latency_ms:g} ms" if bounds.latency_ms is not None else "", bounds.latency_ms),
        )
        if bound is not None
    )
    told = f"For the edge, within {allowed}: {best.name} ({best.description}). {_upper(_edge_words(best, report))}"
    return _with_storage("edge", best, told, report, rule)


def cloud(report: InferenceReport) -> Recommendation:
    """Return the cheapest variant without a measured loss within the cost bound, or else that which keeps the most."""
    bounds = report.bounds
    rule = (
        f"Of the variants that keep the quality ({_quality_rule(report)}) and are within the bound of cost (at "
        f"{report.length} tokens and the batch size of the most texts a second), the cheapest of those without a "
        "measured loss (its interval reaches 100 %); where there is none, the one that keeps the most. Then the "
        "smallest way of keeping vectors that keeps the quality with this variant."
    )
    usable = [item for item in report.measured if item.cost_per_million is not None and keeps(item, report)]
    if not usable:
        return _none("cloud", report, rule)
    limit = bounds.cost_per_million
    within = [item for item in usable if limit is None or (item.cost_per_million or 0) <= limit]
    if not within:
        near = min(usable, key=_cost)
        words = (
            f"For the cloud no variant is within {limit:g} a million texts. The cheapest is {near.name}: "
            f"{_cost_words(near, report)}."
        )
        return Recommendation(target="cloud", words=words, rule=rule)
    lossless = [item for item in within if _reaches_all(item)]
    best = min(lossless, key=_cost) if lossless else max(within, key=_kept)
    allowed = f", within {limit:g} a million texts" if limit is not None else ""
    told = f"For the cloud{allowed}: {best.name} ({best.description}). {_upper(_cost_words(best, report))}"
    return _with_storage("cloud", best, told, report, rule)


def keeps(variant: VariantReport, report: InferenceReport) -> bool:
    """Whether the lower end of what is kept is within the loss that is allowed; without data: the same vectors."""
    if variant.quality is not None:
        return _enough(variant.quality, report)
    return variant.cosine is not None and variant.cosine.value >= _SAME


def _enough(kept: Measurement, report: InferenceReport) -> bool:
    low = kept.interval[0] if kept.interval is not None else kept.value
    return low >= 1 - report.bounds.quality_loss


def _quality_rule(report: InferenceReport) -> str:
    if report.data is None:
        return f"no data was named, so only those with the same vectors, mean cosine at least {_SAME}"
    loss = f"{100 * report.bounds.quality_loss:g} %"
    return f"the lower end of the interval of nDCG@10 kept is at most {loss} below 100 %"


def _with_storage(target: str, variant: VariantReport, told: str, report: InferenceReport, rule: str) -> Recommendation:
    storage, kept = _storage(variant, report)
    plain = report.storages[0]
    words = f"{told}."
    if storage is not plain:
        size = f"{storage.index_mb:,.0f} MB a million instead of {plain.index_mb:,.0f}"
        disk = f", and {storage.disk_mb:,.0f} MB on disk" if storage.disk_mb else ""
        words += f" Keep vectors as {storage.name}: {size}{disk}."
    elif report.data is not None:
        words += " Keep vectors as float32: no smaller way keeps the quality."
    if kept is not None:
        words += f" Together they keep {percent(kept)} of nDCG@10 ({kept.sample_size:,} queries)."
    elif report.data is None:
        words += " What smaller vectors would lose was not measured, as no data was named."
    return Recommendation(target=target, variant=variant.name, storage=storage.name, words=words, rule=rule)


def _storage(variant: VariantReport, report: InferenceReport) -> tuple[StorageReport, Measurement | None]:
    kept = {item.storage: item.quality for item in report.combined if item.variant == variant.name}
    usable = [item for item in report.storages if item.name in kept and _enough(kept[item.name], report)]
    if not usable:
        return report.storages[0], variant.quality
    # of equal size, that which needs no disk, then that which keeps more
    best = min(usable, key=lambda item: (item.index_mb, item.disk_mb, -kept[item.name].value))
    return best, kept[best.name]


def _none(target: str, report: InferenceReport, rule: str) -> Recommendation:
    where = "For the edge" if target == "edge" else "For the cloud"
    if not report.measured:
        return Recommendation(
            target=target, words=f"{where} nothing is recommended: no variant was measured.", rule=rule
        )
    words = f"{where} nothing is recommended: no variant that was measured is known to keep the quality."
    return Recommendation(target=target, words=words, rule=rule)


def _latency(variant: VariantReport, report: InferenceReport) -> float | None:
    cell = variant.cell(1, report.length)
    return cell.p95_ms if cell is not None else None


def _excess(variant: VariantReport, report: InferenceReport) -> float:
    """Return the largest share of a bound that is used; above 1 a bound is broken."""
    pairs = (
        (variant.peak_memory_mb, report.bounds.memory_mb),
        (_latency(variant, report), report.bounds.latency_ms),
    )
    return max((value or 0.0) / bound for value, bound in pairs if bound is not None)


def _edge_words(variant: VariantReport, report: InferenceReport) -> str:
    cell = variant.cell(1, report.length)
    calls = plural(cell.calls, "call") if cell is not None else ""
    return (
        f"it needs {variant.peak_memory_mb or 0:,.0f} MB and {milliseconds(_latency(variant, report) or 0)} ms for one "
        f"text of {report.length} tokens (95th percentile of {calls}){_kept_words(variant)}"
    )


def milliseconds(value: float) -> str:
    """Return a time with three digits, or whole beyond."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cost_words(variant: VariantReport, report: InferenceReport) -> str:
    fastest = variant.fastest(report.length)
    speed = f"{fastest.texts_per_second:,.0f} texts a second in batches of {fastest.batch_size}" if fastest else ""
    return f"it costs {variant.cost_per_million or 0:.3g} a million texts ({speed}){_kept_words(variant)}"


def _kept_words(variant: VariantReport) -> str:
    return f" and keeps {percent(variant.quality)} of nDCG@10" if variant.quality is not None else ""


def percent(kept: Measurement) -> str:
    """Return a share with its interval, e.g. ``99.1 % [98.2, 100.1]``."""
    text = f"{100 * kept.value:.1f} %"
    if kept.interval is not None:
        text += f" [{100 * kept.interval[0]:.1f}, {100 * kept.interval[1]:.1f}]"
    return text


def _reaches_all(variant: VariantReport) -> bool:
    return variant.quality is None or variant.quality.interval is None or variant.quality.interval[1] >= 1


def _cost(variant: VariantReport) -> float:
    return variant.cost_per_million or 0.0


def _kept(variant: VariantReport) -> float:
    return variant.quality.value if variant.quality is not None else 1.0


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]


def on_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return which (cost, quality) are on the Pareto front: no other is as good in both and better in one.

    Args:
        points: cost first, less is better; quality second, more is better.
    """
    return [
        not any(other[0] <= point[0] and other[1] >= point[1] and other != point for other in points)
        for point in points
    ]
