"""Where sentence-transformers computes the same thing, the numbers and their gradients are the same, in float64."""

import pytest
import torch
from sentence_transformers.sentence_transformer import losses as theirs
from sentence_transformers.sentence_transformer.losses.triplet import TripletDistanceMetric
from torch.nn.functional import normalize

from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.losses import losses
from hf_contrastive.training.objectives import loss_inputs, objective

SCALE = 20.0
BATCH, DIM = 6, 8
PAIRS = DataFormat(kind="pairs", texts=("anchor", "positive"))
EXACT = {"rtol": 0, "atol": 1e-9}


def columns(count, seed=0, dim=DIM):
    """Draw columns, and return them as they are and normalised."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, BATCH, dim, dtype=torch.float64, generator=generator, requires_grad=True)
    return drawn, list(normalize(drawn, dim=-1))


def inputs(count, **given):
    return loss_inputs({"sizes": (BATCH,) * count, "text_ids": torch.arange(BATCH * count), **given})


def scores(count):
    return torch.randn(BATCH, count, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def by_candidate(table):
    """Their table of scores, ``[batch, columns]``, in the order of our candidates."""
    return table.T.flatten()


class Given(torch.nn.Module):
    """A model that has the embeddings already."""

    def __init__(self, dimension=DIM):
        super().__init__()
        self.dimension = dimension

    def forward(self, features):
        return {"sentence_embedding": features["embedding"]}

    def get_embedding_dimension(self):
        return self.dimension


def features(embeddings):
    return [{"embedding": column} for column in embeddings]


def assert_same(loss, expected, drawn):
    """Gradients are those of what was drawn: theirs normalise once more."""
    torch.testing.assert_close(loss, expected, **EXACT)
    found, wanted = (torch.autograd.grad(value, drawn, retain_graph=True)[0] for value in (loss, expected))
    torch.testing.assert_close(found, wanted, **EXACT)


def ranking(**settings):
    return theirs.MultipleNegativesRankingLoss(Given(), scale=SCALE, **settings)


ALL = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(
    ("name", "their_loss"),
    [
        ("infonce", ranking()),
        # what MultipleNegativesSymmetricRankingLoss, which warns that it will go, computes
        ("infonce_symmetric", ranking(directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction")),
        ("infonce_all", ranking(directions=ALL, partition_mode="joint")),
    ],
)
def test_infonce_in_its_directions(name, their_loss, count):
    drawn, embeddings = columns(count)
    expected = their_loss.compute_loss_from_embeddings(embeddings, torch.zeros(BATCH))
    assert_same(losses()[name](tuple(embeddings), inputs(count), scale=SCALE), expected, drawn)


@pytest.mark.parametrize("grades", [[0.0, 0.2, 0.2, 0.9, 1.0, 0.2], [1.0] * 6, [0, 1, 1, 0, 1, 0], [3, 5, 1, 2, 4, 0]])
def test_cosent(grades):
    (drawn, embeddings), grades = columns(2), torch.tensor(grades)
    expected = theirs.CoSENTLoss(Given(), scale=SCALE).compute_loss_from_embeddings(embeddings, grades)
    loss = losses()["cosent"](tuple(embeddings), inputs(2, scores=grades), scale=SCALE)
    assert_same(loss, expected, drawn)


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0])
def test_triplet(margin):
    drawn, embeddings = columns(3)
    their_loss = theirs.TripletLoss(Given(), distance_metric=TripletDistanceMetric.COSINE, triplet_margin=margin)
    expected = their_loss.compute_loss_from_embeddings(embeddings, torch.zeros(BATCH))
    assert_same(losses()["triplet"](tuple(embeddings), inputs(3), scale=SCALE, margin=margin), expected, drawn)


@pytest.mark.parametrize("count", [3, 5])
def test_margin_mse(count):
    (drawn, embeddings), table = columns(count), scores(count - 1)
    their_loss = theirs.MarginMSELoss(Given(), similarity_fct=lambda a, b: SCALE * (a * b).sum(-1))
    expected = their_loss.compute_loss_from_embeddings(embeddings, table)
    loss = losses()["margin_mse"](tuple(embeddings), inputs(count, scores=by_candidate(table)), scale=SCALE)
    assert_same(loss, expected, drawn)


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize(("scale", "teacher_temperature"), [(1.0, 1.0), (1.0, 0.5), (SCALE, 2.0)])
def test_kl_divergence_without_the_factor_of_the_squared_temperature(count, scale, teacher_temperature):
    (drawn, embeddings), table = columns(count), scores(count - 1)
    their_loss = theirs.DistillKLDivLoss(
        Given(), student_temperature=1 / scale, teacher_temperature=teacher_temperature
    )
    expected = their_loss.compute_loss_from_embeddings(embeddings, table) * scale**2
    loss = losses()["kl_divergence"](
        tuple(embeddings),
        inputs(count, scores=by_candidate(table)),
        scale=scale,
        teacher_temperature=teacher_temperature,
    )
    assert_same(loss, expected, drawn)


def guided(**settings):
    """Their loss asks models for tokenizers, which given embeddings do not have."""
    loss = theirs.GISTEmbedLoss.__new__(theirs.GISTEmbedLoss)
    torch.nn.Module.__init__(loss)
    defaults = {"margin_strategy": "absolute", "margin": 0.0, "contrast_anchors": True, "contrast_positives": True}
    for name, value in {**defaults, **settings}.items():
        setattr(loss, name, value)
    loss.model, loss.guide = Given(), GivenByGuide()
    loss.temperature, loss.gather_across_devices, loss.must_retokenize = 1 / SCALE, False, False
    loss.similarity_fct, loss.cross_entropy_loss = torch.nn.CosineSimilarity(dim=-1), torch.nn.CrossEntropyLoss()
    return loss


class GivenByGuide(torch.nn.Module):
    def forward(self, features):
        return {"sentence_embedding": features["guide"]}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {}),
        ({"margin": 0.2}, {"margin": 0.2}),
        ({"margin_strategy": "relative", "margin": 0.3}, {"relative_margin": 0.3}),
        ({"contrast_anchors": False}, {"contrast_anchors": False}),
        (
            {"contrast_anchors": False, "contrast_positives": False},
            {"contrast_anchors": False, "contrast_positives": False},
        ),
    ],
)
def test_guided_infonce(count, settings, options):
    drawn, embeddings = columns(count)
    guide = [column.detach() for column in columns(count, seed=4, dim=5)[1]]
    # a guide that finds some positives near, so that it removes some negatives and leaves others
    guide[1] = normalize(guide[0] + 0.8 * guide[1], dim=-1)
    given = [{"embedding": own, "guide": other} for own, other in zip(embeddings, guide, strict=True)]
    expected = guided(**settings)(given, torch.zeros(BATCH))
    loss = losses()["guided_infonce"](tuple(embeddings), inputs(count, guide=tuple(guide)), scale=SCALE, **options)
    assert_same(loss, expected, drawn)


@pytest.mark.parametrize("weights", [None, (1.0, 0.5, 0.25)])
@pytest.mark.parametrize("count", [2, 3])
def test_matryoshka_over_infonce(count, weights):
    drawn, embeddings = columns(count)
    their_loss = theirs.MatryoshkaLoss(Given(), ranking(), matryoshka_dims=[8, 3, 2], matryoshka_weights=weights)
    their_loss.loss.model = their_loss.model
    expected = their_loss(features(embeddings), torch.zeros(BATCH))
    ours = objective(
        "infonce", PAIRS, temperature=1 / SCALE, matryoshka_dims=(8, 3, 2), matryoshka_weights=weights, dimension=DIM
    )
    assert_same(ours(tuple(embeddings), inputs(count)), expected, drawn)
