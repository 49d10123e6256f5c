"""Train an embedding model on pairs, measure what it gained, and publish it with proof.

    pip install "hf-contrastive[train]"
    hf auth login
    python quickstart.py [BASE_MODEL] [FOLDER]

The pairs are docstrings of Python's standard library: a function's first sentence should find the rest of its
documentation. Training uses some modules, the evaluation others. Takes about two minutes on two CPU cores.
"""

import importlib
import inspect
import sys

from datasets import Dataset, DatasetDict

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer, audit, evaluate, remove_leakage

TRAIN = """argparse asyncio builtins collections configparser csv datetime decimal difflib email.message enum
functools gettext inspect ipaddress itertools json logging multiprocessing os pickle random re shutil smtplib socket
ssl string subprocess tarfile threading time tokenize turtle unittest urllib.request warnings zipfile"""
TEST = "bisect calendar fractions heapq math operator pathlib queue statistics tempfile textwrap"


def docstrings(module_names: str) -> Dataset:
    """Return (anchor, positive, license) of the functions, classes and methods of some modules."""
    positives = {}
    for name in module_names.split():
        public = [value for key, value in vars(importlib.import_module(name)).items() if not key.startswith("_")]
        methods = [method for value in public if inspect.isclass(value) for method in vars(value).values()]
        for documented in filter(callable, [*public, *methods]):
            first, _, rest = (inspect.getdoc(documented) or "").partition("\n\n")
            if len(first.split()) > 2 and rest:
                positives[rest] = " ".join(first.split())
    licenses = ["Python-2.0"] * len(positives)
    return Dataset.from_dict({"anchor": positives.values(), "positive": positives.keys(), "license": licenses})


def main(model: str = "sentence-transformers/all-MiniLM-L6-v2", folder: str = "quickstart-minilm") -> None:
    data = DatasetDict(train=docstrings(TRAIN), validation=docstrings(TEST))

    # 1. what is in the data: some functions are documented in two modules, one to train on and one to test with
    first_audit = audit(data)
    data, removal = remove_leakage(data, first_audit)
    print(f"Removed {removal.removed_rows} training rows that are also in the test data.")

    # 2. train: a batch's other positives are the negatives; LoRA by default
    trainer = ContrastiveTrainer(
        model=model,
        args=ContrastiveConfig(output_dir=folder, num_train_epochs=1, learning_rate=1e-3, max_length=128),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
    )
    trainer.train()

    # 3. what it gained, on the same queries
    evaluation = evaluate(trainer.encoder, data["validation"], base=model)
    for metric in evaluation.metrics:
        low, high = metric.difference.interval
        gain = f"gain {metric.difference.value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
        print(f"{metric.after.name}: {metric.before.value:.3f} -> {metric.after.value:.3f} ({gain})")

    # 4. publish: model, card, report and evidence in one commit, if the audit of what was trained on passes
    trainer.add_evidence(first_audit, removal, audit(data), evaluation)
    trainer.push_to_hub()
    print(f"Published {trainer.push_receipt.repo_id}: {trainer.push_receipt.url}")
    print(f"Card and report are in {folder}/report.")


if __name__ == "__main__":
    main(*sys.argv[1:])
