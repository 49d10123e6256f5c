"""Errors of the documents: what, observed, allowed, next step, in one paragraph."""

from __future__ import annotations

from collections.abc import Sequence


class ModelCardError(Exception):
    """Base of every error raised by :mod:`model_cards`."""


class EvidenceError(ModelCardError, ValueError):
    """The evidence does not hold together, e.g. a digest does not match."""


class DocumentError(ModelCardError, ValueError):
    """A document is not known, does not apply to this evidence, or is not valid."""


class FrameworkError(ModelCardError, ValueError):
    """A framework, a clause, a predicate or a question is not known, or their data file is not sound."""


class AnswersError(ModelCardError, ValueError):
    """A file of answers can not be used; ``problems`` lists all that is wrong with it."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        """Keep ``problems`` beside the message."""
        super().__init__(message)
        self.problems = tuple(problems)


class CardError(ModelCardError, ValueError):
    """A model card is not valid; ``problems`` lists all that is wrong with it."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        """Keep ``problems`` beside the message."""
        super().__init__(message)
        self.problems = tuple(problems)
