"""The model card: every section of the Hub's template, every origin, what goes along, code that does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import given as given_examples
from hypothesis import settings
from hypothesis import strategies as st

from audits.findings import Measurement
from hf_contrastive.release.rendering import render_all
from model_cards import render as rendering
from model_cards.documents import card
from model_cards.evidence import EvaluationSection, Evidence, MetricComparison, SigningKey, Statement, VersionComparison
from model_cards.questions import QUESTIONS
from model_cards.render import documents, render
from model_cards.validate import card_metadata, examine_card
from model_cards.version_comparison import CROSS_LOSS, DIMENSIONS
from tests.evidence_samples import evidence_of

TEMPLATE = Path(__import__("huggingface_hub").__file__).parent / "templates" / "modelcard_template.md"
# what the template calls by another name, or has in one place where the card has two
NAMES = {
    "model description": "description",
    "model card authors": "model card authors and contact",
    "model card contact": "model card authors and contact",
    "training hyperparameters": "hyperparameters",
    "bias, risks, and limitations": "bias, risks and limitations",
    "testing data, factors & metrics": "evaluation",
    "testing data": "evaluation",
    "metrics": "evaluation",
    "results": "evaluation",
    "summary": "evaluation",
    "model architecture and objective": "technical specifications",
    "compute infrastructure": "technical specifications",
    "hardware": "environmental impact",
    "software": "technical specifications",
}


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of()


def headings(text: str) -> list[str]:
    body = re.sub(r"```.*?```", "", text.split("\n---\n", 1)[1], flags=re.DOTALL)
    return [line.lstrip("#").strip().lower() for line in body.splitlines() if line.startswith("##")]


def section(text: str, title: str) -> str:
    parts = re.split(r"^(#{2,4} .*)$", text, flags=re.MULTILINE)
    return next(below for head, below in zip(parts[1::2], parts[2::2], strict=True) if head.lstrip("# ") == title)


def measured(name: str, value: float, low: float | None = None, high: float | None = None) -> Measurement:
    return Measurement(name=name, value=value, unit="score", interval=None if low is None else (low, high))


def version(low: float, high: float, **changes: Any) -> VersionComparison:
    name = "ndcg@10"
    middle = (low + high) / 2
    told = VersionComparison(
        repo_id="docs-lab/docstring-minilm",
        tag="v3",
        commit="8f2c1d0b7a6e5f4c3b2a19080706050403020100",
        dataset=evidence_of().evaluations[0].dataset,
        queries=1500,
        documents=1500,
        max_length=128,
        seed=7,
        metrics=(
            MetricComparison(
                before=measured(name, 0.62), after=measured(name, 0.62 + middle),
                difference=measured(name, middle, low, high),
            ),
        ),
        wins=120,
        losses=80,
        ties=1300,
        neighbour_overlap=Measurement(name="shared neighbours", value=0.83, unit="fraction"),
        negative_flips=Measurement(name="negative flips", value=0.021, unit="fraction"),
        compatibility=(
            Measurement(name=f"{DIMENSIONS}, published", value=384, unit=""),
            Measurement(name=f"{DIMENSIONS}, new", value=384, unit=""),
            measured(CROSS_LOSS.format(name), -0.3, -0.35, -0.25),
        ),
        margin=0.01,
    )  # fmt: skip
    return replace(told, **changes)


# ---- sections and origins ----------------------------------------------------------------------------------


def test_every_section_of_the_hubs_template_is_there(evidence: Evidence):
    wanted = [re.sub(r" \[optional\]", "", title) for title in headings(TEMPLATE.read_text(encoding="utf-8"))]
    assert len(wanted) > 30
    for given in (evidence, replace(evidence, training=None, evaluations=(), audit=None, verdict=None, policy=None)):
        own = headings(render(replace(given, earlier_audit=None, remedies=()), "card"))
        # how an unseen training went is one open question
        unseen = (
            {"preprocessing", "training hyperparameters", "speeds, sizes, times"} if given.training is None else set()
        )
        assert [title for title in wanted if title not in unseen and NAMES.get(title, title) not in own] == []


def test_every_bullet_of_the_template_is_there(evidence: Evidence):
    told = {"model type", "language(s) (nlp)", "finetuned from model", "repository", "hardware type"}
    own = {"model type", "language", "adapted from", "source code", "hardware"}
    bullets = re.findall(r"^- \*\*(.*?)(?: \[optional\])?:\*\*", TEMPLATE.read_text(encoding="utf-8"), re.MULTILINE)
    card_bullets = {name.lower() for name in re.findall(r"^- \*\*(.*?):\*\*", render(evidence, "card"), re.MULTILINE)}
    wanted = {name.lower() for name in bullets} - {"training regime"}
    assert own <= card_bullets
    assert wanted - told <= card_bullets
    assert "| Precision | bf16 |" in render(evidence, "card")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key)
def test_every_question_is_open_until_it_is_answered(evidence: Evidence, question: Any):
    mark = f"Words on {question.title}."
    said = Statement(key=question.key, text=mark, origin="stated", by="Grace", date="2026-11-20")
    bare = replace(evidence, statements=(), license=None, language=())
    assert mark not in render(bare, "card")
    text = render(replace(bare, statements=(said,)), "card")
    assert re.search(re.escape(mark) + r" \*\[stated by Grace on 2026-11-20\]\*", text)
    if question.key != "glossary":  # which has terms of its own
        assert text.count("[unanswered]") < render(bare, "card").count("[unanswered]")


def test_optional_questions_count_as_open_nowhere(evidence: Evidence):
    text = render(evidence, "card")
    listed = text.split("questions are open: ")[1].lower()
    for question in QUESTIONS:
        if question.optional:
            assert f"{question.title.lower()} ({question.role})" not in listed
    assert "out-of-scope use (sociotechnic)" in listed


@pytest.mark.parametrize("given", [Evidence(model_name="m"), evidence_of(), replace(evidence_of(), training=None)])
def test_limits_uses_and_emissions_are_never_passed_over(given: Evidence):
    text = render(given, "card")
    for title, words in (
        ("Out-of-scope use", "Not answered yet. What must it not be used for?"),
        ("Bias, risks and limitations", "- **Limitations:** Not answered yet."),
        ("Environmental impact", "- **Carbon emitted:** not measured *[unanswered]*"),
    ):
        assert words in section(text, title)


def test_every_bullet_says_where_it_is_from(evidence: Evidence):
    for given in (evidence, replace(evidence, training=None), replace(evidence, comparison=version(-0.02, 0.03))):
        text = render(given, "card")
        glossary = section(text, "Glossary")
        for line in text.split("\n---\n", 1)[1].splitlines():
            if line.startswith("- ") and line not in glossary:
                assert re.search(r"\*\[(measured|copied|stated|unanswered)[^\]]*\]\*", line), line


def test_emissions_stand_with_their_method_and_place(evidence: Evidence):
    training = replace(evidence.training, energy_kwh=0.4, emissions_kg=0.12, energy_method="CodeCarbon 3, unlocated")
    region = Statement(key="compute_region", text="Quebec, Canada", origin="stated", by="Ada")
    text = render(replace(evidence, training=training, statements=(region,)), "card")
    told = section(text, "Environmental impact")
    for words in ("0.4 kWh", "0.12 kg CO2eq", "CodeCarbon 3, unlocated", "Quebec, Canada", "0.02444"):
        assert words in told
    assert card_metadata(text)["co2_eq_emissions"] == {
        "emissions": 120.0,
        "source": "CodeCarbon 3, unlocated",
        "training_type": "fine-tuning",
        "hardware_used": "CPU",
        "geographical_location": "Quebec, Canada",
    }


# ---- metadata ----------------------------------------------------------------------------------------------

VARIANTS = {
    "as it is": {},
    "adapter": {"save_format": "adapter"},
    "no training": {"training": None},
    "no evaluation": {"evaluations": ()},
    "compared": {"comparison": version(0.01, 0.02)},
    "signed": {"signing_key": SigningKey(algorithm="ECDSA P-256", fingerprint="sha256:" + "a" * 64)},
    "no id": {"repo_id": None},
    "languages": {"language": ("no", "deu", "code")},
    "license in LICENSE": {
        "license": "LicenseRef-docs-lab",
        "statements": (Statement(key="license_link", text="LICENSE", origin="stated"),),
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_our_own_cards_have_no_problem(evidence: Evidence, name: str):
    text = render(replace(evidence, **VARIANTS[name]), "card")
    assert examine_card(text) == ()
    assert ModelCard(text).data.to_dict() == card_metadata(text)


@pytest.mark.parametrize(
    ("text", "codes"),
    [("en", ["en"]), ("en, deu; code", ["en", "deu", "code"]), ("English and German", None), ("no", ["no"])],
)
def test_an_answer_in_codes_is_also_metadata(evidence: Evidence, text: str, codes: list[str] | None):
    said = Statement(key="language", text=text, origin="stated", by="Ada")
    shown = render(replace(evidence, language=(), statements=(said,)), "card")
    assert card_metadata(shown).get("language") == codes
    assert f"- **Language:** {text} *[stated by Ada]*" in shown
    assert examine_card(shown) == ()


def test_a_card_without_a_license_says_so(evidence: Evidence):
    told = examine_card(render(replace(evidence, license=None), "card"))
    assert [problem.code for problem in told] == ["CARD020"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
TRAPS = ["no", "1e5", "5e12345", "0o17", "012", "12:30", "2024-01-01", "null", "~", "- x", "a: b", "---"]


@settings(max_examples=40)
@given_examples(text=TEXTS | st.sampled_from(TRAPS))
def test_our_own_cards_have_no_problem_whatever_the_words(text: str):
    given = evidence_of()
    said = tuple(Statement(key=item.key, text=text, origin="stated", by=text, source=text) for item in QUESTIONS)
    training = replace(given.training, objective=text, prompts={"query": text}, energy_method=text, emissions_kg=1.0)
    evaluations = tuple(
        replace(item, note=text, task=text, dataset=replace(item.dataset, repo_id=None, split=text, revision=text))
        for item in given.evaluations
    )
    compared = version(0, 1, note=text)
    changed = replace(
        given, model_name=text, statements=said, training=training, evaluations=evaluations, comparison=compared
    )
    shown = render(changed, "card")
    # a text that reads as a blank of a template, or as a path or a token, is told as such
    assert {problem.code for problem in examine_card(shown)} <= {"CARD054", "CARD060"}
    assert not any(problem.severity == "error" for problem in examine_card(shown))
    name = card_metadata(shown)["model-index"][0]["name"]
    assert isinstance(name, str)


# ---- versions, files, signature ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (version(0.005, 0.02), "Better than v3"),
        (version(-0.005, 0.02), "No worse than v3 by more than 0.01"),
        (version(-0.05, 0.02), "Not shown to be no worse than v3"),
        (version(-0.05, -0.02), "Worse than v3"),
    ],
)
def test_a_comparison_with_the_published_version(evidence: Evidence, comparison: VersionComparison, words: str):
    text = render(replace(evidence, comparison=comparison), "card")
    told = section(text, "Compared with v3")
    assert words in told
    for part in (
        "| ndcg@10 | 0.6200 |",
        "120 better, 80 worse, 1,300 alike",
        "| shared neighbours | – | 83 % |",
        "| negative flips | – | 2.1 % |",
        "Stored vectors must be made anew",
        "8f2c1d0b7a6e5f4c3b2a19080706050403020100",
        "a loss of up to 0.01 is allowed",
    ):
        assert part in told
    assert examine_card(text) == ()


def test_a_version_that_was_not_compared_is_said_so(evidence: Evidence):
    silent = VersionComparison(repo_id="me/m", tag="v3", note="not compared: the data has no test split")
    told = section(render(replace(evidence, comparison=silent), "card"), "Compared with v3")
    assert "was not compared with it: the data has no test split" in told
    assert "|" not in told
    same = replace(silent, weights_sha256="sha256:a", published_weights_sha256="sha256:a")
    assert "weights are those of v3" in render(replace(evidence, comparison=same), "card")
    assert "Compared with" not in render(evidence, "card")


def test_a_signature_is_named_where_there_is_one(evidence: Evidence):
    key = SigningKey(algorithm="ECDSA P-256", fingerprint="sha256:" + "ab" * 32)
    signed, plain = render(replace(evidence, signing_key=key), "card"), render(evidence, "card")
    assert "`sha256:" + "ab" * 32 + "`" in signed
    assert "`model.sig`" in signed
    assert "`model.sig`" not in plain
    for text in (signed, plain):
        assert "`hf-contrastive verify docs-lab/docstring-minilm`" in text
    assert "The repository is not signed." in plain


def test_what_is_said_to_go_along_is_what_is_published(evidence: Evidence):
    for given in (evidence, Evidence(model_name="m"), replace(evidence, licenses=None, license_texts={})):
        text = render(given, "card")
        listed = re.findall(r"^\| `([^`]+)` \| .", text.split("What goes along")[1], re.MULTILINE)
        assert sorted(listed) == sorted(set(render_all(given, published=True)) - {"README.md"})
        named = set(re.findall(r"`([\w.]+\.(?:html|json|md|sig))`", text)) | {"evidence.json"}
        assert named - {"README.md"} <= set(listed)


def test_a_document_of_ones_own_is_listed(evidence: Evidence, monkeypatch: pytest.MonkeyPatch):
    own = ModuleType("own")
    own.__doc__ = "FACTS.txt: facts for buyers.\n\nMore."
    own.name, own.filename, own.published = "own", "FACTS.txt", True  # type: ignore[attr-defined]
    own.applies = lambda _: True  # type: ignore[attr-defined]
    known = documents()
    monkeypatch.setattr(rendering, "documents", lambda: {**known, "own": own})
    assert "| `FACTS.txt` | facts for buyers. |" in card.render(evidence)
    own.published = False  # type: ignore[attr-defined]
    assert "FACTS.txt" not in card.render(evidence)


def test_what_is_measured_beside_a_task_is_told_without_a_reading(evidence: Evidence):
    item = MetricComparison(
        before=measured("ece", 0.21), after=measured("ece", 0.08), difference=measured("ece", -0.13)
    )
    parts = (
        EvaluationSection(name="calibration", metrics=(item,), method="15 bins of equal size."),
        EvaluationSection(name="robustness | noise", not_computed="no noisy queries were given."),
    )
    task = replace(evidence.evaluations[0], queries=0, documents=0, rows=900, task="classification", sections=parts)
    text = render(replace(evidence, evaluations=(task,)), "card")
    told = section(text, "Calibration")
    assert "| ece | 0.2100 | 0.0800 | -0.1300 |" in told
    assert "15 bins of equal size. *[measured]*" in told
    assert "better" not in told
    assert "- Robustness \\| noise: not computed, because no noisy queries were given. *[unanswered]*" in told
    assert "900 rows, at most 128 tokens" in text
    assert "0 queries" not in text
    assert card_metadata(text)["model-index"][0]["results"][0]["task"]["type"] == "text-classification"
    assert examine_card(text) == ()


# ---- code --------------------------------------------------------------------------------------------------


def test_the_code_of_the_card_gives_the_same_vectors_in_each_library(
    trained_folder: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    import numpy as np
    from sentence_transformers import SentenceTransformer

    folder = trained_folder(tmp_path / "model")
    told = Evidence.from_dict(_evidence_of(folder))
    text = render(replace(told, repo_id="owner/tiny", model_name="tiny"), "card")
    text = text.replace('"owner/tiny"', repr(str(folder)))
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    wanted = SentenceTransformer(str(folder), device="cpu").encode(["first text", "second text"])
    spaces: list[dict[str, Any]] = []
    for block in blocks[:2]:
        space: dict[str, Any] = {}
        exec(compile(block, "<card>", "exec"), space)
        spaces.append(space)
    assert np.allclose(spaces[0]["embeddings"], wanted, atol=1e-6)
    assert np.allclose(spaces[1]["encode"](["first text", "second text"]).numpy(), wanted, atol=1e-5)
    assert "tensor" in capsys.readouterr().out


def _evidence_of(folder: Path) -> dict[str, Any]:
    import json

    places = (folder / "evidence.json", folder.parent / "report" / "evidence.json")
    path = next(path for path in places if path.exists())
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["evidence"]
    return data
