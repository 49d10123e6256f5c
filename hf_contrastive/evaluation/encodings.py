"""Each text is encoded once, however many metrics ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hf_contrastive.evaluation.estimates import Scores
from hf_contrastive.evaluation.search import Floats

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

Progress = Callable[[int, int], None]
T = TypeVar("T")
Rows = npt.NDArray[np.int64]


class RowScores(NamedTuple):
    """A score of each row, higher is better, ``[rows]``."""

    metric: str
    values: Scores


class Texts(NamedTuple):
    """Texts with the name of the prompt that stands before them, None for no prompt."""

    texts: Sequence[str]
    prompt: str | None = None


class Encodings:
    """The vectors of one model for all texts that were announced; each is encoded once, over several evaluations too.

    Args:
        encoder: of the texts.
        max_length: tokens a text is cut to; None is the encoder's own.
    """

    def __init__(self, encoder: TextEncoder, *, max_length: int | None = None) -> None:
        self.encoder = encoder
        self.max_length = max_length
        self._prompts: dict[str, str | None] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._vectors: dict[str, Floats] = {}
        self._kept: dict[str, Any] = {}
        self._asker: tuple[Any, int] | None = None

    def serve(self, task: Any, seed: int) -> None:
        """Forget what :meth:`once` kept for another task or seed; the vectors stay.

        Args:
            task: what asks from now on.
            seed: of its draws.
        """
        if self._asker is None or self._asker[0] is not task or self._asker[1] != seed:
            self._asker = (task, seed)
            self._kept.clear()

    def announce(self, asked: Iterable[Texts]) -> None:
        """Note texts that :meth:`encode` has to encode, unless it has already.

        Args:
            asked: with their prompts; equal texts with equal words before them are one.
        """
        known = self.count
        for texts, prompt in asked:
            prefix = self._prefix(prompt)
            self._prompts.setdefault(prefix, prompt)
            places = self._places.setdefault(prefix, {})
            for text in texts:
                places.setdefault(text, len(places))
        if self.count > known:
            # some of it is of all texts there are
            self._kept.clear()

    @property
    def count(self) -> int:
        """How many texts there are that have not been encoded."""
        return sum(len(places) - len(self._vectors.get(prefix, ())) for prefix, places in self._places.items())

    def encode(self, on_progress: Progress | None = None) -> None:
        """Encode the texts that were announced and have not been encoded.

        Args:
            on_progress: called with (texts done, texts in all).
        """
        done, total = 0, self.count

        def shifted(offset: int) -> Progress | None:
            return (lambda ready, _: on_progress(offset + ready, total)) if on_progress else None

        for prefix, places in self._places.items():
            before = self._vectors.get(prefix)
            new = list(places)[0 if before is None else len(before) :]
            if not new and before is not None:
                continue
            vectors = self.encoder.encode(
                new, prompt=self._prompts[prefix], max_length=self.max_length, on_progress=shifted(done)
            )
            self._vectors[prefix] = vectors if before is None else np.concatenate([before, vectors])
            done += len(new)

    def __call__(self, texts: Sequence[str], prompt: str | None = None) -> Floats:
        """Return the vectors ``[len(texts), dim]`` of texts that were announced with this prompt."""
        rows = self.places(texts, prompt)
        vectors = self._vectors[self._prefix(prompt)]
        if len(rows) == len(vectors) and np.array_equal(rows, np.arange(len(rows))):
            return vectors
        found: Floats = vectors[rows]
        return found

    def announced(self, prompt: str | None = None) -> tuple[str, ...]:
        """Return all texts with this prompt, in the order in which :meth:`places` counts."""
        return tuple(self._places[self._prefix(prompt)])

    def places(self, texts: Sequence[str], prompt: str | None = None) -> npt.NDArray[np.int64]:
        """Return where texts stand among those that were announced with this prompt, ``[len(texts)]``."""
        places = self._places[self._prefix(prompt)]
        return np.fromiter((places[text] for text in texts), np.int64, len(texts))

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Return what ``compute`` gave the first time under this name; several metrics may need it."""
        if name not in self._kept:
            self._kept[name] = compute()
        result: T = self._kept[name]
        return result

    def _prefix(self, prompt: str | None) -> str:
        return self.encoder.spec.prompts.get(prompt, "") if prompt else ""
