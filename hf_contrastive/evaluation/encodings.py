"""Each text is encoded once, however many metrics ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError
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
    """The vectors of one model for all texts that were announced.

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

    def announce(self, asked: Iterable[Texts]) -> None:
        """Note texts that :meth:`encode` has to encode.

        Args:
            asked: with their prompts; equal texts with equal words before them are one.

        Raises:
            EvaluationError: they have been encoded already.
        """
        if self._vectors:
            msg = "Texts must be announced before they are encoded."
            raise EvaluationError(msg)
        for texts, prompt in asked:
            prefix = self._prefix(prompt)
            self._prompts.setdefault(prefix, prompt)
            places = self._places.setdefault(prefix, {})
            for text in texts:
                places.setdefault(text, len(places))

    @property
    def count(self) -> int:
        """How many texts there are to encode."""
        return sum(len(places) for places in self._places.values())

    def encode(self, on_progress: Progress | None = None) -> None:
        """Encode all texts that were announced.

        Args:
            on_progress: called with (texts done, texts in all).
        """
        done, total = 0, self.count

        def shifted(offset: int) -> Progress | None:
            return (lambda ready, _: on_progress(offset + ready, total)) if on_progress else None

        for prefix, places in self._places.items():
            self._vectors[prefix] = self.encoder.encode(
                list(places), prompt=self._prompts[prefix], max_length=self.max_length, on_progress=shifted(done)
            )
            done += len(places)

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
