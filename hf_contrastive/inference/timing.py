"""Latency, cold start and memory of processes that take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hf_contrastive.inference.processes import Worker, WorkerError
from hf_contrastive.inference.records import ColdStart, LatencyCell

_FEWEST_FOR_P99 = 100

Step = Callable[[], None]


class Samples:
    """Texts and ids of given lengths, cut from one stream of real tokens.

    Args:
        tokenizer: a Hugging Face tokenizer.
        texts: where the tokens come from, at least one with a token.
        limit: tokens of the stream.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[str], *, limit: int = 100_000) -> None:
        special = set(tokenizer.all_special_ids)
        stream: list[int] = []
        for text in texts:
            ids = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
            stream.extend(i for i in ids if i not in special)
            if len(stream) >= limit:
                break
        self._stream = stream or [i for i in range(len(tokenizer)) if i not in special][:1000]
        self._tokenizer = tokenizer

    def rows(self, batch_size: int, length: int) -> list[list[int]]:
        """Return ``batch_size`` rows of ``length`` ids."""
        size = len(self._stream)
        return [[self._stream[(row * length + place) % size] for place in range(length)] for row in range(batch_size)]

    def texts(self, batch_size: int, length: int) -> list[str]:
        """Return the same as texts, of about that length."""
        return [self._tokenizer.decode(row, skip_special_tokens=True) for row in self.rows(batch_size, length)]


def time_cells(
    workers: Mapping[str, Worker],
    samples: Samples,
    shapes: Sequence[tuple[int, int]],
    *,
    rounds: int,
    seconds: float,
    step: Step,
) -> tuple[dict[str, tuple[LatencyCell, ...]], dict[str, str]]:
    """Time every batch size and length with every variant.

    In each round the variants take turns, and the order turns with the round, so that what slows the machine down for a
    while meets all of them. One call before the first round is not counted.

    Args:
        workers: by the name of the variant; one that fails is left out of what follows.
        samples: what is encoded.
        shapes: (batch size, tokens), in this order.
        rounds: turns of each variant.
        seconds: of one variant and shape, over all rounds; at least one call is made in each.
        step: called after each turn.

    Returns:
        The cells of each variant, and the reason of each that failed.
    """
    alive = dict(workers)
    failed: dict[str, str] = {}
    cells: dict[str, list[LatencyCell]] = {name: [] for name in workers}
    for batch_size, length in shapes:
        rows, texts = samples.rows(batch_size, length), samples.texts(batch_size, length)
        times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in alive}
        for number in range(rounds):
            names = list(alive)
            turned = names[number % len(names) :] + names[: number % len(names)] if names else []
            for name in turned:
                try:
                    if number == 0:
                        alive[name].ask("time", rows=rows, seconds=0.0, calls=1)
                    share = seconds / rounds
                    times[name][0].extend(alive[name].ask("time", rows=rows, seconds=share, calls=1)["ms"])
                    told = alive[name].ask("tokenise", texts=texts, seconds=share / 10, calls=1)
                    times[name][1].extend(told["ms"])
                except WorkerError as error:
                    failed[name] = str(error)
                    del alive[name]
                step()
        for name in alive:
            cells[name].append(cell_of(batch_size, length, *times[name]))
    return {name: tuple(found) for name, found in cells.items() if name in alive}, failed


def cell_of(batch_size: int, length: int, ms: Sequence[float], tokenising: Sequence[float]) -> LatencyCell:
    """Return quantiles that are times of real calls: the smallest one that so many calls do not exceed.

    Args:
        batch_size: texts a call.
        length: tokens of each.
        ms: of each call.
        tokenising: of each call before it.
    """
    p50, p95, p99 = (float(np.quantile(ms, share, method="inverted_cdf")) for share in (0.5, 0.95, 0.99))
    before = float(np.median(tokenising))
    return LatencyCell(
        batch_size=batch_size,
        length=length,
        calls=len(ms),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99 if len(ms) >= _FEWEST_FOR_P99 else None,
        tokenising_ms=before,
        # of medians: one call that something else held up is not what a machine does
        texts_per_second=1000 * batch_size / (p50 + before),
    )


def cold_starts(
    setups: Mapping[str, dict[str, Any]], samples: Samples, *, longest: int, rounds: int, step: Step
) -> tuple[dict[str, tuple[ColdStart, float]], dict[str, str]]:
    """Start each variant once a round, in turns, and let it encode single texts up to the longest.

    Args:
        setups: of the workers, by the name of the variant.
        samples: what is encoded.
        longest: tokens of the longest text.
        rounds: how often each is started.
        step: called after each start.

    Returns:
        Cold start and peak memory in megabytes of each variant, and the reason of each that failed.
    """
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in setups}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name, setup in setups.items():
            if name not in failed:
                try:
                    with Worker(setup) as worker:
                        worker.ask("time", rows=samples.rows(1, longest), seconds=0.0, calls=2)
                        told[name].append({**worker.started, **worker.ask("peak")})
                except WorkerError as error:
                    failed[name] = str(error)
            step()

    def median(name: str, key: str) -> float:
        return float(np.median([item[key] for item in told[name]]))

    found = {
        name: (
            ColdStart(
                starts=len(told[name]),
                total=median(name, "total"),
                importing=median(name, "importing"),
                loading=median(name, "loading"),
                first_text=median(name, "first_text"),
            ),
            max(item["peak_mb"] for item in told[name]),
        )
        for name in setups
        if name not in failed
    }
    return found, failed


@contextmanager
def started(setups: Mapping[str, dict[str, Any]]) -> Iterator[tuple[dict[str, Worker], dict[str, str]]]:
    """Give a running worker of each variant, and the reasons of those that could not be loaded."""
    workers: dict[str, Worker] = {}
    failed: dict[str, str] = {}
    try:
        for name, setup in setups.items():
            try:
                workers[name] = Worker(setup)
            except WorkerError as error:
                failed[name] = str(error)
        yield workers, failed
    finally:
        for worker in workers.values():
            worker.close()
