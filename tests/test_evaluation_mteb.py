"""mteb on local data gives the numbers that evaluate gives, where both compute the same."""

import importlib.util
import random

import pytest
from datasets import Dataset

from hf_contrastive import evaluate
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import EvaluationError, MissingExtraError
from hf_contrastive.evaluation.mteb_tasks import MtebEncoder, evaluate_with_mteb, local_task

HERE = importlib.util.find_spec("mteb") is not None
needs_mteb = pytest.mark.skipif(not HERE, reason="the extra mteb is not installed")

WORDS = ["cat", "dog", "horse", "mouse", "bird", "fish", "sheep", "cow", "goat", "lion"]
WORDS += ["bread", "apple", "soup", "cheese", "rice", "pear"]


@pytest.fixture(scope="module")
def encoder(tiny_bert):
    return TextEncoder.load(tiny_bert)


@pytest.fixture(scope="module")
def pairs():
    draw = random.Random(0)
    rows = [(" ".join(draw.choices(WORDS, k=4)), " ".join(draw.choices(WORDS, k=4))) for _ in range(40)]
    return {
        "sentence1": [f"{one} {i}" for i, (one, _) in enumerate(rows)],
        "sentence2": [f"{other} {i}" for i, (_, other) in enumerate(rows)],
    }


def values(report):
    return {item.after.name: item.after.value for item in report.metrics}


@needs_mteb
def test_a_retrieval_is_the_same(encoder, topic_pairs):
    found = evaluate_with_mteb(encoder, local_task(topic_pairs))
    report = evaluate(encoder, topic_pairs, sections=["ranking"])
    ours = values(report)
    assert found["main_score"] == found["ndcg_at_10"] == pytest.approx(ours["ndcg@10"], abs=1e-5)
    assert found["recall_at_10"] == pytest.approx(ours["recall@10"], abs=1e-5)
    assert found["mrr_at_10"] == pytest.approx(ours["mrr@10"], abs=1e-5)


@needs_mteb
def test_graded_and_labelled_pairs_are_the_same(encoder, pairs):
    draw = random.Random(1)
    graded = Dataset.from_dict(pairs | {"score": [draw.random() * 5 for _ in range(40)]})
    found = evaluate_with_mteb(encoder, local_task(graded))
    ours = values(evaluate(encoder, graded, sections=()))
    assert found["cosine_spearman"] == pytest.approx(ours["spearman"], abs=1e-5)
    assert found["cosine_pearson"] == pytest.approx(ours["pearson"], abs=1e-5)
    labelled = Dataset.from_dict(pairs | {"label": [draw.randint(0, 1) for _ in range(40)]})
    task = local_task(labelled)
    found = evaluate_with_mteb(encoder, task)
    assert found["cosine_ap"] == pytest.approx(values(evaluate(encoder, labelled, sections=()))["ap"], abs=1e-5)
    # its data stays: a second run is the same
    assert evaluate_with_mteb(encoder, task) == found


@needs_mteb
def test_a_classification_runs_and_tells_words_apart(encoder):
    rows = [(f"{WORDS[i % 16]} stands near", "animal" if i % 16 < 10 else "food") for i in range(160)]
    data = Dataset.from_dict({"text": [f"{t} {i}" for i, (t, _) in enumerate(rows)], "label": [x for _, x in rows]})
    found = evaluate_with_mteb(encoder, local_task(data))
    assert 0.5 < found["accuracy"] <= 1.0


@needs_mteb
def test_a_named_task_keeps_its_rules_and_loads_nothing(encoder, topic_pairs, pairs):
    task = local_task(topic_pairs, like="NFCorpus")
    assert task.metadata.name == "NFCorpus"
    found = evaluate_with_mteb(encoder, task)
    assert found["ndcg_at_10"] == pytest.approx(
        values(evaluate(encoder, topic_pairs, sections=()))["ndcg@10"], abs=1e-5
    )
    with pytest.raises(EvaluationError, match="NFCorpus is a Retrieval, and the data is a similarity"):
        local_task(Dataset.from_dict(pairs | {"score": [float(i) for i in range(40)]}), like="NFCorpus")


@needs_mteb
def test_prompts_are_those_of_the_model(encoder, topic_pairs):
    seen = []

    class Watched(TextEncoder):
        def encode(self, texts, *, prompt=None, **options):
            seen.append((prompt, len(texts)))
            return super().encode(texts, prompt=prompt, **options)

    evaluate_with_mteb(Watched(encoder.model, encoder.tokenizer, encoder.spec), local_task(topic_pairs, limit=10))
    assert sorted(seen) == [("document", 10), ("query", 10)]


@pytest.mark.skipif(HERE, reason="the extra mteb is installed")
def test_without_the_extra_the_command_to_install_it_is_told(encoder, topic_pairs):
    for call in (lambda: local_task(topic_pairs), lambda: MtebEncoder(encoder)):
        with pytest.raises(MissingExtraError, match=r'pip install "hf-contrastive\[mteb\]"'):
            call()
