"""The demo ends as it announces, on this machine's own docstrings; shortened, so that it need not improve."""

import json

import pytest

from audits.policy import load_policy
from hf_contrastive.demo.publishing import demo_policy
from hf_contrastive.demo.run import run_demo
from hf_contrastive.demo.training import BASE_ID


def test_the_demo_policy_differs_from_the_standard_one_in_truncation_alone():
    standard, demo = load_policy("standard"), demo_policy()
    changed = [(one, two) for one, two in zip(standard.rules, demo.rules, strict=True) if one != two]
    assert [(one.code, two.code) for one, two in changed] == [("PAIR004", "PAIR004")]
    assert demo.intent == standard.intent
    assert demo.name != standard.name
    assert "60 %" in demo.name


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_step_of_the_demo(tmp_path):
    result = run_demo(tmp_path / "demo", steps=3, queries=60)
    assert result.decision == "pass"
    assert set(result.before) == set(result.after) == {"ndcg@10", "mrr@10", "recall@10"}
    assert set(result.difference) == {"value", "low", "high"}
    assert result.difference["low"] <= result.difference["value"] <= result.difference["high"]
    assert result.difference["value"] == pytest.approx(result.after["ndcg@10"] - result.before["ndcg@10"])
    assert len(result.largest_embedding_difference) == 3
    assert max(result.largest_embedding_difference.values()) <= 1e-5
    assert result.blocked_codes == ("L1", "LIC001")
    assert result.tag == "v1"
    evidence = json.loads((tmp_path / "demo" / "report" / "evidence.json").read_text(encoding="utf-8"))["evidence"]
    trained, audited = evidence["training"]["datasets"], evidence["audit"]["datasets"]
    assert trained[0]["fingerprint"] in {item["fingerprint"] for item in audited}
    assert evidence["training"]["base"]["model_id"] == BASE_ID
    names = [item["name"] for item in evidence["remedies"]]
    assert names[:2] == ["remove_leakage", "remove_licenses"]
    assert set(names[2:]) <= {"remove_listed"}
    tested = [item for item in evidence["audit"]["results"] if item["self_test"] and item["self_test"]["found"]]
    assert len(tested) >= 20
    leaks = [item for item in evidence["audit"]["results"] if item["code"].startswith("LEAK") and item["findings"]]
    assert leaks == []
    blocked = json.loads((tmp_path / "demo" / "blocked" / "report.json").read_text(encoding="utf-8"))
    assert blocked["decision"] == "block"
    assert str(tmp_path) not in json.dumps(evidence)
