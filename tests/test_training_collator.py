"""From rows to a pool of token ids, and which of its texts belong together."""

import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from hf_contrastive.training.collator import ContrastiveCollator
from hf_contrastive.training.formats import recognise
from hf_contrastive.training.tokenising import Tokeniser


def collator(tokenizer, data_format, *, max_length, prompts=None, **options):
    return ContrastiveCollator(Tokeniser(tokenizer, data_format, max_length=max_length, prompts=prompts), **options)


@pytest.fixture
def tokenizer(tiny_bert):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_bert)


def texts_in(batch, tokenizer):
    rows = batch["input_ids"].split(batch["lengths"].tolist())
    return [tokenizer.decode(row) for row in rows]


def test_columns_follow_each_other_in_the_pool(tokenizer):
    collate = collator(
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
    collate = collator(tokenizer, recognise(["anchor", "positive"]), max_length=16, mask_duplicates=True)
    first, second, third, fourth = collate(rows)["text_ids"].tolist()
    assert first == second == fourth != third


def test_equal_texts_are_embedded_once(tokenizer):
    rows = [{"anchor": "a cat", "positive": "the dog"}, {"anchor": "a cat", "positive": "a cat"}]
    collate = collator(tokenizer, recognise(["anchor", "positive"]), max_length=16, deduplicate=True)
    batch = collate(rows)
    assert batch["index"].tolist() == [0, 0, 1, 0]
    assert texts_in(batch, tokenizer) == ["[CLS] a cat [SEP]", "[CLS] the dog [SEP]"]
    assert batch["sizes"] == (2, 2)
    assert len(set(batch["text_ids"].tolist())) == 4
    assert "index" not in collate(rows[:1])


def test_texts_that_are_not_compared_have_other_ids_in_every_process(tokenizer):
    rows = [{"anchor": "a cat", "positive": "the dog"}] * 2
    ids = [
        collator(tokenizer, recognise(["anchor", "positive"]), max_length=16, process_index=rank)(rows)
        for rank in range(3)
    ]
    assert len({number for batch in ids for number in batch["text_ids"].tolist()}) == 12


def test_texts_are_cut_with_their_special_tokens(tokenizer):
    collate = collator(tokenizer, recognise(["anchor", "positive"]), max_length=5)
    batch = collate([{"anchor": "cat " * 30, "positive": "dog"}])
    assert batch["lengths"].tolist() == [5, 3]
    assert texts_in(batch, tokenizer)[0] == "[CLS] cat cat cat [SEP]"


def test_labels_become_class_indices(tokenizer):
    collate = collator(tokenizer, recognise(["text", "label"]), max_length=8, classes={"x": 0, "y": 1})
    batch = collate([{"text": "a", "label": "y"}, {"text": "the", "label": "x"}])
    assert batch["label"].tolist() == [1, 0]


# ---- which texts belong together ------------------------------------------------------------------------

WORDS = st.sampled_from(["cat", "dog", "horse", "mouse", "bird", "fish", "sheep", "cow", "goat", "lion"])
RAGGED = st.lists(
    st.fixed_dictionaries(
        {
            "anchor": WORDS,
            "positive": st.lists(WORDS, min_size=1, max_size=3),
            "negative": WORDS,
            "negatives": st.lists(WORDS, max_size=3),
            "page": st.integers(0, 3),
        }
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def ragged(tiny_bert):
    from transformers import AutoTokenizer

    types = Dataset.from_list(
        [{"anchor": "a", "positive": ["b"], "negative": "c", "negatives": ["d"], "scores": [1.0], "page": 1}]
    ).features
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    return collator(tokenizer, recognise(types, id_column="page"), max_length=16, mask_duplicates=True)


@given(rows=RAGGED)
def test_ragged_rows_keep_what_was_given(ragged, rows):
    """Read back from the batch, each row has its own texts, scores and id, in order."""
    for number, row in enumerate(rows):
        row["scores"] = [100.0 * number + i for i in range(len(row["positive"]) + 1 + len(row["negatives"]))]
    batch = ragged(rows)
    texts = [ragged.tokenise.tokenizer.decode(ids[1:-1]) for ids in batch["input_ids"].split(batch["lengths"].tolist())]
    anchors, candidates = texts[: len(rows)], texts[len(rows) :]
    assert batch["sizes"] == tuple(
        sum(len(row[name]) if isinstance(row[name], list) else 1 for row in rows)
        for name in ("anchor", "positive", "negative", "negatives")
    )
    assert sum(batch["sizes"]) == len(texts) == len(batch["text_ids"]) == len(batch["groups"])
    assert anchors == [row["anchor"] for row in rows]
    given_to = {}
    for kind in ("positives", "negatives"):
        indptr, indices = batch[kind]
        given_to[kind] = [indices[indptr[i] : indptr[i + 1]].tolist() for i in range(len(rows))]
    every = sorted(place for lists in given_to.values() for places in lists for place in places)
    assert every == list(range(len(candidates)))
    for i, row in enumerate(rows):
        positives, negatives = given_to["positives"][i], given_to["negatives"][i]
        assert [candidates[j] for j in positives] == row["positive"]
        assert [candidates[j] for j in negatives] == [row["negative"], *row["negatives"]]
        assert batch["scores"][positives + negatives].tolist() == row["scores"]
        numbers = batch["groups"][[i, *(len(rows) + j for j in positives + negatives)]]
        assert len(set(numbers.tolist())) == 1
    assert len(set(batch["groups"].tolist())) == len({row["page"] for row in rows})
    assert batch["scores"].dtype == torch.float32


def test_lists_of_one_are_plain_columns(tokenizer):
    plain = {"anchor": "a cat", "positive": "the dog", "negative": "a horse"}
    lists = {"anchor": "a cat", "positive": ["the dog"], "negatives": ["a horse"]}
    collate = [
        collator(tokenizer, recognise(Dataset.from_list([row]).features), max_length=16) for row in (plain, lists)
    ]
    one, other = collate[0]([plain] * 3), collate[1]([lists] * 3)
    assert one["input_ids"].tolist() == other["input_ids"].tolist()
    assert one["sizes"] == other["sizes"]
    assert [part.tolist() for part in one["negatives"]] == [part.tolist() for part in other["negatives"]]
    assert [part.tolist() for part in other["positives"]] == [[0, 1, 2, 3], [0, 1, 2]]
    assert [part.tolist() for part in one["negatives"]] == [[0, 1, 2, 3], [3, 4, 5]]


def test_lists_of_negatives_may_all_be_empty(tokenizer):
    data_format = recognise(["anchor", "positive", "negatives"])
    collate = collator(tokenizer, data_format, max_length=16)
    batch = collate([{"anchor": "a cat", "positive": "the dog", "negatives": []}] * 2)
    assert batch["sizes"] == (2, 2, 0)
    assert [part.tolist() for part in batch["negatives"]] == [[0, 0, 0], []]


def test_grades_and_classes_beside_pairs(tokenizer):
    rows = [
        {"sentence1": "a cat", "sentence2": "the dog", "score": 3, "topic": "b"},
        {"sentence1": "a cow", "sentence2": "the lion", "score": 0.5, "topic": "a"},
    ]
    types = Dataset.from_list([{**row, "score": 0.5} for row in rows]).features
    collate = collator(tokenizer, recognise(types, label_column="topic"), max_length=16, classes={"a": 0, "b": 1})
    batch = collate(rows)
    assert (batch["scores"].tolist(), batch["label"].tolist()) == ([3.0, 0.5], [1, 0])
    assert "labels" not in batch
    assert "positives" not in batch


def test_ids_are_told_apart_by_type_and_value(tokenizer):
    def groups(*values):
        rows = [{"anchor": "a", "positive": "b", "page": value} for value in values]
        data_format = recognise(["anchor", "positive", "page"], id_column="page")
        return collator(tokenizer, data_format, max_length=8)(rows)["groups"].tolist()

    assert groups(1, 2)[:2] == groups(1, 2)[2:]
    assert len(set(groups(1, 2, 1))) == 2
    assert groups("x")[0] == groups("y", "x")[1]  # whatever else the batch holds, as other processes must agree
    assert groups(1)[0] != groups("1")[0]


def test_labelled_text_has_no_candidates(tokenizer):
    collate = collator(tokenizer, recognise(["text", "label"]), max_length=8, classes={"x": 0, "y": 1})
    indptr, indices = collate([{"text": "a", "label": "y"}, {"text": "the", "label": "x"}])["positives"]
    assert (indptr.tolist(), indices.tolist()) == ([0, 0, 0], [])
