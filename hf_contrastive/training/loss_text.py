"""Objectives written as text: ``infonce + 0.5 * cross_entropy``, ``triplet(margin=0.2)``.

    objective = term ("+" term)*
    term      = [number "*"] name ["(" option ("," option)* ")"]
    option    = name "=" (["-"] number | "true" | "false")

Weights are greater than 0. Spaces mean nothing; nothing else is understood.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from hf_contrastive.errors import ConfigurationError

Options = Mapping[str, float | bool]

EXAMPLE = "infonce + 0.5 * cross_entropy"
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>[-+*(),=])"
)
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TermText:
    """A term of an objective: its name, its weight in the sum, and the options that were written."""

    name: str
    weight: float = 1.0
    options: tuple[tuple[str, float | bool], ...] = ()

    @property
    def unweighted(self) -> str:
        """The term without its weight."""
        options = ", ".join(f"{name}={_written(value)}" for name, value in self.options)
        return f"{self.name}({options})" if options else self.name

    def __str__(self) -> str:
        return self.unweighted if self.weight == 1 else f"{_written(self.weight)} * {self.unweighted}"


def written(terms: Sequence[TermText]) -> str:
    """Return the text of an objective, which :func:`parse_terms` reads back to the same terms."""
    return " + ".join(str(term) for term in terms)


def parse_terms(text: str, known: Mapping[str, Options]) -> tuple[TermText, ...]:
    """Read an objective.

    Args:
        text: as in the module's docstring.
        known: names of the terms allowed, each with its options and their defaults.

    Raises:
        ConfigurationError: it can not be read, or names something that is not known or is there twice.
    """
    terms = _Reader(text, known).read()
    refuse_repeats(terms, text)
    return terms


def refuse_repeats(terms: Iterable[TermText], text: str) -> None:
    """Refuse a sum in which a term stands twice.

    Raises:
        ConfigurationError: it does.
    """
    seen: set[str] = set()
    for term in terms:
        if term.unweighted in seen:
            msg = f"`loss` holds {term.unweighted!r} twice, in {text!r}. Write it once, with the sum of the weights."
            raise ConfigurationError(msg)
        seen.add(term.unweighted)


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str, known: Mapping[str, Options]) -> None:
        self.text = text
        self.known = known
        self.place = 0

    def read(self) -> tuple[TermText, ...]:
        terms = [self._term()]
        while self._take("sign", "+"):
            terms.append(self._term())
        if self.text[self.place :].strip():
            self._refuse("`+` or the end")
        return tuple(terms)

    def _term(self) -> TermText:
        weight = 1.0
        number = self._take("number")
        if number:
            weight = float(number)
            if not 0 < weight < math.inf:
                msg = f"`loss` gives a term the weight {number}, in {self.text!r}; weights must be > 0 and finite."
                raise ConfigurationError(msg)
            if not self._take("sign", "*"):
                self._refuse("`*` and the name of a term")
        name = self._take("name") or self._refuse("the name of a term" if number else "a term")
        if name not in self.known:
            msg = f"`loss` must be one of {', '.join(sorted(self.known))}, or a sum such as {EXAMPLE!r}"
            raise ConfigurationError(msg + self._but(name, self.known))
        return TermText(name=name, weight=weight, options=self._options(name))

    def _options(self, term: str) -> tuple[tuple[str, float | bool], ...]:
        if not self._take("sign", "("):
            return ()
        known, options = self.known[term], dict[str, float | bool]()
        while not options or self._take("sign", ","):
            name = self._take("name") or self._refuse("the name of an option")
            if name not in known:
                allowed = f"must be one of {', '.join(sorted(known))}" if known else "do not exist"
                msg = f"`loss`: options of {term!r} {allowed}"
                raise ConfigurationError(msg + self._but(name, known))
            if name in options:
                msg = f"`loss` gives {name!r} of {term!r} twice, in {self.text!r}. Give it once."
                raise ConfigurationError(msg)
            if not self._take("sign", "="):
                self._refuse("`=`")
            options[name] = self._truth() if isinstance(known[name], bool) else self._number()
        if not self._take("sign", ")"):
            self._refuse("`,` or `)`")
        return tuple(options.items())

    def _truth(self) -> bool:
        before = self.place
        word = self._take("name").lower()
        if word not in _TRUTH:
            self.place = before
            self._refuse("`true` or `false`")
        return _TRUTH[word]

    def _number(self) -> float:
        sign = -1.0 if self._take("sign", "-") else 1.0
        value = float(self._take("number") or self._refuse("a number"))
        if not math.isfinite(value):
            msg = f"`loss` holds a number that is too large, in {self.text!r}."
            raise ConfigurationError(msg)
        return sign * value

    def _take(self, kind: str, sign: str | None = None) -> str:
        """Return the next piece of the text if it is of ``kind``, else ``""``."""
        while self.text[self.place : self.place + 1].isspace():
            self.place += 1
        found = _TOKEN.match(self.text, self.place)
        if found is None or found.lastgroup != kind or (sign is not None and found[0] != sign):
            return ""
        self.place = found.end()
        return found[0]

    def _refuse(self, expected: str) -> NoReturn:
        here = self.text[self.place :].strip()
        where = f"before {here[:20]!r}" if here else "at the end"
        msg = (
            f"`loss` can not be read {where} of {self.text!r}: {expected} must stand there. Write e.g. {EXAMPLE!r}; "
            f"the terms are {', '.join(sorted(self.known))}."
        )
        raise ConfigurationError(msg)

    def _but(self, name: str, allowed: Iterable[str]) -> str:
        near = difflib.get_close_matches(name, sorted(allowed), n=3, cutoff=0.5)
        where = "" if self.text.strip() == name else f" in {self.text!r}"
        return f", got {name!r}{where}." + (f" Near it: {', '.join(near)}." if near else "")


def _written(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0")
