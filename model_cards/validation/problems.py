"""What can be wrong with a card: one stable code a rule, never reused."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from audits.records import Record
from model_cards.typesetting import one_line

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProblem(Record):
    """One problem of a card: what is wrong, what was seen, what is allowed, and what to do.

    ``line`` counts from 1 in the file; None where the problem is of the file as a whole.
    """

    code: str
    severity: Severity
    line: int | None = None
    what: str
    observed: str = ""
    allowed: str = ""
    next_step: str = ""

    @property
    def message(self) -> str:
        """Everything but code and line, as one paragraph."""
        parts = (self.what, self.observed and f"Found {self.observed}", self.allowed and f"Allowed is {self.allowed}")
        return " ".join(f"{part.rstrip('.')}." for part in (*parts, self.next_step) if part)

    @property
    def words(self) -> str:
        """The problem in one line, with code and line."""
        place = f", line {self.line}" if self.line is not None else ""
        return f"{self.code}{place}: {self.message}"


class CardRule(NamedTuple):
    """A rule that a card can break; ``source`` says who demands it."""

    severity: Severity
    title: str
    source: Literal["the Hub", "huggingface_hub", "hf-contrastive"]


RULES: dict[str, CardRule] = {
    # the file
    "CARD000": CardRule("error", "The folder holds no README.md", "hf-contrastive"),
    "CARD001": CardRule("error", "The file is not UTF-8", "the Hub"),
    "CARD002": CardRule("error", "A byte order mark hides the metadata", "huggingface_hub"),
    "CARD003": CardRule("warning", "Line endings of Windows or of old Macs", "hf-contrastive"),
    "CARD004": CardRule("error", "The file is too large", "the Hub"),
    "CARD005": CardRule("warning", "The metadata is very large", "the Hub"),
    # the front matter
    "CARD010": CardRule("error", "There is no YAML front matter", "the Hub"),
    "CARD011": CardRule("error", "The front matter is no valid YAML", "the Hub"),
    "CARD012": CardRule("error", "The front matter is no mapping", "huggingface_hub"),
    "CARD013": CardRule("error", "A key is given twice", "the Hub"),
    "CARD014": CardRule("error", "A tab indents YAML", "the Hub"),
    "CARD015": CardRule("warning", "YAML 1.1 and 1.2 read a value differently", "hf-contrastive"),
    "CARD016": CardRule("error", "A key is misspelt", "hf-contrastive"),
    "CARD017": CardRule("error", "A key has no value", "the Hub"),
    "CARD018": CardRule("error", "A value has the wrong type", "the Hub"),
    # single keys
    "CARD020": CardRule("warning", "No license is named", "hf-contrastive"),
    "CARD021": CardRule("error", "The license is no id of the Hub", "the Hub"),
    "CARD022": CardRule("error", "A license of one's own needs a name and a link", "hf-contrastive"),
    "CARD023": CardRule("error", "The license link leads nowhere", "the Hub"),
    "CARD024": CardRule("warning", "The license name is no id", "hf-contrastive"),
    "CARD030": CardRule("error", "A model is not named by its Hub id", "the Hub"),
    "CARD031": CardRule("error", "The relation to the base model is not known", "the Hub"),
    "CARD032": CardRule("warning", "A relation without a base model", "hf-contrastive"),
    "CARD033": CardRule("error", "A dataset is not named by its Hub id", "the Hub"),
    "CARD040": CardRule("error", "The task is not known", "the Hub"),
    "CARD041": CardRule("warning", "The library is not known", "hf-contrastive"),
    "CARD042": CardRule("warning", "No library is named", "hf-contrastive"),
    "CARD043": CardRule("error", "A language is no code of ISO 639", "the Hub"),
    "CARD044": CardRule("warning", "A language code of three letters is in no list", "hf-contrastive"),
    "CARD045": CardRule("warning", "A tag can hardly be found by", "hf-contrastive"),
    # structures
    "CARD050": CardRule("error", "model-index does not have the Hub's shape", "the Hub"),
    "CARD051": CardRule("error", "A metric has no finite value", "hf-contrastive"),
    "CARD052": CardRule("warning", "A metric is text", "hf-contrastive"),
    "CARD053": CardRule("error", "co2_eq_emissions does not have the Hub's shape", "the Hub"),
    "CARD054": CardRule("warning", "Emissions without a method", "hf-contrastive"),
    "CARD055": CardRule("error", "widget does not have the Hub's shape", "the Hub"),
    "CARD056": CardRule("error", "A file of .eval_results does not have the Hub's shape", "the Hub"),
    # the text
    "CARD060": CardRule("error", "A blank is not filled in", "hf-contrastive"),
    "CARD061": CardRule("warning", "Comments of a template are left", "hf-contrastive"),
    "CARD062": CardRule("error", "A section is empty", "hf-contrastive"),
    "CARD063": CardRule("warning", "A section that readers need is missing", "hf-contrastive"),
    "CARD064": CardRule("warning", "There is no text beside the metadata", "hf-contrastive"),
    "CARD065": CardRule("warning", "What follows is not shown as text", "hf-contrastive"),
    # what must not be published, and what leads nowhere
    "CARD070": CardRule("warning", "Rows of the data are quoted", "hf-contrastive"),
    "CARD071": CardRule("error", "A local path is shown", "hf-contrastive"),
    "CARD072": CardRule("error", "A secret is shown", "hf-contrastive"),
    "CARD073": CardRule("warning", "A link leads to a file that is not there", "hf-contrastive"),
    "CARD074": CardRule("warning", "A name was never filled in", "hf-contrastive"),
}


def found(
    code: str, line: int | None, what: str, *, observed: str = "", allowed: str = "", then: str = ""
) -> CardProblem:
    """Return a problem of ``code``, whose severity is that of its rule."""
    return CardProblem(
        code=code,
        severity=RULES[code].severity,
        line=line,
        what=one_line(what),
        observed=one_line(observed),
        allowed=one_line(allowed),
        next_step=one_line(then),
    )


def shown(value: Any) -> str:
    """Return a value of any kind in short; what YAML makes of aliases can be of any size."""
    return one_line(_SHORT.repr(value))


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 2
