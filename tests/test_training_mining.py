"""Mined negatives equal a plain reference; no positive is ever among them; memory has a bound."""

import logging
import math
import tracemalloc
from dataclasses import dataclass

import datasets
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings

from hf_contrastive import TextEncoder, mine_hard_negatives
from hf_contrastive.errors import ConfigurationError, DataFormatError, ModelError
from hf_contrastive.training import negatives
from hf_contrastive.training.encoding import EncodingSpec
from hf_contrastive.training.formats import recognise


class Table(TextEncoder):
    """An encoder whose vectors stand in tables; texts that are in none have drawn ones."""

    def __init__(self, queries=None, documents=None, dim=16):
        self.name, self.spec, self.dim = "table", EncodingSpec(), dim
        self.tables = {"query": queries or {}, "document": documents or {}}
        self.encoded = []

    def encode(self, texts, *, prompt=None, max_length=None, on_progress=None):
        self.encoded += [(prompt, text) for text in texts]
        vectors = [self.tables[prompt].get(text, self.drawn(text)) for text in texts]
        if on_progress:
            on_progress(len(texts), len(texts))
        return np.array(vectors, dtype=np.float32)

    def drawn(self, text):
        return np.random.default_rng(list(text.encode())).normal(size=self.dim)


def pairs(rows, **columns):
    return datasets.Dataset.from_dict({"anchor": [a for a, _ in rows], "positive": [p for _, p in rows], **columns})


def numbered(rows):
    return pairs([(f"question {i}", f"answer {i}") for i in range(rows)])


def mined(rows):
    return [(row["anchor"], row["positive"], row["negative"]) for row in rows]


# ---- a reference in loops -----------------------------------------------------------------------------


@dataclass
class Problem:
    rows: list
    corpus: list
    encoder: Table
    options: dict


def cosine(a, b):
    """Of two vectors, each rounded to the grid as the search rounds it; exact, so the order of summation is free."""

    def rounded(vector):
        vector = np.asarray(vector, dtype=np.float32)
        unit = vector / np.sqrt((vector.astype(np.float64) ** 2).sum())
        return [round(float(np.float32(x)) * 2**26) for x in unit]

    return sum(x * y for x, y in zip(rounded(a), rounded(b), strict=True)) / 2**52


def admissible(problem):
    """For each row its positive's score and its (document, score) that meet the conditions, best first."""
    options = problem.options
    documents = list(dict.fromkeys([*(p for _, p in problem.rows), *problem.corpus]))
    queries, answers = problem.encoder.tables["query"], problem.encoder.tables["document"]
    result = []
    for anchor, positive in problem.rows:
        own = {p for a, p in problem.rows if a == anchor}
        score = {document: cosine(queries[anchor], answers[document]) for document in documents}
        lowest = min(score[p] for p in own)
        ranking = [d for d in documents if d not in own and d != anchor]
        ranking.sort(key=lambda d: (-score[d], documents.index(d)))
        found = []
        for rank, document in enumerate(ranking):
            s = score[document]
            end = options.get("range_max")
            if end is None:
                end = options.get("range_min", 0) + 10 * options["num_negatives"]
                end = end if options.get("sampling") == "random" else math.inf
            meets = [
                options.get("range_min", 0) <= rank < end,
                options.get("min_score") is None or s >= options["min_score"],
                options.get("max_score") is None or s <= options["max_score"],
                options.get("margin") is None or s < lowest - options["margin"],
                options.get("relative_margin") is None or s <= lowest - abs(lowest) * options["relative_margin"],
            ]
            if all(meets):
                found.append((document, s))
        result.append((score[positive], found))
    return result


@st.composite
def problems(draw):
    # few texts and small integers: shared anchors, shared positives and ties are common
    names = st.sampled_from("abcdefgh")
    rows = draw(st.lists(st.tuples(names, names), min_size=1, max_size=8))
    corpus = draw(st.lists(names, max_size=8))
    vector = st.tuples(*[st.integers(-2, 2)] * 3).filter(any)
    tables = [{name: draw(vector) for name in "abcdefgh"} for _ in range(2)]
    options = {
        "num_negatives": draw(st.integers(1, 3)),
        "range_min": draw(st.integers(0, 2)),
        "margin": draw(st.none() | st.sampled_from([0, 0.1, 0.5])),
        "relative_margin": draw(st.none() | st.sampled_from([0, 0.05, 0.5])),
        "min_score": draw(st.none() | st.sampled_from([-0.5, 0.0])),
        "max_score": draw(st.none() | st.sampled_from([0.0, 0.8])),
        "block_size": draw(st.integers(1, 4)),
    }
    if draw(st.booleans()):
        options["range_max"] = options["range_min"] + options["num_negatives"] + draw(st.integers(0, 3))
    return Problem(rows, corpus, Table(*tables), options)


def run(problem, **more):
    """The mined rows, or none where no row has a negative."""
    try:
        return mine_hard_negatives(
            pairs(problem.rows), problem.encoder, corpus=problem.corpus, **{**problem.options, **more}
        )
    except ConfigurationError as error:
        assert "that meets the conditions among" in str(error)  # noqa: PT017  (an empty result is an error)
        return []


@settings(max_examples=150)
@given(problems())
def test_triplets_equal_the_reference(problem):
    expected = [
        {"anchor": a, "positive": p, "negative": document, "scores": [score, s]}
        for (a, p), (score, found) in zip(problem.rows, admissible(problem), strict=True)
        for document, s in found[: problem.options["num_negatives"]]
    ]
    assert list(run(problem, with_scores=True)) == expected


@settings(max_examples=150)
@given(problems())
def test_n_tuples_equal_the_reference(problem):
    wanted = problem.options["num_negatives"]
    names = ["negative", "negative_2", "negative_3"][:wanted]
    expected = [
        {"anchor": a, "positive": p, **dict(zip(names, [d for d, _ in found], strict=False))}
        for (a, p), (_, found) in zip(problem.rows, admissible(problem), strict=True)
        if len(found) >= wanted
    ]
    assert list(run(problem, output="n-tuples")) == expected


@settings(max_examples=150)
@given(problems(), st.integers(0, 5))
def test_random_negatives_are_admissible_distinct_and_as_many_as_there_are(problem, seed):
    options = {"sampling": "random", "seed": seed}
    problem.options |= options
    got = [(row["anchor"], row["positive"], row["negative"], *row["scores"]) for row in run(problem, with_scores=True)]
    for (anchor, positive), (score, found) in zip(problem.rows, admissible(problem), strict=True):
        number = min(problem.options["num_negatives"], len(found))
        mine, got = got[:number], got[number:]
        assert all((a, p, s) == (anchor, positive, score) for a, p, _, s, _ in mine)
        places = [found.index((negative, s)) for _, _, negative, _, s in mine]
        assert places == sorted(set(places))
        assert len(places) == number
    assert got == []


@settings(max_examples=150)
@given(problems(), st.sampled_from(["top", "random"]))
def test_no_positive_is_mined_and_margins_hold_for_every_positive(problem, sampling):
    positives = {}
    for anchor, positive in problem.rows:
        positives.setdefault(anchor, set()).add(positive)
    options = problem.options
    for row in run(problem, with_scores=True, sampling=sampling):
        assert row["negative"] not in positives[row["anchor"]]
        assert row["negative"] != row["anchor"]
        positive, negative = row["scores"]
        if options["margin"] is not None:
            assert negative < positive - options["margin"]
        if options["relative_margin"] is not None:
            assert negative <= positive - abs(positive) * options["relative_margin"]
        if options["min_score"] is not None:
            assert negative >= options["min_score"]
        if options["max_score"] is not None:
            assert negative <= options["max_score"]


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(["top", "random"]), st.sampled_from([None, 0.3]), st.integers(1, 40))
def test_the_size_of_a_block_changes_nothing(seed, sampling, max_score, block_size):
    rng = np.random.default_rng(seed)
    # each document is near the anchors of its number, so that positives would be found first if they were not left out
    centres = rng.normal(size=(50, 7))
    encoder = Table(
        {f"q{i}": centre for i, centre in enumerate(centres)},
        {f"d{i}": centres[i % 50] + rng.normal(size=7) for i in range(200)},
    )
    rows = [(f"q{i % 50}", f"d{i}") for i in rng.integers(0, 200, 150).tolist()]
    options = {"max_score": max_score, "range_max": 120, "with_scores": True, "sampling": sampling, "seed": seed}
    corpus = [f"d{i}" for i in range(200)]
    whole = mine_hard_negatives(pairs(rows), encoder, corpus=corpus, **options)
    blocks = mine_hard_negatives(pairs(rows), encoder, corpus=corpus, block_size=block_size, **options)
    assert blocks.to_dict() == whole.to_dict()
    assert not {(a, n) for a, _, n in mined(blocks)} & set(rows)


# ---- what a person relies on ---------------------------------------------------------------------------


def test_the_seed_decides_the_draw_and_nothing_else():
    options = {"sampling": "random", "num_negatives": 2, "range_max": 20}
    first, again, other = (
        mine_hard_negatives(numbered(30), Table(), seed=seed, **options).to_dict() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    top = [mine_hard_negatives(numbered(30), Table(), seed=seed).to_dict() for seed in (1, 2)]
    assert top[0] == top[1]


def test_equal_scores_stand_in_the_order_of_the_documents():
    same = dict.fromkeys(["p", *"zyx"], (1.0, 1.0))
    rows = mine_hard_negatives(pairs([("q", "p")]), Table({"q": (1.0, 0.0)}, same), corpus=["z", "y", "x"])
    assert rows["negative"][:] == ["z", "y", "x"]


def test_a_document_as_near_as_the_positive_is_refused_by_a_margin_of_zero():
    """Such as a copy of the positive in other letters, which an uncased model can not tell apart."""
    rng = np.random.default_rng(0)
    query, near, far = rng.normal(size=(3, 384))
    documents = {"Paris.": near, "paris.": near, "Rome.": far}
    for margin, expected in ((None, ["paris.", "Rome."]), (0, ["Rome."])):
        rows = mine_hard_negatives(
            pairs([("capital?", "Paris.")]), Table({"capital?": near + query}, documents),
            corpus=["paris.", "Rome."], margin=margin,
        )  # fmt: skip
        assert rows["negative"][:] == expected


def test_too_many_nearer_documents_do_not_hide_the_rest():
    """2,000 documents are nearer than the margin allows; the hardest that is allowed is behind all of them."""
    angles = {f"d{i}": i * 1e-4 for i in range(2000)} | {"positive": 0.5, "wanted": 0.6, "later": 0.7}
    documents = {name: (math.cos(angle), math.sin(angle)) for name, angle in angles.items()}
    encoder = Table({"q": (1.0, 0.0)}, documents)
    options = {"corpus": list(documents), "margin": 0.01, "num_negatives": 1, "block_size": 8}
    rows = mine_hard_negatives(pairs([("q", "positive")]), encoder, **options)
    assert rows["negative"][:] == ["wanted"]
    # the rank counts them
    rows = mine_hard_negatives(pairs([("q", "positive")]), encoder, range_min=2001, **options)
    assert rows["negative"][:] == ["later"]
    with pytest.raises(ConfigurationError, match="Raise `range_max`, lower `margin` or pass"):
        mine_hard_negatives(pairs([("q", "positive")]), encoder, range_max=2000, **options)


def test_triplets_have_as_many_rows_as_are_found_and_n_tuples_leave_rows_out(caplog):
    queries = {"full": (1.0, 0.0), "short": (1.0, 0.0), "none": (0.0, 1.0)}
    documents = {"p": (1.0, 0.0), "a": (1.0, 0.1), "b": (1.0, 0.2), "n": (0.0, 1.0)}
    rows = pairs([("full", "p"), ("short", "p"), ("short", "a"), ("none", "n")])
    options = {"corpus": ["b"], "num_negatives": 2, "min_score": 0.5}
    with caplog.at_level(logging.WARNING):
        triplets = mine_hard_negatives(rows, Table(queries, documents), **options)
    assert mined(triplets) == [("full", "p", "a"), ("full", "p", "b"), ("short", "p", "b"), ("short", "a", "b")]
    assert "1 of 4 rows do not have a negative and are left out. Lower `min_score` or pass more" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        tuples = mine_hard_negatives(rows, Table(queries, documents), output="n-tuples", **options)
    assert list(tuples) == [{"anchor": "full", "positive": "p", "negative": "a", "negative_2": "b"}]
    assert (
        "3 of 4 rows do not have 2 negatives and are left out. Lower `num_negatives`, lower `min_score`" in caplog.text
    )


def test_each_distinct_text_is_embedded_once_a_side():
    encoder = Table()
    rows = pairs([("q", "p"), ("q", "r"), ("s", "p"), ("s", "q")])
    mine_hard_negatives(rows, encoder, corpus=["r", "t", "t"], num_negatives=1)
    assert encoder.encoded == [
        ("query", "q"), ("query", "s"), ("document", "p"), ("document", "r"), ("document", "q"), ("document", "t"),
    ]  # fmt: skip


def test_other_columns_their_types_and_the_license_stay():
    features = datasets.Features(
        {
            "id": datasets.Value("int32"),
            "question": datasets.Value("string"),
            "topic": datasets.ClassLabel(names=["x", "y"]),
            "answer": datasets.Value("large_string"),
        }
    )
    rows = {"id": [1, 2, 3], "question": ["a", "b", "c"], "topic": [0, 1, 0], "answer": ["d", "e", "f"]}
    data = datasets.Dataset.from_dict(rows, info=datasets.DatasetInfo(license="mit", features=features))
    # chosen rows have an indirection that plain ones have not
    data = data.select([2, 0, 1]).with_format("numpy")
    result = mine_hard_negatives(data, Table(), num_negatives=2, with_scores=True, output="n-tuples")
    assert result.column_names == ["id", "question", "topic", "answer", "negative", "negative_2", "scores"]
    assert {name: result.features[name] for name in features} == dict(features)
    assert result["id"][:] == [3, 1, 2]
    assert result.info.license == "mit"
    assert recognise(result.column_names).texts == ("question", "answer", "negative", "negative_2")
    assert data.column_names == list(features)
    assert result.select([1])[0]["topic"] == 0


def test_more_rows_than_are_written_at_once(monkeypatch):
    from hf_contrastive.training import mining

    whole = mine_hard_negatives(numbered(25), Table(), num_negatives=2)
    monkeypatch.setattr(mining, "_ROWS_AT_ONCE", 4)
    assert mine_hard_negatives(numbered(25), Table(), num_negatives=2).to_dict() == whole.to_dict()


def test_progress_grows_to_its_end():
    seen = []
    data = pairs([("q", "p"), ("r", "p"), ("s", "t")])
    mine_hard_negatives(data, Table(), block_size=1, num_negatives=1, on_progress=lambda *step: seen.append(step))
    # three anchors and two documents are embedded, three anchors searched
    assert seen == [(3, 8), (5, 8), (6, 8), (7, 8), (8, 8)]


def test_memory_has_a_bound_that_does_not_grow_with_the_rows(monkeypatch):
    shapes = []
    original = negatives.exact_cosines

    def observed(queries, documents):
        shapes.append((len(queries), len(documents)))
        return original(queries, documents)

    monkeypatch.setattr(negatives, "exact_cosines", observed)
    rng = np.random.default_rng(0)
    peaks = []
    for count in (2000, 4000):
        units = rng.normal(size=(2, count, 8)).astype(np.float32)
        units /= np.linalg.norm(units, axis=2, keepdims=True)
        own = np.arange(count, dtype=np.int64) * (count + 1)
        lowest = negatives.positive_scores(*units, own, block_size=32)
        criteria = negatives.Criteria(margin=0.1)
        tracemalloc.start()
        negatives.select_negatives(*units, own, lowest, criteria, block_size=32)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(q for q, _ in shapes) == 32
    assert max(d for _, d in shapes) == 32 * 16
    # 32 * 512 scores are 131 kB, all 4000 * 4000 would be 128 MB; the results take 48 bytes an anchor
    assert peaks[1] < 1_500_000
    assert peaks[1] - peaks[0] < 400_000


# ---- with real encoders --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared_pairs(topic_pairs):
    """The 40 pairs, of which three anchors have two positives and one positive two anchors."""
    rows = topic_pairs.to_list()
    extra = [(rows[i]["anchor"], f"is the {rows[i]['anchor']} a {rows[i + 1]['anchor']} ?") for i in (0, 10, 20)]
    extra.append((rows[5]["anchor"], rows[7]["positive"]))
    return pairs([*((row["anchor"], row["positive"]) for row in rows), *extra])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"num_negatives": 3}, {"num_negatives": 3}),
        ({"num_negatives": 2, "range_min": 4}, {"num_negatives": 2, "range_min": 4}),
        ({"num_negatives": 2, "margin": 0.002}, {"num_negatives": 2, "absolute_margin": 0.002, "range_max": 60}),
        ({"num_negatives": 4, "relative_margin": 0.01}, {"num_negatives": 4, "relative_margin": 0.01, "range_max": 60}),
        ({"num_negatives": 3, "max_score": 0.95}, {"num_negatives": 3, "max_score": 0.95, "range_max": 60}),
        ({"num_negatives": 5, "min_score": 0.95}, {"num_negatives": 5, "min_score": 0.95, "range_max": 60}),
        ({"num_negatives": 3, "output": "n-tuples"}, {"num_negatives": 3, "output_format": "n-tuple"}),
        ({"corpus": ["a cat and a dog", "the violin"]}, {"corpus": ["a cat and a dog", "the violin"]}),
    ],
)
def test_negatives_are_those_of_sentence_transformers(shared_pairs, tiny_bert, ours, theirs):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(str(tiny_bert), device="cpu")
    expected = sentence_transformers.util.mine_hard_negatives(
        shared_pairs, model, output_scores=True, verbose=False, **theirs
    )
    got = mine_hard_negatives(shared_pairs, model, with_scores=True, **ours)

    def rows(data):
        texts = [name for name in data.column_names if name != "scores"]
        return {tuple(row[name] for name in texts): row["scores"] for row in data}

    mine, other = rows(got), rows(expected)
    assert mine.keys() == other.keys()
    assert len(mine) > 20
    for key, scores in mine.items():
        assert scores == pytest.approx(other[key], abs=1e-6)


def test_the_prompts_of_the_model_are_respected(topic_pairs, tiny_bert):
    encoder = TextEncoder.load(tiny_bert)
    plain = mine_hard_negatives(topic_pairs, encoder, with_scores=True)
    encoder.spec = EncodingSpec(prompts={"query": "what is a ", "document": "the "})
    prompted = mine_hard_negatives(topic_pairs, encoder, with_scores=True)
    assert prompted["scores"][:] != plain["scores"][:]
    # the same as writing them before the texts
    encoder.spec = EncodingSpec()
    written = topic_pairs.map(
        lambda row: {"anchor": "what is a " + row["anchor"], "positive": "the " + row["positive"]}
    )
    by_hand = mine_hard_negatives(written, encoder, with_scores=True)
    assert by_hand["scores"][:] == prompted["scores"][:]
    assert by_hand["negative"][:] == ["the " + text for text in prompted["negative"]]


@pytest.mark.parametrize("output", ["triplets", "n-tuples"])
def test_what_is_mined_can_be_trained_on(make_trainer, topic_pairs, tiny_bert, output):
    data = mine_hard_negatives(topic_pairs, tiny_bert, num_negatives=2, output=output, with_scores=True)
    trainer = make_trainer(train_dataset=data, max_steps=2)
    assert trainer.data_format.kind == "triplets"
    assert math.isfinite(trainer.train().training_loss)


# ---- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_negatives": 0}, "`num_negatives` must be >= 1, got 0"),
        ({"range_min": -1}, "`range_min` must be >= 0, got -1"),
        ({"range_min": 5, "range_max": 7}, r"`range_max` must be >= .* = 5 \+ 3, got 7: 2 ranks can not give 3"),
        ({"range_min": 5, "range_max": 2}, "got 2: 0 ranks"),
        ({"margin": -0.1}, "`margin` must be within 0 to 2, got -0.1"),
        ({"margin": math.nan}, "`margin` must be within 0 to 2, got nan"),
        ({"relative_margin": 95}, "`relative_margin` must be within 0 to 1, got 95; it is a fraction"),
        ({"min_score": -3}, "`min_score` must be within -1 to 1, got -3"),
        ({"max_score": 80}, "`max_score` must be within -1 to 1, got 80; scores are cosines"),
        ({"min_score": 0.8, "max_score": 0.2}, "`min_score` must be <= `max_score`, got 0.8 and 0.2"),
        ({"sampling": "best"}, '`sampling` must be "top" or "random", got \'best\''),
        ({"output": "triplet"}, '`output` must be "triplets" or "n-tuples", got \'triplet\''),
        ({"block_size": 0}, "`block_size` must be >= 1, got 0"),
        (
            {"min_score": 1.0},
            "None of the 4 rows has a negative that meets the conditions among 4 documents. Lower `min_s",
        ),
        ({"range_min": 9, "output": "n-tuples"}, "None of the 4 rows has 3 negatives .* Lower `num_neg"),
    ],
)
def test_a_bad_setting_is_named_in_one_paragraph(options, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        mine_hard_negatives(numbered(4), Table(), **options)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def dataset_of(**columns):
    return datasets.Dataset.from_dict(columns)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ([("q", "p")], {}, "`dataset` is a list; a `datasets.Dataset` is needed"),
        (datasets.DatasetDict({"train": numbered(3)}), {}, "`dataset` is a DatasetDict"),
        (numbered(3).to_iterable_dataset(), {}, "`dataset` is a IterableDataset"),
        (dataset_of(left=["a"], right=["b"]), {}, "columns left, right, in which no format is recognised"),
        (dataset_of(text=["a"], label=[1]), {}, r"has the format \(text, label\); negatives are mined for pairs"),
        (dataset_of(anchor=["a"], positives=[["b", "c"]]), {}, "positives"),
        (dataset_of(anchor=["a"], positive=["b"], negative=["c"]), {}, "dataset.remove_columns"),
        (pairs([("a", "b")], scores=[1.0]), {"with_scores": True}, "has a column `scores` already"),
        (numbered(3).select([]), {}, "`dataset` has no rows"),
        (pairs([("a", None), ("b", "c")]), {}, "Column `positive` of `dataset` holds null in row 0"),
        (numbered(3).with_transform(lambda rows: rows), {}, "with_transform"),
        (numbered(3), {"corpus": "a text"}, "`corpus` is one text, 'a text'"),
        (numbered(3), {"corpus": ["a", 3]}, "`corpus` holds int '3' at 1"),
    ],
)
def test_bad_data_is_named_in_one_paragraph(data, options, message):
    encoder = Table()
    with pytest.raises(DataFormatError, match=message) as caught:
        mine_hard_negatives(data, encoder, **options)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    assert encoder.encoded == []


@pytest.mark.parametrize("vector", [(0.0, 0.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_a_vector_without_a_direction_is_named(vector):
    encoder = Table(documents={"answer 1": vector}, dim=2)
    with pytest.raises(
        ModelError, match=r"table gives 1 of 3 texts a vector that is zero or not finite, .* 'answer 1'"
    ):
        mine_hard_negatives(numbered(3), encoder)


def test_a_model_that_can_not_be_read_is_named():
    with pytest.raises(ModelError, match="`model` is a int"):
        mine_hard_negatives(numbered(3), 3)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), min_size=1, max_size=6))
def test_texts_of_any_letters_are_kept_as_they_are(rows):
    assume(len({positive for _, positive in rows}) > 1)
    try:
        result = mine_hard_negatives(pairs(rows), Table(dim=4), num_negatives=1)
    except ConfigurationError:
        return
    known = {positive for _, positive in rows}
    assert all((a, p) in rows and n in known for a, p, n in mined(result))
