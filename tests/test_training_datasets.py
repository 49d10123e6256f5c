"""Several datasets in one run: one of them a step, each with its own prompts and loss."""

import json

import datasets
import pytest
import torch
from datasets import Dataset, DatasetDict

from hf_contrastive import ContrastiveConfig
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.data import MixedRows
from hf_contrastive.training.plans import named_splits, plan_datasets


@pytest.fixture(scope="module")
def mixture(topic_pairs):
    """40 pairs, 24 graded pairs under other names, 16 labelled texts."""
    anchors, positives = topic_pairs["anchor"][:], topic_pairs["positive"][:]
    topics = [text.split()[4] for text in positives]
    return {
        "questions": topic_pairs,
        "grades": Dataset.from_dict(
            {"sentence1": anchors[:24], "sentence2": positives[:24], "score": [i % 4 / 3 for i in range(24)]}
        ),
        "topics": Dataset.from_dict({"text": positives[::2][:16], "label": topics[::2][:16]}),
    }


class Steps:
    """Keeps what a trainer computes on."""

    def __init__(self, trainer):
        self.seen = []
        step = trainer.training_step

        def noted(model, inputs, *args, **kwargs):
            self.seen.append((inputs["dataset"], inputs["rows"], inputs["input_ids"].tolist()))
            return step(model, inputs, *args, **kwargs)

        trainer.training_step = noted


def test_every_step_is_of_one_dataset_with_its_own_loss(make_trainer, mixture):
    trainer = make_trainer(train_dataset=mixture, max_steps=-1, num_train_epochs=2)
    steps = Steps(trainer)
    trainer.train()
    names = [name for name, _, _ in steps.seen]
    assert len(names) == 20
    assert [names.count(name) for name in mixture] == [10, 6, 4]
    assert names[:10] != sorted(names[:10])
    for name, rows, _ in steps.seen:
        assert len(set(rows)) == 8
        assert max(rows) < len(mixture[name])
    for epoch in (steps.seen[:10], steps.seen[10:]):
        assert sorted(row for name, rows, _ in epoch if name == "questions" for row in rows) == list(range(40))
    record = trainer.training_record()
    assert record.objective == "questions: infonce; grades: cosent; topics: supcon"
    assert record.data_format == (
        "questions: (anchor, positive); grades: (sentence1, sentence2, score); topics: (text, label)"
    )
    assert record.text_columns == ("anchor", "positive", "text")  # as an audit of them together names them
    assert record == type(record).from_dict(record.to_dict())


def test_round_robin_takes_turns(make_trainer, mixture):
    trainer = make_trainer(
        train_dataset=DatasetDict(mixture), max_steps=-1, num_train_epochs=1, multi_dataset_sampling="round_robin"
    )
    steps = Steps(trainer)
    trainer.train()
    assert [name for name, _, _ in steps.seen] == ["questions", "grades", "topics"] * 2


@pytest.mark.parametrize("sampling", ["proportional", "round_robin"])
def test_a_mixed_run_goes_on_in_the_middle_of_an_epoch(make_trainer, mixture, sampling):
    options = {
        "train_dataset": mixture,
        "max_steps": 13,
        "save_strategy": "steps",
        "save_steps": 8,
        "multi_dataset_sampling": sampling,
    }
    whole = make_trainer(**options)
    steps = Steps(whole)
    whole.train()
    resumed = make_trainer(**options)
    rest = Steps(resumed)
    resumed.train(resume_from_checkpoint=str(whole.output_folder / "checkpoint-8"))
    assert rest.seen == steps.seen[8:]
    mine, theirs = (torch.cat([p.flatten() for p in t.model.parameters()]) for t in (resumed, whole))
    assert torch.equal(mine, theirs)


def test_workers_change_no_bit(make_trainer, mixture):
    runs = []
    for workers in (0, 2):
        trainer = make_trainer(train_dataset=mixture, max_steps=12, dataloader_num_workers=workers)
        steps = Steps(trainer)
        trainer.train()
        runs.append((steps.seen, [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]))
    assert runs[0] == runs[1]


def test_each_dataset_is_measured_under_its_name(make_trainer, mixture):
    held_out = {name: part.select(range(12)) for name, part in mixture.items()}
    trainer = make_trainer(
        train_dataset=mixture,
        eval_dataset=held_out,
        max_steps=4,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="steps",
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="questions_ndcg@10",
    )
    trainer.train()
    measured = {item.name: item.value for item in trainer.training_record().metrics}
    assert {name for name in measured if "@" not in name} == {
        *("eval_questions_loss", "eval_grades_loss", "eval_grades_spearman", "eval_topics_loss"),
    }
    assert measured["eval_questions_ndcg@10"] == pytest.approx(trainer.state.best_metric)
    again = trainer.evaluate()
    assert {name: again[name] for name in measured} == pytest.approx(measured, abs=1e-5)
    # a dataset of its own, by its columns
    foreign = trainer.evaluate(mixture["grades"].select(range(7)))
    assert "eval_spearman" in foreign
    assert trainer.predict(mixture["questions"].select(range(5))).metrics["test_recall@10"] == 1.0


def test_one_dataset_may_be_measured_on_several(make_trainer, topic_pairs):
    parts = {"first": topic_pairs.select(range(10)), "last": topic_pairs.select(range(30, 40))}
    trainer = make_trainer(eval_dataset=parts, max_steps=1)
    measured = trainer.evaluate()
    assert {"eval_first_ndcg@10", "eval_last_ndcg@10"} <= set(measured)
    assert [ref.split for ref in trainer.dataset_references()] == ["train", "validation/first", "validation/last"]


def test_settings_are_of_their_dataset(make_trainer, topic_pairs, tmp_path):
    parts = {"web": topic_pairs, "chat": topic_pairs.select(range(16))}
    trainer = make_trainer(
        train_dataset=parts,
        query_prompt="query : ",
        dataset_settings={"chat": {"query_prompt": "what ", "document_prompt": "the "}},
        max_steps=-1,
        num_train_epochs=1,
    )
    steps = Steps(trainer)
    trainer.train()
    tokenizer = trainer.processing_class
    for name, rows, ids in steps.seen:
        text = tokenizer.decode(ids).replace(" ,", ",")
        row = {column: cell.replace(" ,", ",") for column, cell in parts[name][rows[0]].items()}
        if name == "web":
            assert f"[CLS] query : {row['anchor']} [SEP]" in text
            assert f"[CLS] {row['positive']} [SEP]" in text
        else:
            assert f"[CLS] what {row['anchor']} [SEP]" in text
            assert f"[CLS] the {row['positive']} [SEP]" in text
    prompts = {"query": "query : ", "chat_query": "what ", "chat_document": "the "}
    assert trainer.training_record().prompts == prompts
    trainer.save_model()
    settings = json.loads((tmp_path / "out" / "config_sentence_transformers.json").read_text())
    assert settings["prompts"] == {"document": "", **prompts}
    texts = ["a cat"]
    assert (trainer.encoder.encode(texts, prompt="chat_query") == trainer.encoder.encode(["what a cat"])).all()


def test_a_dataset_may_have_its_own_loss(make_trainer, mixture, topic_pairs):
    triplets = topic_pairs.add_column("negative", topic_pairs["positive"][::-1])
    trainer = make_trainer(
        train_dataset={"pairs": topic_pairs, "triplets": triplets},
        dataset_settings={"triplets": {"loss": "triplet"}},
        max_steps=8,
    )
    assert trainer.training_record().objective == "pairs: infonce; triplets: triplet"
    assert trainer._engine.objectives["pairs"] is not trainer._engine.objectives["triplets"]
    trainer.train()
    same = make_trainer(train_dataset={"a": topic_pairs, "b": topic_pairs})
    assert same._engine.objectives["a"] is same._engine.objectives["b"]
    assert same.training_record().objective == "infonce"
    assert same.training_record().data_format == "(anchor, positive)"


def test_labels_and_ids_may_be_of_one_dataset(make_trainer, topic_pairs):
    paged = topic_pairs.add_column("page", [i // 2 for i in range(40)])
    trainer = make_trainer(
        train_dataset={"paged": paged, "plain": topic_pairs}, dataset_settings={"paged": {"id_column": "page"}}
    )
    assert [plan.data_format.ids for plan in trainer.plans] == ["page", None]
    view = trainer.data_views.of(trainer.train_dataset, "training")
    assert "groups" in trainer.data_collator(view.__getitems__([0, 1]))
    assert "groups" not in trainer.data_collator(view.__getitems__([40, 41]))


def test_every_dataset_is_recorded(make_trainer, mixture):
    trainer = make_trainer(train_dataset=mixture, eval_dataset=mixture, max_steps=1)
    trainer.train()
    references = trainer.training_record().datasets
    names = ["train/questions", "train/grades", "train/topics"]
    names += [name.replace("train", "validation") for name in names]
    assert [reference.split for reference in references] == names
    assert [reference.num_rows for reference in references] == [40, 24, 16] * 2
    assert references == trainer.dataset_references()
    assert len({reference.fingerprint for reference in references}) == 3
    assert list(named_splits(mixture, None)) == names[:3]


def test_rows_of_two_datasets_are_no_batch(make_trainer, mixture):
    trainer = make_trainer(train_dataset=mixture)
    view = trainer.data_views.of(mixture, "training")
    assert isinstance(view, MixedRows)
    assert (len(view), view.sizes) == (80, (40, 24, 16))
    assert (view[40].dataset, view[40].rows) == ("grades", [0])
    assert (view[79].dataset, view[79].rows) == ("topics", [15])
    assert trainer.truncated_fraction == 0.0
    assert view.parts["grades"].raw_texts([0, 1]) == [
        mixture["grades"][name][:2] for name in ("sentence1", "sentence2")
    ]
    with pytest.raises(ValueError, match="must be of one dataset, these are of questions, grades"):
        view.__getitems__([39, 40])


# ---- what can not be read -------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path):
    def of(train, evaluation=None, settings=None, **given):
        options = {"per_device_train_batch_size": 8, "use_cpu": True, "report_to": "none"}
        args = ContrastiveConfig(output_dir=str(tmp_path), **(options | given))
        return plan_datasets(train, evaluation, args, settings)

    return of


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"grade": {}}, ["`dataset_settings` names 'grade'", "questions, grades, topics", "Did you mean 'grades'?"]),
        (
            {"grades": {"querry_prompt": "a"}},
            ["`dataset_settings['grades']` has 'querry_prompt'", "Did you mean 'query"],
        ),
        ({"topics": {"query_prompt": "a"}}, ["['topics']` has `query_prompt`", "(text, label)", "Remove it"]),
    ],
)
def test_settings_that_do_not_exist(plan, mixture, settings, told):
    with pytest.raises(ConfigurationError) as caught:
        plan(mixture, settings=settings)
    for part in told:
        assert part in str(caught.value)


def test_settings_need_several_datasets(plan, topic_pairs):
    with pytest.raises(ConfigurationError, match="names 'web'; the datasets have no names"):
        plan(topic_pairs, settings={"web": {}})


def test_splits_are_no_datasets(plan, topic_pairs):
    whole = DatasetDict({"train": topic_pairs, "test": topic_pairs.select(range(10))})
    with pytest.raises(
        DataFormatError, match=r"splits train, test, all of which would be trained on.*dataset\['train'\]"
    ):
        plan(whole)
    assert plan(topic_pairs, whole)  # measured on both


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({}, "`train_dataset` is a mapping with the keys []"),
        ({1: None}, "`train_dataset` is a mapping with the keys [1]"),
        ({"web": [1]}, "`train_dataset['web']` is a list"),
    ],
)
def test_mappings_that_are_no_datasets(plan, train, told):
    with pytest.raises(DataFormatError) as caught:
        plan(train)
    assert told in str(caught.value)


def test_errors_name_the_dataset(plan, mixture, topic_pairs):
    few = {"questions": topic_pairs, "few": topic_pairs.select(range(3))}
    with pytest.raises(DataFormatError, match=r"`train_dataset\['few'\]` has 3 rows; at least 8 are needed"):
        plan(few)
    renamed = {"grades": mixture["grades"].rename_column("sentence1", "anchor")}
    with pytest.raises(DataFormatError) as caught:
        plan(mixture, renamed)
    told = str(caught.value)
    assert "`eval_dataset['grades']` has the format (anchor, sentence2, score)" in told
    assert "`train_dataset['grades']` (sentence1, sentence2, score)" in told
    nulls = {
        "questions": topic_pairs,
        "holes": Dataset.from_dict({"anchor": ["a"] * 8, "positive": [None, *"bcdefgh"]}),
    }
    with pytest.raises(DataFormatError, match=r"`positive` of `train_dataset\['holes'\]` holds null in row 0"):
        plan(nulls)
    stream = {"questions": datasets.IterableDataset.from_generator(lambda: iter([{"text": "a"}]))}
    with pytest.raises(DataFormatError, match=r"`train_dataset\['questions'\]` is a IterableDataset"):
        plan(stream)


def test_settings_of_all_that_do_not_fit_several(plan, make_trainer, mixture):
    with pytest.raises(ConfigurationError, match="`dataloader_drop_last` must be True with several datasets"):
        plan(mixture, dataloader_drop_last=False)
    with pytest.raises(ConfigurationError, match="`multi_dataset_sampling` must be one of proportional, round_robin"):
        plan(mixture, multi_dataset_sampling="random")
    trainer = make_trainer(train_dataset=mixture, train_sampling_strategy="sequential")
    with pytest.raises(ConfigurationError, match="`train_sampling_strategy` must be 'random' with several datasets"):
        trainer.train()


def test_a_sequential_order_stays_possible(make_trainer, topic_pairs):
    trainer = make_trainer(train_sampling_strategy="sequential", max_steps=2)
    rows = []
    step = trainer.training_step
    trainer.training_step = lambda model, inputs, *rest: (rows.append(inputs["rows"]), step(model, inputs, *rest))[1]
    trainer.train()
    assert rows == [list(range(8)), list(range(8, 16))]
