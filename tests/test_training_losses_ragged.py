"""Losses on ragged batches with equal texts: definitions as loops, spans, order, gradients; all in float64."""

import dataclasses
import math
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from hf_contrastive.training.losses import LossInputs, is_chunkable, losses
from hf_contrastive.training.objective_terms import CrossEntropy

SCALE = 5.0
EXACT = {"rtol": 0, "atol": 1e-10}
# the first batch of a process compiles nothing but imports much
PROPERTY = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Ragged:
    """A batch as lists, which the loops read."""

    anchor_ids: list
    candidate_ids: list
    positives: list
    negatives: list
    labels: list
    grades: list
    teacher: list
    groups: list | None
    split: int
    seed: int

    @property
    def candidate_groups(self):
        """The highest number of a row that each was given with."""
        rows = sorted(zip(self.groups, self.positives, self.negatives, strict=True))
        owners = {j: group for group, positives, negatives in rows for j in (*positives, *negatives)}
        return [owners[j] for j in range(len(self.candidate_ids))]

    def columns(self, dim=4):
        generator = torch.Generator().manual_seed(self.seed)
        rows = len(self.anchor_ids) + len(self.candidate_ids)
        drawn = normalize(torch.randn(rows, dim, dtype=torch.float64, generator=generator), dim=-1)
        anchors, candidates = drawn[: len(self.anchor_ids)], drawn[len(self.anchor_ids) :]
        return anchors, candidates[: self.split], candidates[self.split :]

    def guide(self):
        return replace(self, seed=self.seed + 1).columns(dim=3)

    def inputs(self, name=None):
        """What the loss called ``name`` reads."""
        positive_indptr, positive_indices = csr(self.positives)
        negative_indptr, negative_indices = csr(self.negatives)
        return LossInputs(
            anchor_ids=torch.tensor(self.anchor_ids),
            candidate_ids=torch.tensor(self.candidate_ids),
            positive_indptr=positive_indptr,
            positive_indices=positive_indices,
            negative_indptr=negative_indptr,
            negative_indices=negative_indices,
            anchor_groups=torch.tensor(self.groups) if self.groups else None,
            candidate_groups=torch.tensor(self.candidate_groups) if self.groups else None,
            labels=torch.tensor(self.labels),
            scores=torch.tensor(self.grades if name == "cosent" else self.teacher, dtype=torch.float64),
            guide=self.guide(),
        )

    def permuted(self, anchors, candidates):
        """Return the same batch with its rows in another order, and the order of the pool."""
        place = {old: new for new, old in enumerate(candidates)}

        def moved(lists):
            return [[place[j] for j in lists[i]] for i in anchors]

        return replace(
            self,
            anchor_ids=[self.anchor_ids[i] for i in anchors],
            candidate_ids=[self.candidate_ids[j] for j in candidates],
            positives=moved(self.positives),
            negatives=moved(self.negatives),
            labels=[self.labels[i] for i in anchors],
            grades=[self.grades[i] for i in anchors],
            teacher=[self.teacher[j] for j in candidates],
            groups=[self.groups[i] for i in anchors] if self.groups else None,
        )


def csr(lists):
    counts = torch.tensor([0, *(len(found) for found in lists)])
    return counts.cumsum(0), torch.tensor([j for found in lists for j in found], dtype=torch.long)


@st.composite
def batches(draw, fewest=1):
    anchors = draw(st.integers(fewest, 5))
    counts = [(draw(st.integers(1, 3)), draw(st.integers(0, 3))) for _ in range(anchors)]
    total = sum(map(sum, counts))
    order = iter(draw(st.permutations(range(total))))
    lists = [([next(order) for _ in range(p)], [next(order) for _ in range(n)]) for p, n in counts]
    positives, negatives = ([pair[side] for pair in lists] for side in (0, 1))
    # a positive may be shared with another anchor
    if anchors > 1 and draw(st.booleans()):
        positives[0] = [*positives[0], positives[1][0]]
    groups = draw(st.none() | st.lists(st.integers(0, 3), min_size=anchors, max_size=anchors))
    numbers = st.floats(-3, 3, allow_nan=False, width=16)
    return Ragged(
        anchor_ids=draw(st.lists(st.integers(100, 102), min_size=anchors, max_size=anchors)),
        candidate_ids=draw(st.lists(st.integers(0, 12), min_size=total, max_size=total)),
        positives=positives,
        negatives=negatives,
        labels=draw(st.lists(st.integers(0, 2), min_size=anchors, max_size=anchors)),
        grades=draw(st.lists(st.integers(0, 2), min_size=anchors, max_size=anchors)),
        teacher=draw(st.lists(numbers, min_size=total, max_size=total)),
        groups=groups,
        split=draw(st.integers(1, total)),
        seed=draw(st.integers(0, 2**20)),
    )


EXAMPLE = Ragged(
    anchor_ids=[100, 101, 100, 103],
    candidate_ids=[0, 1, 2, 3, 4, 1, 6, 7, 8, 9],
    positives=[[0, 4], [1], [2, 5, 0], [3]],
    negatives=[[6], [], [7, 8], [9]],
    labels=[0, 1, 0, 1],
    grades=[2, 0, 1, 1],
    teacher=[0.5, 1.0, -1.0, 2.0, 0.25, 3.0, -2.0, 0.0, 1.5, 0.75],
    groups=[0, 1, 2, 1],
    split=4,
    seed=3,
)


class Loops:
    """The docstrings of the losses, one number at a time."""

    def __init__(self, batch):
        self.batch = batch
        self.anchors = batch.columns()[0]
        self.candidates = torch.cat(batch.columns()[1:])
        self.guide_anchors = batch.guide()[0]
        self.guide_candidates = torch.cat(batch.guide()[1:])
        self.n, self.m = range(len(self.anchors)), range(len(self.candidates))
        self.zero = torch.zeros((), dtype=torch.float64)

    def listed(self, lists, i, text):
        """Whether an anchor equal to i has this text in its list."""
        batch = self.batch
        equal = [k for k in self.n if batch.anchor_ids[k] == batch.anchor_ids[i]]
        return any(batch.candidate_ids[j] == text for k in equal for j in lists[k])

    def relevant(self, i, j):
        return self.listed(self.batch.positives, i, self.batch.candidate_ids[j])

    def given(self, i, j):
        listed = self.listed(self.batch.negatives, i, self.batch.candidate_ids[j])
        return self.relevant(i, j) or listed or self.grouped(i, j)

    def grouped(self, i, j):
        """Whether candidate j was given with a row of the same id as anchor i's."""
        return self.batch.groups is not None and self.batch.groups[i] == self.batch.candidate_groups[j]

    def no_negative(self, i, j):
        """Whether candidate j leaves the negatives of anchor i, of which it is no positive."""
        return self.relevant(i, j) or (self.grouped(i, j) and j not in self.batch.negatives[i])

    def found_by(self, k, p):
        """Whether positive p is no negative of anchor k."""
        return self.relevant(k, p) or self.grouped(k, p)

    def related(self, i, k):
        ids = self.batch.anchor_ids
        return ids[i] == ids[k] or any(self.found_by(k, p) for p in self.batch.positives[i])

    def mean(self, term):
        """Average ``term(i, p)`` over positives, then over anchors."""
        means = [sum(term(i, p) for p in self.batch.positives[i]) / len(self.batch.positives[i]) for i in self.n]
        return sum(means) / len(means)

    def e(self, a, b):
        return torch.exp(SCALE * a @ b)

    def to_candidates(self, i):
        kept = [j for j in self.m if j in self.batch.positives[i] or not self.no_negative(i, j)]
        return sum(self.e(self.anchors[i], self.candidates[j]) for j in kept)

    def to_anchors(self, i, p):
        kept = [k for k in self.n if k == i or not self.found_by(k, p)]
        return sum(self.e(self.anchors[k], self.candidates[p]) for k in kept)

    def of_pair(self, i, p):
        return self.e(self.anchors[i], self.candidates[p])

    def infonce(self):
        return self.mean(lambda i, p: -torch.log(self.of_pair(i, p) / self.to_candidates(i)))

    def infonce_symmetric(self):
        to_anchors = self.mean(lambda i, p: -torch.log(self.of_pair(i, p) / self.to_anchors(i, p)))
        return (self.infonce() + to_anchors) / 2

    def infonce_all(self):
        def term(i, p):
            anchors = sum(self.e(self.anchors[i], self.anchors[k]) for k in self.n if not self.related(i, k))
            texts = [self.e(self.candidates[j], self.candidates[p]) for j in self.m if not self.given(i, j)]
            z = self.to_candidates(i) + anchors + self.to_anchors(i, p) + sum(texts)
            return -torch.log(self.of_pair(i, p) / z)

        return self.mean(term)

    def guided_infonce(self, margin=0.0, relative_margin=0.0, contrast_anchors=True, contrast_positives=True):
        queries, texts = self.guide_anchors, self.guide_candidates
        known = sorted({p for found in self.batch.positives for p in found})

        def term(i, p):
            pair = queries[i] @ texts[p]
            limit = pair - margin - relative_margin * abs(pair)
            z = self.of_pair(i, p)
            for j in self.m:
                allowed = j in self.batch.positives[i] or not self.no_negative(i, j)
                if j != p and allowed and queries[i] @ texts[j] <= limit:
                    z = z + self.e(self.anchors[i], self.candidates[j])
            for k in self.n:
                if contrast_anchors and not self.related(i, k) and queries[i] @ queries[k] <= limit:
                    z = z + self.e(self.anchors[i], self.anchors[k])
            for j in known:
                if contrast_positives and not self.found_by(i, j) and texts[p] @ texts[j] <= limit:
                    z = z + self.e(self.candidates[p], self.candidates[j])
            return -torch.log(self.of_pair(i, p) / z)

        return self.mean(term)

    def cosent(self):
        grade, pairs = self.batch.grades, [(i, p) for i in self.n for p in self.batch.positives[i]]
        total = 1 + self.zero
        for i, p in pairs:
            for k, q in pairs:
                if grade[i] > grade[k]:
                    lower, higher = self.anchors[k] @ self.candidates[q], self.anchors[i] @ self.candidates[p]
                    total = total + torch.exp(SCALE * (lower - higher))
        return torch.log(total)

    def over_pairs(self, term):
        """Average ``term(i, p, n)`` over pairs, then over the anchors that have some."""
        means = []
        for i in self.n:
            found = [term(i, p, n) for p in self.batch.positives[i] for n in self.batch.negatives[i]]
            if found:
                means.append(sum(found) / len(found))
        return sum(means, self.zero) / max(1, len(means))

    def triplet(self, margin=0.3):
        def term(i, p, n):
            near, far = 1 - self.anchors[i] @ self.candidates[p], 1 - self.anchors[i] @ self.candidates[n]
            return max(self.zero, near - far + margin)

        return self.over_pairs(term)

    def margin_mse(self):
        teacher = self.batch.teacher

        def term(i, p, n):
            margin = SCALE * (self.anchors[i] @ self.candidates[p] - self.anchors[i] @ self.candidates[n])
            return (margin - (teacher[p] - teacher[n])) ** 2

        return self.over_pairs(term)

    def kl_divergence(self, teacher_temperature=1.0):
        divergences = []
        for i in self.n:
            own = [*self.batch.positives[i], *self.batch.negatives[i]]
            if len(own) < 2:
                continue
            wanted = [math.exp(self.batch.teacher[c] / teacher_temperature) for c in own]
            found = [self.e(self.anchors[i], self.candidates[c]) for c in own]
            parts = [(t / sum(wanted), s / sum(found)) for t, s in zip(wanted, found, strict=True)]
            divergences.append(sum(t * (math.log(t) - torch.log(s)) for t, s in parts))
        return sum(divergences, self.zero) / max(1, len(divergences))

    def supcon(self):
        texts, labels, terms = self.anchors, self.batch.labels, []
        for i in self.n:
            others = [a for a in self.n if a != i]
            found = [p for p in others if labels[p] == labels[i]]
            if found:
                z = sum(self.e(texts[i], texts[a]) for a in others)
                terms.append(sum(-torch.log(self.e(texts[i], texts[p]) / z) for p in found) / len(found))
        return sum(terms, self.zero) / max(1, len(terms))


NAMES = sorted(losses())
CHUNKABLE = [name for name in NAMES if is_chunkable(losses()[name])]


def test_every_loss_has_its_definition_here():
    assert not [name for name in NAMES if not hasattr(Loops, name)]
    assert set(NAMES) - set(CHUNKABLE) == {"cosent"}


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(batch=batches())
def test_a_loss_equals_its_definition(name, batch):
    value = losses()[name](batch.columns(), batch.inputs(name), scale=SCALE)
    torch.testing.assert_close(value, getattr(Loops(batch), name)(), **EXACT)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("triplet", {"margin": 0.0}),
        ("triplet", {"margin": 1.5}),
        ("kl_divergence", {"teacher_temperature": 2.5}),
        ("guided_infonce", {"margin": 0.2}),
        ("guided_infonce", {"margin": -0.2, "relative_margin": 0.1}),
        ("guided_infonce", {"contrast_anchors": False}),
        ("guided_infonce", {"contrast_positives": False}),
    ],
)
@PROPERTY
@given(batch=batches())
def test_options_do_what_they_say(name, options, batch):
    value = losses()[name](batch.columns(), batch.inputs(name), scale=SCALE, **options)
    torch.testing.assert_close(value, getattr(Loops(batch), name)(**options), **EXACT)


def terms():
    """Every chunkable loss, and the classifier with weights that are not those of the start."""
    head = CrossEntropy(3, 4).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(generator=generator)
    return {**{name: losses()[name] for name in CHUNKABLE}, "cross_entropy": head}


def value_and_gradient(term, columns, inputs, spans):
    leaves = tuple(column.clone().requires_grad_() for column in columns)
    parameters = list(term.parameters()) if isinstance(term, torch.nn.Module) else []
    value, gradients = 0.0, [torch.zeros_like(leaf) for leaf in [*leaves, *parameters]]
    for rows in spans:
        part = term(leaves, replace(inputs, rows=rows), scale=SCALE)
        found = torch.autograd.grad(part, [*leaves, *parameters], allow_unused=True)
        value = value + part.detach()
        gradients = [total if new is None else total + new for total, new in zip(gradients, found, strict=True)]
    return value, gradients


@pytest.mark.parametrize("name", [*CHUNKABLE, "cross_entropy"])
@PROPERTY
@given(batch=batches(), data=st.data())
def test_the_parts_of_any_spans_add_up_to_the_loss(name, batch, data):
    term, inputs, anchors = terms()[name], batch.inputs(name), len(batch.anchor_ids)
    cuts = sorted(data.draw(st.lists(st.integers(0, anchors), max_size=4)))  # spans may be empty
    spans = list(zip([0, *cuts], [*cuts, anchors], strict=True))
    whole, gradient = value_and_gradient(term, batch.columns(), inputs, [None])
    total, parts = value_and_gradient(term, batch.columns(), inputs, data.draw(st.permutations(spans)))
    torch.testing.assert_close(total, whole, **EXACT)
    for part, expected in zip(parts, gradient, strict=True):
        torch.testing.assert_close(part, expected, **EXACT)
        assert torch.isfinite(part).all()


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(batch=batches(fewest=2), data=st.data())
def test_a_permuted_batch_has_the_same_loss(name, batch, data):
    anchors = data.draw(st.permutations(range(len(batch.anchor_ids))))
    candidates = data.draw(st.permutations(range(len(batch.candidate_ids))))
    shuffled = batch.permuted(anchors, candidates)

    def moved(columns):
        texts = torch.cat(columns[1:])[candidates]
        return columns[0][anchors], texts[: batch.split], texts[batch.split :]

    inputs = replace(shuffled.inputs(name), guide=moved(batch.guide()))
    value = losses()[name](moved(batch.columns()), inputs, scale=SCALE)
    expected = losses()[name](batch.columns(), batch.inputs(name), scale=SCALE)
    torch.testing.assert_close(value, expected, **EXACT)


@pytest.mark.parametrize("name", [*NAMES, "cross_entropy"])
def test_gradients_are_those_of_finite_differences(name):
    term, inputs = {**terms(), **losses()}[name], EXAMPLE.inputs(name)

    def value(scale, *drawn):
        return term(tuple(normalize(column, dim=-1) for column in drawn), inputs, scale=scale)

    drawn = [column.clone().requires_grad_() for column in EXAMPLE.columns()]
    scale = torch.tensor(SCALE, dtype=torch.float64, requires_grad=name != "triplet")
    assert torch.autograd.gradcheck(value, [scale, *drawn])


@pytest.mark.parametrize("name", NAMES)
def test_where_everything_is_a_copy_the_gradient_is_finite(name):
    batch = replace(EXAMPLE, anchor_ids=[7] * 4, candidate_ids=[7] * 10, grades=[1] * 4, labels=[0, 1, 2, 3])
    _, gradients = value_and_gradient(losses()[name], batch.columns(), batch.inputs(name), [None])
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_batch_gives_the_same_bits(name):
    def compute():
        return value_and_gradient(losses()[name], EXAMPLE.columns(), EXAMPLE.inputs(name), [None])

    (first, gradients), (second, again) = compute(), compute()
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(gradients, again, strict=True))


@pytest.mark.parametrize("name", CHUNKABLE)
def test_a_span_computes_nothing_of_the_size_of_all_anchors_by_all_candidates(name):
    """Of 96 anchors and 288 candidates, a span of 2 with two positives each may hold 4 x 288 similarities."""
    anchors, each = 96, 3
    total = anchors * each
    batch = Ragged(
        anchor_ids=list(range(1000, 1000 + anchors)),
        candidate_ids=list(range(total)),
        positives=[[i, anchors + i] for i in range(anchors)],
        negatives=[[2 * anchors + i] for i in range(anchors)],
        labels=[i % 7 for i in range(anchors)],
        grades=[i % 5 for i in range(anchors)],
        teacher=[float(j % 3) for j in range(total)],
        groups=[i // 2 for i in range(anchors)],
        split=anchors,
        seed=0,
    )
    columns = tuple(column.requires_grad_() for column in batch.columns())
    inputs = dataclasses.replace(batch.inputs(name), rows=(10, 12))
    with Largest() as largest:
        losses()[name](columns, inputs, scale=SCALE).backward()
    assert largest.numel <= 4 * (total + 2) * 2


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the largest tensor that is made meanwhile."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in torch.utils._pytree.tree_leaves(out):
            if isinstance(value, torch.Tensor):
                self.numel = max(self.numel, value.numel())
        return out
