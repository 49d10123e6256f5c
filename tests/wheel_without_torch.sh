#!/bin/sh
# Build the wheel, install it in an empty environment without torch, and audit with it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m build --quiet --wheel --outdir "$work/dist" "$root"
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install --no-compile --constraint "$root/constraints.txt" "$work"/dist/*.whl
cd "$work"
if "$work/venv/bin/python" -c "import torch" 2>/dev/null; then
    echo "torch is installed in the base environment" >&2
    exit 1
fi
cat > pairs.jsonl <<'DATA'
{"anchor": "Return the sum of all elements.", "positive": "Adds the elements of the array along the given axis.", "license": "MIT"}
{"anchor": "Return the sum of all elements.", "positive": "Adds the elements of the array along the given axis.", "license": "MIT"}
{"anchor": "Open a file for reading.", "positive": "The file is opened in text mode and decoded as UTF-8.", "license": "CC-BY-NC-4.0"}
DATA
status=0
"$work/venv/bin/hf-contrastive" audit pairs.jsonl --license-column license --out report --json > report.json || status=$?
[ "$status" -eq 1 ] || { echo "expected exit code 1 (block), got $status" >&2; exit 1; }
"$work/venv/bin/python" - <<'CHECK'
import json
import pathlib

report = json.loads(pathlib.Path("report.json").read_text(encoding="utf-8"))
assert report["decision"] == "block", report["decision"]
found = {finding["code"] for result in report["results"] for finding in result["findings"]}
assert {"DUP001", "LIC001"} <= found, found
for name in ("report.html", "report.md", "report.sarif", "report.junit.xml", "evidence.json"):
    assert pathlib.Path("report", name).is_file(), name
CHECK
# a missing extra is one paragraph with the command, not a traceback
status=0
"$work/venv/bin/hf-contrastive" train pairs.jsonl --model none 2> message || status=$?
[ "$status" -eq 3 ] || { echo "expected exit code 3, got $status" >&2; cat message >&2; exit 1; }
grep -q 'pip install "hf-contrastive\[train\]"' message
! grep -q Traceback message
echo "the wheel audits without torch"
