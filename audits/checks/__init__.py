"""The checks: one file each, found by :func:`discover`; third parties join by an entry point.

A check is a small class::

    class ExactDuplicates:
        '''Rows whose text repeats another row of the same split.'''   # the title

        code = "DUP001"
        needs = ("texts",)

        def run(self, source, context):
            '''What the finding means and what can be done, in plain words.'''
            yield Finding(...)

``run`` yields :class:`~audits.findings.Finding`, :class:`~audits.findings.Measurement` and
:class:`~audits.findings.Table` objects, a :class:`~audits.findings.NotJudged` where it could not judge, and a
:class:`~audits.findings.SelfTest` where it measures itself; the runner collects them into a ``CheckResult``. What a
self-test should plant for a check stands in :mod:`audits.planting`, or in an attribute ``plants`` of it.
``needs`` names what must be there, else the check is skipped with the reason: a role of
:class:`~audits.findings.Columns` (``anchor``, ``positive``, ``text``, ``texts``, ``label``, ``license``),
``splits`` (at least two splits), ``semantic_encoder`` (an encoder other than the default, which compares words),
``target`` (a label, or an anchor and a positive), an extra that must be installed (:data:`audits.extras.EXTRAS`), or a
field of :class:`CheckContext` (``encoder``, ``count_tokens``,
``max_length``, ``hub``, ``benchmarks``).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from audits.encoders import Encoder
from audits.errors import DuplicateCodeError
from audits.findings import Finding, Measurement, NotJudged, SelfTest, Table

if TYPE_CHECKING:
    from audits.source import AuditSource

ENTRY_POINT_GROUP = "hf_contrastive.checks"

Observation = Finding | Measurement | Table | SelfTest | NotJudged

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check may use besides the data.

    ``count_tokens`` maps texts to their numbers of tokens, special tokens included, untruncated.
    ``encoder`` turns texts into vectors ``[n, dim]``; None means the dependency-free default.
    ``semantic_threshold`` is the cosine from which two texts say the same. ``memo`` holds what several checks need;
    :meth:`once` fills it.
    """

    encoder: Encoder | None = None
    count_tokens: Callable[[Sequence[str]], Sequence[int]] | None = None
    max_length: int | None = None
    hub: Any = None
    benchmarks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    semantic_threshold: float = 0.95
    seed: int = 0
    cache_dir: Path | None = None
    memo: dict[tuple[int, Hashable], tuple[object, Any]] = field(default_factory=dict, repr=False, compare=False)

    def once(self, source: AuditSource, what: Hashable, compute: Callable[[], Value]) -> Value:
        """Return what ``compute`` gives, computed once for this source and context; ``what`` names it."""
        key = (id(source), what)
        if key not in self.memo:
            # the source is kept with it, so that no other one gets its identity
            self.memo[key] = (source, compute())
        found: Value = self.memo[key][1]
        return found


@runtime_checkable
class Check(Protocol):
    """A check; its class docstring is the title, the docstring of ``run`` what it means."""

    code: str
    needs: tuple[str, ...]

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Yield what was measured and found."""
        ...


def title_of(check: Check) -> str:
    """Return the first line of the class docstring."""
    return (inspect.getdoc(type(check)) or check.code).splitlines()[0].rstrip(".")


def discover() -> tuple[Check, ...]:
    """Return every check of this package and of installed third parties, ordered by code.

    Raises:
        DuplicateCodeError: two checks share a code.
    """
    found: dict[str, Check] = {}
    for check in (*_built_in(), *(point.load()() for point in entry_points(group=ENTRY_POINT_GROUP))):
        other = found.get(check.code)
        if other is not None:
            msg = (
                f"The check code {check.code} is claimed by {_address(other)} and {_address(check)}; "
                "codes are unique and never reused: give one of them a free code."
            )
            raise DuplicateCodeError(msg)
        found[check.code] = check
    return tuple(found[code] for code in sorted(found))


def _built_in() -> Iterator[Check]:
    for info in pkgutil.iter_modules(__path__, __name__ + "."):
        module = importlib.import_module(info.name)
        for _, value in sorted(vars(module).items()):
            if inspect.isclass(value) and value.__module__ == info.name and hasattr(value, "code"):
                yield cast("Check", value())


def _address(check: Check) -> str:
    return f"{type(check).__module__}.{type(check).__qualname__}"
