"""Our own trainer and push, with the gate closed and open."""

from __future__ import annotations

import json

import hf_contrastive
from tests.benchmarks.bypasses.place import Attempt, Place, enter, rows


def _closed(strategy: str) -> Attempt:
    def run(place: Place, name: str) -> None:
        trainer = place.contrastive(name, hub_strategy=strategy, hub_always_push=True)
        trainer.add_evidence(hf_contrastive.audit(_other(place)))
        trainer.train()
        trainer._finish_current_push()
        trainer.push_to_hub()

    return run


def _save_closed(place: Place, name: str) -> None:
    trainer = place.contrastive(name)
    trainer.add_evidence(hf_contrastive.audit(_other(place)))
    trainer.train()
    trainer.save_model()


def _other(place: Place) -> str:
    """Return data that the model was not trained on: the gate stays closed."""
    path = place.work / "other.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()[:-1]))
    return str(path)


for _strategy in ("end", "every_save", "checkpoint", "all_checkpoints"):
    enter(f"closed-{_strategy}", f'ContrastiveTrainer, gate closed, "{_strategy}"', _closed(_strategy))
enter("closed-save", "ContrastiveTrainer, gate closed, save_model()", _save_closed)


def _approved_training(place: Place, name: str) -> None:
    trainer = place.contrastive(name)
    trainer.train()
    trainer.push_to_hub()


def _approved_folder(place: Place, name: str) -> None:
    data = place.work / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    folder = place.work / name
    place.model.save_pretrained(folder)
    place.tokenizer.save_pretrained(folder)
    stale = folder / "added_tokens.json"
    stale.write_text("{}")
    for license_id in ("mit", "apache-2.0"):
        hf_contrastive.push(folder, f"local/{name}", data=str(data), reviewed_by="Ada", license=license_id)
        # which the second push deletes
        stale.unlink(missing_ok=True)


enter("approved-training", "ContrastiveTrainer.push_to_hub(), gate open", _approved_training)
enter("approved-folder", "push(), approved by name, twice", _approved_folder)
