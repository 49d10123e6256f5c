"""Add a check of your own to the audit: a small class that measures and lists rows; the policy judges.

    python add_a_check.py

To ship it in a package, name the class in that package's pyproject.toml; every audit then finds and runs it:

    [project.entry-points."hf_contrastive.checks"]
    markup = "my_package.markup:LeftoverMarkup"

and give it a rule in your policy file, else its findings are a matter of review:

    [[rules]]
    code = "MARKUP001"
    allowed = 0.01          # in the unit of the measurement: at most one text in a hundred
    decision = "review"
"""

import re
from collections.abc import Iterable
from typing import Any

from datasets import Dataset

from hf_contrastive import Finding, FindingRow, FindingRows, Measurement, RowEvidence, audit, judge, load_policy

TAG = re.compile(r"</?[a-z][a-z0-9]*(\s[^<>]*)?/?>", re.IGNORECASE)


class LeftoverMarkup:
    """Texts that still hold HTML tags."""

    code = "MARKUP001"  # never reused for another check
    needs = ("texts",)  # without a text column the check is skipped, with the reason

    def run(self, source: Any, context: Any) -> Iterable[Finding | Measurement]:
        """Tags left by a scraper become part of what the encoder learns."""
        for split in source.splits:
            for column in source.columns.texts:
                texts = source.column(split, column).to_pylist()
                found = {row: tag.group() for row, text in enumerate(texts) if text and (tag := TAG.search(text))}
                measurement = Measurement(
                    name=f"texts with an HTML tag ({split}, {column})",
                    value=len(found) / len(texts),
                    unit="fraction",
                    sample_size=len(texts),
                    method="pattern of an opening or closing tag",
                )
                if not found:
                    yield measurement  # "measured, nothing found" is worth saying
                    continue
                yield Finding(
                    code=self.code,
                    title="Texts that still hold HTML tags",
                    split=split,
                    column=column,
                    measurement=measurement,
                    total_rows=len(found),
                    evidence=tuple(RowEvidence(split=split, row=row, excerpt=tag) for row, tag in found.items()),
                    rows=FindingRows.of(split, (FindingRow(split, row, None, None, None) for row in found)),
                    remedy="Take the text out of the markup, e.g. with an HTML parser.",
                )


if __name__ == "__main__":
    data = Dataset.from_dict({"text": ["Opening hours", "<p>Open <b>daily</b></p>", "a < b and c > d", "Closed<br/>"]})
    report = audit(data, checks=[LeftoverMarkup()])  # several: checks=["DUP001", LeftoverMarkup()]
    for finding in report.findings:
        print(f"{finding.code} {finding.title}: {finding.measurement.value:.0%} of the texts")
        for shown in finding.evidence:
            print(f"  row {shown.row}: {shown.excerpt}")
    outcome = next(item for item in judge(report, load_policy()).outcomes if item.code == LeftoverMarkup.code)
    print(f"Under the standard policy: {outcome.decision} ({outcome.rule})")
