"""The losses equal their definitions, written as loops, and say what they lack."""

import dataclasses
import inspect
import re

import pytest
import torch
from torch.nn.functional import normalize

from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.losses import LossInputs, losses, options_of
from hf_contrastive.training.losses.infonce import infonce
from hf_contrastive.training.losses.supcon import supcon
from hf_contrastive.training.objectives import loss_inputs

SCALE = 20.0


def columns(count, batch=6, dim=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, batch, dim, dtype=torch.float64, generator=generator)
    return tuple(normalize(drawn, dim=-1))


def one_positive(batch, candidates, candidate_ids=None):
    return LossInputs(
        anchor_ids=torch.arange(batch) + 1000,
        candidate_ids=torch.arange(candidates) if candidate_ids is None else torch.tensor(candidate_ids),
        positive_indptr=torch.arange(batch + 1),
        positive_indices=torch.arange(batch),
    )


def positives(lists, candidate_ids):
    counts = torch.tensor([len(found) for found in lists])
    return LossInputs(
        anchor_ids=torch.arange(len(lists)) + 1000,
        candidate_ids=torch.tensor(candidate_ids),
        positive_indptr=torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)]),
        positive_indices=torch.tensor([j for found in lists for j in found]),
    )


def infonce_by_loops(embeddings, lists, candidate_ids, scale):
    """The docstring of infonce, one number at a time."""
    anchors, candidates = embeddings[0], torch.cat(embeddings[1:])
    total = 0.0
    for i, found in enumerate(lists):
        texts = {candidate_ids[j] for j in found}
        kept = [j for j in range(len(candidates)) if j in found or candidate_ids[j] not in texts]
        denominator = sum(torch.exp(scale * anchors[i] @ candidates[j]) for j in kept)
        terms = [-torch.log(torch.exp(scale * anchors[i] @ candidates[p]) / denominator) for p in found]
        total = total + sum(terms) / len(terms)
    return total / len(anchors)


def supcon_by_loops(texts, labels, scale):
    """Khosla et al., 2020, eq. 2."""
    total, anchors = torch.zeros((), dtype=texts.dtype), 0
    for i in range(len(texts)):
        others = [a for a in range(len(texts)) if a != i]
        found = [p for p in others if labels[p] == labels[i]]
        if not found:
            continue
        anchors += 1
        denominator = sum(torch.exp(scale * texts[i] @ texts[a]) for a in others)
        terms = [torch.log(torch.exp(scale * texts[i] @ texts[p]) / denominator) for p in found]
        total = total - sum(terms) / len(found)
    return total / max(anchors, 1)


def test_the_positives_of_equal_anchors_are_not_negatives_of_each_other():
    embeddings = columns(2)
    ids = torch.tensor([7, 1, 7, 3, 4, 5])
    batch = dataclasses.replace(one_positive(6, 6), anchor_ids=ids)
    expected = 0.0
    for i in range(6):
        kept = [j for j in range(6) if j == i or ids[j] != ids[i]]
        logits = SCALE * embeddings[0][i] @ embeddings[1][kept].T
        expected = expected - torch.log_softmax(logits, 0)[kept.index(i)] / 6
    torch.testing.assert_close(infonce(embeddings, batch, scale=SCALE), expected, rtol=0, atol=1e-12)


def test_infonce_with_one_positive_is_cross_entropy():
    embeddings = columns(2)
    loss = infonce(embeddings, one_positive(6, 6), scale=SCALE)
    logits = SCALE * embeddings[0] @ embeddings[1].T
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, torch.arange(6)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("count", "lists", "candidate_ids"),
    [
        pytest.param(3, [[0], [1], [2], [3]], range(8), id="hard negatives"),
        pytest.param(2, [[0], [1], [2], [3]], [7, 7, 5, 7], id="copies of a positive"),
        pytest.param(3, [[0, 4], [1, 5], [2, 6], [3, 7]], range(8), id="two positives each"),
        pytest.param(3, [[0, 4, 2], [1], [2, 5], [3]], range(8), id="several positives, unequal numbers"),
        # the copy of each of two positives must leave: 1 is a copy of 0, 5 is a copy of 4
        pytest.param(3, [[0, 4], [1], [2], [3]], [9, 9, 2, 3, 8, 8, 6, 7], id="copies of several positives"),
        pytest.param(3, [[4, 0], [1], [2], [3]], [9, 9, 2, 3, 8, 8, 6, 7], id="the same, in the other order"),
        pytest.param(3, [[0, 1], [1], [2], [3]], [9, 9, 2, 3, 9, 5, 6, 7], id="a positive is a copy of another"),
    ],
)
def test_infonce_equals_its_definition(count, lists, candidate_ids):
    embeddings = columns(count, batch=4)
    candidate_ids = list(candidate_ids)
    loss = infonce(embeddings, positives(lists, candidate_ids), scale=SCALE)
    torch.testing.assert_close(loss, infonce_by_loops(embeddings, lists, candidate_ids, SCALE), rtol=0, atol=1e-12)


def test_a_copy_of_the_positive_is_no_negative():
    anchor, positive = columns(2, batch=2)
    positive = positive[:1].repeat(2, 1)
    copies = infonce((anchor, positive), one_positive(2, 2, [5, 5]), scale=SCALE)
    unmasked = infonce((anchor, positive), one_positive(2, 2), scale=SCALE)
    assert copies.item() == pytest.approx(0.0, abs=1e-12)  # nothing is left to be told apart
    assert unmasked.item() == pytest.approx(torch.log(torch.tensor(2.0)).item())


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2], [0, 0, 1, 2, 3, 4], [0] * 6])
def test_supcon_equals_its_definition(labels):
    (texts,) = columns(1)
    batch = LossInputs(**{**inputs_without_positives(6), "labels": torch.tensor(labels)})
    torch.testing.assert_close(
        supcon((texts,), batch, scale=SCALE), supcon_by_loops(texts, labels, SCALE), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("labels", [[0, 0, 1, 2], [0, 1, 2, 3], [5, 5, 5, 5], [0]])
def test_supcon_has_finite_gradients_whatever_the_classes(labels):
    (texts,) = columns(1, batch=len(labels))
    texts = texts.clone().requires_grad_()
    batch = LossInputs(**{**inputs_without_positives(len(labels)), "labels": torch.tensor(labels)})
    loss = supcon((texts,), batch, scale=SCALE)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(texts.grad).all()
    if len(set(labels)) == len(labels):
        assert loss.item() == 0.0
        assert not texts.grad.any()


def test_infonce_has_finite_gradients_where_everything_is_a_copy():
    embeddings = tuple(column.clone().requires_grad_() for column in columns(2, batch=3))
    loss = infonce(embeddings, one_positive(3, 3, [1, 1, 1]), scale=SCALE)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(column.grad).all() for column in embeddings)


@pytest.mark.parametrize("name", sorted(losses()))
def test_every_loss_is_documented_and_of_one_signature(name):
    function = losses()[name]
    embeddings, batch, scale, *options = inspect.signature(function).parameters.values()
    assert (embeddings.name, batch.name, scale.name) == ("embeddings", "batch", "scale")
    assert {parameter.kind for parameter in (scale, *options)} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(isinstance(option.default, float | bool) for option in options)
    text = inspect.getdoc(function)
    summary, arguments = text.splitlines()[0], text.partition("Args:")[2].partition("Returns:")[0]
    assert summary.startswith("Return ")
    assert all(f"{parameter.name}: " in arguments for parameter in (embeddings, batch, scale, *options))
    assert re.search(r"et al., \d{4}|\b[A-Z]\w+, \d{4}", text)  # the source of the formula
    assert "``[n, dim]``" in text or "``[batch, dim]``" in text
    assert "Raises:" in text
    assert inspect.getdoc(inspect.getmodule(function))


def test_options_are_what_stands_after_scale():
    assert options_of(infonce) == {}
    assert options_of(losses()["triplet"]) == {"margin": 0.3}


def batch_of(count, **given):
    """Rows of ``count`` columns, of which nothing else is known but what is given."""
    return loss_inputs({"sizes": (6,) * count, "text_ids": torch.arange(6 * count), **given})


NO_NEGATIVES = "needs hard negatives; the batch has none. Give them as the columns `negative`, `negative_2`"
NO_SCORES = "needs a teacher's score of every positive and hard negative; the batch has"


@pytest.mark.parametrize(
    ("name", "count", "given", "message"),
    [
        ("supcon", 1, {}, "needs a `label` column; the batch has none. Give the columns (text, label)"),
        ("cosent", 2, {}, "needs a grade of every pair; the batch has none. Give the columns (sentence1, sentence2, s"),
        ("cosent", 2, {"scores": torch.zeros(5)}, "needs a grade of every pair; the batch has 5 for 6 pairs"),
        ("guided_infonce", 2, {}, "needs the embeddings of a guide model"),
        ("triplet", 2, {}, NO_NEGATIVES),
        ("margin_mse", 2, {}, NO_NEGATIVES),
        ("kl_divergence", 2, {}, NO_NEGATIVES),
        ("margin_mse", 3, {}, f"{NO_SCORES} none. Give them as the column `scores`"),
        ("kl_divergence", 3, {"scores": torch.zeros(6)}, f"{NO_SCORES} 6 for 12 texts"),
    ],
)
def test_a_loss_says_what_it_lacks_and_which_columns_give_it(name, count, given, message):
    with pytest.raises(DataFormatError, match=re.escape(f"`{name}` {message}")):
        losses()[name](columns(count), batch_of(count, **given), scale=SCALE)


@pytest.mark.parametrize("name", sorted(set(losses()) - {"supcon"}))
def test_one_column_of_texts_is_refused_by_losses_of_pairs(name):
    with pytest.raises(DataFormatError, match=f"`{name}` compares anchors with their positives; the data has one col"):
        losses()[name](columns(1), LossInputs(**inputs_without_positives(6)), scale=SCALE)


def test_several_positives_are_enough_for_a_ranking():
    batch = dataclasses.replace(positives([[0, 4], [1], [2], [3]], range(8)), scores=torch.arange(8.0))
    assert losses()["kl_divergence"](columns(3, batch=4), batch, scale=SCALE) > 0


def test_a_temperature_of_the_teacher_must_be_positive():
    with pytest.raises(ConfigurationError, match=r"`teacher_temperature` must be > 0, got 0.0"):
        losses()["kl_divergence"](columns(3), batch_of(3, scores=torch.zeros(12)), scale=SCALE, teacher_temperature=0.0)


def inputs_without_positives(batch):
    return {
        "anchor_ids": torch.arange(batch),
        "candidate_ids": torch.empty(0, dtype=torch.long),
        "positive_indptr": torch.zeros(batch + 1, dtype=torch.long),
        "positive_indices": torch.empty(0, dtype=torch.long),
    }
