"""mteb's tasks on local data, and any encoder as one that mteb can run: nothing is downloaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_contrastive.errors import EvaluationError, require
from hf_contrastive.evaluation.classification_task import Classification
from hf_contrastive.evaluation.reading import read_task
from hf_contrastive.evaluation.tasks import GradedPairs, LabelledPairs, Retrieval, Task
from hf_contrastive.evaluation.vectors import class_codes

_SPLIT = "test"


class MtebEncoder:
    """A model as mteb's EncoderProtocol; queries and documents get the model's own prompts.

    Args:
        model: anything that ContrastiveTrainer takes as ``model``, or a TextEncoder.
        name: shown in mteb's results, ``organisation/model``.
        max_length: tokens a text is cut to; default: the model's own.

    Raises:
        MissingExtraError: mteb is not installed.
        ModelError: the model can not be read.
    """

    def __init__(self, model: Any, *, name: str = "local/model", max_length: int | None = None) -> None:
        meta = _module("mteb.models.model_meta").ModelMeta
        from hf_contrastive.encoder import TextEncoder

        self.encoder = TextEncoder.load(model)
        self._max_length = max_length
        self.mteb_model_meta = meta(
            loader=None,
            name=name,
            revision=self.encoder.weights_digest().removeprefix("sha256:"),
            release_date=None,
            languages=None,
            n_parameters=sum(part.numel() for part in self.encoder.model.parameters()),
            memory_usage_mb=None,
            max_tokens=max_length or self.encoder.spec.max_length,
            embed_dim=int(self.encoder.model.config.hidden_size),
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name="cosine",
            use_instructions=bool(self.encoder.spec.prompts),
            training_datasets=None,
        )

    def encode(self, inputs: Any, *, prompt_type: Any = None, **kwargs: Any) -> npt.NDArray[np.float32]:
        """Return ``[n, dim]`` for the texts of a DataLoader.

        Args:
            inputs: of batches with ``text``.
            prompt_type: mteb's, ``query`` or ``document``, or None.
            **kwargs: what else mteb tells, not needed here.
        """
        del kwargs
        texts = [text for batch in inputs for text in batch["text"]]
        asked = getattr(prompt_type, "value", prompt_type)
        prompt = {"query": "query", "document": "document", "passage": "document"}.get(str(asked))
        return self.encoder.encode(texts, prompt=prompt, max_length=self._max_length)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosines of all pairs."""
        import torch
        from torch.nn.functional import normalize

        one, two = (normalize(torch.as_tensor(part).float(), dim=-1) for part in (embeddings1, embeddings2))
        return one @ two.T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine of each pair."""
        import torch
        from torch.nn.functional import cosine_similarity

        return cosine_similarity(torch.as_tensor(embeddings1).float(), torch.as_tensor(embeddings2).float(), dim=-1)


def local_task(data: Any, *, like: Any = None, name: str = "LocalTask", **reading: Any) -> Any:
    """Return an mteb task that holds local data, so that it loads nothing.

    Args:
        data: anything that :func:`~hf_contrastive.evaluate` takes as ``dataset``.
        like: an mteb task (from ``mteb.get_task``) or its name, whose rules are kept and whose data is replaced; by
            default a plain task of the kind that the columns name.
        name: of a plain task.
        **reading: ``task``, ``split``, ``limit``, ``seed`` and the names of columns, as of ``evaluate``.

    Raises:
        MissingExtraError: mteb is not installed.
        EvaluationError: the data can not be read as a task, or is of another kind than ``like``.
    """
    mteb = _module("mteb")
    made = read_task(data, **reading).task
    kind, wanted = _kind(made)
    task: Any = mteb.get_task(like) if isinstance(like, str) else like
    if task is None:
        task = _plain(kind, name)
    if not isinstance(task, kind):
        msg = (
            f"The mteb task {task.metadata.name} is a {task.metadata.type}, and the data is a {made.name}; name a task "
            f"of the kind {wanted}, or leave `like` out."
        )
        raise EvaluationError(msg)
    subsets = list(task.hf_subsets)
    if len(subsets) != 1:
        msg = (
            f"The mteb task {task.metadata.name} has the subsets {', '.join(subsets[:5])} …, and local data is one; "
            "choose one with mteb.get_task(name, hf_subsets=[…])."
        )
        raise EvaluationError(msg)
    split = task.metadata.eval_splits[0]
    rows = _rows(task, made, split)
    task.dataset = {subsets[0]: rows} if isinstance(made, Retrieval) or subsets[0] != "default" else rows
    task.data_loaded = True
    # tasks load, change and unload their data each in its own way
    task.load_data = lambda *args, **kwargs: None
    task.unload_data = lambda: None
    task.filter_eval_splits([split])
    return task


def evaluate_with_mteb(model: Any, task: Any, **options: Any) -> dict[str, float]:
    """Run an mteb task and return its numbers; ``main_score`` is the task's own.

    Args:
        model: an :class:`MtebEncoder`, or what one takes.
        task: of :func:`local_task`.
        **options: of ``mteb.evaluate``; results are not cached unless ``cache`` is given.

    Raises:
        MissingExtraError: mteb is not installed.
        ModelError: the model can not be read.
    """
    mteb = _module("mteb")
    encoder = model if isinstance(model, MtebEncoder) else MtebEncoder(model)
    settings = {"cache": None, "show_progress_bar": False, "co2_tracker": False, **options}
    (result,) = mteb.evaluate(encoder, task, **settings).task_results
    (found,) = next(iter(result.scores.values()))
    return {name: float(value) for name, value in found.items() if isinstance(value, (int, float))}


def _module(name: str) -> Any:
    require("mteb", "mteb")
    return importlib.import_module(name)


def _kind(made: Task) -> tuple[Any, str]:
    kinds = _module("mteb.abstasks")
    if isinstance(made, Retrieval):
        return kinds.AbsTaskRetrieval, "Retrieval"
    if isinstance(made, GradedPairs):
        return kinds.AbsTaskSTS, "STS"
    if isinstance(made, LabelledPairs):
        return kinds.AbsTaskPairClassification, "PairClassification"
    return kinds.AbsTaskClassification, "Classification"


def _plain(kind: Any, name: str) -> Any:
    types = {
        "AbsTaskRetrieval": ("Retrieval", "ndcg_at_10"),
        "AbsTaskSTS": ("STS", "cosine_spearman"),
        "AbsTaskPairClassification": ("PairClassification", "max_ap"),
        "AbsTaskClassification": ("Classification", "accuracy"),
    }
    kind_name, main_score = types[kind.__name__]
    metadata = _module("mteb.abstasks.task_metadata").TaskMetadata(
        name=name,
        description="Local data.",
        reference=None,
        dataset={"path": "local", "revision": "local"},
        type=kind_name,
        category="t2t" if kind_name != "Classification" else "t2c",
        modalities=["text"],
        eval_splits=[_SPLIT],
        # mteb asks for one; it filters nothing here
        eval_langs=["eng-Latn"],
        main_score=main_score,
    )
    return type(name, (kind,), {"metadata": metadata})()


def _rows(task: Any, made: Task, split: str) -> Any:
    """Return the data in the layout of mteb's task."""
    from datasets import Dataset, DatasetDict

    if isinstance(made, Retrieval):
        inner = made.task
        part = {
            "queries": Dataset.from_dict(_identified("q", inner.queries)),
            "corpus": Dataset.from_dict({**_identified("d", inner.documents), "title": [""] * len(inner.documents)}),
            "relevant_docs": {
                f"q{place}": {f"d{document}": 1 for document in found} for place, found in enumerate(inner.relevant)
            },
            "top_ranked": None,
        }
        return {split: part}
    if isinstance(made, Classification):
        text, label = task.input_column_name, task.label_column_name
        # one list of classes for both, since mteb's classifiers want numbers
        codes = class_codes((*made.train_labels, *made.test_labels))[0].tolist()
        cut = len(made.train)
        parts = {
            getattr(task, "train_split", "train"): {text: list(made.train), label: codes[:cut]},
            split: {text: list(made.test), label: codes[cut:]},
        }
    elif isinstance(made, GradedPairs):
        first, second = task.column_names
        parts = {split: {first: list(made.first), second: list(made.second), "score": list(made.values)}}
    else:
        columns = (task.input1_column_name, task.input2_column_name, task.label_column_name)
        values = (made.first, made.second, [int(value) for value in made.values])
        parts = {split: {name: list(part) for name, part in zip(columns, values, strict=True)}}
    return DatasetDict({name: Dataset.from_dict(part) for name, part in parts.items()})


def _identified(letter: str, texts: Sequence[str]) -> Mapping[str, list[str]]:
    return {"id": [f"{letter}{place}" for place in range(len(texts))], "text": list(texts)}
