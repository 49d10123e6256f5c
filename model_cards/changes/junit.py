"""What changed as JUnit XML: the test cases of the later release that are new or told otherwise, and those gone.

The cases of both releases are those of :mod:`model_cards.documents.junit`, matched by suite and name; how long they
took is not compared. A case that is no more there is told as skipped, since nothing was decided on it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from model_cards.documents import junit
from model_cards.evidence import Evidence

_KINDS = ("failure", "error", "skipped")


def render(before: Evidence, after: Evidence) -> str:
    """Return the suites of the later release with only the cases that differ.

    Raises:
        EvidenceError: one of the two holds no audit that was judged.
        DocumentError: the counts do not add up, which is a defect.
    """
    old, root = (ET.fromstring(junit.render(evidence).encode("utf-8")) for evidence in (before, after))
    earlier = {_name(case): case for case in old.iter("testcase")}
    for suite in root.findall("testsuite"):
        for case in suite.findall("testcase"):
            previous = earlier.pop(_name(case), None)
            if previous is not None and _said(previous) == _said(case):
                suite.remove(case)
    for case in earlier.values():
        _suite_of(root, case).append(_gone(case))
    for suite in root.findall("testsuite"):
        if suite.find("testcase") is None:
            root.remove(suite)
    for holder in (root, *root.findall("testsuite")):
        holder.attrib.update(_counts(holder))
    ET.indent(root)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
    junit.validate(text)
    return text


def _name(case: ET.Element) -> tuple[str, str]:
    return case.get("classname", ""), case.get("name", "")


def _said(case: ET.Element) -> list[tuple[str, dict[str, str], str]]:
    return [(item.tag, dict(item.attrib), (item.text or "").strip()) for item in case]


def _gone(case: ET.Element) -> ET.Element:
    told = next((item for item in case if item.tag in _KINDS), None)
    was = "passed" if told is None else f"{told.tag}: {told.get('message', '')}"
    gone = ET.Element("testcase", {**case.attrib, "time": "0.000"})
    ET.SubElement(gone, "skipped", message=f"no more in this release; before: {was}")
    return gone


def _suite_of(root: ET.Element, case: ET.Element) -> ET.Element:
    room = case.get("classname", "")
    found = next((suite for suite in root.findall("testsuite") if suite.get("name") == room), None)
    return found if found is not None else ET.SubElement(root, "testsuite", {"name": room})


def _counts(holder: ET.Element) -> dict[str, str]:
    cases = list(holder.iter("testcase"))
    kinds = {kind: sum(case.find(kind) is not None for case in cases) for kind in _KINDS}
    return {
        "tests": str(len(cases)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "skipped": str(kinds["skipped"]),
        "time": f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    }
