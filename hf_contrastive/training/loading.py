"""From what a user passes as ``model`` to an encoder, its tokenizer and its origin."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

from hf_contrastive.errors import ModelError
from hf_contrastive.training.encoding import EncodingSpec, Reader, read_spec
from hf_contrastive.training.history import trained_adapter, weights_digest
from hf_contrastive.training.lora import without_peft_deprecation
from hf_contrastive.training.model_files import ModelFiles
from model_cards.evidence import BaseModel

logger = logging.getLogger(__name__)

_VERY_LARGE = 100_000  # tokenizers without a limit report 1e30


@dataclass(slots=True, kw_only=True)
class LoadedModel:
    """An encoder (plain or PEFT), its tokenizer, its encoding, and where it came from."""

    model: Any
    tokenizer: Any
    spec: EncodingSpec
    base: BaseModel
    base_card: str | None = None


def load_model(
    model: Any,
    *,
    tokenizer: Any = None,
    revision: str | None = None,
    base_model_id: str | None = None,
    is_trainable: bool = True,
) -> LoadedModel:
    """Load or unwrap an encoder.

    Args:
        model: a Hub id, a folder (of an encoder, a sentence-transformers model or a PEFT adapter), a
            PreTrainedModel, a PeftModel or a SentenceTransformer.
        tokenizer: needed with a PreTrainedModel or PeftModel.
        revision: commit, branch or tag of a Hub id.
        base_model_id: Hub id under which a folder's weights are known.
        is_trainable: load a PEFT adapter for training.

    Raises:
        ModelError: nothing can be read there, or the kind is not supported.
    """
    if isinstance(model, str | Path):
        return _from_name(str(model), tokenizer, revision, base_model_id, is_trainable)
    if _is_sentence_transformer(model):
        return _from_sentence_transformer(model, base_model_id)
    if isinstance(model, PreTrainedModel | PeftModel):
        inner = model.get_base_model() if isinstance(model, PeftModel) else model
        name = str(getattr(inner.config, "_name_or_path", "") or "")
        if tokenizer is None:
            if not name:
                msg = (
                    f"`model` is a {type(model).__name__} without a tokenizer; pass the tokenizer as "
                    "`processing_class`."
                )
                raise ModelError(msg)
            tokenizer = _tokenizer(name, None)
        spec = read_spec(ModelFiles(name, None), max_length=_limit(inner, tokenizer), name=name or "given")
        return _loaded(model, tokenizer, spec, name, base_model_id)
    msg = (
        f"`model` is a {type(model).__name__}; allowed are a Hub id, a folder, a transformers PreTrainedModel, "
        "a PeftModel or a SentenceTransformer."
    )
    raise ModelError(msg)


def _from_name(
    name: str, tokenizer: Any, revision: str | None, base_model_id: str | None, is_trainable: bool
) -> LoadedModel:
    read = ModelFiles(name, revision)
    try:
        if read("config.json") is None:
            if read("adapter_config.json") is not None:
                return _from_adapter(name, read, tokenizer, revision, base_model_id, is_trainable)
            read.expect_answer()
        model = AutoModel.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        msg = (
            f"The model {name!r} can not be read: {_first_line(error)} Pass a Hub id such as "
            "`sentence-transformers/all-MiniLM-L6-v2` or a folder with config.json and *.safetensors; "
            "for a private model log in with `hf auth login`."
        )
        raise ModelError(msg) from error
    tokenizer = tokenizer if tokenizer is not None else _tokenizer(name, revision)
    spec = read_spec(read, max_length=_limit(model, tokenizer), name=name)
    return _loaded(model, tokenizer, spec, name, base_model_id, card=read("README.md"))


def _from_adapter(
    name: str,
    read: Reader,
    tokenizer: Any,
    revision: str | None,
    base_model_id: str | None,
    is_trainable: bool,
) -> LoadedModel:
    import json

    base_name = json.loads(read("adapter_config.json") or "{}").get("base_model_name_or_path")
    if not base_name:
        msg = f"The adapter {name!r} names no base model; add `base_model_name_or_path` to adapter_config.json."
        raise ModelError(msg)
    base = AutoModel.from_pretrained(base_name)
    with without_peft_deprecation():
        model = PeftModel.from_pretrained(base, name, revision=revision, is_trainable=is_trainable)
    try:
        tokenizer = tokenizer if tokenizer is not None else _tokenizer(name, revision)
    except ModelError:
        tokenizer = _tokenizer(base_name, None)
    own_modules = read("modules.json") is not None
    spec = read_spec(
        read if own_modules else ModelFiles(base_name, None), max_length=_limit(base, tokenizer), name=name
    )
    card = ModelFiles(base_name, None)("README.md")
    return _loaded(model, tokenizer, spec, base_name, base_model_id, card=card)


def _from_sentence_transformer(model: Any, base_model_id: str | None) -> LoadedModel:
    kinds = [type(module).__name__ for module in model]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize"}:
        msg = (
            f"The SentenceTransformer has the modules {', '.join(kinds)}; supported are Transformer, Pooling and "
            "Normalize. Pass its plain encoder instead: `model[0].auto_model`."
        )
        raise ModelError(msg)
    encoder, tokenizer = model[0].auto_model, model.tokenizer
    name = str(getattr(encoder.config, "_name_or_path", "") or "")
    modes = model[1].get_config_dict()
    read = {"1_Pooling/config.json": modes}
    import json

    files = {
        "modules.json": json.dumps([{"type": kind, "path": "1_Pooling"} for kind in kinds]),
        "1_Pooling/config.json": json.dumps(read["1_Pooling/config.json"]),
        "sentence_bert_config.json": json.dumps({"max_seq_length": model.max_seq_length}),
        "config_sentence_transformers.json": json.dumps(
            {"prompts": model.prompts, "similarity_fn_name": model.similarity_fn_name}
        ),
    }
    spec = read_spec(files.get, max_length=_limit(encoder, tokenizer), name=name or "given")
    return _loaded(encoder, tokenizer, spec, name, base_model_id)


def _loaded(
    model: Any,
    tokenizer: Any,
    spec: EncodingSpec,
    name: str,
    base_model_id: str | None,
    card: str | None = None,
) -> LoadedModel:
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    is_folder = Path(name).exists()
    card = card if card is not None else (ModelFiles(name, None)("README.md") if name else None)
    license_id = _declared_license(card)
    model_id = base_model_id or (name if name and not is_folder else None)
    base = BaseModel(
        model_id=model_id,
        revision=None if is_folder else getattr(inner.config, "_commit_hash", None),
        weights_sha256=weights_digest(inner, adapter=False),
        adapter_sha256=trained_adapter(model),
        license=license_id,
        license_source="license in the model card's metadata; text not verified" if license_id else "",
        num_parameters=sum(parameter.numel() for parameter in _own_parameters(inner)),
        architecture=type(inner).__name__,
    )
    return LoadedModel(model=model, tokenizer=tokenizer, spec=spec, base=base, base_card=card)


def _tokenizer(name: str, revision: str | None) -> Any:
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        msg = f"The tokenizer of {name!r} can not be read: {_first_line(error)} Pass one as `processing_class`."
        raise ModelError(msg) from error


def position_limit(model: Any) -> int | None:
    """Return how many tokens a text may have for the positions of a model, None where its configuration names none.

    Args:
        model: a PreTrainedModel or PeftModel.
    """
    config = model.config
    limit = getattr(config, "max_position_embeddings", None)
    if not limit or limit >= _VERY_LARGE:
        return None
    # positions of these start behind the padding index
    behind = getattr(config, "model_type", "") in {"roberta", "xlm-roberta", "camembert", "mpnet"}
    return int(limit) - config.pad_token_id - 1 if behind else int(limit)


def _limit(model: nn.Module, tokenizer: Any) -> int:
    limits = [tokenizer.model_max_length, position_limit(model)]
    finite = [int(limit) for limit in limits if limit and limit < _VERY_LARGE]
    return min(finite) if finite else DEFAULT_LIMIT


DEFAULT_LIMIT = 512


def _own_parameters(model: nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for name, parameter in model.named_parameters() if "lora_" not in name]


def _declared_license(card: str | None) -> str | None:
    if not card:
        return None
    from huggingface_hub import RepoCard

    try:
        metadata: Any = RepoCard(card, ignore_metadata_errors=True).data
        value = metadata.to_dict().get("license")
    except ValueError:
        logger.warning("The base model's card has metadata that can not be read; its license is unknown.")
        return None
    return str(value) if value else None


def _is_sentence_transformer(model: Any) -> bool:
    return any(kind.__name__ == "SentenceTransformer" for kind in type(model).__mro__)


def _first_line(error: BaseException) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line if line.endswith(".") else line + "."
