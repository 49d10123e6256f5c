"""Is a model card valid? Offline: the Hub's own check needs the network.

The rules stand in :mod:`model_cards.validation`; here is what others call.
"""

from __future__ import annotations

from typing import Any

from model_cards.errors import CardError
from model_cards.validation.examine import examine_card, examine_file
from model_cards.validation.front_matter import read_metadata, split_card
from model_cards.validation.hub_lists import hub_values, is_hub_id
from model_cards.validation.problems import RULES, CardProblem


def require_valid_card(text: str) -> None:
    """Check a model card; warnings pass.

    Raises:
        CardError: it is not valid; the message lists every error.
    """
    problems = validate_card(text)
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        msg = f"The model card has {len(problems)} {noun}: {' '.join(problems)} Repair these and check again."
        raise CardError(msg, problems)


def validate_card(text: str) -> tuple[str, ...]:
    """Return the errors of a model card (README.md), one paragraph each with code and line; empty when valid."""
    return tuple(problem.words for problem in examine_card(text) if problem.severity == "error")


def card_metadata(text: str) -> dict[str, Any]:
    """Return the YAML front matter of a card as a dictionary.

    Raises:
        CardError: there is none, or it is no mapping.
    """
    metadata, problems = read_metadata(split_card(text), text)
    if metadata is None:
        words = tuple(problem.words for problem in problems)
        raise CardError(" ".join(words), words)
    return metadata.data


__all__ = [
    "RULES",
    "CardProblem",
    "card_metadata",
    "examine_card",
    "examine_file",
    "hub_values",
    "is_hub_id",
    "require_valid_card",
    "validate_card",
]
