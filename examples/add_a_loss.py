"""Train with a loss of your own: a pure function of the embeddings, given as `loss=`.

    pip install "hf-contrastive[train]"
    python add_a_loss.py [MODEL] [FOLDER]

The function gets the L2-normalised columns of the dataset ([batch, dim] each, the anchors first), ids that say which
texts are equal, and scale = 1 / temperature; it returns a scalar. Batching, LoRA and the documents stay as they are,
and the training record names your function.
"""

import sys

import torch
from datasets import load_dataset
from torch import Tensor
from torch.nn.functional import cross_entropy

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer, LossInputs, evaluate


def symmetric_infonce(embeddings: tuple[Tensor, ...], batch: LossInputs, *, scale: float) -> Tensor:
    """InfoNCE in both directions, as CLIP has it (Radford et al., 2021, figure 3).

    Each anchor is to find its positive among all positives, and each positive its anchor among all anchors.
    """
    anchors, positives = embeddings[:2]
    logits = scale * anchors @ positives.T  # [batch, batch], the pairs on the diagonal

    # rows that share an anchor or a positive are no negatives of each other
    anchor_ids, positive_ids = batch.anchor_ids, batch.candidate_ids[: len(positives)]
    shared = (anchor_ids[:, None] == anchor_ids) | (positive_ids[:, None] == positive_ids)
    shared.fill_diagonal_(False)
    logits = logits.masked_fill(shared, -torch.inf)

    target = torch.arange(len(anchors), device=logits.device)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def main(model: str = "sentence-transformers/all-MiniLM-L6-v2", folder: str = "symmetric-minilm") -> None:
    pairs = load_dataset("sentence-transformers/natural-questions", split="train[:2000]").train_test_split(200, seed=0)
    trainer = ContrastiveTrainer(
        model=model,
        args=ContrastiveConfig(output_dir=folder, num_train_epochs=1, learning_rate=1e-3, max_length=128),
        train_dataset=pairs["train"],
        loss=symmetric_infonce,
    )
    trainer.train()
    trainer.save_model(folder)

    # the model reads as many tokens as it was trained with, and so does its base
    report = evaluate(trainer.encoder, pairs["test"], base=model, anchor_column="query", positive_column="answer")
    for metric in report.metrics:
        print(f"{metric.after.name}: {metric.before.value:.3f} -> {metric.after.value:.3f}")
    print(f"The training record says: {trainer.training_record().objective}")
    print(f"The model is in {folder}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
