"""Labelled rows, nested budgets, a test that nothing was learned from."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import datasets
import numpy as np
import pytest

from hf_contrastive.errors import ConfigurationError, EvaluationError
from hf_contrastive.study.data import read_data
from hf_contrastive.study.settings import PROFILES, StudySettings
from hf_contrastive.study.stratified import shares
from tests.study_samples import SMALL, labelled_data, labelled_rows


def dataset(**columns: Any) -> Any:
    return datasets.Dataset.from_dict(columns)


def test_budgets_are_nested_balanced_and_the_same_for_every_arm():
    read = read_data(labelled_data(), SMALL)
    before: set[int] = set()
    for budget in (1, 2, 5, 10):
        rows = read.rows_of(budget, seed=3)
        assert np.bincount(read.codes[rows]).tolist() == [budget] * 4
        assert before < set(rows.tolist())
        assert (rows == read.rows_of(budget, seed=3)).all()
        before = set(rows.tolist())
    assert read.rows_of(None, seed=3).tolist() == list(range(40))
    assert read.rows_of(2, seed=3).tolist() != read.rows_of(2, seed=4).tolist()


def test_the_split_test_is_measured_on_and_all_others_are_learned_from():
    parts = labelled_data()
    parts["validation"] = dataset(**labelled_rows(8, seed=3))
    read = read_data(parts, SMALL)
    assert len(read.texts) == 48
    assert set(read.test_texts) == set(parts["test"]["text"])
    assert read.reference.num_rows == 72
    assert read.reference.split == "train + test + validation"
    assert read.classes == ("animals", "food", "music", "tools")
    assert [read.classes[code] for code in read.codes[:4]] == parts["train"]["label"][:4]
    assert any("2,000 are wanted" in note for note in read.notes)


def test_without_a_split_test_one_is_drawn_and_no_text_is_on_both_sides():
    rows = labelled_rows(60, seed=1)
    doubled = {name: [*cells, *cells] for name, cells in rows.items()}
    read = read_data(dataset(**doubled), SMALL)
    assert not set(read.texts) & set(read.test_texts)
    assert any("no split test" in note for note in read.notes)
    assert len(set(read.texts)) == len(read.texts)


def test_rows_that_the_test_holds_too_are_left_out_of_training_and_pretraining():
    parts = labelled_data()
    rows = parts["train"].to_dict()
    tested = parts["test"][0]["text"]
    rows["text"] += [tested.upper(), "one more row that stands nowhere else"]
    rows["label"] += ["animals", "food"]
    rows["partner"] += ["words", tested]
    parts["train"] = dataset(**rows)
    read = read_data(parts, SMALL, pair_column="partner")
    assert read.decontaminated == 2
    assert tested.upper() not in read.texts
    assert tested not in (read.partners or ())
    assert "one more row that stands nowhere else" not in read.texts
    # without pairs, what stands in another column is never read
    assert read_data(parts, SMALL).decontaminated == 1


def test_near_copies_of_the_test_are_left_out():
    long = "the cat and the dog and the horse and the mouse and the bird and the fish and the sheep went home"
    parts = labelled_data()
    for name, text in (("train", f"{long} today"), ("test", long)):
        rows = parts[name].to_dict()
        parts[name] = dataset(
            text=[*rows["text"], text], label=[*rows["label"], "animals"], partner=[*rows["partner"], "x"]
        )
    read = read_data(parts, SMALL)
    assert f"{long} today" not in read.texts
    assert read.decontaminated == 1


def test_classes_with_the_most_rows_are_studied_and_told():
    parts = labelled_data()
    rows = parts["train"].to_dict()
    keep = [place for place, name in enumerate(rows["label"]) if name != "music" or place < 8]
    parts["train"] = parts["train"].select(keep)
    read = read_data(parts, replace(SMALL, max_classes=3))
    assert read.classes == ("animals", "food", "tools")
    assert set(read.test_codes.tolist()) == {0, 1, 2}
    assert any("3 classes with the most rows of 4" in note for note in read.notes)


def test_classes_that_no_training_row_has_are_left_out_of_the_test_and_told():
    parts = labelled_data()
    parts["train"] = parts["train"].filter(lambda row: row["label"] != "music")
    read = read_data(parts, SMALL)
    assert read.classes == ("animals", "food", "tools")
    assert any("6 test rows of 1 classes that no training row has" in note for note in read.notes)


def test_names_of_class_labels_are_read():
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    names = labelled_rows(20, seed=1, topics=2)
    rows = {"text": names["text"], "label": [int(name == "food") for name in names["label"]]}
    assert read_data(datasets.Dataset.from_dict(rows, features=features), SMALL).classes == ("no", "yes")


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_the_hub_writes_for_no_label_is_no_class(split: str):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    parts = {}
    for name, seed in (("train", 1), ("test", 2)):
        rows = labelled_rows(20, seed=seed, topics=2)
        codes = [int(topic == "food") for topic in rows["label"]]
        codes[7] = -1 if name == split else codes[7]
        parts[name] = datasets.Dataset.from_dict({"text": rows["text"], "label": codes}, features=features)
    with pytest.raises(EvaluationError, match=rf"Row 7 of {split} has no label \(-1\)"):
        read_data(datasets.DatasetDict(parts), SMALL)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0.0, 1.0], ("0", "1")), ([False, True], ("False", "True")), ([3, 20], ("20", "3")), ([0.5, 1.0], ("0.5", "1"))],
)
def test_classes_that_are_numbers_read_as_what_they_are(labels: list[Any], classes: tuple[str, ...]):
    texts = labelled_rows(20, seed=1)["text"]
    assert read_data(dataset(text=texts, label=labels * 10), SMALL).classes == classes


def test_classes_are_chosen_before_the_test_is_drawn_and_keep_their_shares_in_it():
    sizes = {f"c{number:02d}": 100 - 2 * number for number in range(30)}
    labels = [name for name, size in sizes.items() for _ in range(size)]
    draw = random.Random(0)
    rows = dataset(text=[" ".join(f"{draw.getrandbits(64):x}" for _ in range(6)) for _ in labels], label=labels)
    read = read_data(rows, replace(SMALL, test_rows=100, max_classes=3))
    assert read.classes == ("c00", "c01", "c02")
    # 100, 98 and 96 of 294
    assert np.bincount(read.test_codes).tolist() == [34, 33, 33]
    assert np.bincount(read.codes).tolist() == [66, 65, 63]
    assert len(read_data(rows, replace(SMALL, test_rows=1000, max_classes=3)).test_texts) == 147


def test_a_given_test_counts_equal_rows_once_and_is_drawn_by_class():
    parts = labelled_data(test=40)
    rows = parts["test"].to_dict()
    parts["test"] = dataset(**{name: [*cells, *cells[:8]] for name, cells in rows.items()})
    read = read_data(parts, replace(SMALL, test_rows=40))
    assert read.test_texts == tuple(rows["text"])
    assert any("8 rows of the test that stand in it before" in note for note in read.notes)
    read = read_data(parts, replace(SMALL, test_rows=10, max_classes=2))
    assert np.bincount(read.test_codes).tolist() == [5, 5]
    assert list(read.test_texts) == [text for text in rows["text"] if text in read.test_texts]


def test_texts_of_several_classes_are_left_out_everywhere_and_told():
    parts = labelled_data()
    train, test = parts["train"].to_dict(), parts["test"].to_dict()
    within_train, within_test, across = train["text"][0], test["text"][0], "one text on both sides"
    for rows, text, label in (
        (train, within_train, "food"),
        (test, within_test, "food"),
        (train, across, "food"),
        (test, across, "tools"),
    ):
        rows["text"].append(text)
        rows["label"].append(label)
        rows["partner"].append("x")
    read = read_data(datasets.DatasetDict({"train": dataset(**train), "test": dataset(**test)}), SMALL)
    seen = {*read.texts, *read.test_texts, *read.unlabelled}
    assert not seen & {within_train, within_test, across}
    assert (len(read.texts), len(read.test_texts)) == (39, 23)
    assert "3 texts have several classes, and were left out" in read.notes


def test_labelled_rows_are_drawn_so_that_small_classes_keep_what_budgets_need():
    rows = labelled_rows(200, seed=1)
    keep = [place for place, name in enumerate(rows["label"]) if name != "food" or place < 14]
    parts = labelled_data(test=40)
    parts["train"] = dataset(**rows).select(keep)
    settings = replace(SMALL, test_rows=40, budgets=(2, 4, None))
    sizes = {
        most: np.bincount(read_data(parts, replace(settings, train_rows=most)).codes).tolist()
        for most in (1000, 40, 16, 6)
    }
    assert sizes == {1000: [50, 4, 50, 50], 40: [12, 4, 12, 12], 16: [4, 4, 4, 4], 6: [4, 4, 4, 4]}
    told = "16 labelled rows are more than the 6 of `train_rows`"
    assert any(told in note for note in read_data(parts, replace(settings, train_rows=6)).notes)


def test_rows_that_repeat_each_other_do_not_make_a_class_large_enough():
    parts = labelled_data()
    rows = parts["train"].to_dict()
    copies = {name: cells[:4] * 6 for name, cells in rows.items()}
    parts["train"] = dataset(**copies)
    told = r"has 1 rows to learn from \(20 rows repeat others and count once\), and the smallest budget is 2"
    with pytest.raises(EvaluationError, match=told):
        read_data(parts, SMALL)


def test_classes_with_a_single_text_are_left_out_of_a_drawn_test_and_told():
    rows = labelled_rows(41, seed=1)
    rows["label"][40] = "rare"
    read = read_data(dataset(**rows), SMALL)
    assert "rare" not in read.classes
    assert "1 classes with a single text were left out" in read.notes


@pytest.mark.parametrize(
    ("sizes", "most", "least", "wanted"),
    [
        ({"a": 5, "b": 3}, 10, 0, {"a": 5, "b": 3}),
        ({"a": 50, "b": 30, "c": 20}, 10, 0, {"a": 5, "b": 3, "c": 2}),
        ({"a": 1, "b": 1, "c": 1}, 2, 0, {"a": 1, "b": 1, "c": 0}),
        ({"a": 90, "b": 8, "c": 2}, 10, 0, {"a": 9, "b": 1, "c": 0}),
        ({"a": 90, "b": 8, "c": 2}, 10, 4, {"a": 4, "b": 4, "c": 2}),
        ({"a": 90, "b": 8, "c": 2}, 20, 4, {"a": 14, "b": 4, "c": 2}),
        ({"a": 90, "b": 8, "c": 2}, 3, 4, {"a": 4, "b": 4, "c": 2}),
    ],
)
def test_shares_sum_to_what_is_wanted_and_no_class_falls_under_its_least(
    sizes: dict[str, int], most: int, least: int, wanted: dict[str, int]
):
    assert shares(sizes, most, least) == wanted


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"sentence": ["a"], "label": ["x"]}, "no column 'text'; it has sentence, label"),
        ({"text": ["a", None], "label": ["x", "y"]}, "holds None as text; it must be a text"),
        ({"text": ["a", "b"], "label": ["x", None]}, "has no label"),
        ({"text": ["a", "b"], "label": [1.0, float("nan")]}, r"Row 1 of train has no label \(nan\)"),
        (
            {"text": ["a", "b", "c", "d"] * 2, "label": ["x"] * 4 + ["y"] * 4},
            r"0 class\(es\) .* \(4 texts have several",
        ),
        ({"text": ["a", "a", "a"], "label": ["x", "y", "x"]}, "1 distinct texts"),
        ({"text": [f"t{i}" for i in range(9)], "label": ["x"] * 9}, r"1 class\(es\)"),
    ],
)
def test_data_that_can_not_be_studied_is_one_clear_error(rows: dict[str, Any], told: str):
    with pytest.raises(EvaluationError, match=told):
        read_data(dataset(**rows), SMALL)


def test_a_class_with_fewer_rows_than_the_smallest_budget_is_an_error():
    with pytest.raises(EvaluationError, match="10 rows to learn from, and the smallest budget is 11"):
        read_data(labelled_data(), replace(SMALL, budgets=(11, 20)))


def test_it_is_told_where_the_test_has_taken_the_rows():
    parts = labelled_data()
    parts["test"] = parts["train"]
    told = r"has 0 rows to learn from \(40 rows were left out, since the test holds"
    with pytest.raises(EvaluationError, match=told):
        read_data(parts, replace(SMALL, test_rows=40))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"budgets": ()}, "`budgets`"),
        ({"budgets": (2, 2)}, "each once"),
        ({"budgets": (1,)}, "at least 2"),
        ({"seeds": ()}, "`seeds`"),
        ({"target_share": 1.5}, "`target_share`"),
        ({"max_classes": 1}, "`max_classes`"),
        ({"rate": 0.0}, "`rate` must be above 0"),
        ({"trials": 9}, "`trials` must be at most 3"),
        ({"trials": 0}, "`trials` must be a whole number, at least 1"),
        ({"time_limit": -1.0}, "`time_limit`"),
        ({"time_limit": float("nan")}, "`time_limit`"),
        ({"budgets": (2.5,)}, "`budgets` are .* whole numbers"),
        ({"seeds": (-1,)}, "`seeds` must be whole numbers of at least 0, got -1"),
        ({"seeds": (0.5,)}, "`seeds` must be whole"),
        ({"seeds": (True,)}, "`seeds` must be whole"),
        ({"test_rows": 2.5}, "`test_rows` must be a whole number, at least 2, got 2.5"),
        ({"train_rows": -3}, "`train_rows` must be a whole number, at least 1, or None, got -3"),
        ({"train_rows": 0}, "`train_rows`"),
        ({"max_length": 0}, "`max_length` must be a whole number, at least 1, or None"),
        ({"pretraining_texts": 2.5}, "`pretraining_texts`"),
        ({"steps": (5, 2)}, "`steps` .* got 5, 2"),
        ({"steps": (0, 2)}, "`steps`"),
        ({"steps": (2,)}, "`steps`"),
        ({"epochs": float("nan")}, "`epochs` must be above 0 and finite"),
        ({"pretraining_rate": float("inf")}, "`pretraining_rate`"),
        ({"vocabulary_rate": 0.0}, "`vocabulary_rate` must be above 0"),
        ({"arms": ("A0", "x/y")}, "letters, digits and _, such as A2, got 'x/y'"),
    ],
)
def test_settings_that_are_not_allowed(changes: dict[str, Any], told: str):
    with pytest.raises(ConfigurationError, match=told):
        replace(SMALL, **changes)


def test_every_profile_can_be_made_and_has_five_seeds():
    assert all(len(item.seeds) >= 5 for item in PROFILES.values())
    assert StudySettings().ordered_budgets[-1] is None


def test_steps_follow_the_rows_within_bounds():
    settings = replace(SMALL, epochs=10, batch=16, steps=(20, 100))
    assert [settings.steps_of(rows) for rows in (4, 64, 100_000)] == [20, 40, 100]
