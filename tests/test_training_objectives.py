"""Objectives: what is written, what it adds up to, what it learns."""

import contextlib
import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.formats import DataFormat
from hf_contrastive.training.loss_stage import loss_only, run_loss_stage
from hf_contrastive.training.loss_text import TermText, parse_terms, written
from hf_contrastive.training.losses import losses
from hf_contrastive.training.losses.infonce import infonce
from hf_contrastive.training.objective_terms import CrossEntropy, Term, known_terms, parse_loss
from hf_contrastive.training.objectives import loss_inputs, objective

PAIRS = DataFormat(kind="pairs", texts=("anchor", "positive"))
LABELLED = DataFormat(kind="labelled", texts=("text",), label="label")
SCALE = 20.0
LABELS = torch.tensor([0, 1, 2, 0, 1, 0])
EXACT = {"rtol": 0, "atol": 1e-12}


def columns(count, batch=6, dim=8):
    generator = torch.Generator().manual_seed(0)
    return tuple(normalize(torch.randn(count, batch, dim, dtype=torch.float64, generator=generator), dim=-1))


def inputs(count=2, batch=6, **given):
    return loss_inputs({"sizes": (batch,) * count, "text_ids": torch.arange(batch * count), **given})


def make(loss="infonce", data_format=PAIRS, **settings):
    return objective(loss, data_format, **{"temperature": 1 / SCALE, **settings})


KNOWN = {"one": {}, "two": {"margin": 0.3, "both": True}, "three": {"size": 1.0}}
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def sums(draw):
    names = draw(st.lists(st.sampled_from(sorted(KNOWN)), min_size=1, max_size=3, unique=True))
    terms = []
    for name in names:
        chosen = draw(st.lists(st.sampled_from(sorted(KNOWN[name]) or [None]), max_size=2, unique=True))
        options = tuple(
            (option, draw(st.booleans() if option == "both" else NUMBERS)) for option in chosen if option is not None
        )
        weight = draw(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
        terms.append(TermText(name=name, weight=weight, options=options))
    return tuple(terms)


@given(terms=sums())
def test_what_is_written_is_read_back(terms):
    assert parse_terms(written(terms), KNOWN) == terms


@given(terms=sums(), data=st.data())
def test_spaces_mean_nothing(terms, data):
    pieces = written(terms).replace(" ", "").partition("*")
    spaces = data.draw(st.sampled_from(["", " ", "\t", " \n "]))
    assert parse_terms(spaces + spaces.join(pieces) + spaces, KNOWN) == terms


@given(text=st.one_of(st.text(), st.text(alphabet="one two(margin=.3,)+*-1e5", max_size=40)))
def test_any_text_is_read_or_refused(text):
    terms = ()
    with contextlib.suppress(ConfigurationError):
        terms = parse_terms(text, KNOWN)
    assert not terms or parse_terms(written(terms), KNOWN) == terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("infonce", "infonce"),
        ("infonce+.5*cross_entropy", "infonce + 0.5 * cross_entropy"),
        ("1.0 * supcon + 1e-3*cosent", "supcon + 0.001 * cosent"),
        ("2 * triplet( margin = -.1 )", "2 * triplet(margin=-0.1)"),
        ("guided_infonce(contrast_anchors=False, margin=1)", "guided_infonce(contrast_anchors=false, margin=1)"),
        ("triplet(margin=0.1) + triplet(margin=0.2)", "triplet(margin=0.1) + triplet(margin=0.2)"),
    ],
)
def test_an_objective_is_written_in_one_way(text, expected):
    assert written(parse_loss(text)) == expected


ALLOWED = (
    "auto, cosent, cross_entropy, denoising, guided_infonce, infonce, infonce_all, infonce_symmetric, kl_divergence, "
    "margin_mse, masked_lm, supcon, triplet"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nce", f"`loss` must be one of {ALLOWED}, or a sum such as 'infonce + 0.5 * cross_entropy', got 'nce'."),
        ("infonce + 2 * tripel", "got 'tripel' in 'infonce + 2 * tripel'. Near it: triplet."),
        (
            "triplet(marg=1)",
            "`loss`: options of 'triplet' must be one of margin, got 'marg' in 'triplet(marg=1)'.",
        ),
        ("infonce(margin=1)", "`loss`: options of 'infonce' do not exist, got 'margin'"),
        ("", "`loss` can not be read at the end of '': a term must stand there. Write e.g. 'infonce + 0.5"),
        ("infonce +", "at the end of 'infonce +': a term must stand there"),
        ("infonce + + supcon", "before '+ supcon' of 'infonce + + supcon': a term must stand there"),
        ("infonce supcon", "before 'supcon' of 'infonce supcon': `+` or the end must stand there"),
        ("infonce - supcon", "before '- supcon' of 'infonce - supcon': `+` or the end"),
        ("infonce * 2", "before '* 2' of 'infonce * 2': `+` or the end"),
        ("infonce; supcon", "before '; supcon' of"),
        ("2 infonce", "before 'infonce' of '2 infonce': `*` and the name of a term must stand there"),
        ("2 * 3", "before '3' of '2 * 3': the name of a term must stand there"),
        ("0 * infonce", "gives a term the weight 0, in '0 * infonce'; weights must be > 0 and finite"),
        ("1e999 * infonce", "gives a term the weight 1e999"),
        ("-1 * infonce", "before '-1 * infonce' of"),
        ("triplet()", "before ')' of 'triplet()': the name of an option must stand there"),
        ("triplet(margin)", "before ')' of 'triplet(margin)': `=` must stand there"),
        ("triplet(margin=)", "before ')' of 'triplet(margin=)': a number must stand there"),
        ("triplet(margin=nan)", "before 'nan)' of 'triplet(margin=nan)': a number must stand there"),
        ("triplet(margin=1e999)", "holds a number that is too large"),
        ("triplet(margin=1", "at the end of 'triplet(margin=1': `,` or `)` must stand there"),
        ("triplet(margin=1, margin=2)", "gives 'margin' of 'triplet' twice"),
        (
            "guided_infonce(contrast_anchors=1)",
            "contrast_anchors=1)': `true` or `false` must stand there",
        ),
        ("guided_infonce(contrast_anchors=maybe)", "before 'maybe)' of"),
        ("infonce + 2 * infonce", "holds 'infonce' twice, in 'infonce + 2 * infonce'. Write it once"),
    ],
)
def test_what_can_not_be_read_is_refused_in_words(text, message):
    with pytest.raises(ConfigurationError) as caught:
        parse_loss(text)
    assert message in str(caught.value)


def test_every_loss_can_be_named_and_takes_part_by_its_name():
    assert set(known_terms()) == {"auto", "cross_entropy", "denoising", "masked_lm", *losses()}
    for name in losses():
        term = make(f"0.5 * {name}")
        assert term.name == f"0.5 * {name}"
        assert term.chunkable == (name != "cosent")


def test_auto_is_chosen_by_the_data():
    graded = SimpleNamespace(kind="graded")
    assert make("auto", LABELLED).name == "supcon"
    assert make("auto", PAIRS).name == "infonce"
    assert make("auto", dataclasses.replace(PAIRS, kind="triplets")).name == "infonce"
    assert make("auto", graded).name == "cosent"
    assert make("auto + 0.1 * cross_entropy", LABELLED, classes=3, dimension=8).name == "supcon + 0.1 * cross_entropy"
    with pytest.raises(ConfigurationError, match="holds 'supcon' twice"):
        make("auto + supcon", LABELLED)


def test_a_sum_is_the_weighted_sum_of_its_terms():
    embeddings, batch = columns(3), inputs(3, labels=None)
    batch = dataclasses.replace(batch, labels=LABELS, scores=torch.randn(12, dtype=torch.float64))
    total = make("infonce + 0.5 * triplet(margin=0.7) + 2 * margin_mse + 0.25 * supcon")(embeddings, batch)
    expected = (
        infonce(embeddings, batch, scale=SCALE)
        + 0.5 * losses()["triplet"](embeddings, batch, scale=SCALE, margin=0.7)
        + 2 * losses()["margin_mse"](embeddings, batch, scale=SCALE)
        + 0.25 * losses()["supcon"](embeddings, batch, scale=SCALE)
    )
    torch.testing.assert_close(total, expected, **EXACT)


def test_a_sum_can_be_computed_by_spans_if_all_its_terms_can():
    assert make("infonce + triplet").chunkable
    assert not make("infonce + cosent").chunkable


def test_a_function_is_an_objective():
    def spread(embeddings, batch, *, scale):
        return scale * embeddings[0].square().sum()

    assert make(spread).name == "spread"
    assert not make(spread).chunkable
    assert make(infonce).chunkable
    torch.testing.assert_close(make(spread)(columns(2), inputs()), torch.tensor(120.0, dtype=torch.float64))


def test_a_module_is_an_objective_and_what_it_learns_is_learned():
    class Weighted(torch.nn.Module):
        chunkable = True

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, embeddings, batch, *, scale):
            return self.weight * infonce(embeddings, batch, scale=scale)

    own = make(Weighted())
    assert own.name == "Weighted"
    assert own.chunkable
    assert len(list(own.parameters())) == 1
    assert isinstance(make(CrossEntropy(3, 8)).terms[0], Term)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_an_objective_normalises_and_never_computes_in_half_precision(dtype):
    pool = 3 * torch.cat(columns(2)).to(dtype)
    loss = loss_only(make(), pool, (6, 6), inputs())
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    expected = infonce(tuple(normalize(pool.double(), dim=-1).chunk(2)), inputs(), scale=SCALE)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12 if dtype == torch.float64 else 1e-5)


def test_later_columns_are_hard_negatives_of_their_row():
    batch = inputs(4, batch=3)
    assert batch.positive_indices.tolist() == [0, 1, 2]
    assert batch.negative_indptr.tolist() == [0, 2, 4, 6]
    assert batch.negative_indices.tolist() == [3, 6, 4, 7, 5, 8]
    assert inputs(2).negative_indptr is None
    listed = inputs(4, batch=3, positives=(torch.tensor([0, 2, 3, 3]), torch.tensor([0, 1, 2])))
    assert listed.negative_indptr is None  # who lists the positives lists the negatives too


def test_cross_entropy_is_that_of_a_linear_head():
    (texts,) = columns(1)
    head = CrossEntropy(3, 8).double()
    torch.nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(head.bias, generator=torch.Generator().manual_seed(2))
    batch = inputs(1, label=LABELS)
    expected = cross_entropy(SCALE * texts @ head.weight.T + head.bias, LABELS)
    torch.testing.assert_close(head((texts,), batch, scale=SCALE), expected, **EXACT)


def test_a_head_starts_where_all_classes_are_as_likely_and_learns():
    term = make("supcon + 0.5 * cross_entropy", LABELLED, classes=3, dimension=8)
    state = torch.get_rng_state()
    again = make("supcon + 0.5 * cross_entropy", LABELLED, classes=3, dimension=8)
    assert torch.equal(state, torch.get_rng_state())
    assert [p.shape for p in again.parameters()] == [(3, 8), (3,)]
    pool, batch = columns(1)[0], inputs(1, label=LABELS)
    start = make("cross_entropy", LABELLED, classes=3, dimension=8)((pool,), batch)
    assert start.item() == pytest.approx(math.log(3))
    optimizer = torch.optim.SGD(term.parameters(), lr=0.01)
    values = []
    for _ in range(20):
        stage = run_loss_stage(term, pool, (6,), batch, span_cells=1)
        for parameter, gradient in zip(term.parameters(), stage.parameter_gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        values.append(stage.loss.item())
    assert values[-1] < values[0] - 0.1


def test_cross_entropy_says_what_it_lacks():
    with pytest.raises(DataFormatError, match="`cross_entropy` needs the class of every row; the data has no labels"):
        make("infonce + cross_entropy")
    with pytest.raises(DataFormatError, match="Give a column `label`"):
        CrossEntropy(3, 8)(columns(1), inputs(1), scale=SCALE)
    with pytest.raises(ConfigurationError, match="pass `dimension=`"):
        make("cross_entropy", LABELLED, classes=3)


def test_matryoshka_adds_up_the_loss_of_cut_embeddings():
    embeddings, batch = columns(2), inputs(label=LABELS)
    settings = {"classes": 3, "dimension": 8}
    term = make("infonce + cross_entropy", matryoshka_dims=(2, 8, 5), matryoshka_weights=(3, 1, 0.5), **settings)
    plain = make("infonce + cross_entropy", **settings)
    for parameter, other in zip(term.parameters(), plain.parameters(), strict=True):
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
        other.data.copy_(parameter.data)
    expected = sum(
        weight * plain(tuple(normalize(column[:, :dim], dim=-1) for column in embeddings), batch)
        for dim, weight in ((8, 1), (5, 0.5), (2, 3))
    )
    torch.testing.assert_close(term(embeddings, batch), expected, **EXACT)
    assert term.chunkable
    assert term.name == "infonce + cross_entropy, Matryoshka 1 * 8 + 0.5 * 5 + 3 * 2"
    assert make(matryoshka_dims=[2, 8]).name == "infonce, Matryoshka 8 + 2"
    assert len(list(term.parameters())) == 2  # one head reads all dimensions


def test_matryoshka_by_spans_is_matryoshka():
    pool = torch.cat(columns(3))
    term = make("infonce_all + triplet", matryoshka_dims=(8, 4))
    whole = run_loss_stage(term, pool, (6, 6, 6), inputs(3))
    spans = run_loss_stage(term, pool, (6, 6, 6), inputs(3), span_cells=1)
    torch.testing.assert_close(spans.loss, whole.loss, **EXACT)
    torch.testing.assert_close(spans.gradient, whole.gradient, **EXACT)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"matryoshka_dims": (8, 0)}, "`matryoshka_dims` must be whole numbers >= 1, got 0"),
        ({"matryoshka_dims": (-4,)}, "must be whole numbers >= 1, got -4"),
        ({"matryoshka_dims": (2.5,)}, "must be whole numbers >= 1, got 2.5"),
        ({"matryoshka_dims": (True,)}, "must be whole numbers >= 1, got True"),
        ({"matryoshka_dims": (4, 4)}, "must be different from each other, got 4, 4"),
        ({"matryoshka_dims": (16, 4)}, "must be at most 8, the dimension of the embedding, got 16"),
        ({"matryoshka_dims": (8, 4), "matryoshka_weights": (1.0,)}, "a weight for each of 2 `matryoshka_dims`, got 1"),
        ({"matryoshka_weights": (1.0,)}, "a weight for each of 0 `matryoshka_dims`, got 1"),
        (
            {"matryoshka_dims": (8,), "matryoshka_weights": (0.0,)},
            "must be > 0 and finite, got 0.0",
        ),
        ({"matryoshka_dims": (8,), "matryoshka_weights": (math.nan,)}, "must be > 0 and finite, got nan"),
    ],
)
def test_dimensions_that_are_not_allowed_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        make(dimension=8, **settings)


def test_dimensions_beyond_the_embedding_are_refused_when_they_are_met():
    with pytest.raises(ConfigurationError, match="must be at most 8, the dimension of the embedding, got 9"):
        make(matryoshka_dims=(9,))(columns(2), inputs())


def test_leaving_out_the_whole_embedding_is_said(caplog):
    make(matryoshka_dims=(8, 4), dimension=8)
    assert not caplog.messages
    make(matryoshka_dims=(4, 2), dimension=8)
    assert caplog.messages == [
        "matryoshka_dims leave out 8, the whole embedding, which nothing trains; add it to publish that too."
    ]


def test_a_fixed_temperature_is_no_parameter():
    term = make(temperature=0.2)
    assert term.temperature == 0.2
    assert not list(term.parameters())
    assert term.name == "infonce"


def test_a_learned_temperature_has_the_gradient_of_finite_differences():
    term = make(learn_temperature=True, temperature=0.2).double()
    assert term.temperature == pytest.approx(0.2)
    assert term.name == "infonce, learned temperature"
    (parameter,) = term.parameters()

    def value(log_scale):
        return torch.func.functional_call(term, {"log_scale": log_scale}, (columns(2), inputs()))

    assert torch.autograd.gradcheck(value, parameter.detach().clone().requires_grad_())
    torch.testing.assert_close(term(columns(2), inputs()), infonce(columns(2), inputs(), scale=5.0), rtol=1e-6, atol=0)


def test_a_learned_scale_stays_at_or_below_100_and_can_come_down_again():
    term = make(learn_temperature=True, temperature=0.01)
    with torch.no_grad():
        term.log_scale += 2
    # every anchor is nearest to another's positive, so that a lower scale is better
    embeddings, batch = (torch.eye(6), torch.eye(6).roll(1, 0)), inputs()
    loss = term(embeddings, batch)
    assert term.temperature == pytest.approx(0.01)
    loss.backward()
    assert term.log_scale.grad > 0
    torch.optim.SGD(term.parameters(), lr=1e-3).step()
    term(embeddings, batch)
    assert term.temperature > 0.0101


def test_a_learned_temperature_is_evaluated_in_inference_mode():
    term = make(learn_temperature=True)
    with torch.inference_mode():
        assert torch.isfinite(loss_only(term, torch.cat(columns(2)), (6, 6), inputs()))


@pytest.mark.parametrize("temperature", [0.005, 0.0, -1.0, math.nan])
def test_a_temperature_too_low_to_be_learned_is_refused(temperature):
    with pytest.raises(ConfigurationError, match=r"`temperature` must be >= 0.01 with `learn_temperature`"):
        make(learn_temperature=True, temperature=temperature)


def test_gradients_of_what_is_learned_add_up_over_spans():
    term = make("infonce + 0.5 * cross_entropy", classes=3, dimension=8, learn_temperature=True).double()
    torch.nn.init.normal_(term.terms[1].weight, generator=torch.Generator().manual_seed(1))
    pool, batch = torch.cat(columns(2)), inputs(label=LABELS)
    whole = run_loss_stage(term, pool, (6, 6), batch)
    spans = run_loss_stage(term, pool, (6, 6), batch, span_cells=1)
    assert len(whole.parameter_gradients) == 3
    for part, expected in zip(spans.parameter_gradients, whole.parameter_gradients, strict=True):
        torch.testing.assert_close(part, expected, **EXACT)
        assert expected.any()
