"""Move a sentence-transformers training over: your model object goes in, a SentenceTransformer folder comes out.

    pip install "hf-contrastive[train]" sentence-transformers
    python migrate_from_sentence_transformers.py [MODEL] [FOLDER]

The lines that are replaced stand as comments above those that replace them. Pooling, prompts, maximal length and
similarity of the model are kept.
"""

import sys

import numpy as np
from datasets import load_dataset
from sentence_transformers import SentenceTransformer

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer


def main(model_id: str = "sentence-transformers/all-MiniLM-L6-v2", folder: str = "migrated-minilm") -> None:
    # these lines stay: the model object, and pairs from the Hub with the columns query and answer
    model = SentenceTransformer(model_id)
    pairs = load_dataset("sentence-transformers/natural-questions", split="train[:2000]").train_test_split(200, seed=0)

    # from sentence_transformers.losses import MultipleNegativesRankingLoss
    # from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    # from sentence_transformers.training_args import BatchSamplers
    #
    # args = SentenceTransformerTrainingArguments(
    #     output_dir=folder,
    #     num_train_epochs=1,
    #     per_device_train_batch_size=64,
    #     batch_sampler=BatchSamplers.NO_DUPLICATES,
    # )
    args = ContrastiveConfig(
        output_dir=folder,
        num_train_epochs=1,
        per_device_train_batch_size=64,
        temperature=0.05,  # the loss's scale=20 is 1 / 0.05
        # instead of a sampler: copies of a row's positive are left out of its negatives
    )

    # loss = MultipleNegativesRankingLoss(model, scale=20)
    # evaluator = InformationRetrievalEvaluator(queries, corpus, relevant)
    # trainer = SentenceTransformerTrainer(model, args, train_dataset=pairs["train"], loss=loss, evaluator=evaluator)
    trainer = ContrastiveTrainer(
        model=model,
        args=args,
        train_dataset=pairs["train"],
        eval_dataset=pairs["test"],  # gives eval_ndcg@10
        # peft_config=None trains all weights, as sentence-transformers does; the default is LoRA
    )
    print(f"Before: nDCG@10 {trainer.evaluate()['eval_ndcg@10']:.3f}")
    trainer.train()
    print(f"After: nDCG@10 {trainer.evaluate()['eval_ndcg@10']:.3f}")

    # model.save_pretrained(folder)
    trainer.save_model(folder)

    # model.push_to_hub("user/model")
    # trainer.push_to_hub() also audits the data and writes card and report; these rows state no license, which the
    # standard policy leaves to a person: trainer.push_to_hub(reviewed_by="Your Name", reason="...")

    # everything that loaded the old model loads the new one
    loaded = SentenceTransformer(folder)
    texts = pairs["test"]["answer"][:8]
    difference = np.abs(loaded.encode(texts) - trainer.encoder.encode(texts)).max()
    print(f"SentenceTransformer({folder!r}) gives the vectors of the trained model: difference {difference:.0e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
