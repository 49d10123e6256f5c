"""Errors of training and release: what, observed, allowed, next step, in one paragraph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audits.policy import Verdict


class ContrastiveError(Exception):
    """Base of every error raised by :mod:`hf_contrastive`."""


class ConfigurationError(ContrastiveError, ValueError):
    """A setting has a value that is not allowed."""


class DataFormatError(ContrastiveError, ValueError):
    """The dataset has no column layout that the trainer knows, or cells it can not train on."""


class ModelError(ContrastiveError, ValueError):
    """The model can not be read, or is of a kind that is not supported."""


class TrainingDivergedError(ContrastiveError, FloatingPointError):
    """The loss is no finite number; training stopped before it reached the weights."""


class TrainingMemoryError(ContrastiveError, MemoryError):
    """The memory does not suffice; the message names the settings that bound it."""


class MissingExtraError(ContrastiveError, ImportError):
    """An optional dependency is not installed; the message holds the pip command."""


class HubError(ContrastiveError, OSError):
    """The Hub refused or could not be reached."""


class EvaluationError(ContrastiveError, ValueError):
    """The data can not be evaluated as asked."""


class NotComputableError(EvaluationError):
    """One metric has no value on this data; the message is the reason, as in "not computed because …"."""


class PushBlocked(ContrastiveError):  # noqa: N818  (a public name that reads as what happened)
    """The gate is closed: nothing was published. ``verdict`` and ``problems`` say why."""

    def __init__(self, message: str, *, verdict: Verdict | None = None, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.problems = problems


def missing(*modules: str) -> list[str]:
    """Return those of ``modules``, top-level names, that can not be imported; none of them is imported for that."""
    from importlib.util import find_spec

    return [name for name in modules if find_spec(name) is None]


def require(extra: str, *modules: str) -> None:
    """Raise :class:`MissingExtraError` unless all ``modules`` can be imported.

    Args:
        extra: name of the extra that installs them.
        modules: top-level module names.
    """
    absent = missing(*modules)
    if absent:
        msg = (
            f"This needs {' and '.join(absent)}, which the base installation leaves out; "
            f'install it with: pip install "hf-contrastive[{extra}]".'
        )
        raise MissingExtraError(msg)
