"""How a model turns a text into a vector: pooling, normalisation, prompts, length; and its files.

The files are sentence-transformers' (``modules.json``, ``1_Pooling/config.json``,
``sentence_bert_config.json``, ``config_sentence_transformers.json``), so that ``SentenceTransformer(folder)``
computes what was trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_contrastive.errors import ModelError

Reader = Callable[[str], str | None]
"""Returns the text of one file of a model, or None where there is no such file."""

_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
DEFAULT_MAX_LENGTH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingSpec:
    """What lies between the encoder's token vectors and the embedding.

    ``prompts`` may hold ``query`` and ``document``: prefixes of anchors and of all other texts. Without
    ``pool_prompt`` their tokens are read and not pooled.
    """

    pooling: str = "mean"
    pool_prompt: bool = True
    normalize: bool = True
    max_length: int = DEFAULT_MAX_LENGTH
    prompts: Mapping[str, str] = field(default_factory=dict)
    similarity: str = "cosine"


def read_spec(read: Reader, *, max_length: int, name: str) -> EncodingSpec:
    """Read sentence-transformers' files; without them: mean pooling, normalised.

    Args:
        read: reads one file of the model.
        max_length: what the tokenizer and the positions allow.
        name: what an error calls the model.

    Raises:
        ModelError: a file is damaged, or the model has modules that this reader does not know.
    """
    modules = _json(read, "modules.json", name)
    if modules is None:
        return EncodingSpec(max_length=min(max_length, DEFAULT_MAX_LENGTH))
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    unknown = [kind for kind in kinds if kind not in _KNOWN_MODULES]
    if unknown:
        msg = (
            f"The model {name} has the sentence-transformers modules {', '.join(kinds)}; only "
            f"{', '.join(_KNOWN_MODULES)} are supported here. Pass the plain encoder (its folder or id) instead."
        )
        raise ModelError(msg)
    paths = {kind: module["path"] for kind, module in zip(kinds, modules, strict=True)}
    pooling = _json(read, f"{paths.get('Pooling', '1_Pooling')}/config.json", name) or {}
    limits = _json(read, "sentence_bert_config.json", name) or {}
    settings = _json(read, "config_sentence_transformers.json", name) or {}
    prompts = {key: value for key, value in (settings.get("prompts") or {}).items() if value}
    return EncodingSpec(
        pooling=_pooling_mode(pooling, name),
        pool_prompt=bool(pooling.get("include_prompt", True)),
        normalize="Normalize" in kinds,
        max_length=min(int(limits.get("max_seq_length") or max_length), max_length),
        prompts=prompts,
        similarity=settings.get("similarity_fn_name") or "cosine",
    )


def write_spec(spec: EncodingSpec, folder: Path, *, dimension: int) -> None:
    """Write sentence-transformers' files beside the model.

    Args:
        spec: what to write.
        folder: root of the model.
        dimension: size of the embedding.
    """
    kinds = ["Transformer", "Pooling", *(["Normalize"] if spec.normalize else [])]
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": "" if i == 0 else f"{i}_{kind}",
            # the short module paths load in old and new versions of sentence-transformers
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]
    pooling = {
        "word_embedding_dimension": dimension,
        **{key: mode == spec.pooling for key, mode in _MODES.items()},
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "include_prompt": spec.pool_prompt,
    }
    settings = {
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": "", **spec.prompts},
        "default_prompt_name": None,
        "similarity_fn_name": spec.similarity,
    }
    _dump(folder / "modules.json", modules)
    _dump(folder / "1_Pooling" / "config.json", pooling)
    _dump(folder / "sentence_bert_config.json", {"max_seq_length": spec.max_length, "do_lower_case": False})
    _dump(folder / "config_sentence_transformers.json", settings)


def _pooling_mode(config: Mapping[str, Any], name: str) -> str:
    if "pooling_mode" in config:
        modes = config["pooling_mode"]
        active = list(modes) if isinstance(modes, list | tuple) else [str(modes)]
    else:
        active = [_MODES.get(key, key) for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if not active:
        return "mean"
    if len(active) > 1 or active[0] not in _MODES.values():
        msg = (
            f"The model {name} pools by {', '.join(active)}; one of {', '.join(_MODES.values())} is supported. "
            "Set `pooling` in ContrastiveConfig to override it."
        )
        raise ModelError(msg)
    return active[0]


def _json(read: Reader, filename: str, name: str) -> Any:
    text = read(filename)
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"The file {filename} of the model {name} is no JSON ({error}); download the model again."
        raise ModelError(msg) from error


def _dump(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
