"""Columns are recognised by the documented rules; anything else is one paragraph that helps."""

from types import SimpleNamespace

import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Value

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.formats import check_rows, recognise
from hf_contrastive.training.plans import DatasetPlan, Plans, class_indices, plan_datasets
from hf_contrastive.training.setup import as_dataset


@pytest.mark.parametrize(
    ("names", "kind", "texts", "label"),
    [
        (["anchor", "positive"], "pairs", ("anchor", "positive"), None),
        (["id", "positive", "anchor", "label"], "pairs", ("anchor", "positive"), None),
        (["query", "passage"], "pairs", ("query", "passage"), None),
        (["sentence1", "sentence2"], "pairs", ("sentence1", "sentence2"), None),
        (["anchor", "positive", "negative"], "triplets", ("anchor", "positive", "negative"), None),
        (
            ["negative_10", "anchor", "positive", "negative_2", "negative"],
            "triplets",
            ("anchor", "positive", "negative", "negative_2", "negative_10"),
            None,
        ),
        (["question", "answer", "text"], "pairs", ("question", "answer"), None),
        (["text"], "text", ("text",), None),
        (["sentence", "url"], "text", ("sentence",), None),
        (["label", "text"], "labelled", ("text",), "label"),
        # the role's own name settles what the others are
        (["query", "anchor", "positive", "document"], "pairs", ("anchor", "positive"), None),
        (["sentence", "text"], "text", ("text",), None),
        (["anchor", "positive", "score"], "pairs", ("anchor", "positive"), None),
        (["anchor", "positives", "negatives"], "triplets", ("anchor", "positives", "negatives"), None),
        (
            ["anchor", "negatives", "positive", "negative"],
            "triplets",
            ("anchor", "positive", "negative", "negatives"),
            None,
        ),
    ],
)
def test_columns_are_recognised(names, kind, texts, label):
    found = recognise(names)
    assert (found.kind, found.texts, found.label) == (kind, texts, label)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["premise", "claim"], ["premise, claim", "(anchor, positive)", "(text, label)", "rename_columns"]),
        (["anchor", "negative"], ["anchor, negative", "accepted are"]),
        ([], ["(none)", "accepted are"]),
        (["Anchor", "Positive"], ["Anchor, Positive"]),
        (["query", "question", "answer"], ["query and question could each be the `anchor`", "rename_column"]),
        (["question", "answer", "document"], ["answer and document could each be the `positive`"]),
        (["premise", "hypothesis", "label"], ["`label` seems to say", "dataset.filter"]),
        (["sentence1", "sentence2", "score"], ["`score` seems to say", "sentence1, sentence2, score"]),
    ],
)
def test_unknown_and_ambiguous_columns_are_named(names, told):
    with pytest.raises(DataFormatError) as caught:
        recognise(names)
    message = str(caught.value)
    assert "\n" not in message
    for part in told:
        assert part in message


TEXT, NUMBER = Value("string"), Value("float64")
PAIR = {"sentence1": TEXT, "sentence2": TEXT}


@pytest.mark.parametrize(
    ("types", "grade"),
    [
        ({"score": NUMBER}, "score"),
        ({"score": Value("int64")}, "score"),
        ({"similarity_score": Value("float32")}, "similarity_score"),
        ({"label": Value("float16")}, "label"),
        ({"label": Value("int64"), "similarity": NUMBER}, "similarity"),
        ({"label": NUMBER, "score": NUMBER}, "score"),
    ],
)
def test_numbers_beside_sentences_are_grades(types, grade):
    found = recognise(Features(PAIR | types))
    assert (found.kind, found.texts, found.grade, found.label) == ("graded", ("sentence1", "sentence2"), grade, None)
    assert grade in found.description


@pytest.mark.parametrize(
    "types",
    [
        {"label": Value("int64")},
        {"label": ClassLabel(names=["entailment", "neutral", "contradiction"])},
        {"gold_label": TEXT},
        {"label": Value("bool")},
        {"score": TEXT},
        {"label": Value("null")},
    ],
)
def test_what_may_be_a_class_is_no_grade(types):
    with pytest.raises(DataFormatError, match=r"dataset.filter.*as floats in a column `score`"):
        recognise(Features(PAIR | types))


def test_graded_pairs_have_no_negatives():
    with pytest.raises(DataFormatError, match=r"`score` seems to say.*graded pairs have no hard negatives"):
        recognise(Features(PAIR | {"score": NUMBER, "negative": TEXT}))


def test_a_named_label_is_no_grade():
    types = Features({"premise": TEXT, "hypothesis": TEXT, "label": Value("int64")})
    found = recognise(types, label_column="label")
    assert (found.kind, found.label, found.grade) == ("pairs", "label", None)


@pytest.mark.parametrize("kind", [List(TEXT), LargeList(TEXT), [TEXT]])
def test_columns_of_lists_are_recognised_by_their_type(kind):
    found = recognise({"query": TEXT, "positive": kind, "negative": TEXT, "negatives": kind, "scores": List(NUMBER)})
    assert found.texts == ("query", "positive", "negative", "negatives")
    assert (found.lists, found.scores) == ({"positive", "negatives"}, "scores")
    assert found.description == "(query, positive: list, negative, negatives: list, scores)"
    assert found.columns == ("query", "positive", "negative", "negatives", "scores")


def test_one_score_a_row_is_left_alone():
    assert recognise({"anchor": TEXT, "positive": TEXT, "scores": NUMBER}).scores is None


def test_labels_and_ids_are_named():
    names = ["anchor", "positive", "topic", "page"]
    found = recognise(names, label_column="topic", id_column="page")
    assert (found.kind, found.label, found.ids) == ("pairs", "topic", "page")
    assert found.description == "(anchor, positive, topic as label, page as id)"
    assert recognise(["text", "topic"], label_column="topic").kind == "labelled"
    with pytest.raises(DataFormatError, match=r"`id_column` is 'pages'.*Did you mean `page`"):
        recognise(names, id_column="pages")
    with pytest.raises(DataFormatError, match="`label_column` is `anchor`, which is read as a text"):
        recognise(names, label_column="anchor")


def rows_error(data, *, minimum=2, **settings):
    dataset = data if isinstance(data, Dataset) else Dataset.from_dict(data)
    with pytest.raises(DataFormatError) as caught:
        check_rows(dataset, recognise(dataset.features, **settings), name="train_dataset", minimum=minimum)
    message = str(caught.value)
    assert "\n" not in message
    assert "`train_dataset`" in message
    return message


def test_too_few_rows():
    message = rows_error({"anchor": ["a"] * 3, "positive": ["b"] * 3}, minimum=8)
    assert "has 3 rows; at least 8 are needed" in message


def test_no_rows():
    assert "has 0 rows" in rows_error({"anchor": [], "positive": []})


def test_a_null_is_named_with_its_row():
    message = rows_error({"anchor": ["a", "b", "c"], "positive": ["d", None, "f"]})
    assert "`positive`" in message
    assert "null in row 1" in message


@pytest.mark.parametrize(
    ("column", "cells", "told"),
    [
        ("positive", [1, 2, 3], "int '1' in row 0; every cell must be a text"),
        ("positive", [None, None, None], "null in row 0"),
        ("anchor", [["a"], ["b"], ["c"]], "list \"['a']\" in row 0; every cell must be a text"),
        ("positive", [["a"], [], ["c"]], "an empty list in row 1; every cell must be a list of at least 1 text"),
        ("positive", [["a"], None, ["c"]], "null in row 1; every cell must be a list of at least 1 text"),
        ("positive", [["a"], ["b", None], ["c"]], "a list with a null in it in row 1"),
        ("positive", [[1], [2], [3]], "list '[1]' in row 0"),
        ("positive", [[], [], []], "an empty list in row 0"),
        ("negatives", [1, 2, 3], "int '1' in row 0; every cell must be a text"),
        ("negatives", [["a"], [], [None]], "a list with a null in it in row 2; every cell must be a list of texts"),
        ("negatives", [[None], ["a"], []], "a list with a null in it in row 0"),
    ],
)
def test_cells_that_can_not_be_read(column, cells, told):
    message = rows_error({"anchor": ["a", "b", "c"], "positive": ["d", "e", "f"]} | {column: cells})
    assert f"Column `{column}` of" in message
    assert told in message


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ([[1.0, 0.5, 0.1], [1.0]], "1 score for 2 texts in row 1"),
        ([[1.0, 0.5], [1.0, 0.5]], "2 scores for 3 texts in row 0"),
        ([[1.0, 0.5, 0.1], None], "null in row 1"),
        ([[1.0, 0.5, 0.1], [0.2, float("nan")]], "a score that is no finite number in row 1"),
        ([[1.0, 0.5, None], [0.2, 0.1]], "a score that is no finite number in row 0"),
    ],
)
def test_scores_that_are_not_one_a_text(scores, told):
    message = rows_error(
        {"anchor": ["a", "b"], "positive": ["c", "d"], "negatives": [["e", "f"], ["g"]], "scores": scores}
    )
    assert told in message
    assert "remove `scores`" in message


def test_ragged_rows_with_scores_pass():
    dataset = Dataset.from_dict(
        {
            "anchor": ["a", "b"],
            "positive": [["c"], ["d", "h"]],
            "negatives": [["e", "f"], []],
            "scores": [[1, 2, 3], [4, 5]],
        }
    )
    found = recognise(dataset.features)
    check_rows(dataset, found, name="train_dataset", minimum=2)
    assert found.lists == {"positive", "negatives"}


@pytest.mark.parametrize(
    ("grades", "told"),
    [([0.5, None, 1.0], "null in row 1; a grade"), ([0.5, 1.0, float("inf")], "float 'inf' in row 2; a grade")],
)
def test_grades_that_are_no_number(grades, told):
    assert told in rows_error({"sentence1": list("abc"), "sentence2": list("def"), "score": grades})


@pytest.mark.parametrize(("ids", "told"), [([1, None, 2], "null in row 1"), ([0.5, 1.5, 2.5], "float '0.5' in row 0")])
def test_ids_that_are_none(ids, told):
    pairs = {"anchor": list("abc"), "positive": list("def"), "page": ids}
    assert told in rows_error(pairs, id_column="page")
    assert "`id_column`" in rows_error(pairs, id_column="page")


def test_a_late_row_keeps_its_number():
    cells = ["x"] * 10_001 + [None]
    assert "row 10001" in rows_error({"text": cells})


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([0, 0, 0, 0], "holds one class"),
        ([0, 1, 2, 3], "4 classes of one row each"),
        ([0, None, 0, 1], "null in row 1"),
        ([0.0, float("nan"), 0.0, 1.0], "null in row 1"),
        ([[0], [1], [0], [1]], "list '[0]' in row 0"),
    ],
)
def test_labels_that_teach_nothing(labels, told):
    message = rows_error({"text": list("abcd"), "label": labels})
    assert told in message
    assert "rop the column to train on the text alone" in message


@pytest.fixture
def settings(tmp_path):
    """A ContrastiveConfig for batches of two."""

    def of(**given):
        options = {"per_device_train_batch_size": 2, "use_cpu": True, "report_to": "none"}
        return ContrastiveConfig(output_dir=str(tmp_path / "out"), **(options | given))

    return of


def plans_of(dataset, **named):
    args = SimpleNamespace(**{"label_column": None, "id_column": None, "view": "crop", **named})
    return Plans([DatasetPlan(data_format=recognise(dataset.features, **named), settings={})], args)


def test_a_class_of_one_row_is_allowed_beside_others():
    dataset = Dataset.from_dict({"text": list("abcd"), "label": ["x", "x", "y", "z"]})
    check_rows(dataset, recognise(dataset.column_names), name="train_dataset", minimum=2)
    assert class_indices((dataset, None), plans_of(dataset)) == {"x": 0, "y": 1, "z": 2}


def test_classes_beside_pairs_may_stand_alone():
    dataset = Dataset.from_dict({"anchor": list("ab"), "positive": list("cd"), "topic": ["x", "y"]})
    data_format = recognise(dataset.features, label_column="topic")
    check_rows(dataset, data_format, name="train_dataset", minimum=2)
    assert class_indices((None, dataset), plans_of(dataset, label_column="topic")) == {"x": 0, "y": 1}
    one = {"anchor": list("ab"), "positive": list("cd"), "topic": ["x", "x"]}
    assert "holds one class" in rows_error(one, label_column="topic")


def test_what_is_no_dataset_is_named(settings):
    with pytest.raises(DataFormatError, match=r"is a dict; a `datasets\.Dataset` is needed"):
        as_dataset({"train": 1}, "train_dataset")
    with pytest.raises(DataFormatError, match="`train_dataset` is a list"):
        plan_datasets([{"anchor": "a", "positive": "b"}], None, settings())
    with pytest.raises(DataFormatError, match="Pass a `train_dataset`"):
        plan_datasets(None, None, settings())


def test_training_and_evaluation_data_have_one_format(settings):
    pairs = Dataset.from_dict({"anchor": ["a", "b"], "positive": ["c", "d"]})
    text = Dataset.from_dict({"text": ["a"]})
    with pytest.raises(DataFormatError, match=r"format \(text\), `train_dataset` \(anchor, positive\)"):
        plan_datasets(pairs, text, settings())
    lists = Dataset.from_dict({"anchor": ["a"], "positive": [["b"]]})
    with pytest.raises(DataFormatError, match=r"\(anchor, positive: list\), `train_dataset` \(anchor, positive\)"):
        plan_datasets(pairs, lists, settings())


def test_the_trainer_refuses_before_it_reads_a_model(tmp_path):
    args = ContrastiveConfig(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none")
    few = Dataset.from_dict({"anchor": ["a"], "positive": ["b"]})
    with pytest.raises(DataFormatError, match="at least 64 are needed"):
        ContrastiveTrainer(model="no/model", args=args, train_dataset=few)
    assert not (tmp_path / "out").exists()


def test_a_last_batch_of_one_row_is_refused(settings):
    args = settings(per_device_train_batch_size=4, dataloader_drop_last=False)
    pairs = Dataset.from_dict({"anchor": list("abcde"), "positive": list("fghij")})
    with pytest.raises(DataFormatError, match=r"5 rows: in batches of 4.*`dataloader_drop_last=True`"):
        plan_datasets(pairs, None, args)
    assert plan_datasets(pairs.select(range(4)), None, args).first.data_format.kind == "pairs"
    triplets = pairs.add_column("negative", list("klmno"))
    assert plan_datasets(triplets, None, args).first.data_format.kind == "triplets"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"temperature": 0.0}, "`temperature` must be > 0, got 0.0; InfoNCE uses 0.01-0.1"),
        ({"temperature": -1.0}, "`temperature` must be > 0, got -1.0"),
        ({"temperature": float("nan")}, "`temperature` must be > 0, got nan"),
        ({"per_device_train_batch_size": 1}, "`per_device_train_batch_size` must be >= 2, got 1"),
        ({"loss": "nce"}, "'nce'"),
        ({"pooling": "max"}, "`pooling` must be one of mean, weightedmean, cls, lasttoken, got 'max'"),
        ({"chunk_tokens": 0}, "`chunk_tokens` must be > 0"),
        ({"max_length": 0}, "`max_length` must be > 0"),
        ({"save_format": "onnx"}, "`save_format` must be one of merged, adapter, got 'onnx'"),
        ({"remove_unused_columns": True}, "`remove_unused_columns` must be False"),
    ],
)
def test_settings_that_are_not_allowed(tmp_path, setting, told):
    with pytest.raises(ConfigurationError) as caught:
        ContrastiveConfig(output_dir=str(tmp_path), report_to="none", **setting)
    assert told in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_args_of_another_class_are_refused(tmp_path, topic_pairs):
    from transformers import TrainingArguments

    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    with pytest.raises(ConfigurationError, match="`args` must be a ContrastiveConfig, got TrainingArguments"):
        ContrastiveTrainer(model="no/model", args=args, train_dataset=topic_pairs)
