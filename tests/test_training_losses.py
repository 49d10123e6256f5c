"""The losses equal their definitions, written as loops, and other people's implementations."""

import dataclasses
import inspect

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.nn.functional import normalize

from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.loss_stage import loss_only
from hf_contrastive.training.losses import LossInputs, loss_function, losses
from hf_contrastive.training.losses.infonce import infonce
from hf_contrastive.training.losses.supcon import supcon
from hf_contrastive.training.objectives import loss_inputs, objective

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


@pytest.mark.parametrize("count", [2, 3, 4])
def test_infonce_is_the_multiple_negatives_ranking_loss_of_sentence_transformers(count):
    embeddings = columns(count)
    theirs = MultipleNegativesRankingLoss(torch.nn.Identity(), scale=SCALE)
    expected = theirs.compute_loss_from_embeddings(list(embeddings), torch.zeros(6))
    loss = infonce(embeddings, one_positive(6, 6 * (count - 1)), scale=SCALE)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)


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


@pytest.mark.parametrize("loss", ["infonce", "supcon"])
def test_gradients_are_those_of_finite_differences(loss):
    def value(*drawn):
        embeddings = tuple(normalize(column, dim=-1) for column in drawn)
        batch = positives([[0, 3], [1], [2]], [4, 4, 2, 3, 5, 6])
        batch = LossInputs(
            anchor_ids=batch.anchor_ids,
            candidate_ids=batch.candidate_ids,
            positive_indptr=batch.positive_indptr,
            positive_indices=batch.positive_indices,
            labels=torch.tensor([0, 0, 1]),
        )
        return loss_function(loss)(embeddings if loss == "infonce" else embeddings[:1], batch, scale=5.0)

    drawn = [column.clone().requires_grad_() for column in columns(3, batch=3, dim=4)]
    assert torch.autograd.gradcheck(value, drawn)


@pytest.mark.parametrize("name", ["infonce", "supcon"])
@pytest.mark.parametrize("candidate_ids", [list(range(12)), [1, 1, 2, 3, 2, 4, 5, 6, 7, 8, 9, 1]])
def test_a_permuted_batch_has_the_same_loss(name, candidate_ids):
    embeddings, labels = columns(3), torch.tensor([0, 1, 0, 2, 1, 0])
    order = torch.tensor([3, 0, 5, 1, 4, 2])

    def value(rows):
        ids = torch.tensor(candidate_ids).view(2, 6)[:, rows].flatten()
        batch = LossInputs(
            anchor_ids=rows,
            candidate_ids=ids,
            positive_indptr=torch.arange(7),
            positive_indices=torch.arange(6),
            labels=labels[rows],
        )
        shuffled = tuple(column[rows] for column in embeddings)
        return loss_function(name)(shuffled if name == "infonce" else shuffled[:1], batch, scale=SCALE)

    torch.testing.assert_close(value(order), value(torch.arange(6)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(losses()))
def test_every_loss_is_documented_and_of_one_signature(name):
    function = losses()[name]
    assert list(inspect.signature(function).parameters) == ["embeddings", "batch", "scale"]
    assert "Args:" in inspect.getdoc(function)
    assert loss_function(name) is function


def test_a_function_is_a_loss_and_an_unknown_name_is_none():
    assert loss_function(infonce) is infonce
    with pytest.raises(ConfigurationError, match=r"`loss` must be one of infonce, supcon or a function, got 'nce'"):
        loss_function("nce")


def test_supcon_without_labels_says_what_is_missing():
    with pytest.raises(DataFormatError, match="needs a `label` column"):
        supcon(columns(1), LossInputs(**inputs_without_positives(6)), scale=SCALE)


def test_auto_is_supcon_for_labelled_text_and_infonce_otherwise():
    labelled = DataFormat(kind="labelled", texts=("text",), label="label")
    pairs = DataFormat(kind="pairs", texts=("anchor", "positive"))
    assert objective("auto", labelled, temperature=0.1).name == "supcon"
    assert objective("auto", pairs, temperature=0.1).name == "infonce"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_an_objective_normalises_and_never_computes_in_half_precision(dtype):
    pool = 3 * torch.cat(columns(2)).to(dtype)
    batch = {"sizes": (6, 6), "text_ids": torch.arange(12)}
    term = objective("infonce", DataFormat(kind="pairs", texts=("a", "b")), temperature=1 / SCALE)
    loss = loss_only(term, pool, batch["sizes"], loss_inputs(batch))
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    expected = infonce(tuple(normalize(pool.double(), dim=-1).chunk(2)), one_positive(6, 6), scale=SCALE)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12 if dtype == torch.float64 else 1e-5)


def inputs_without_positives(batch):
    return {
        "anchor_ids": torch.arange(batch),
        "candidate_ids": torch.empty(0, dtype=torch.long),
        "positive_indptr": torch.zeros(batch + 1, dtype=torch.long),
        "positive_indices": torch.empty(0, dtype=torch.long),
    }
