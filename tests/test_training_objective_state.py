"""What an objective learns is trained, logged, kept in checkpoints and left out of what is published."""

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from torch.nn.functional import normalize
from transformers import TrainerCallback

from hf_contrastive import TextEncoder
from hf_contrastive.errors import ConfigurationError, DataFormatError
from hf_contrastive.training.guide import Guide


def losses_of(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.fixture(scope="module")
def labelled(topic_pairs):
    topics = [text.split()[4] for text in topic_pairs["positive"]]
    return topic_pairs.add_column("topic", topics)


def head_of(trainer):
    (head,) = [p for name, p in trainer._engine.objective.named_parameters() if p.ndim == 2]
    return head


def test_a_head_beside_the_contrast_learns(make_trainer, labelled):
    options = {"train_dataset": labelled, "label_column": "topic", "loss": "infonce + 0.5 * cross_entropy"}
    trainer = make_trainer(max_steps=40, **options)
    before = head_of(trainer).detach().clone()
    assert before.shape == (4, 32)
    trainer.train()
    assert not torch.equal(before, head_of(trainer))
    assert np.mean(losses_of(trainer)[-5:]) < 0.8 * np.mean(losses_of(trainer)[:5])
    assert trainer.training_record().objective == "infonce + 0.5 * cross_entropy"
    trainer.save_model()
    assert not list(trainer.output_folder.glob("objective*"))


class HeadGradients(TrainerCallback):
    def __init__(self):
        self.kept = []

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        self.kept.append(head_of(self.trainer).grad.clone())


@pytest.mark.parametrize("accumulation", [1, 2])
def test_gradients_of_a_head_are_those_of_one_step(make_trainer, labelled, accumulation):
    """Trainer clears the model's gradients alone: without care those of the head would add up over steps."""
    gradients = HeadGradients()
    trainer = make_trainer(
        train_dataset=labelled.select([10 * (i % 4) + i // 4 for i in range(8 * accumulation)]),
        label_column="topic", loss="infonce + cross_entropy", learning_rate=0.0, max_steps=3,
        gradient_accumulation_steps=accumulation, callbacks=[gradients],
    )  # fmt: skip
    gradients.trainer = trainer
    trainer.train()
    first, *others = gradients.kept
    assert len(others) == 2
    assert first.abs().max() > 1e-4
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-3, atol=1e-6)
    assert head_of(trainer).grad is None


def test_a_head_resumes(make_trainer, labelled):
    options = {"train_dataset": labelled, "label_column": "topic", "loss": "infonce + cross_entropy"}
    options |= {"max_steps": 6, "learn_temperature": True, "save_strategy": "steps", "save_steps": 2}
    whole = make_trainer(output="whole", **options)
    whole.train()
    checkpoint = whole.output_folder / "checkpoint-4"
    kept = load_file(checkpoint / "objective.safetensors")
    assert sorted(value.ndim for value in kept.values()) == sorted(p.ndim for p in whole._engine.objective.parameters())
    resumed = make_trainer(output="resumed", **options)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert losses_of(resumed) == losses_of(whole)
    assert torch.equal(head_of(resumed), head_of(whole))
    assert resumed._engine.objective.temperature == whole._engine.objective.temperature


def test_a_checkpoint_of_another_loss_is_refused(make_trainer, labelled):
    options = {"train_dataset": labelled, "label_column": "topic", "save_strategy": "steps", "save_steps": 1}
    trainer = make_trainer(max_steps=1, loss="infonce + cross_entropy", **options)
    trainer.train()
    with pytest.raises(ConfigurationError, match=r"checkpoint-1 was written with another loss: it holds .*\[4, 32\]"):
        make_trainer(max_steps=2, **options).train(resume_from_checkpoint=True)


def test_a_learned_temperature_moves_and_is_logged(make_trainer):
    trainer = make_trainer(learn_temperature=True, temperature=0.2, max_steps=10)
    trainer.train()
    logged = [entry["temperature"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(logged) == 10
    assert abs(logged[-1] - 0.2) > 1e-3
    assert logged[-1] == pytest.approx(trainer._engine.objective.temperature, abs=1e-6)
    assert "learned temperature" in trainer.training_record().objective
    assert trainer.training_record().temperature == pytest.approx(logged[-1], abs=1e-6)
    fixed = make_trainer(max_steps=1, output="fixed")
    fixed.train()
    assert "temperature" not in fixed.state.log_history[0]


def test_the_best_checkpoint_brings_what_the_loss_had_learned(make_trainer, topic_pairs):
    settings = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2, "max_steps": 8}
    trainer = make_trainer(
        learn_temperature=True, temperature=0.2, lr_scheduler_type="constant", warmup_steps=0,
        load_best_model_at_end=True,
        metric_for_best_model="loss", greater_is_better=True, eval_dataset=topic_pairs,  # the first is the best
        **settings,
    )  # fmt: skip
    trainer.train()
    evaluated = {entry["step"]: entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry}
    best = trainer.state.best_global_step
    assert best < 8, evaluated
    temperatures = {e["step"]: e["temperature"] for e in trainer.state.log_history if "temperature" in e}
    assert abs(temperatures[best] - temperatures[8]) > 1e-4
    assert trainer._engine.objective.temperature == pytest.approx(temperatures[best], abs=1e-6)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(evaluated[best], rel=1e-6)


def test_a_schedule_that_was_made_before_is_refused(make_trainer):
    made = make_trainer(learn_temperature=True)
    optimizer = torch.optim.AdamW([p for p in made.model.parameters() if p.requires_grad], lr=1e-3)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    trainer = make_trainer(learn_temperature=True, model=made.model, optimizers=(optimizer, schedule),
                           processing_class=made.processing_class)  # fmt: skip
    with pytest.raises(ConfigurationError, match="`optimizers` brings a schedule, but the loss learns weights"):
        trainer.train()
    alone = make_trainer(learn_temperature=True, model=made.model, optimizers=(optimizer, None),
                         processing_class=made.processing_class, output="alone")  # fmt: skip
    alone.train()
    assert abs(alone._engine.objective.temperature - 0.05) > 1e-4


def test_the_temperature_follows_its_gradient(make_trainer):
    trainer = make_trainer(learn_temperature=True, temperature=0.2)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(8)])
    trainer.model.train()
    parameter = trainer._engine.objective.log_scale

    def loss_at(value):
        with torch.no_grad():
            parameter.fill_(value)
        return trainer.compute_loss(trainer.model, batch)

    start = -math.log(0.2)
    trainer.compute_loss(trainer.model, batch).backward()
    slope = (loss_at(start + 1e-2) - loss_at(start - 1e-2)).item() / 2e-2
    assert parameter.grad.item() == pytest.approx(slope, rel=1e-2)


def test_matryoshka_is_the_sum_over_cuts(make_trainer):
    cut = make_trainer(matryoshka_dims=[32, 8])
    batch = cut.data_collator([cut.train_dataset[i] for i in range(8)])
    cut.model.eval()
    loss = cut.compute_loss(cut.model, batch).item()
    _, columns, _ = cut._engine.evaluate(cut.model, batch)
    expected = 0.0
    for dim in (32, 8):
        anchors, positives = (normalize(column[:, :dim], dim=-1) for column in columns)
        logits = anchors @ positives.T / cut.args.temperature
        expected += torch.nn.functional.cross_entropy(logits, torch.arange(8)).item()
    assert loss == pytest.approx(expected, rel=1e-5)
    cut.train()
    assert cut.training_record().objective == "infonce, Matryoshka 32 + 8"


def test_cuts_have_their_weights(make_trainer):
    weighted = make_trainer(matryoshka_dims=[32, 8], matryoshka_weights=[1.0, 0.25])
    batch = weighted.data_collator([weighted.train_dataset[i] for i in range(8)])
    found = weighted.compute_loss(weighted.model.eval(), batch).item()
    parts = []
    for dims in ([32], [8]):
        cut = make_trainer(matryoshka_dims=dims)
        parts.append(cut.compute_loss(cut.model.eval(), batch).item())
    assert found == pytest.approx(parts[0] + 0.25 * parts[1], rel=1e-6)


def test_settings_that_do_not_fit_are_named(make_trainer, tiny_bert):
    with pytest.raises(ConfigurationError, match="`matryoshka_dims` must be at most 32"):
        make_trainer(matryoshka_dims=[64])
    with pytest.raises(DataFormatError, match="`cross_entropy` needs the class"):
        make_trainer(loss="infonce + cross_entropy")
    with pytest.raises(ConfigurationError, match=r"guided_infonce asks a guide model .* there is none"):
        make_trainer(loss="guided_infonce")
    with pytest.raises(ConfigurationError, match="asked by the loss guided_infonce alone"):
        make_trainer(guide_model=str(tiny_bert))
    with pytest.raises(ConfigurationError, match="infonse"):
        make_trainer(loss="infonse")


# ---- a guide --------------------------------------------------------------------------------------------


def test_a_guide_embeds_every_text_once(tiny_encoder, monkeypatch):
    asked = []
    encode = TextEncoder.encode

    def counted(self, texts, **options):
        asked.extend((options["prompt"], text) for text in texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(TextEncoder, "encode", counted)
    guide = Guide(tiny_encoder("distilbert"), torch.device("cpu"))
    first = guide.columns([["a cat", "a dog"], ["the cat", "a cat"]], torch.device("cpu"))
    again = guide.columns([["a dog"], ["the cat"]], torch.device("cpu"))
    assert asked == [("query", "a cat"), ("query", "a dog"), ("document", "the cat"), ("document", "a cat")]
    assert torch.equal(first[0][1], again[0][0])
    torch.testing.assert_close(first[0].norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("form", ["pairs", "lists", "text"])
def test_guided_training_runs_from_every_format(make_trainer, topic_pairs, tiny_encoder, form):
    data = {
        "pairs": topic_pairs,
        "lists": Dataset.from_dict(
            {
                "anchor": topic_pairs["anchor"],
                "positive": [[text, text + " too"][: 1 + i % 2] for i, text in enumerate(topic_pairs["positive"])],
                "negatives": [topic_pairs["positive"][i : i + i % 3] for i in range(len(topic_pairs))],
            }
        ),
        "text": topic_pairs.select_columns(["positive"]).rename_column("positive", "text"),
    }[form]
    trainer = make_trainer(
        train_dataset=data, eval_dataset=data, loss="guided_infonce", guide_model=str(tiny_encoder("distilbert"))
    )
    trainer.train()
    assert all(math.isfinite(loss) for loss in losses_of(trainer))
    assert trainer.evaluate()["eval_loss"] > 0


def test_what_the_guide_finds_nearer_leaves(make_trainer, topic_pairs):
    """A guide that finds everything alike leaves nothing but the pair: the loss is zero."""

    class Constant:
        def encode(self, texts, **_):
            # all negatives are a little nearer than the pair itself
            return np.array([[1.0, 0.0] if "what" in text else [0.9, 0.1] for text in texts], dtype=np.float32)

    class Model:
        config = type("Config", (), {"hidden_size": 2})

    trainer = make_trainer(loss="guided_infonce(margin=0.5)", guide=make_trainer().encoder, max_steps=1)
    trainer._guide._encoder = Constant()
    trainer.train()
    assert losses_of(trainer) == [pytest.approx(0.0, abs=1e-5)]
