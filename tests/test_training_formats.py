"""Columns are recognised by the documented rules; anything else is one paragraph that helps."""

import pytest
from datasets import Dataset

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.collator import ContrastiveCollator
from hf_contrastive.training.formats import check_rows, recognise
from hf_contrastive.training.setup import as_dataset, class_indices, recognise_dataset, same_format
from hf_contrastive.training.views import independent_crop


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


def rows_error(data, *, minimum=2):
    dataset = Dataset.from_dict(data)
    with pytest.raises(DataFormatError) as caught:
        check_rows(dataset, recognise(dataset.column_names), name="train_dataset", minimum=minimum)
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


@pytest.mark.parametrize(("cells", "shown"), [([1, 2, 3], "int '1' in row 0"), ([["a"], ["b"], ["c"]], "list")])
def test_cells_that_are_no_text(cells, shown):
    assert shown in rows_error({"anchor": ["a", "b", "c"], "positive": cells})


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


def test_a_class_of_one_row_is_allowed_beside_others():
    dataset = Dataset.from_dict({"text": list("abcd"), "label": ["x", "x", "y", "z"]})
    check_rows(dataset, recognise(dataset.column_names), name="train_dataset", minimum=2)
    assert class_indices(dataset, None, recognise(dataset.column_names)) == {"x": 0, "y": 1, "z": 2}


def test_what_is_no_dataset_is_named():
    with pytest.raises(DataFormatError, match=r"is a dict; a `datasets\.Dataset` is needed"):
        as_dataset({"train": 1}, "train_dataset")
    with pytest.raises(DataFormatError, match="is a list"):
        recognise_dataset([{"anchor": "a", "positive": "b"}])
    with pytest.raises(DataFormatError, match="Pass a `train_dataset`"):
        recognise_dataset(None)


def test_training_and_evaluation_data_have_one_format():
    text = Dataset.from_dict({"text": ["a"]})
    with pytest.raises(DataFormatError, match=r"format \(text\), `train_dataset` \(anchor, positive\)"):
        same_format(text, recognise(["anchor", "positive"]))


def test_the_trainer_refuses_before_it_reads_a_model(tmp_path):
    args = ContrastiveConfig(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none")
    few = Dataset.from_dict({"anchor": ["a"], "positive": ["b"]})
    with pytest.raises(DataFormatError, match="at least 64 are needed"):
        ContrastiveTrainer(model="no/model", args=args, train_dataset=few)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"temperature": 0.0}, "`temperature` must be > 0, got 0.0; InfoNCE uses 0.01-0.1"),
        ({"temperature": -1.0}, "`temperature` must be > 0, got -1.0"),
        ({"temperature": float("nan")}, "`temperature` must be > 0, got nan"),
        ({"per_device_train_batch_size": 1}, "`per_device_train_batch_size` must be >= 2, got 1"),
        ({"loss": "nce"}, "`loss` must be one of auto, infonce, supcon, got 'nce'"),
        ({"pooling": "max"}, "`pooling` must be one of mean, cls, lasttoken, got 'max'"),
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


# ---- from rows to a pool of token ids ---------------------------------------------------------------


@pytest.fixture
def tokenizer(tiny_bert):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_bert)


def texts_in(batch, tokenizer):
    rows = batch["input_ids"].split(batch["lengths"].tolist())
    return [tokenizer.decode(row) for row in rows]


def test_columns_follow_each_other_in_the_pool(tokenizer):
    collate = ContrastiveCollator(
        tokenizer,
        recognise(["anchor", "positive", "negative"]),
        max_length=16,
        prompts={"anchor": "query : ", "positive": "document : "},
    )
    rows = [{"anchor": "a cat", "positive": "the dog", "negative": "a horse", "id": 1}] * 2
    batch = collate(rows)
    assert batch["sizes"] == (2, 2, 2)
    assert texts_in(batch, tokenizer) == [
        *["[CLS] query : a cat [SEP]"] * 2,
        *["[CLS] document : the dog [SEP]"] * 2,
        *["[CLS] a horse [SEP]"] * 2,
    ]
    assert "labels" not in batch  # Trainer would rescale the loss
    assert len(set(batch["text_ids"].tolist())) == 6


def test_equal_texts_share_an_id_only_where_duplicates_are_masked(tokenizer):
    rows = [{"anchor": "a cat", "positive": "the dog"}, {"anchor": "a cat", "positive": "a cat"}]
    collate = ContrastiveCollator(tokenizer, recognise(["anchor", "positive"]), max_length=16, mask_duplicates=True)
    first, second, third, fourth = collate(rows)["text_ids"].tolist()
    assert first == second == fourth != third


def test_equal_texts_are_embedded_once(tokenizer):
    rows = [{"anchor": "a cat", "positive": "the dog"}, {"anchor": "a cat", "positive": "a cat"}]
    collate = ContrastiveCollator(tokenizer, recognise(["anchor", "positive"]), max_length=16, deduplicate=True)
    batch = collate(rows)
    assert batch["index"].tolist() == [0, 0, 1, 0]
    assert texts_in(batch, tokenizer) == ["[CLS] a cat [SEP]", "[CLS] the dog [SEP]"]
    assert batch["sizes"] == (2, 2)
    assert len(set(batch["text_ids"].tolist())) == 4
    assert "index" not in collate(rows[:1])


def test_texts_are_cut_with_their_special_tokens(tokenizer):
    collate = ContrastiveCollator(tokenizer, recognise(["anchor", "positive"]), max_length=5)
    batch = collate([{"anchor": "cat " * 30, "positive": "dog"}])
    assert batch["lengths"].tolist() == [5, 3]
    assert texts_in(batch, tokenizer)[0] == "[CLS] cat cat cat [SEP]"


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_views_of_a_text_are_spans_within_special_tokens(tiny_encoder, architecture):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder(architecture))
    text = "cat dog horse mouse bird fish sheep cow goat lion bread apple soup cheese rice pear"
    collate = ContrastiveCollator(tokenizer, recognise(["text"]), max_length=32)
    batch = collate([{"text": text}] * 4)
    assert batch["sizes"] == (4, 4)
    plain = tokenizer(text, add_special_tokens=False)["input_ids"]
    before, after = tokenizer.cls_token_id, tokenizer.sep_token_id
    for row in batch["input_ids"].split(batch["lengths"].tolist()):
        first, *span, last = row.tolist()
        assert (first, last) == (before, after)
        assert any(plain[i : i + len(span)] == span for i in range(len(plain)))
        assert 0.2 * len(plain) - 1 <= len(span) <= 0.6 * len(plain) + 1


def test_views_depend_on_seed_epoch_and_text_alone(tokenizer):
    def views(text, *, seed=0, epoch=0, others=()):
        collate = ContrastiveCollator(tokenizer, recognise(["text"]), max_length=32, seed=seed)
        collate.epoch = epoch
        batch = collate([{"text": other} for other in (*others, text)])
        found = texts_in(batch, tokenizer)
        return found[len(others)], found[-1]

    text = "cat dog horse mouse bird fish sheep cow goat lion bread apple soup cheese rice pear"
    assert views(text) == views(text, others=("a dog", "the cat"))
    assert views(text)[0] != views(text)[1]
    assert len({views(text, epoch=epoch) for epoch in range(5)}) > 1
    assert len({views(text, seed=seed) for seed in range(5)}) > 1


def test_short_texts_are_kept_whole():
    from random import Random

    assert independent_crop([1, 2, 3, 4], Random(0)) == [1, 2, 3, 4]
    assert all(4 <= len(independent_crop(range(5), Random(seed))) <= 5 for seed in range(20))


def test_labels_become_class_indices(tokenizer):
    collate = ContrastiveCollator(tokenizer, recognise(["text", "label"]), max_length=8, classes={"x": 0, "y": 1})
    batch = collate([{"text": "a", "label": "y"}, {"text": "the", "label": "x"}])
    assert batch["label"].tolist() == [1, 0]
