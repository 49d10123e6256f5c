"""Errors of the documents: what, observed, allowed, next step, in one paragraph."""

from __future__ import annotations


class ModelCardError(Exception):
    """Base of every error raised by :mod:`model_cards`."""


class EvidenceError(ModelCardError, ValueError):
    """The evidence does not hold together, e.g. a digest does not match."""


class CardError(ModelCardError, ValueError):
    """A model card is not valid."""
