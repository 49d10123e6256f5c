"""Audit a file of training data, decide, remove what repeats, and audit again; no torch is needed.

    pip install hf-contrastive
    python audit_only.py [FILE.csv | FILE.jsonl | FILE.parquet]

Without a file it audits a small one of a help desk that it writes first. What is read is never changed.
On the command line the same audit is `hf-contrastive audit FILE --out report`.
"""

import csv
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hf_contrastive import AuditReport, Verdict, audit, judge, load_policy, remove_duplicates

QUESTIONS = {
    "How do I reset my password?": "Open the sign-in page, choose 'Forgot password' and follow the link in the mail.",
    "How do I reset my  PASSWORD?": "Open the sign-in page, choose 'Forgot password' and follow the link in the mail.",
    "Where do I see my invoices?": "Under Account, Billing: every invoice is there as a PDF from the day it is paid.",
    "Can I change my plan later?": "Yes, at any time under Account, Plan; the price changes with the next invoice.",
    "How do I delete my account?": "Under Account, Privacy; the data is gone after thirty days.",
    "Do you offer a discount for schools?": "Schools and universities pay half; write to us from its address.",
}


def show(title: str, report: AuditReport, verdict: Verdict) -> None:
    print(f"{title}: {report.datasets[0].num_rows} rows, decision {verdict.decision}")
    for finding in report.findings:
        value = f"{finding.measurement.value:.3g} {finding.measurement.unit}"
        print(f"  {finding.code} {finding.title}: {finding.total_rows} row(s), {value}")
        for row in finding.evidence[:3]:
            print(f"    row {row.row}: {row.excerpt}")
    for result in report.results:
        if result.status != "ran":
            print(f"  {result.code} not checked: {result.reason}")


def example_file(folder: str) -> Path:
    path = Path(folder) / "help_desk.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("question", "answer", "license"))
        rows.writerows((question, answer, "CC0-1.0") for question, answer in QUESTIONS.items())
    return path


def main(path: Path) -> None:
    policy = load_policy("standard")  # or permissive, strict, the path of a TOML file

    report = audit(str(path))
    show("As it is", report, judge(report, policy))

    cleaned, removal = remove_duplicates(str(path), report)
    print(f"{removal.name} removed row(s) {dict(removal.removed)} and kept {removal.kept}.")

    report = audit(cleaned)
    show("Cleaned", report, judge(report, policy))
    for split, rows in cleaned.items():
        rows.to_json(f"cleaned-{split}.jsonl")
        print(f"The cleaned rows are in cleaned-{split}.jsonl.")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(sys.argv[1]) if sys.argv[1:] else example_file(folder))
