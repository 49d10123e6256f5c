"""Facts of the licenses of AI models, each expectation read from the license's own text."""

from __future__ import annotations

import pytest

from audits.licenses.resolution import resolve
from audits.licenses.terms import AXES, UNDETERMINED, Fact, load_terms

RAIL = (
    "creativeml-openrail-m",
    "openrail++",
    "bigscience-openrail-m",
    "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m",
)
TEXT_NOT_FOUND = ("h-research", "LicenseRef-ai2-impact-mr")
HUB_IDS = (
    *RAIL,
    *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "gemma", "grok2-community"),
    *("apple-ascl", "apple-amlr", "openmdw-1.0", "openmdw-1.1", "deepfloyd-if-license"),
    *("fair-noncommercial-research-license", "h-research", "intel-research"),
)

# license, axis, value; the comment is what the text says
VALUES = [
    ("llama2", "naming", "none"),  # 5.a: names only as customary in describing
    ("llama2", "output_training", "forbidden"),  # 1.b.v: outputs improve no other large language model
    ("llama2", "commercial_use", "conditional"),  # 2: 700 million monthly active users
    ("llama2", "hosting", UNDETERMINED),  # "make available to a third party" is not explained
    ("llama3", "output_training", "forbidden"),  # 1.b.v
    ("llama3", "naming", "prefix"),  # 1.b.i: "Llama 3" at the beginning
    ("llama3.1", "output_training", "conditional"),  # 1.b.v is gone; outputs bring the name
    ("llama3.1", "naming", "prefix"),
    ("llama3.1", "territory", "worldwide"),
    ("llama3.1", "use_restrictions", "binding"),  # Acceptable Use Policy, no clause that hands it on
    ("llama3.1", "hosting", "is-distribution"),  # "a product or service ... that contains any of them"
    ("llama3.2", "territory", "conditional"),  # policy: no multimodal models for the European Union
    ("llama3.3", "territory", "conditional"),  # its policy repeats the sentence
    ("llama3.3", "output_training", "conditional"),
    ("llama4", "territory", "conditional"),
    ("llama4", "relicensing", "restrictions-kept"),
    ("LicenseRef-llama1", "commercial_use", "forbidden"),  # 1.a: non-commercial research
    ("LicenseRef-opt-175b", "commercial_use", "forbidden"),
    ("gemma", "hosting", "is-distribution"),  # 1.1.b: hosted service
    ("gemma", "use_restrictions", "passed-down"),  # 3.1: enforceable provision
    ("gemma", "output_training", "conditional"),  # 1.1.e: synthetic data makes a derivative
    ("gemma", "relicensing", "restrictions-kept"),
    ("gemma", "commercial_use", "allowed"),
    *[(name, "use_restrictions", "passed-down") for name in RAIL],
    *[(name, "hosting", "is-distribution") for name in RAIL],  # "providing the Model as a hosted service"
    *[(name, "relicensing", "restrictions-kept") for name in RAIL],
    *[(name, "commercial_use", "allowed") for name in RAIL],
    ("openmdw-1.0", "relicensing", "any-with-notices"),
    ("openmdw-1.1", "use_restrictions", "none"),
    ("openmdw-1.1", "output_training", "allowed"),  # no restrictions on outputs
    ("openmdw-1.1", "results_carve_out", "results-free"),
    ("fair-noncommercial-research-license", "share_alike", "same-license"),  # 1.b.ii: only under these terms
    ("fair-noncommercial-research-license", "commercial_use", "forbidden"),
    ("apple-amlr", "commercial_use", "forbidden"),  # exclusively for Research Purposes
    ("apple-amlr", "output_training", "not-addressed"),
    ("apple-ascl", "commercial_use", "allowed"),
    ("deepfloyd-if-license", "commercial_use", "forbidden"),
    ("LicenseRef-qwen", "naming", "display"),  # 5.b
    ("LicenseRef-qwen", "commercial_use", "conditional"),  # 4: 100 million monthly active users
    ("LicenseRef-qwen-research", "commercial_use", "forbidden"),  # 2.a
    ("LicenseRef-tongyi-qianwen", "output_training", "forbidden"),  # 5.b of the older text
    ("LicenseRef-deepseek", "use_restrictions", "passed-down"),  # 4.a, taken from the RAIL texts
    ("LicenseRef-mrl", "output_training", "conditional"),  # 4.2: outputs for research only
    ("LicenseRef-mnpl", "commercial_use", "forbidden"),
    ("LicenseRef-stability-ai-community", "commercial_use", "conditional"),  # III: one million dollars a year
    ("LicenseRef-stability-ai-community", "output_training", "forbidden"),  # IV.b: foundational generative models
    ("LicenseRef-stability-ai-nc", "relicensing", "listed"),  # 1.c: remains subject to this Agreement
    ("LicenseRef-nvidia-open-model", "relicensing", "any-with-notices"),
    ("LicenseRef-nvidia-nsclv1", "commercial_use", "forbidden"),  # 3.3
    ("LicenseRef-falcon-2", "use_restrictions", "passed-down"),  # 4.1
    ("LicenseRef-exaone-nc", "output_training", "forbidden"),  # 3.1: develop or improve other models
    ("LicenseRef-tencent-hunyuan", "territory", "excludes"),  # 1.l
    ("LicenseRef-yi", "commercial_use", "conditional"),  # registration
    ("LicenseRef-msr", "relicensing", "none"),  # 2.a: no right to distribute the data
    ("LicenseRef-msr-la", "share_alike", "same-license"),
    ("LicenseRef-kimi-k2", "commercial_use", "conditional"),
    ("LicenseRef-openai-terms", "output_training", "forbidden"),  # models that compete
    ("LicenseRef-google-gemini-terms", "output_training", "forbidden"),
    ("LicenseRef-anthropic-terms", "output_training", "forbidden"),  # no AI model without authorization
    ("grok2-community", "output_training", "forbidden"),
    ("grok2-community", "commercial_use", UNDETERMINED),  # the text was not at hand
]

# license, what its text asks to show: the prefix of the name first, then what is displayed
NAMES = [
    ("llama3", ("prefix", "display"), "Llama 3 | Built with Meta Llama 3"),
    ("llama3.1", ("prefix", "display"), "Llama | Built with Llama"),
    ("llama4", ("prefix", "display"), "Llama | Built with Llama"),
    ("LicenseRef-qwen", ("display",), "Built with Qwen"),
    ("LicenseRef-qwen-research", ("display",), "Built with Qwen"),
    ("LicenseRef-stability-ai-community", ("display",), "Powered by Stability AI"),
    ("LicenseRef-exaone-nc", ("prefix",), "EXAONE"),
    ("LicenseRef-hyperclova-x-seed", ("prefix", "display"), "HyperCLOVA X | Powered by HyperCLOVA X"),
    (
        "LicenseRef-falcon-2",
        ("display",),
        "is built using Falcon LLM technology from the Technology Innovation Institute",
    ),
    (
        "LicenseRef-falcon-llm",
        ("display",),
        "is built using artificial intelligence technology from the Technology Innovation Institute",
    ),
]

SENTENCES = [
    (
        "llama2",
        "Llama 2 is licensed under the LLAMA 2 Community License, "
        "Copyright (c) Meta Platforms, Inc. All Rights Reserved.",
    ),
    (
        "llama3",
        "Meta Llama 3 is licensed under the Meta Llama 3 Community License, "
        "Copyright © Meta Platforms, Inc. All Rights Reserved.",
    ),
    *[
        (
            f"llama{version}",
            f"Llama {version} is licensed under the Llama {version} Community License, "
            "Copyright © Meta Platforms, Inc. All Rights Reserved.",
        )
        for version in ("3.1", "3.2", "3.3", "4")
    ],
    ("gemma", "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"),
    (
        "LicenseRef-qwen",
        "Qwen is licensed under the Qwen LICENSE AGREEMENT, Copyright (c) Alibaba Cloud. All Rights Reserved.",
    ),
    (
        "LicenseRef-qwen-research",
        "Qwen is licensed under the Qwen RESEARCH LICENSE AGREEMENT, Copyright (c) Alibaba Cloud. All Rights Reserved.",
    ),
    (
        "deepfloyd-if-license",
        "DeepFloyd is licensed under the DeepFloyd License, Copyright (c) Stability AI Ltd. All Rights Reserved.",
    ),
    ("LicenseRef-nvidia-open-model", "Licensed by NVIDIA Corporation under the NVIDIA Open Model License"),
    ("LicenseRef-mrl", "Licensed by Mistral AI under the Mistral AI Research License"),
]


def fact(license_id: str, axis: str) -> Fact:
    terms = load_terms().get(license_id)
    assert terms is not None, license_id
    return terms.fact(axis)


@pytest.mark.parametrize(("license_id", "axis", "value"), VALUES)
def test_the_facts_say_what_the_text_says(license_id: str, axis: str, value: str) -> None:
    assert fact(license_id, axis).value == value


@pytest.mark.parametrize(("license_id", "values", "shown"), NAMES)
def test_names_that_a_text_asks_for_stand_word_by_word(license_id: str, values: tuple[str, ...], shown: str) -> None:
    naming = fact(license_id, "naming")
    assert naming.values == values
    assert naming.detail == shown
    assert len(naming.detail.split(" | ")) == len(values)


@pytest.mark.parametrize(("license_id", "sentence"), SENTENCES)
def test_the_notice_is_the_sentence_of_this_version(license_id: str, sentence: str) -> None:
    notice = fact(license_id, "notice")
    assert {"license-copy", "sentence"} <= set(notice.values)
    assert notice.detail == sentence


@pytest.mark.parametrize("license_id", [*RAIL, "gemma", "LicenseRef-deepseek", "LicenseRef-qwen"])
def test_modified_files_are_marked_and_the_license_goes_along(license_id: str) -> None:
    assert {"license-copy", "changed-files"} <= set(fact(license_id, "notice").values)


@pytest.mark.parametrize("hub_id", HUB_IDS)
def test_the_id_is_the_one_that_the_resolution_gives(hub_id: str) -> None:
    terms = load_terms().get(hub_id)
    assert terms is not None
    assert terms.id == resolve(hub_id).spdx
    assert hub_id in terms.hub


@pytest.mark.parametrize("license_id", TEXT_NOT_FOUND)
def test_of_a_text_that_was_not_found_nothing_is_known(license_id: str) -> None:
    for axis in AXES:
        found = fact(license_id, axis)
        assert (found.value, found.confidence, found.clause) == (UNDETERMINED, "low", ""), axis
        assert found.detail, axis


@pytest.mark.parametrize("license_id", ["LicenseRef-openai-services", "LicenseRef-anthropic-terms", "grok2-community"])
def test_what_others_quote_is_not_of_high_confidence(license_id: str) -> None:
    terms = load_terms().get(license_id)
    assert terms is not None
    assert {found.confidence for found in terms.axes.values()} <= {"medium", "low"}


def test_openai_excepts_embeddings_only_where_they_are_not_distributed() -> None:
    found = fact("LicenseRef-openai-services", "output_training")
    assert found.value == "conditional"
    assert "embeddings" in found.clause
    assert "not distributed" in found.clause


def test_openrail_texts_are_one_family_only_where_they_restrict_alike() -> None:
    table = load_terms()
    families = {name: terms.family for name in RAIL if (terms := table.get(name))}
    assert families["creativeml-openrail-m"] == families["openrail++"]
    assert len(set(families.values())) == len(RAIL) - 1


def test_the_bare_openrail_is_no_license() -> None:
    assert load_terms().get("openrail") is None
    assert "openrail" in load_terms().families


@pytest.mark.parametrize(
    "license_id", ["LicenseRef-qwen-research", "LicenseRef-tongyi-qianwen", "LicenseRef-llama1", "LicenseRef-opt-175b"]
)
def test_terms_of_another_text_are_not_taken_for_the_family_of_llama_or_qwen(license_id: str) -> None:
    terms = load_terms().get(license_id)
    assert terms is not None
    assert not terms.family.casefold().startswith(("llama", "qwen", "tongyi"))


def test_every_restriction_on_training_with_outputs_is_quoted() -> None:
    for terms in load_terms():
        found = terms.fact("output_training")
        if found.value in {"conditional", "forbidden"}:
            assert found.clause, terms.id
            assert found.detail, terms.id
