"""Obligations: what is written for them, and that what would be published is checked against each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis
from audits.licenses.compatibility import analyse
from audits.licenses.inputs import LicensedInput
from audits.licenses.obligations import (
    NOTICE,
    USE_RESTRICTIONS,
    card_lines,
    copy_path,
    license_copies,
    notice_text,
    restrictions_text,
    unmet,
)

DATA = LicensedInput(
    name="org/data", role="training", kind="dataset", license="cc-by-4.0", revision="0123abc", groups=("numpy", "scipy")
)
ROWS = LicensedInput(name="org/rows", role="training", kind="dataset", license="mit")
LLAMA = LicensedInput(name="meta-llama/Llama-3.1-8B", role="base", kind="model", license="llama3.1")
GEMMA = LicensedInput(name="google/gemma-2b", role="base", kind="model", license="gemma")
APACHE = LicensedInput(name="org/base", role="base", kind="model", license="apache-2.0")
QWEN = LicensedInput(name="Qwen/Qwen2.5-72B", role="base", kind="model", license="LicenseRef-qwen")
OWN_TEXT = "These are the terms of a license that nobody but its owner wrote. " * 8


def of(*inputs: LicensedInput, **intent: Any) -> LicenseAnalysis:
    return analyse(inputs, Intent(**{"outgoing_license": "mit", **intent}))


def everything(analysis: LicenseAnalysis, **more: str | None) -> dict[str, str | None]:
    """What is published where somebody did all that is asked for."""
    copies = {copy_path(name): OWN_TEXT for name in license_copies(analysis)}
    return {NOTICE: notice_text(analysis), USE_RESTRICTIONS: restrictions_text(analysis), **copies, **more}


def test_notice_names_each_input_with_its_license():
    text = notice_text(of(DATA, ROWS, LLAMA, outgoing_license="llama3.1"))
    assert text.startswith("NOTICE\n")
    assert "- org/data@0123abc (training data): Creative Commons Attribution 4.0 International (CC-BY-4.0)" in text
    assert "With rows from numpy, scipy" in text
    assert "- org/rows (training data): MIT License (MIT)" in text
    assert "Llama 3.1 is licensed under the Llama 3.1 Community License" in text
    assert "Built with Llama" in text
    assert "complian" not in text.casefold()
    assert notice_text(of(DATA, distribution="internal")) == ""


def test_notice_says_what_was_changed_and_restricted():
    text = notice_text(of(GEMMA, outgoing_license="gemma"))
    assert "google/gemma-2b was modified: its weights were trained further." in text
    assert "restricted as LicenseRef-gemma says; see LICENSES/LicenseRef-gemma.txt" in text
    shipped = notice_text(of(DATA, ship_rows=True, outgoing_data_license="cc-by-4.0"))
    assert "org/data was modified: rows were selected, cleaned or removed." in shipped


def test_license_copies_come_with_the_text_where_it_is_at_hand():
    analysis = of(DATA, ROWS)
    assert license_copies(analysis) == {"CC-BY-4.0": None, "MIT": None}
    assert license_copies(analysis, {"MIT": "text", "ISC": "more"}) == {"CC-BY-4.0": None, "MIT": "text"}
    assert card_lines(of(LLAMA, outgoing_license="llama3.1")) == ("Built with Llama",)
    assert card_lines(analysis) == ()
    assert restrictions_text(analysis) == ""


@pytest.mark.parametrize(
    ("inputs", "outgoing", "repo", "card"),
    [
        ((DATA, ROWS, APACHE), "mit", "me/model", ""),
        ((LLAMA,), "llama3.1", "me/Llama-embed", "Some text.\n\n**Built with Llama**\n"),
        ((GEMMA,), "gemma", "me/model", ""),
        ((QWEN,), "apache-2.0", "me/model", "Improved using Qwen"),  # the license leaves the choice
    ],
)
def test_what_is_made_meets_what_is_asked_for(inputs: tuple[LicensedInput, ...], outgoing: str, repo: str, card: str):
    analysis = of(*inputs, outgoing_license=outgoing)
    files = everything(analysis)
    for name, text in mit_and_apache().items():
        files = files | ({copy_path(name): text} if copy_path(name) in files else {})
    assert unmet(analysis, repo_id=repo, files=files, card=card) == ()


def mit_and_apache() -> dict[str, str]:
    from importlib.metadata import distribution

    from audits.licenses.texts import identify

    found: dict[str, str] = {}
    for package in ("huggingface-hub", "typer", "rich", "datasets", "tokenizers"):
        for path in distribution(package).files or ():
            if path.name.startswith("LICENSE") and ".dist-info" in str(path):
                text = path.read_text()
                for name in identify(text).ids:
                    found.setdefault(name, text)
    assert {"MIT", "Apache-2.0"} <= set(found)
    return found


def missing(analysis: LicenseAnalysis, files: dict[str, str | None], card: str = "", repo: str = "me/m") -> list[str]:
    return list(unmet(analysis, repo_id=repo, files=files, card=card))


def test_nothing_published_meets_nothing():
    analysis = of(DATA, LLAMA, outgoing_license="llama3.1")
    told = missing(analysis, {})
    assert len(told) == len({(item.kind, item.license, item.text) for item in analysis.obligations})
    text = "\n".join(told)
    assert "there is no NOTICE; add one that names org/data with CC-BY-4.0" in text
    assert "rename it, for example me/Llama-m" in text
    assert "the card does not show “Built with Llama”; add this line to README.md" in text
    assert "add its text" in text
    assert "LICENSES/LicenseRef-llama3.1.txt" in text
    assert all(line.startswith(("L8 (", "L14 (")) for line in told)


def test_each_attribution_must_stand_in_notice():
    other = replace(DATA, name="org/data-2", groups=(), revision=None)
    analysis = of(DATA, other)
    files = everything(analysis)
    assert missing(analysis, files) == []
    files[NOTICE] = (files[NOTICE] or "").replace("org/data@0123abc", "somebody")
    told = missing(analysis, files)
    assert len(told) == 1
    assert "does not name org/data;" in told[0]  # org/data-2 is another one
    files[NOTICE] = "org/data and org/data-2 were used."
    assert any("do" in line and "stand under CC-BY-4.0" in line for line in missing(analysis, files))


def test_a_link_is_enough_where_the_license_says_so_and_not_elsewhere():
    by = of(DATA)
    assert missing(by, {NOTICE: notice_text(by)}) == []
    mit = of(ROWS)
    assert [line for line in missing(mit, {NOTICE: notice_text(mit)}) if "no copy of MIT" in line]


def test_a_license_copy_is_known_by_its_text_or_its_name():
    texts = mit_and_apache()
    analysis = of(ROWS)
    notice: dict[str, str | None] = {NOTICE: notice_text(analysis)}
    assert missing(analysis, notice | {"licenses/anything.txt": texts["MIT"]}) == []
    assert missing(analysis, notice | {"LICENSE": texts["MIT"]}) == []
    assert missing(analysis, notice | {copy_path("MIT"): texts["Apache-2.0"]})  # another text under its name
    assert missing(analysis, notice | {copy_path("MIT"): "see the web"})  # a note is no text
    assert missing(analysis, notice | {"README.md": texts["MIT"][:50]})
    unread = missing(analysis, notice | {copy_path("MIT"): None})
    assert "can not be read as text" in unread[0]
    own = of(GEMMA, outgoing_license="gemma")
    files = everything(own)
    del files[copy_path("LicenseRef-gemma")]
    assert any("no copy of LicenseRef-gemma" in line for line in missing(own, files))
    assert missing(own, files | {"LICENSE": OWN_TEXT}) == []  # what the weights are published under
    assert missing(own, files | {"LICENSE-gemma.md": OWN_TEXT}) == []


def test_restrictions_are_a_file_or_the_license_itself():
    analysis = of(GEMMA, outgoing_license="gemma")
    files = everything(analysis)
    del files[USE_RESTRICTIONS]
    assert missing(analysis, files) == []  # published under the same terms, which go along
    del files[copy_path("LicenseRef-gemma")]
    assert any("use restrictions of LicenseRef-gemma" in line for line in missing(analysis, files))
    assert not any("use restrictions" in line for line in missing(analysis, files | {"use_policy.md": "Do no harm."}))


def test_changes_and_sentences():
    analysis = of(GEMMA, outgoing_license="gemma")
    files = everything(analysis)
    said = "Gemma is provided under and subject to the Gemma Terms of Use"
    files[NOTICE] = (files[NOTICE] or "").replace(said, "…").replace("was modified", "is used")
    told = missing(analysis, files)
    assert any("nothing says that files of google/gemma-2b were changed" in line for line in told)
    assert any(said in line for line in told)
    card = f"> *{said}* found at\n> ai.google.dev/gemma/terms".replace("\n> ", " ")
    assert not any("found at" in line for line in missing(analysis, files, card=card))


@pytest.mark.parametrize(
    ("repo", "met"), [("me/Llama-x", True), ("me/llama-x", True), ("llama/x", False), ("x", False)]
)
def test_the_name_begins_with_what_the_license_asks_for(repo: str, met: bool):
    analysis = of(LLAMA, outgoing_license="llama3.1")
    told = missing(analysis, everything(analysis), card="Built with Llama", repo=repo)
    assert (not any("does not begin with" in line for line in told)) is met


def test_no_use_no_obligation():
    assert missing(of(DATA, LLAMA, distribution="internal", outgoing_license="llama3.1"), {}) == []
