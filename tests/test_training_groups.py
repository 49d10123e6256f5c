"""Rows that share an id are no negatives of each other, beside the rule for equal texts."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from hf_contrastive.training.losses.guided_infonce import guided_infonce
from hf_contrastive.training.losses.infonce import infonce
from hf_contrastive.training.losses.infonce_all import infonce_all
from hf_contrastive.training.losses.infonce_symmetric import infonce_symmetric
from hf_contrastive.training.objectives import loss_inputs

SCALE = 7.0
ROWS, DIM = 6, 5
# equal texts are as near as the positive to the last bit: a margin settles whether they leave
LOSSES = [infonce, infonce_symmetric, infonce_all, partial(guided_infonce, margin=1e-6)]


@st.composite
def batches(draw):
    """Pairs with a hard negative each, some texts equal, some rows of one id."""
    texts = draw(st.lists(st.integers(0, 9), min_size=3 * ROWS, max_size=3 * ROWS))
    groups = draw(st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS))
    batch = {"sizes": (ROWS, ROWS, ROWS), "text_ids": torch.tensor(texts), "groups": torch.tensor(groups * 3)}
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    table = normalize(torch.randn(10, DIM, dtype=torch.float64, generator=generator), dim=-1)
    return batch, tuple(table[batch["text_ids"]].chunk(3))


def infonce_by_loops(columns, batch):
    texts, groups = batch["text_ids"].tolist(), batch["groups"].tolist()
    candidates = torch.cat(columns[1:])
    total = 0.0
    for i in range(ROWS):
        positives = {texts[ROWS + k] for k in range(ROWS) if texts[k] == texts[i]}
        kept = []
        for j in range(2 * ROWS):
            own = j in (i, ROWS + i)
            copy = j != i and texts[ROWS + j] in positives
            if not copy and (own or groups[ROWS + j] != groups[i]):
                kept.append(SCALE * columns[0][i] @ candidates[j])
        total = total + torch.stack(kept).logsumexp(0) - SCALE * columns[0][i] @ candidates[i]
    return total / ROWS


@given(batches())
def test_infonce_leaves_out_other_rows_of_the_same_id(made):
    batch, columns = made
    loss = infonce(columns, loss_inputs(batch), scale=SCALE)
    torch.testing.assert_close(loss, infonce_by_loops(columns, batch), rtol=0, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@given(made=batches())
def test_ids_that_differ_change_nothing(loss, made):
    batch, columns = made
    guide = tuple(column.flip(0) for column in columns)
    apart = replace(loss_inputs({**batch, "groups": torch.arange(ROWS).repeat(3)}), guide=guide)
    without = replace(loss_inputs({name: value for name, value in batch.items() if name != "groups"}), guide=guide)
    torch.testing.assert_close(
        loss(columns, apart, scale=SCALE), loss(columns, without, scale=SCALE), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("loss", LOSSES)
@given(made=batches())
def test_what_rows_of_one_id_say_does_not_matter_to_each_other(loss, made):
    """Two rows of one id: the loss of one does not change when the texts of the other do."""
    batch, columns = made
    batch["groups"] = torch.tensor([0, 0, 1, 2, 3, 4] * 3)
    batch["text_ids"] = torch.arange(3 * ROWS)
    other = tuple(column.clone() for column in columns)
    for column in other:
        column[1] = normalize(column[1].flip(0) + 0.3, dim=-1)
    parts = [
        loss(found, replace(loss_inputs(batch), rows=(0, 1), guide=columns), scale=SCALE) for found in (columns, other)
    ]
    torch.testing.assert_close(*parts, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@given(made=batches())
def test_spans_add_up(loss, made):
    batch, columns = made
    inputs = replace(loss_inputs(batch), guide=tuple(column.flip(0) for column in columns))
    parts = [loss(columns, replace(inputs, rows=rows), scale=SCALE) for rows in ((0, 2), (2, 3), (3, ROWS))]
    torch.testing.assert_close(sum(parts), loss(columns, inputs, scale=SCALE), rtol=0, atol=1e-10)


def test_given_hard_negatives_stay():
    columns = tuple(normalize(torch.randn(3, 2, DIM, dtype=torch.float64), dim=-1))
    batch = {"sizes": (2, 2, 2), "text_ids": torch.arange(6), "groups": torch.zeros(6, dtype=torch.long)}
    loss = infonce(columns, loss_inputs(batch), scale=SCALE)
    logits = SCALE * torch.stack([(columns[0] * column).sum(-1) for column in columns[1:]], dim=1)
    torch.testing.assert_close(loss, (logits.logsumexp(1) - logits[:, 0]).mean())
