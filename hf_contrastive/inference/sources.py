"""The encoder that is exported or measured: with a pooling that somebody decided on."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_contrastive.errors import ModelError

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

_HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice")


class Source(NamedTuple):
    """An encoder in fp32, the digest of its weights as they were given, and the folder that it was read from."""

    encoder: TextEncoder
    weights_sha256: str
    folder: Path | None


def load_encoder(model: Any, *, pooling: str | None = None) -> Source:
    """Load a model whose pooling is known.

    Training may fall back on mean pooling, since it decides what the model becomes. What is exported or measured here
    is a model as others use it, and a wrong pooling would only show as poor vectors.

    Args:
        model: a folder, a Hub id, or what ContrastiveTrainer takes as ``model``, or a TextEncoder.
        pooling: overrides the model's own; needed where it has none.

    Raises:
        ModelError: there is no such model, it has no pooling configuration, or it gives no embeddings.
        HubError: the Hub refused or could not be reached.
        MissingExtraError: torch is not installed.
    """
    from hf_contrastive.model_references import find_model
    from hf_contrastive.training.pooling import POOLINGS

    if pooling is not None and pooling not in POOLINGS:
        msg = f"`pooling` must be one of {', '.join(sorted(POOLINGS))}, got {pooling!r}."
        raise ModelError(msg)
    reference = find_model(model)
    if isinstance(reference.given, str):
        _refuse_heads(Path(reference.given), reference.name)
        if pooling is None:
            _expect_pooling(Path(reference.given), reference.name)
    encoder = reference.load()
    from hf_contrastive.encoder import TextEncoder

    is_folder = isinstance(reference.given, str)
    name = reference.name if is_folder else encoder.name
    spec = replace(encoder.spec, pooling=pooling or encoder.spec.pooling)
    return Source(
        TextEncoder(_in_fp32(encoder.model), encoder.tokenizer, spec, name=name),
        encoder.weights_digest(),
        Path(reference.given) if is_folder else None,
    )


def _in_fp32(model: Any) -> Any:
    """Return a model whose weights were stored in less as what is compared with: fp32 on the CPU."""
    import torch

    if all(p.dtype == torch.float32 and p.device.type == "cpu" for p in model.parameters()):
        return model
    return copy.deepcopy(model).float().cpu()


def _refuse_heads(folder: Path, name: str) -> None:
    """Raise for a model whose weights end in a head that gives scores."""
    kinds = [str(kind) for kind in _json(folder / "config.json").get("architectures") or ()]
    found = [kind for kind in kinds if kind.endswith(_HEADS)]
    is_cross = _json(folder / "config_sentence_transformers.json").get("model_type") == "CrossEncoder"
    if not found and not is_cross:
        return
    kind = found[0] if found else "CrossEncoder"
    msg = (
        f"{name} is a {kind}: it gives scores of texts or of pairs of texts (a cross-encoder or a classifier), and no "
        "embeddings. Name an encoder, such as the model that finds what this one ranks."
    )
    raise ModelError(msg)


def _expect_pooling(folder: Path, name: str) -> None:
    from hf_contrastive.training.model_files import ModelFiles
    from hf_contrastive.training.pooling import POOLINGS

    if (folder / "modules.json").is_file():
        return
    base = _json(folder / "adapter_config.json").get("base_model_name_or_path")
    if base and ModelFiles(str(base), None)("modules.json") is not None:
        return
    known = ", ".join(sorted(POOLINGS))
    msg = (
        f"{name} has no pooling configuration (modules.json and 1_Pooling/config.json), so how its token vectors "
        f"become one is not known. Say so with `pooling`: {known} (`--pooling mean` on the command line)."
    )
    raise ModelError(msg)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
