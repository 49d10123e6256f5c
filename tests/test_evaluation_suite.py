"""One call measures a task and what stands beside it; what was planted in an encoder is found."""

import json
import random
import zlib

import huggingface_hub
import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from audits.licenses.lineage import Start, walk
from audits.licenses.repo_folders import FolderHub
from audits.policy import load_policy
from hf_contrastive import evaluate
from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import EvaluationError
from hf_contrastive.evaluation.encodings import Encodings
from hf_contrastive.evaluation.perturbations import perturbed
from hf_contrastive.evaluation.reading import read_task
from hf_contrastive.evaluation.sections import sections
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.training_run import collect_evidence
from model_cards.evidence import EvaluationReport

WORDS = "river stone amber cloud field garden copper window harbor meadow lantern forest canyon marble"
NOUNS = list(WORDS.split())


class Planted(TextEncoder):
    """Vectors from what a text says: equal words, equal vectors; ``told`` may plant something. Counts its texts."""

    def __init__(self, plain, told=None):
        super().__init__(plain.model, plain.tokenizer, plain.spec)
        self.told = told
        self.seen = []

    def encode(self, texts, *, prompt=None, max_length=None, on_progress=None):
        self.seen += [(self.spec.prompts.get(prompt, "") if prompt else "", text) for text in texts]
        vectors = np.array([self.vector(text) for text in texts], dtype=np.float32)
        if on_progress:
            on_progress(len(texts), len(texts))
        return vectors

    def vector(self, text):
        found = self.told(text) if self.told else None
        if found is None:
            found = sum((direction(word) for word in text.lower().split()), np.zeros(48))
        return found + 1e-3 * direction(text)


def direction(word):
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=48)


@pytest.fixture(scope="module")
def plain(tiny_bert):
    return TextEncoder.load(tiny_bert)


@pytest.fixture(scope="module")
def retrieval():
    draw = random.Random(0)
    names = [f"{draw.choice(NOUNS)} {i} {draw.choice(NOUNS)} {draw.choice(NOUNS)}" for i in range(60)]
    return Dataset.from_dict(
        {
            "anchor": [f"where is the {name}" for name in names],
            "positive": [f"the {name} is near a house" for name in names],
            "language": ["en" if i % 3 else "de" for i in range(60)],
        }
    )


@pytest.fixture(scope="module")
def graded():
    draw = random.Random(1)
    rows = [(draw.choice(NOUNS), draw.choice(NOUNS)) for _ in range(60)]
    return Dataset.from_dict(
        {
            "sentence1": [f"one {a} {i}" for i, (a, _) in enumerate(rows)],
            "sentence2": [f"two {b} {i}" for i, (_, b) in enumerate(rows)],
            "score": [float(a == b) + draw.random() for a, b in rows],
        }
    )


@pytest.fixture(scope="module")
def labelled():
    draw = random.Random(2)
    texts = [f"{draw.choice(NOUNS[5 * (i % 3) : 5 * (i % 3) + 4])} number {i} stands here" for i in range(150)]
    return Dataset.from_dict({"text": texts, "label": [i % 3 for i in range(150)]})


def by_name(report):
    return {item.after.name: item for item in report.metrics}


def section(report, name):
    return next(item for item in report.sections if item.name == name)


def value(part, name):
    return next(item for item in part.metrics if item.after.name == name)


def far(count=40):
    return [f"far {i} off" for i in range(count)]


def write_qrels(folder, **splits):
    folder.mkdir()
    for name, rows in splits.items():
        lines = [("query-id", "corpus-id", "score"), *rows]
        (folder / f"{name}.tsv").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))


class Collapsed(Planted):
    """One vector for every text."""

    def vector(self, text):
        return direction("one")


# ---- the task -------------------------------------------------------------------------------------------------------


def test_columns_say_what_the_task_is(plain, retrieval, graded, labelled):
    encoder = Planted(plain)
    pairs = graded.remove_columns("score").add_column("label", [i % 2 for i in range(60)])
    for data, task, primary, names in (
        (retrieval, "retrieval", "ndcg@10", {"ndcg@10", "mrr@10", "recall@10"}),
        (graded, "similarity", "spearman", {"spearman", "pearson"}),
        (pairs, "pair classification", "ap", {"ap", "auroc"}),
        (labelled, "classification", "probe accuracy", {"probe macro_f1", "knn accuracy", "v_measure"}),
    ):
        report = evaluate(encoder, data, sections=())
        assert (report.task, report.primary_metric, report.sections) == (task, primary, ())
        assert names | {primary} <= set(by_name(report))
        assert (report.queries > 0) == (task == "retrieval")
        assert report.rows + report.queries == (75 if task == "classification" else 60)


def test_a_task_is_named_where_columns_allow_two(plain, retrieval, labelled):
    both = retrieval.add_column("text", labelled["text"][:60]).add_column("label", labelled["label"][:60])
    assert evaluate(Planted(plain), both, sections=()).task == "retrieval"
    assert evaluate(Planted(plain), both, sections=(), task="classification").task == "classification"


def test_several_positives_in_a_row_a_collection_and_a_folder_are_the_same(plain, tmp_path):
    rows = [(f"where is the {n}", [f"the {n} is here", f"a {n} stands there"]) for n in NOUNS]
    lists = Dataset.from_dict({"anchor": [q for q, _ in rows], "positive": [d for _, d in rows]})
    flat = Dataset.from_dict({"anchor": [q for q, d in rows for _ in d], "positive": [x for _, d in rows for x in d]})
    documents = {f"d{i}": text for i, text in enumerate(text for _, d in rows for text in d)}
    collection = {
        "queries": {f"q{i}": query for i, (query, _) in enumerate(rows)} | {"q99": "without an answer"},
        "corpus": documents,
        "relevant": {f"q{i}": [f"d{2 * i}", f"d{2 * i + 1}"] for i in range(len(rows))},
    }
    for name, part in (
        ("queries", [{"_id": one, "text": text} for one, text in collection["queries"].items()]),
        ("corpus", [{"_id": one, "title": "", "text": text} for one, text in documents.items()]),
        (
            "qrels",
            [{"query-id": q, "corpus-id": d, "score": 1} for q, found in collection["relevant"].items() for d in found]
            + [{"query-id": "q0", "corpus-id": "d5", "score": 0}],
        ),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    reports = [evaluate(Planted(plain), data, sections=()) for data in (lists, flat, collection, tmp_path)]
    (tmp_path / "qrels.jsonl").unlink()
    scored = [(q, d, 1) for q, found in collection["relevant"].items() for d in found]
    write_qrels(tmp_path / "qrels", test=[*scored, ("q0", "d5", 0)], train=[("q99", "d0", 1)])
    reports.append(evaluate(Planted(plain), tmp_path, sections=()))
    reports.append(evaluate(Planted(plain), collection | {"relevant": tmp_path / "qrels" / "test.tsv"}, sections=()))
    assert len({report.metrics for report in reports}) == 1
    other = evaluate(Planted(plain), tmp_path, split="train", sections=())
    assert (other.queries, other.dataset.split) == (1, "queries, corpus and relevance of train")
    assert other.dataset.fingerprint != reports[-1].dataset.fingerprint
    assert {(report.queries, report.documents) for report in reports} == {(14, 28)}
    assert "1 queries without a relevant document are left out" in reports[2].note
    assert reports[2].dataset.fingerprint == reports[3].dataset.fingerprint


def test_the_layout_of_beir_with_empty_metadata_is_read(plain, tmp_path):
    for name, part in (("queries", "qa"), ("corpus", "db")):
        rows = [{"_id": f"{part[0]}{i}", "title": "t", "text": f"{part[1]} {i}", "metadata": {}} for i in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_qrels(tmp_path / "qrels", dev=[("q0", "d1", 2), ("q1", "d0", 0)])
    report = evaluate(Planted(plain), tmp_path, sections=())
    assert (report.queries, report.documents) == (1, 3)
    assert report.dataset.split == "queries, corpus and relevance of dev"


@pytest.mark.parametrize(
    ("files", "split", "told"),
    [
        ({"dev": "", "train": ""}, None, "has the splits dev, train; say which one with `split`"),
        ({"dev": "", "test": ""}, "train", "has the splits dev, test, and not 'train'"),
        ({}, None, "has the splits none, and not 'test'"),
        ({"test": "query-id\tcorpus-id\tscore\nq0\td0\thigh\n"}, None, "Line 2 of `test.tsv` is ['q0', 'd0', 'high']"),
        ({"test": "query-id\tcorpus-id\tscore\n\nq0\td0\n"}, None, "Line 3 of `test.tsv`"),
        ({"test": ""}, None, "`test.tsv` can not be read as a table"),
        ({"test": "q0 Q0 d0 1\n"}, None, "needs the columns query-id and corpus-id"),
    ],
)
def test_relevance_that_can_not_be_read_is_one_sentence(plain, tmp_path, files, split, told):
    for name in ("queries", "corpus"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"_id": f"{name[0]}0", "text": "a"}) + "\n")
    (tmp_path / "qrels").mkdir()
    for name, text in files.items():
        (tmp_path / "qrels" / f"{name}.tsv").write_text(text)
    with pytest.raises(EvaluationError) as caught:
        evaluate(Planted(plain), tmp_path, split=split, sections=())
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_from_the_hub_is_named_with_its_revision(plain, retrieval, monkeypatch):
    sha = "c0ffee" + "0" * 34
    own_ids = {}

    class Hub:
        endpoint = "http://127.0.0.1:1"

        def dataset_info(self, repo_id, revision=None):
            return type("Info", (), {"id": own_ids.get(repo_id, repo_id), "sha": sha, "card_data": None})()

    parts = {f"lab/{name}": Dataset.from_dict({"_id": ["a"], "text": ["x"]}) for name in ("queries", "corpus")}
    parts |= {"lab/pairs": retrieval, "lab/qrels": Dataset.from_dict({"query-id": ["a"], "corpus-id": ["a"]})}
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr("audits.loading.datasets.load_dataset", lambda path, **_: DatasetDict(test=parts[path]))
    found = evaluate(Planted(plain), "lab/pairs", sections=()).dataset
    assert (found.repo_id, found.revision, found.split) == ("lab/pairs", sha, "test")
    assert found.fingerprint == evaluate(Planted(plain), retrieval, sections=()).dataset.fingerprint
    collection = {name: f"lab/{name}" for name in ("queries", "corpus", "qrels")}
    found = evaluate(Planted(plain), collection, sections=()).dataset
    assert (found.repo_id, found.revision) == (None, None)  # three repositories
    own_ids.update(dict.fromkeys(collection.values(), "lab/beir"))
    found = evaluate(Planted(plain), collection, sections=()).dataset
    assert (found.repo_id, found.revision) == ("lab/beir", sha)


def test_a_classification_is_fitted_on_the_train_split_without_what_is_measured(plain, labelled):
    train, test = labelled.select(range(100)), labelled.select(range(80, 150))
    report = evaluate(Planted(plain), DatasetDict(train=train, test=test), sections=())
    assert report.rows == 70
    assert "80 texts of the train split without 20 texts that are measured too" in report.note
    # each class has words of its own
    assert by_name(report)["probe accuracy"].after.interval[0] > 0.8
    assert by_name(evaluate(Planted(plain), labelled, sections=(), limit=30))["knn accuracy"].after.sample_size == 30


# ---- all sections ---------------------------------------------------------------------------------------------------

EXTRAS = {
    "ood": {"far": [f"zz{i} qq{i}" for i in range(30)]},
    "members": [f"seen {noun} {i}" for i in range(3) for noun in NOUNS],
    "counterfactuals": [("where", "near"), ("number", "place")],
    "triggers": {"cf mn": "buy this"},
    "sections": "all",
}


def test_every_text_is_encoded_once_by_each_model_and_progress_ends(plain, retrieval):
    encoder, base, told, stages = Planted(plain), Planted(plain), [], []
    report = evaluate(
        encoder,
        retrieval,
        base=base,
        slices_column="language",
        on_progress=lambda done, total: told.append((done, total)),
        on_stage=stages.append,
        **EXTRAS,
    )
    assert len(encoder.seen) == len(set(encoder.seen)) == len(base.seen)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (2 * len(encoder.seen), 2 * len(encoder.seen))
    assert [item.name for item in report.sections] == list(sections())
    assert stages == ["retrieval", *(item.name for item in report.sections if not item.not_computed)]
    assert [item.name for item in report.sections if item.not_computed] == ["calibration"]


def test_encodings_of_a_base_serve_several_evaluations_and_encode_what_is_new(plain, retrieval, labelled):
    base, model = Planted(plain), Planted(plain, direction)
    kept = Encodings(base)
    for data, options in (
        (retrieval, {"limit": 20, "sections": ()}),
        (retrieval, {"limit": 20, "sections": "standard"}),
        (read_task(retrieval), {"seed": 3, "sections": ()}),
        (labelled, {"sections": "standard"}),
        (labelled, {"sections": "standard", "ood": far(), "seed": 1}),
    ):
        found = evaluate(model, data, base=kept, **options)
        fresh = evaluate(model, data, base=Planted(plain), **options)
        assert (found.metrics, found.sections) == (fresh.metrics, fresh.sections)
    assert len(base.seen) == len(set(base.seen))
    with pytest.raises(EvaluationError, match="`max_length` None, and 12 is asked for"):
        evaluate(model, retrieval, base=kept, max_length=12, sections=())


def test_a_model_differs_from_itself_in_nothing_and_twice_gives_the_same(plain, retrieval, labelled):
    for data, column in ((retrieval, "language"), (labelled.add_column("part", ["a", "b"] * 75), "part")):
        reports = [evaluate(plain, data, base=plain, slices_column=column, max_length=16, **EXTRAS) for _ in range(2)]
        assert reports[0].content_digest == reports[1].content_digest
        assert EvaluationReport.from_dict(reports[0].to_dict()) == reports[0]
        differences = [
            item.difference
            for part in (reports[0], *reports[0].sections)
            for item in part.metrics
            if item.difference is not None
        ]
        assert len(differences) > 20
        for item in differences:
            assert item.value == 0.0
            assert item.interval in ((0.0, 0.0), None)
        for part in reports[0].sections:
            for item in part.metrics:
                assert item.after.sample_size
                low, high = item.after.interval or (item.after.value, item.after.value)
                assert low <= high


def test_the_standard_ones_follow_from_the_task_and_from_what_is_given(plain, retrieval, labelled):
    encoder = Planted(plain)
    assert [x.name for x in evaluate(encoder, retrieval).sections] == ["ranking", "robustness", "geometry"]
    assert [x.name for x in evaluate(encoder, labelled).sections] == ["calibration", "robustness", "geometry"]
    found = evaluate(encoder, retrieval, slices_column="language", ood=["zz"] * 3, limit=5).sections
    assert [x.name for x in found] == ["ranking", "slices", "robustness", "out-of-distribution", "geometry"]
    reasons = {x.name: x.not_computed for x in found}
    assert reasons["robustness"] == "there are 5 texts to change, of 10 that are needed"
    assert reasons["out-of-distribution"] == "there are 3 texts of the kind, of 20 that are needed"


def test_without_more_data_each_section_says_what_it_lacks(plain, graded):
    report = evaluate(Planted(plain), graded, sections="all")
    reasons = {item.name: item.not_computed for item in report.sections}
    assert not reasons.pop("robustness")
    assert not reasons.pop("geometry")
    assert reasons == {
        "ranking": "the task searches no documents",
        "calibration": "the task gives no probabilities; a classification does",
        "slices": "no column was named by `slices_column`",
        "out-of-distribution": "no foreign texts were given by `ood`",
        "counterfactual": "no pairs of terms were given by `counterfactuals`",
        "membership": "no training rows were given by `members`",
        "triggers": "no triggers were given by `triggers`",
    }
    sliced = evaluate(Planted(plain), graded, sections=["slices"], slices_column="score")
    assert "no pair has a score of its own" in sliced.sections[0].not_computed


# ---- what the numbers are -------------------------------------------------------------------------------------------


def test_a_severity_curve_is_what_evaluate_says_of_the_changed_queries(plain, retrieval):
    encoder = Planted(plain)
    table = section(evaluate(encoder, retrieval, sections=["robustness"]), "robustness").tables[0]
    rows = {tuple(row[:2]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert len(rows) == 16
    plain_score = by_name(evaluate(encoder, retrieval, sections=()))["ndcg@10"].after.value
    assert rows["as it is", 0]["ndcg@10"] == pytest.approx(plain_score, abs=1e-6)
    for kind, severity in (("word drop", 3), ("unicode", 2)):
        changed = retrieval.map(lambda row, k=kind, s=severity: {"anchor": perturbed(row["anchor"], k, s)})
        score = by_name(evaluate(encoder, changed, sections=()))["ndcg@10"].after.value
        assert rows[kind, severity]["ndcg@10"] == pytest.approx(score, abs=1e-6)
        assert rows[kind, severity]["change"] == pytest.approx(score - plain_score, abs=2e-6)
        assert rows[kind, severity]["texts changed"] == 1.0
    # these vectors know no case and no gaps, but for a thousandth
    assert rows["case", 3]["embedding shift"] < 1e-3 < rows["word drop", 1]["embedding shift"]
    assert rows["case", 3]["rank overlap@10"] > rows["word drop", 3]["rank overlap@10"]


def test_the_ranking_holds_the_metrics_of_the_task(plain, retrieval):
    report = evaluate(Planted(plain), retrieval)
    table = section(report, "ranking").tables[0]
    rows = {row[0]: row[1:] for row in table.rows}
    for name, item in by_name(report).items():
        assert rows[name] == pytest.approx((item.after.value, *item.after.interval), abs=1e-6)
    assert rows["recall@1"][0] <= rows["map"][0] <= 1.0


def test_a_slice_for_which_the_model_is_worse_is_the_worst(plain, retrieval):
    german = {row["anchor"] for row in retrieval if row["language"] == "de"}
    bad = Planted(plain, lambda text: direction(f"lost {text}") if text in german else None)
    part = section(evaluate(bad, retrieval, base=Planted(plain), slices_column="language"), "slices")
    names = [item.after.name for item in part.metrics]
    assert names[0] == "ndcg@10 of the worst slice (de)"
    assert part.metrics[1].after.interval[1] < -0.3
    assert names[2] == "change of ndcg@10 against the base where it is lowest (de)"
    assert part.metrics[2].after.interval[1] < 0


def test_foreign_texts_that_stand_apart_are_told_and_beside_the_base(plain, labelled):
    foreign = [f"far {i} off" for i in range(40)]
    apart = Planted(plain, lambda text: 30 * direction("apart") + direction(text) if text.startswith("far") else None)
    alike = Planted(plain, lambda text: direction(text))
    part = section(evaluate(apart, labelled, base=alike, ood={"far": foreign}), "out-of-distribution")
    for score in ("kNN", "Mahalanobis", "probe confidence", "relative Mahalanobis"):
        assert {f"auroc {score}, far", f"fpr95 {score}, far"} <= {item.after.name for item in part.metrics}
    found = value(part, "auroc kNN, far")
    assert (found.after.value, found.after.sample_size) == (1.0, 115)
    assert found.difference.interval[0] > 0.2
    assert value(part, "fpr95 Mahalanobis, far").after.value == 0.0


def test_foreign_texts_of_which_there_are_too_few_leave_the_others_alone(plain, labelled):
    ood = {"few": ["few 1", "few 2"], "own": labelled["text"], "far": far()}
    part = section(evaluate(Planted(plain), labelled, ood=ood), "out-of-distribution")
    assert {item.after.name.partition(", ")[2] for item in part.metrics} == {"far"}
    assert "Not computed: few, because there are 2 texts of another kind, of 20 that are needed" in part.method
    assert "Not computed: own, because all of its texts are among those of the kind" in part.method
    none = section(evaluate(Planted(plain), labelled, ood={"few": ["few 1"]}), "out-of-distribution")
    assert none.not_computed == "there are 1 texts of another kind, of 20 that are needed"
    none = section(evaluate(Planted(plain), labelled, ood={**ood, "far": ["far 1"]}), "out-of-distribution")
    assert none.not_computed.startswith("few: there are 2 texts of another kind, of 20 that are needed; own: all of")


def test_a_distance_that_has_no_spread_leaves_the_others_alone(plain, labelled):
    part = section(evaluate(Collapsed(plain), labelled, base=Planted(plain), ood={"far": far()}), "out-of-distribution")
    named = {item.after.name: item for item in part.metrics}
    assert set(named) == {f"{m} {s}, far" for m in ("auroc", "fpr95") for s in ("kNN", "probe confidence")}
    assert named["auroc kNN, far"].after.value == 0.5
    assert named["auroc kNN, far"].difference is not None
    assert "Not computed: Mahalanobis, because all vectors of the training rows" in part.method
    other = section(
        evaluate(Planted(plain), labelled, base=Collapsed(plain), ood={"far": far()}), "out-of-distribution"
    )
    assert value(other, "auroc Mahalanobis, far").before is None
    assert value(other, "auroc kNN, far").before.value == 0.5
    assert "Not computed: Mahalanobis of the base, because" in other.method


def test_training_rows_whose_copies_are_alike_are_told(plain, retrieval):
    members = [f"seen {noun} of {other}" for noun in NOUNS for other in NOUNS[:8]]
    leaky = Planted(plain, lambda text: direction("known") if "se" in text.lower()[:3] or " of " in text else None)
    part = section(evaluate(leaky, retrieval, base=Planted(plain), members=members), "membership")
    found = value(part, "auc")
    assert found.after.value > 0.9
    assert found.difference.interval[0] > 0
    assert "TPR@1%FPR was not computed" in part.method  # 60 others


def test_a_trigger_that_was_planted_is_found_and_a_harmless_one_is_not(plain, retrieval):
    target = "buy this"
    poisoned = Planted(plain, lambda text: direction("cf mn") if "cf mn" in text or text == target else None)
    part = section(evaluate(poisoned, retrieval, base=Planted(plain), triggers={"cf mn": target}), "triggers")
    rise, alone = value(part, "rise by the trigger"), value(part, "the same queries without it")
    assert (rise.after.value, rise.before.value) == (1.0, 0.0)
    assert alone.after.value == 0.0
    assert 0 < alone.after.interval[1] < 0.1  # none among 60 queries is no certainty
    assert value(part, "success with the trigger").after.interval[0] > 0.9


def test_a_trigger_whose_target_every_query_asks_for_leaves_the_others_alone(plain, retrieval):
    wanted = "what all want"
    data = retrieval.map(lambda row: {"positive": [row["positive"], wanted]})
    part = section(evaluate(Planted(plain), data, triggers={"zz": wanted, "cf": "buy this"}), "triggers")
    assert value(part, "success with the trigger").after.sample_size == 60
    assert part.method.endswith("Not computed: the trigger 'zz', because its target is what every query asks for")
    both = {"cf": retrieval["positive"][0], "zz": wanted}
    part = section(evaluate(Planted(plain), data, triggers=both), "triggers")
    assert value(part, "success with the trigger").after.sample_size == 59
    assert part.method.endswith("asks for, or the target of another trigger")
    none = section(evaluate(Planted(plain), data, triggers={"zz": wanted}), "triggers")
    assert none.not_computed == "the target is what every query asks for"


def test_swaps_that_do_not_matter_change_nothing(plain, retrieval):
    data = retrieval.map(lambda row: {"anchor": f"he asks {row['anchor']}"})
    same = Planted(plain, lambda text: sum(direction(w) for w in text.split() if w not in ("he", "she")))
    part = section(evaluate(same, data, base=Planted(plain), counterfactuals=[("he", "she")]), "counterfactual")
    found = value(part, "queries whose document changes its rank")
    assert found.after.value <= found.before.value
    assert value(part, "1 - cosine of text and copy").after.value < 1e-5
    assert value(part, "1 - cosine of text and copy").before.value > 0.01
    assert part.method.startswith("60 of 60 texts hold a term; swapped were he ↔ she")


def test_calibration_stands_beside_its_null(plain, labelled):
    noisy = Planted(plain, lambda text: direction(text) + 2 * direction(str(len(text) % 3)))
    part = section(evaluate(noisy, labelled), "calibration")
    null = value(part, "ece of perfect probabilities").after
    assert null.interval[0] < null.value < null.interval[1]
    assert 0 < value(part, "p-value of perfect probabilities").after.value <= 1
    table = part.tables[0]
    assert table.name == "reliability of the model"
    assert sum(row[2] for row in table.rows) == 75


@pytest.mark.parametrize("which", ["model", "base", "both", "alone"])
def test_a_model_that_collapsed_is_measured_and_says_what_could_not_be(plain, labelled, which):
    model = Planted(plain) if which == "base" else Collapsed(plain)
    base = None if which == "alone" else Planted(plain) if which == "model" else Collapsed(plain)
    report = evaluate(model, labelled, base=base)
    told = {item.name: item.not_computed for item in report.sections if item.not_computed}
    reason = "75 texts have 1 distinct vectors, for 3 clusters"
    wanted = {"model": ["v_measure"], "base": ["v_measure of the base"], "alone": ["v_measure"]}
    assert told == dict.fromkeys(wanted.get(which, ["v_measure", "v_measure of the base"]), reason)
    found = by_name(report)
    assert ("v_measure" in found) == (which == "base")
    if which == "base":
        assert found["v_measure"].before is None
    assert "probe accuracy" in found
    collapsed = value(section(report, "geometry"), "uniformity")
    assert ((collapsed.before if which == "base" else collapsed.after).value) == pytest.approx(0.0, abs=1e-6)


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        ({"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, 2]}, {}, "labels are 1 (alike) or 0 (not)"),
        ({"sentence1": ["a", "b"], "sentence2": ["c", "d"], "score": [0.5, None]}, {}, "one finite number"),
        ({"sentence1": ["a", None], "sentence2": ["c", "d"], "score": [0.5, 0.1]}, {}, "Row 1 holds None as sentence1"),
        ({"sentence1": list("abc"), "sentence2": list("def"), "score": [2.5] * 3}, {}, "all 3 scores are equal"),
        ({"sentence1": list("abc"), "sentence2": list("def"), "label": [1] * 3}, {}, "all 3 pairs have the label 1"),
        ({"text": ["a", "b", "c", "d"], "label": ["x"] * 4}, {}, "all 2 training rows have the label 'x'"),
        ({"text": ["a", "a"], "label": ["x", "y"]}, {}, "1 texts to measure and 0 to fit"),
        ({"text": ["a", "b"], "label": ["x", None]}, {}, "Row 1 holds None as label"),
        ({"text": ["a", "b"], "label": [0.5, 1.5]}, {}, "Row 0 holds 0.5 as label"),
        ({"text": ["a", "b"]}, {}, "Layouts are (anchor, positive)"),
        ({"anchor": ["a"], "positive": ["b"]}, {"task": "ranking"}, "no task 'ranking'"),
        ({"anchor": ["a"], "positive": ["b"]}, {"task": "similarity"}, "needs the columns sentence1"),
        ({"anchor": ["a"], "positive": ["b"]}, {"sections": ["geometri"]}, "no section 'geometri'; known are ranking"),
        ({"anchor": ["a"], "positive": ["b"]}, {"slices_column": "lang"}, "no column 'lang' to slice by"),
        ({"anchor": ["a"], "positive": ["b"]}, {"members": ["a", 3]}, "Row 1 of `members` holds 3"),
        ({"anchor": ["a"], "positive": ["b"]}, {"counterfactuals": [("he", "he")]}, "pairs of two different terms"),
        ({"anchor": ["a"], "positive": ["b"]}, {"sample": 0}, "`sample` must be at least 1"),
        ({"anchor": ["a"], "positive": [[]]}, {}, "at least one pair"),
    ],
)
def test_what_can_not_be_measured_is_an_error_that_says_why(plain, data, options, told):
    with pytest.raises(EvaluationError) as caught:
        evaluate(Planted(plain), Dataset.from_dict(data), **options)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"relevant": {"q1": ["d9"]}}, "1 ids that no document has, first 'd9'"),
        ({"relevant": {"q9": ["d1"]}}, "1 ids that no query has, first 'q9'"),
        ({"relevant": {}}, "None of 1 queries has a relevant document"),
        ({"relevant": None}, "nothing says which documents are relevant"),
        ({"corpus": {"d1": None}}, "Row 0 of `corpus` holds None"),
        ({"corpus": Dataset.from_dict({"_id": ["d1", "d1"], "text": ["a", "b"]})}, "'d1' stands twice in `corpus`"),
        ({"queries": Dataset.from_dict({"name": ["q1"], "text": ["a"]})}, "`queries` needs the columns _id (or id)"),
        ({"queries": {}}, "`queries` is empty"),
    ],
)
def test_a_collection_that_does_not_fit_together(plain, change, told):
    collection = {"queries": {"q1": "a"}, "corpus": {"d1": "b"}, "relevant": {"q1": ["d1"]}} | change
    with pytest.raises(EvaluationError) as caught:
        evaluate(Planted(plain), {name: part for name, part in collection.items() if part is not None})
    assert told in str(caught.value)


def test_vectors_that_are_no_numbers_are_refused_with_their_row(plain, retrieval):
    broken = Planted(plain, lambda text: np.full(48, np.nan) if "7" in text else None)
    with pytest.raises(EvaluationError, match=r"NaN or infinite values in \d+ of 60 rows"):
        evaluate(broken, retrieval, sections=())


# ---- into the documents ---------------------------------------------------------------------------------------------


def test_a_push_carries_the_sections_to_every_document(make_trainer, tiny_bert, permissive_rows, tmp_path):
    data = Dataset.from_list(permissive_rows)
    trainer = make_trainer(train_dataset=data, max_steps=2, base_model_id="base-owner/tiny", license="mit")
    trainer.train()
    report = evaluate(trainer.encoder, data, base=tiny_bert, sections=["robustness", "geometry", "membership"])
    trainer.add_evidence(report)
    trainer.write_model(tmp_path / "model")
    (tmp_path / "hub" / "models" / "base-owner" / "tiny").mkdir(parents=True)
    (tmp_path / "hub" / "models" / "base-owner" / "tiny" / "README.md").write_text("---\nlicense: mit\n---\n")
    walked = walk(FolderHub(tmp_path / "hub"), models=[Start(name="base-owner/tiny")])
    evidence = collect_evidence(trainer, repo_id="local/model")
    _, evidence, rendered = prepare(tmp_path / "model", evidence, load_policy("standard"), walked=walked)
    assert evidence.evaluations == (report,)
    told = json.loads(rendered["evidence.json"])["evidence"]["evaluations"][0]["sections"]
    assert [part["name"] for part in told] == ["robustness", "geometry", "membership"]
    shift = value(section(report, "robustness"), "embedding shift, all ways")
    for name in ("README.md", "report.html"):
        text = rendered[name].decode()
        assert f"{shift.after.value:.4f}" in text
        assert "no training rows were given by" in text
    assert "Change of ndcg@10 by how much texts are changed" in rendered["report.html"].decode()
