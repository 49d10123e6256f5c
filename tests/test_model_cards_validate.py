"""Model cards are checked offline: the golden card is valid, and each rule refuses its own fault."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_cards.errors import CardError
from model_cards.validate import card_metadata, hub_values, is_hub_id, require_valid_card, validate_card

GOOD = (Path(__file__).parent / "golden" / "README.md").read_text(encoding="utf-8")


def test_the_golden_card_is_valid():
    assert validate_card(GOOD) == ()
    require_valid_card(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "---\nlicense: mit\n---\n# M\n\nText.\n",
        "---\r\nlicense: mit\r\nlanguage: [en, deu, code]\r\n---\r\n# M\r\n\r\nText.\r\n",
        "---\nlicense: other\nlicense_name: own-1.0\nlicense_link: LICENSE\n---\n\nText.\n",
        "---\nlicense: [mit, apache-2.0]\nbase_model: [bert-base-uncased, a/b.c_d-e]\n---\n\nText.\n",
        "---\ntags: [x]\n---\n# M\n\n```yaml\n# a comment, no heading\n# [More Information Needed]\n```\n",
        "---\ntags: [x]\n---\n# M\n\n## Part\n\nSee https://huggingface.co/home/alice and ./home/x or and/or.\n",
    ],
)
def test_good_cards(text):
    assert validate_card(text) == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("license: apache-2.0", "licence: license", "spelt `license`"),
        ("license: apache-2.0", "license: Apache 2", "no license id of the Hub"),
        ("license: apache-2.0", "license: other", "needs `license_name` and `license_link`"),
        ("license: apache-2.0", "license: apache-2.0\nlicense: mit", "license is given twice"),
        ("base_model: sentence", "base_model: /home/alice/sentence", "never a local path"),
        ("base_model: sentence", "base_model: ./out/sentence", "`base_model` is"),
        ("base_model_relation: finetune", "base_model_relation: child", "`base_model_relation` is 'child'"),
        ("- docs-lab/docstring-pairs\nlang", "- ../pairs.csv\nlang", "`datasets` holds '../pairs.csv'"),
        ("pipeline_tag: sentence-similarity", "pipeline_tag: embeddings", "`pipeline_tag` is 'embeddings'"),
        ("language:\n- en", "language:\n- English", "`language` holds 'English'"),
        ("language:\n- en", "language:\n- no", "quoted 'no'"),
        ("value: 0.606", "value: high", "`model-index` gives 'mrr_at_10' the value 'high'"),
        ("value: 0.606", "value: .nan", "allowed is a finite number"),
        (
            "      type: docs-lab/docstring-pairs\n",
            "",
            "Hub's shape ('type' is missing",
        ),
        ("model-index:\n- name", "model-index:\n  name", "`model-index` does not have the Hub's shape"),
        ("Docs Lab *[stated", "[More Information Needed] *[stated", "The template's blank"),
        ("Docs Lab *[stated", "{{ developers }} *[stated", "The template's blank"),
        ("## Citation\n", "## Glossary\n\n<!-- terms -->\n\n## Citation\n", "“Glossary” is empty"),
        ("Docs Lab", "Docs Lab, /home/alice/run", "local path /home/alice/run"),
        ("Docs Lab", "Docs Lab, C:\\Users\\alice\\run", "local path C:\\Users\\alice\\run"),
        ("Docs Lab", "Docs Lab, /tmp/x", "local path /tmp/x"),
        ("Docs Lab", "Docs Lab, file:///srv/x", "local path file:///srv/x"),
        ("Docs Lab", "Docs Lab, in /root", "local path /root"),
        ("Docs Lab", "hf_" + "aB3d" * 8, "access token"),
        ("---\nbase_model", "base_model", "no YAML front matter"),
        ("license: apache-2.0", "license: [apache", "no valid YAML"),
    ],
)
def test_each_rule_refuses_its_fault(old, new, words):
    assert old in GOOD
    problems = validate_card(GOOD.replace(old, new, 1))
    assert any(words in problem for problem in problems), problems
    assert len(problems) <= 2


@pytest.mark.parametrize("text", ["---\n- a\n- b\n---\nText.\n", "---\ntext\n---\nText.\n", "---\n\n---\nText.\n"])
def test_front_matter_must_be_a_mapping(text):
    assert "must be a mapping" in validate_card(text)[0]
    with pytest.raises(CardError, match="must be a mapping"):
        card_metadata(text)


def test_yaml_that_builds_objects_is_refused():
    assert "no valid YAML" in validate_card("---\nlicense: !!python/object/apply:os.getcwd []\n---\nText.\n")[0]


def test_all_problems_are_listed_at_once():
    text = "---\nlicence: mit\npipeline_tag: x\n---\n# Empty\n"
    with pytest.raises(CardError) as caught:
        require_valid_card(text)
    assert len(caught.value.problems) == 3
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_judged_without_a_crash(text):
    assert validate_card(text)
    validate_card(f"---\n{text}\n---\nText.\n")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)))
def test_any_metadata_value_is_judged_without_a_crash(value):
    for key in ("license", "base_model", "base_model_relation", "datasets", "pipeline_tag", "language", "model-index"):
        validate_card(f"---\n{key}: {json.dumps(value)}\n---\nText.\n")


@pytest.mark.parametrize("good", ["bert-base-uncased", "a/b", "BAAI/bge-m3", "_x/y_", "o-1/n.2"])
def test_hub_ids(good):
    assert is_hub_id(good)


@pytest.mark.parametrize(
    "bad",
    ["", "/a", "a/", "a/b/c", "./a", "~/a", "a\\b", "a b", "a--b/c", "a..b", "x.git", "a/" + "b" * 97, None, 3, "é/a"],
)
def test_what_is_no_hub_id(bad):
    assert not is_hub_id(bad)


def test_the_lists_are_whole():
    values = hub_values()
    assert len(values["licenses"]) == 83
    assert {"apache-2.0", "openrail++", "other", "unknown"} <= values["licenses"]
    assert "sentence-similarity" in values["pipeline_tags"]
    assert {"en", "de", "zh"} <= values["languages"]
