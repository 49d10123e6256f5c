"""What licenses ask for, made: NOTICE, license copies, sentences of the card; and what of it is missing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from audits.licenses.agreement import plain
from audits.licenses.analysis import LicenseAnalysis, Obligation, ObligationKind
from audits.licenses.expressions import LicenseExpressionError, alternatives
from audits.licenses.inputs import LicensedInput
from audits.licenses.terms_table import TermsTable, load_terms

NOTICE = "NOTICE"
USE_RESTRICTIONS = "USE_RESTRICTIONS.md"

SHORTEST_TEXT = 200
"""Characters of a license; less is a note that one should go here."""

_OTHER_WORDS = {"Built with Qwen": ("Improved using Qwen",)}  # where a license leaves the choice
_RESTRICTIONS_NAME = re.compile(r"(?:use_?restrictions|use_?policy|acceptable_?use|prohibited_?use)", re.IGNORECASE)
_LICENSE_NAME = re.compile(r"(?:licen[cs]es?|copying|copyright|agreement|terms)", re.IGNORECASE)
_LINK_IS_ENOUGH = re.compile(r"\b(?:hyperlink|link|uri)\b", re.IGNORECASE)
_ROLES = {
    "training": "training data",
    "base": "base model",
    "generator": "wrote training data",
    "evaluation": "measured",
}


def copy_path(license_id: str) -> str:
    """Return where the copy of a license goes."""
    return f"LICENSES/{license_id}.txt"


def license_copies(analysis: LicenseAnalysis, texts: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return the licenses of which a copy must go along, each with its text; None where ``texts`` lacks it."""
    at_hand = texts or {}
    return {item.license: at_hand.get(item.license) for item in _of_kind(analysis, "license_copy")}


def card_lines(analysis: LicenseAnalysis) -> tuple[str, ...]:
    """Return the words that licenses want to be shown in the card, e.g. "Built with Llama"."""
    return tuple(dict.fromkeys(item.text for item in _of_kind(analysis, "display")))


def notice_text(analysis: LicenseAnalysis, texts: Mapping[str, str] | None = None) -> str:
    """Return the text of NOTICE; "" where nothing must stand in it.

    ``texts`` are the license texts that go along, by id; of the others the place is named where the text stands.
    """
    sections = (
        ("", _words(analysis, "display") + _words(analysis, "sentence")),
        ("Made from", _attributions(analysis)),
        ("Changes", [_change(item) for item in _changed(analysis)]),
        ("Use restrictions", [_restriction(item) for item in _of_kind(analysis, "use_restrictions")]),
        ("Texts of these licenses", [copy_place(name, texts or {}) for name in sorted(license_copies(analysis))]),
    )
    written = [
        "\n".join([*([title, ""] if title else []), *(f"- {line}" if title else line for line in lines)])
        for title, lines in sections
        if lines
    ]
    if not written:
        return ""
    drawn = (
        f"Drawn up from license facts of {analysis.facts_date or 'unknown date'}. Copyright notices of the authors "
        "stand in their own files; add those that you know of."
    )
    return "\n\n".join([NOTICE, *written, drawn]) + "\n"


def copy_place(license_id: str, texts: Mapping[str, str]) -> str:
    """Return where the text of a license stands: in the copy that goes along, or at its source."""
    if license_id in texts:
        return f"{license_id}: {copy_path(license_id)}"
    terms = load_terms().get(license_id)
    source = terms.source if terms is not None else ""
    return f"{license_id}: {source or 'ask its steward'} (no copy goes along)"


def restrictions_text(analysis: LicenseAnalysis) -> str:
    """Return the text of USE_RESTRICTIONS.md; "" where no license wants restrictions handed on."""
    due = _of_kind(analysis, "use_restrictions")
    if not due:
        return ""
    lines = [f"- {_restriction(item)}" for item in due]
    return "\n".join(
        [
            "# Use restrictions",
            "",
            "They bind whoever gets or uses this model, or what is made from it.",
            "",
            *lines,
            "",
        ]
    )


def unmet(
    analysis: LicenseAnalysis,
    *,
    repo_id: str,
    files: Mapping[str, str | None],
    card: str,
    table: TermsTable | None = None,
) -> tuple[str, ...]:
    """Return a sentence for each obligation that what would be published does not meet, with what to add.

    ``files`` maps paths to texts, None where a file is no text or was not read; ``card`` is the README.
    """
    table = load_terms() if table is None else table
    published = _Published(repo_id, files, card, table, _outgoing_ids(analysis, table))
    return tuple(
        f"{item.code} ({item.license}{', by policy' if item.basis == 'policy' else ''}): {problem}"
        for item in analysis.obligations
        for problem in published.problems(item)
    )


class _Published:
    """What would be published, to look obligations up in."""

    def __init__(
        self, repo_id: str, files: Mapping[str, str | None], card: str, table: TermsTable, outgoing: frozenset[str]
    ) -> None:
        self.repo_id, self.files, self.table, self.outgoing = repo_id, files, table, outgoing
        notices = [text or "" for path, text in files.items() if _is_notice(path)]
        self.has_notice = bool(notices)
        self.notice, self.card = _folded("\n".join(notices)), _folded(card)
        self.texts_of: dict[str, tuple[str, ...]] = {}

    def problems(self, item: Obligation) -> Iterator[str]:
        if item.kind == "notice":
            yield from self._notice(item)
        elif item.kind == "license_copy":
            yield from self._copy(item)
        elif item.kind == "changed_files":
            yield from self._changes(item)
        elif item.kind == "name_prefix":
            name = self.repo_id.rsplit("/", 1)[-1]
            if not name.casefold().startswith(item.text.casefold()):
                owner = self.repo_id.removesuffix(name)
                yield (
                    f"the name `{self.repo_id}` does not begin with “{item.text}”; rename it, for example "
                    f"{owner}{item.text.replace(' ', '-')}-{name}."
                )
        elif item.kind == "display":
            allowed = (item.text, *_OTHER_WORDS.get(item.text, ()))
            if not any(_folded(words) in self.card for words in allowed):
                yield f"the card does not show “{item.text}”; add this line to README.md."
        elif item.kind == "sentence":
            if _folded(item.text) not in self.notice + self.card:
                yield f"neither {NOTICE} nor the card says “{item.text}”; add the sentence to {NOTICE}."
        elif not self._holds_restrictions(item):
            yield (
                f"no file holds the use restrictions of {item.license}; add {USE_RESTRICTIONS} that names them, and "
                f"the license as {copy_path(item.license)}."
            )

    def _notice(self, item: Obligation) -> Iterator[str]:
        if not self.has_notice:
            yield f"there is no {NOTICE}; add one that names {_listed(item.inputs)} with {item.license}."
            return
        missing = [name for name in item.inputs if not _names(self.notice, name)]
        if missing:
            yield f"{NOTICE} does not name {_listed(missing)}; add a line with the name and {item.license}."
        terms = self.table.get(item.license)
        names = (item.license, *((terms.name,) if terms else ()))
        if not any(_folded(name) in self.notice for name in names):
            yield f"{NOTICE} does not say that {_listed(item.inputs)} stand under {item.license}; add it."

    def _copy(self, item: Obligation) -> Iterator[str]:
        wanted, unread = item.license, []
        for path, text in self.files.items():
            if not _LICENSE_NAME.search(path):
                continue
            named = self._is_named_after(path, wanted)
            if text is None:
                unread += [path] if named else []
            elif len(text.strip()) >= SHORTEST_TEXT:
                found = self._identified(path, text)
                # models' terms come in many wordings
                unknown = named and not found and wanted.startswith("LicenseRef-")
                if any(same_text(wanted, license_id) for license_id in found) or unknown:
                    return
        terms = self.table.get(wanted)
        detail = terms.fact("notice").detail if terms else ""
        if terms and _LINK_IS_ENOUGH.search(detail) and "enough" in detail and _folded(terms.source) in self.notice:
            return
        if unread:
            yield f"{unread[0]} is there and can not be read as text; add the license as {copy_path(wanted)}."
            return
        where = f" ({terms.source})" if terms and terms.source else ""
        yield f"no copy of {wanted} goes along; add its text{where} as {copy_path(wanted)}."

    def _is_named_after(self, path: str, wanted: str) -> bool:
        place = PurePosixPath(path)
        terms = self.table.get(wanted)
        names = {name.casefold() for name in (wanted, *(terms.hub if terms else ()))}
        stems = {place.name.casefold(), place.stem.casefold()}
        stems |= {re.sub(r"^licen[cs]e[-_.]|[-_.]licen[cs]e$", "", stem) for stem in stems}
        # LICENSE alone is the license that the weights are published under
        plain = len(place.parts) == 1 and place.stem.casefold() in {"license", "licence", "copying"}
        return bool(names & stems) or (plain and self.outgoing == {wanted})

    def _identified(self, path: str, text: str) -> tuple[str, ...]:
        if path not in self.texts_of:
            from audits.licenses.texts import identify  # it loads all known texts

            self.texts_of[path] = identify(text).ids
        return self.texts_of[path]

    def _changes(self, item: Obligation) -> Iterator[str]:
        lines = [line for text in self.files.values() for line in (text or "").splitlines()]
        told = [_folded(line) for line in lines if re.search(r"\b(?:modified|changed)\b", line, re.IGNORECASE)]
        missing = [name for name in item.inputs if not any(_names(line, name) for line in told)]
        if missing:
            yield (
                f"nothing says that files of {_listed(missing)} were changed; add to {NOTICE}: "
                f"{missing[0]} was modified."
            )

    def _holds_restrictions(self, item: Obligation) -> bool:
        if any(_RESTRICTIONS_NAME.search(path) and (text or "").strip() for path, text in self.files.items()):
            return True
        # published under the same terms: these are the restrictions
        return item.license in self.outgoing and not any(self._copy(item))


def _outgoing_ids(analysis: LicenseAnalysis, table: TermsTable) -> frozenset[str]:
    try:
        return frozenset().union(*alternatives(analysis.intent.outgoing_license or "", table))
    except LicenseExpressionError:
        return frozenset()


def _of_kind(analysis: LicenseAnalysis, kind: ObligationKind) -> list[Obligation]:
    return [item for item in analysis.obligations if item.kind == kind]


def _words(analysis: LicenseAnalysis, kind: ObligationKind) -> list[str]:
    return list(dict.fromkeys(item.text for item in _of_kind(analysis, kind)))


def _attributions(analysis: LicenseAnalysis) -> list[str]:
    by_name: dict[str, list[LicensedInput]] = {}
    for item in analysis.inputs:
        by_name.setdefault(item.name, []).append(item)
    lines = []
    for obligation in _of_kind(analysis, "notice"):
        for name in obligation.inputs:
            known = by_name.get(name, [])
            roles = ", ".join(dict.fromkeys(_ROLES[item.role] for item in known))
            revision = next((f"@{item.revision}" for item in known if item.revision), "")
            groups = sorted({group for item in known for group in item.groups})
            line = f"{name}{revision}{f' ({roles})' if roles else ''}: {obligation.text}"
            lines.append(f"{line}. With rows from {', '.join(groups)}" if groups else line)
    return sorted(dict.fromkeys(lines))


def _changed(analysis: LicenseAnalysis) -> list[LicensedInput]:
    names = {name for item in _of_kind(analysis, "changed_files") for name in item.inputs}
    return [item for item in analysis.inputs if item.name in names and item.role in {"base", "training"}]


def _change(item: LicensedInput) -> str:
    how = "its weights were trained further" if item.role == "base" else "rows were selected, cleaned or removed"
    return f"{item.name} was modified: {how}."


def _restriction(item: Obligation) -> str:
    places = (item.clause.section, item.clause.source) if item.clause else ()
    where = ", ".join(filter(None, places))
    stands = f"{copy_path(item.license)}{f' ({where})' if where else ''}"
    return f"The use of this model is restricted as {item.license} says; see {stands}."


def _is_notice(path: str) -> bool:
    place = PurePosixPath(path)
    return len(place.parts) == 1 and place.name.casefold() in {"notice", "notice.txt", "notice.md"}


def is_known_by_text(license_id: str) -> bool:
    """Whether a text of it would be recognised; of other terms the name of the file must do."""
    from audits.licenses.fingerprints import load_fingerprints  # it loads all known texts

    return not license_id.startswith("LicenseRef-") or any(
        item.id == license_id for item in load_fingerprints().licenses
    )


def same_text(wanted: str, found: str) -> bool:
    """Whether a text found is that of the license; GNU texts are the same with and without later versions."""
    return plain(wanted) == plain(found)


def _folded(text: str) -> str:
    """Return text to look words up in: one case, one kind of space and of quotes, no marks of Markdown."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate({ord(mark): "" for mark in "*`\"“”‘’'"})
    return " ".join(plain.split())


def _names(folded: str, name: str) -> bool:
    """Whether a name stands there by itself: "org/data" is not named by "org/data-2"."""
    found = re.escape(_folded(name))
    return bool(found) and re.search(rf"(?<![\w/.-]){found}(?![\w/-]|\.\w)", folded) is not None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
