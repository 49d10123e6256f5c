"""Texts are tokenised once, and never the texts of other data."""

import logging
import shutil

import datasets
import pytest
import torch
from datasets import Dataset, concatenate_datasets, load_from_disk
from transformers import AutoTokenizer

from hf_contrastive.training import tokenising
from hf_contrastive.training.collator import ContrastiveCollator
from hf_contrastive.training.formats import recognise
from hf_contrastive.training.tokenising import Tokeniser, tokenised, tokenizer_digest

TEXTS = ["a cat", "the dog and the horse", "", "a cow", "the lion and a mouse and a bird"]
ROWS = {
    "pairs": {"anchor": TEXTS, "positive": TEXTS[::-1]},
    "ragged": {
        "anchor": TEXTS,
        "positive": [TEXTS[: 1 + i % 3] for i in range(5)],
        "negative": TEXTS[::-1],
        "negatives": [TEXTS[i:] if i < 4 else [] for i in range(5)],
        "scores": [[float(j) for j in range((1 + i % 3) + 1 + (5 - i if i < 4 else 0))] for i in range(5)],
        "page": ["x", "y", "x", "z", "z"],
    },
    "graded": {"sentence1": TEXTS, "sentence2": TEXTS[::-1], "score": [0.1, 0.2, 0.3, 0.4, 0.5]},
    "labelled": {"text": TEXTS, "label": ["x", "y", "x", "y", "x"]},
    "text": {"text": TEXTS},
}


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture
def make(tokenizer):
    """``make(dataset)`` is a Tokeniser for it."""

    def of(dataset, *, tokenizer=tokenizer, max_length=16, prompts=None):
        data_format = recognise(dataset.features, id_column="page" if "page" in dataset.column_names else None)
        return Tokeniser(tokenizer, data_format, max_length=max_length, prompts=prompts)

    return of


def plain(batch):
    """A batch as lists, to compare."""
    return {
        name: [list(part.tolist()) for part in value] if isinstance(value, tuple) and name != "sizes"
        else value.tolist() if hasattr(value, "tolist") else value
        for name, value in batch.items() if name != "rows"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ROWS)
def test_a_batch_of_tokens_is_that_of_its_texts(make, kind):
    dataset = Dataset.from_dict(ROWS[kind])
    tokeniser = make(dataset, prompts={"anchor": "query : "})
    collate = ContrastiveCollator(
        tokeniser,
        classes={"x": 0, "y": 1},
        deduplicate=True,
        mask_duplicates=True,
    )
    rows = [4, 1, 2, 2]
    view = tokenised(dataset, tokeniser)
    batch = collate(view.__getitems__(rows))
    assert plain(batch) == plain(collate([dataset[row] for row in rows]))
    assert batch["rows"] == rows
    texts = view.raw_texts(rows)
    assert [len(column) for column in texts] == list(batch["sizes"])[: len(texts)]
    assert texts[0] == [dataset[row][tokeniser.data_format.texts[0]] for row in rows]
    assert collate(view[3])["rows"] == [3]


def test_every_text_is_tokenised_once(make_trainer, topic_pairs, monkeypatch, token_cache):
    asked = []
    original = Tokeniser._encoded

    def counted(self, column, texts):
        asked.append((column, len(texts)))
        return original(self, column, texts)

    monkeypatch.setattr(Tokeniser, "_encoded", counted)
    data = topic_pairs.map(lambda row: {"anchor": row["anchor"] + " and no other"})
    trainer = make_trainer(
        train_dataset=data, eval_dataset=data, max_steps=-1, num_train_epochs=3, eval_strategy="epoch"
    )
    trainer.train()
    trainer.evaluate()
    assert asked == [("anchor", 40), ("positive", 40)]
    asked.clear()
    # another run on equal data, wherever it lies
    make_trainer(train_dataset=Dataset.from_dict(data.to_dict()), max_steps=1).train()
    assert asked == []
    assert [path.suffix for path in token_cache.iterdir()] == [".arrow"] * len(list(token_cache.iterdir()))


def test_the_dataset_of_texts_stays_what_is_recorded(make_trainer, topic_pairs):
    data = topic_pairs.add_column("license", ["MIT"] * 40)
    trainer = make_trainer(train_dataset=data, max_steps=1)
    before = trainer.dataset_references()
    trainer.train()
    assert trainer.train_dataset is data
    assert trainer.dataset_references() == before == trainer.training_record().datasets
    assert data.column_names == ["anchor", "positive", "license"]


def test_tokens_are_never_those_of_other_data(make, tmp_path):
    """An Arrow file that is swapped keeps the fingerprint of ``datasets``."""
    first = Dataset.from_dict({"anchor": ["a cat"] * 3, "positive": ["a dog"] * 3})
    second = Dataset.from_dict({"anchor": ["a cow"] * 3, "positive": ["a pig"] * 3})
    for name, data in (("first", first), ("second", second)):
        data.save_to_disk(tmp_path / name)
    loaded = load_from_disk(tmp_path / "first")
    tokens = tokenised(loaded, make(loaded)).__getitems__([0]).texts[0].input_ids
    (arrow,) = (tmp_path / "second").glob("*.arrow")
    shutil.copy(arrow, tmp_path / "first" / arrow.name)
    swapped = load_from_disk(tmp_path / "first")
    assert swapped._fingerprint == loaded._fingerprint
    assert swapped[0]["anchor"] == "a cow"
    found = tokenised(swapped, make(swapped)).__getitems__([0]).texts[0].input_ids
    assert found.tolist() != tokens.tolist()


def test_what_the_tokens_depend_on_is_in_their_key(make, tiny_bert):
    pairs = Dataset.from_dict(ROWS["pairs"])
    keys = [
        make(pairs).key("data"),
        make(pairs).key("other"),
        make(pairs, max_length=15).key("data"),
        make(pairs, prompts={"anchor": "query : "}).key("data"),
        make(pairs, prompts={"positive": "query : "}).key("data"),
        make(pairs.rename_column("anchor", "query")).key("data"),
        make(Dataset.from_dict(ROWS["graded"])).key("data"),
        make(Dataset.from_dict(ROWS["text"])).key("data"),
        make(Dataset.from_dict(ROWS["text"]), max_length=15).key("data"),
    ]
    grown = AutoTokenizer.from_pretrained(tiny_bert)
    grown.add_tokens(["zebra"])
    left = AutoTokenizer.from_pretrained(tiny_bert, truncation_side="left")
    keys += [make(pairs, tokenizer=grown).key("data"), make(pairs, tokenizer=left).key("data")]
    assert len(set(keys)) == len(keys)


def test_calls_leave_no_trace_in_the_digest_of_a_tokenizer(tokenizer, tiny_bert):
    before = tokenizer_digest(tokenizer)
    tokenizer(["a", "the cat"], truncation=True, max_length=3, padding=True)
    assert tokenizer_digest(tokenizer) == before == tokenizer_digest(AutoTokenizer.from_pretrained(tiny_bert))


def test_a_version_makes_other_keys(make, monkeypatch):
    tokeniser = make(Dataset.from_dict(ROWS["pairs"]))
    before = tokeniser.key("data")
    monkeypatch.setattr(tokenising, "VERSION", tokenising.VERSION + 1)
    assert tokeniser.key("data") != before


@pytest.mark.parametrize("form", ["memory", "disk", "shuffled", "formatted", "concatenated"])
def test_wherever_rows_lie_their_tokens_are_the_same(make, form, tmp_path):
    data = Dataset.from_dict(ROWS["ragged"])
    order = list(range(5))
    if form == "disk":
        data.save_to_disk(tmp_path / "data")
        data = load_from_disk(tmp_path / "data")
    elif form == "shuffled":
        order = [3, 0, 4, 1]
        data = data.select(order)
    elif form == "formatted":
        data.set_format("torch", columns=["anchor"])
    elif form == "concatenated":
        data = concatenate_datasets([data.select([0, 1]), data.select([2]), data.select([3, 4])])
    tokeniser = make(data)
    view = tokenised(data, tokeniser)
    expected = tokeniser.batch([{name: ROWS["ragged"][name][row] for name in ROWS["ragged"]} for row in order])
    found = view.__getitems__(range(len(order)))
    for mine, theirs in zip(found.texts, expected.texts, strict=True):
        assert mine.input_ids.tolist() == theirs.input_ids.tolist()
        assert mine.counts.tolist() == theirs.counts.tolist()
    assert found.cells == expected.cells


def test_a_damaged_file_is_made_anew(make, caplog, token_cache):
    data = Dataset.from_dict({"anchor": ["a cat", "what a file"], "positive": ["x", "y"]})
    first = tokenised(data, make(data)).__getitems__([0, 1])
    (reference,) = tokenising.references(data=data)
    path = token_cache / f"{make(data).key(reference.fingerprint)}.arrow"
    path.write_bytes(path.read_bytes()[:100])
    again = tokenised(data, make(data)).__getitems__([0, 1])
    assert again.texts[0].input_ids.tolist() == first.texts[0].input_ids.tolist()
    assert "is damaged and is made anew" in caplog.text


@pytest.mark.parametrize("why", ["disabled", "not writable"])
def test_without_a_cache_tokens_stay_in_memory(make, monkeypatch, tmp_path, why):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    if why == "disabled":
        monkeypatch.setattr(tokenising.datasets, "is_caching_enabled", lambda: False)
    else:
        monkeypatch.setattr(tokenising.os, "access", lambda *args: False)
    data = Dataset.from_dict(ROWS["pairs"])
    view = tokenised(data, make(data))
    assert view.__getitems__([0]).texts[0].lengths.tolist() == [4]
    assert not list(tmp_path.rglob("*.arrow"))


# ---- what is too long -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pairs", "ragged", "text"])
def test_texts_that_are_too_long_are_counted(make, tokenizer, kind):
    data = Dataset.from_dict(ROWS[kind])
    view = tokenised(data, make(data, max_length=5))
    for _ in range(2):
        for name in view.data_format.texts:
            texts = [t for cell in ROWS[kind][name] for t in (cell if isinstance(cell, list) else [cell])]
            longer = sum(len(ids) > 5 for ids in tokenizer(texts)["input_ids"])
            assert (view.texts[name], view.truncated[name]) == (len(texts), longer)
        assert view.truncated_fraction == sum(view.truncated.values()) / sum(view.texts.values()) > 0
        view = tokenised(data, make(data, max_length=5))  # from the cache


def test_a_tokenizer_without_encodings_counts_the_same(make, tokenizer):
    class Slow:
        """The same ids without what only the fast ones tell."""

        truncation_side, special_tokens_map = "right", tokenizer.special_tokens_map

        def __call__(self, *args, **kwargs):
            encoded = tokenizer(*args, **kwargs)
            encoded._encodings = None
            return encoded

        def save_pretrained(self, folder):
            tokenizer.save_pretrained(folder)

    data = Dataset.from_dict(ROWS["pairs"])
    for max_length in (4, 5, 6, 16):
        fast, slow = (make(data, max_length=max_length, tokenizer=one)(ROWS["pairs"]) for one in (tokenizer, Slow()))
        assert fast == slow
    assert len(make(data, tokenizer=Slow()).key("data")) == 64


def test_the_trainer_tells_once_what_it_cuts(make_trainer, topic_pairs, caplog):
    trainer = make_trainer(max_length=6, max_steps=-1, num_train_epochs=2)
    with caplog.at_level(logging.WARNING):
        trainer.train()
    told = [record.message for record in caplog.records if "max_length=6" in record.message]
    assert trainer.truncated_fraction == 0.5
    assert told == [
        "Training data: 40 of 40 texts (100.0%) in `positive` are longer than max_length=6 tokens; "
        "what stands behind is not read."
    ]


# ---- workers and restarts -------------------------------------------------------------------------------


class Batches:
    """Keeps what a trainer computes on."""

    def __init__(self, trainer):
        self.seen = []
        step = trainer.training_step

        def noted(model, inputs, *args, **kwargs):
            self.seen.append({**plain(inputs), "rows": inputs["rows"]})
            return step(model, inputs, *args, **kwargs)

        trainer.training_step = noted


@pytest.mark.parametrize("settings", [{}, {"dataloader_persistent_workers": True}], ids=["new", "kept"])
def test_workers_change_no_bit(make_trainer, topic_pairs, settings):
    texts = topic_pairs.select_columns(["positive"]).rename_column("positive", "text")
    runs = []
    for workers, more in ((0, {}), (2, settings)):
        trainer = make_trainer(
            train_dataset=texts, max_steps=-1, num_train_epochs=3, dataloader_num_workers=workers, **more
        )
        batches = Batches(trainer)
        trainer.train()
        runs.append((batches.seen, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]))
    assert runs[0] == runs[1]
    first, second = ([batch["input_ids"] for batch in runs[0][0]][part] for part in (slice(0, 5), slice(5, 10)))
    assert sorted(map(sorted, first)) != sorted(map(sorted, second))  # every epoch has its own views


@pytest.mark.parametrize("kind", [pytest.param("pairs", marks=pytest.mark.slow), "text"])
def test_a_run_that_goes_on_sees_the_same_batches(make_trainer, topic_pairs, kind):
    data = (
        topic_pairs if kind == "pairs" else topic_pairs.select_columns(["positive"]).rename_column("positive", "text")
    )
    options = {"train_dataset": data, "save_strategy": "steps", "save_steps": 7, "max_steps": 14}
    whole = make_trainer(**options, output="whole")
    batches = Batches(whole)
    whole.train()
    resumed = make_trainer(**options, output="whole")
    rest = Batches(resumed)
    resumed.train(resume_from_checkpoint=str(whole.output_folder / "checkpoint-7"))
    assert rest.seen == batches.seen[7:]
    mine, theirs = (torch.cat([p.flatten() for p in t.model.parameters()]) for t in (resumed, whole))
    assert torch.equal(mine, theirs)
