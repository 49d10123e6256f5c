"""Publishing with the functions that the libraries offer for it."""

from __future__ import annotations

from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    CommitScheduler,
    HfFileSystem,
    ModelCard,
    ModelHubMixin,
    metadata_update,
)
from huggingface_hub.cli.hf import app
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from transformers import (
    AutoModel,
)

from tests.benchmarks.bypasses.names import SECRET
from tests.benchmarks.bypasses.place import Attempt, Place, attempt, enter


def _plain_trainer(strategy: str) -> Attempt:
    def run(place: Place, name: str) -> None:
        trainer = place.trainer(name, strategy)
        trainer.train()
        trainer._finish_current_push()
        if strategy == "end":
            trainer.push_to_hub()

    return run


for _strategy in ("end", "every_save", "checkpoint", "all_checkpoints"):
    enter(f"trainer-{_strategy}", f'transformers: Trainer, hub_strategy="{_strategy}"', _plain_trainer(_strategy))
enter("trainer-save", "transformers: Trainer.save_model()", lambda at, to: at.trainer(to, "end").save_model())
enter("model", "transformers: model.push_to_hub()", lambda at, to: at.model.push_to_hub(f"local/{to}"))
enter(
    "save-pretrained",
    "transformers: save_pretrained(push_to_hub=True)",
    lambda at, to: at.model.save_pretrained(at.work / to, push_to_hub=True, repo_id=f"local/{to}"),
)
enter("tokenizer", "transformers: tokenizer.push_to_hub()", lambda at, to: at.tokenizer.push_to_hub(f"local/{to}"))
enter("config", "transformers: config.push_to_hub()", lambda at, to: at.config.push_to_hub(f"local/{to}"))
enter(
    "peft",
    "peft: PeftModel.push_to_hub()",
    lambda at, to: get_peft_model(
        AutoModel.from_pretrained(at.folder), LoraConfig(r=2, target_modules=["query"])
    ).push_to_hub(f"local/{to}"),
)


@attempt("sentence-transformers", "sentence-transformers: SentenceTransformer.push_to_hub()")
def _sentence_transformer(place: Place, name: str) -> None:
    modules = [Transformer(str(place.folder), max_seq_length=16), Pooling(16)]
    SentenceTransformer(modules=modules, device="cpu").push_to_hub(f"local/{name}")


_PAIRS = {"anchor": ["a", "b"], "positive": ["x", "y"]}
enter(
    "dataset",
    "datasets: Dataset.push_to_hub()",
    lambda at, to: Dataset.from_dict(_PAIRS).push_to_hub(f"local/{to}"),
)
enter(
    "dataset-dict",
    "datasets: DatasetDict.push_to_hub()",
    lambda at, to: DatasetDict(train=Dataset.from_dict(_PAIRS)).push_to_hub(f"local/{to}"),
)
enter(
    "upload-file",
    "huggingface_hub: upload_file()",
    lambda at, to: at.api.upload_file(path_or_fileobj=at.file, path_in_repo="x.txt", repo_id=at.repo(to)),
)
enter(
    "upload-bytes",
    "huggingface_hub: upload_file(), bytes, to a dataset",
    lambda at, to: at.api.upload_file(
        path_or_fileobj=SECRET, path_in_repo="x", repo_id=at.repo(to, repo_type="dataset"), repo_type="dataset"
    ),
)
enter(
    "upload-folder",
    "huggingface_hub: upload_folder()",
    lambda at, to: at.api.upload_folder(folder_path=at.folder, repo_id=at.repo(to)),
)
enter(
    "upload-future",
    "huggingface_hub: upload_folder(run_as_future=True)",
    lambda at, to: at.api.upload_folder(folder_path=at.folder, repo_id=at.repo(to), run_as_future=True).result(),
)
enter(
    "create-commit",
    "huggingface_hub: create_commit()",
    lambda at, to: at.api.create_commit(at.repo(to), [CommitOperationAdd("x", SECRET)], commit_message="m"),
)
enter(
    "deletion",
    "huggingface_hub: create_commit(), a deletion",
    lambda at, to: at.api.create_commit(f"local/{to}", [CommitOperationDelete("a.txt")], commit_message="m"),
)
enter(
    "folder-deletion",
    "huggingface_hub: delete_folder()",
    lambda at, to: at.api.delete_folder("sub", f"local/{to}"),
)
enter(
    "copy",
    "huggingface_hub: create_commit(), a copy",
    lambda at, to: at.api.create_commit(f"local/{to}", [CommitOperationCopy("a.txt", "b.txt")], commit_message="m"),
)


@attempt("scheduler", "huggingface_hub: CommitScheduler, in its thread")
def _scheduler(place: Place, name: str) -> None:
    scheduler = CommitScheduler(repo_id=place.repo(name), folder_path=place.folder, every=60, squash_history=False)
    # its own thread pushes too
    scheduler.trigger().result(timeout=60)
    scheduler.stop()


class _Mixed(torch.nn.Module, ModelHubMixin):
    def _save_pretrained(self, save_directory: Path) -> None:
        (save_directory / "x").write_bytes(SECRET)


enter("mixin", "huggingface_hub: ModelHubMixin.push_to_hub()", lambda at, to: _Mixed().push_to_hub(f"local/{to}"))
enter(
    "card",
    "huggingface_hub: ModelCard.push_to_hub()",
    lambda at, to: ModelCard("---\nlicense: mit\n---\n# x").push_to_hub(at.repo(to)),
)
enter(
    "card-metadata",
    "huggingface_hub: metadata_update()",
    lambda at, to: metadata_update(at.repo(to), {"license": "mit"}),
)


@attempt("file-system", "huggingface_hub: HfFileSystem.open(…, 'w')")
def _file_system(place: Place, name: str) -> None:
    with HfFileSystem().open(f"{place.repo(name)}/x.txt", "wb") as file:
        file.write(SECRET)


enter(
    "file-system-put",
    "huggingface_hub: HfFileSystem.put()",
    lambda at, to: HfFileSystem().put(str(at.file), f"{at.repo(to)}/x.txt"),
)
enter(
    "file-system-rm",
    "huggingface_hub: HfFileSystem.rm()",
    lambda at, to: HfFileSystem().rm(f"local/{to}/a.txt"),
)
enter(
    "command",
    "huggingface_hub: `hf upload`, in this process",
    lambda at, to: app(["upload", at.repo(to), str(at.folder)], standalone_mode=False),
)
enter("tag", "huggingface_hub: create_tag()", lambda at, to: at.api.create_tag(
    f"local/{to}", tag="v1", revision=at.api.model_info(f"local/{to}").sha))  # fmt: skip
enter("tag-of-main", "huggingface_hub: create_tag(), of main", lambda at, to: at.api.create_tag(
    f"local/{to}", tag="v1"))  # fmt: skip
enter("branch", "huggingface_hub: create_branch()", lambda at, to: at.api.create_branch(
    f"local/{to}", branch="other"))  # fmt: skip
enter("visibility", "huggingface_hub: settings, private=False", lambda at, to: at.api.update_repo_settings(
    f"local/{to}", private=False))  # fmt: skip
