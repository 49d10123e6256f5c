"""How long texts are for a saved model, without loading it and without torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# transformers writes about 1e30 where a tokenizer knows no limit
_NO_LIMIT = 10**6


def audit_options(folder: Path) -> dict[str, Any]:
    """Return ``count_tokens`` and ``max_length`` of the model in ``folder`` for an audit of its data.

    The limit is that of sentence_bert_config.json, else of tokenizer_config.json. Empty where the package
    ``tokenizers`` is not installed (it comes with transformers), the folder holds no readable tokenizer.json,
    or no limit is stated: then the audit says that truncation was not checked.

    Args:
        folder: the model's files; nothing in it is executed.
    """
    limit = _limit(folder / "sentence_bert_config.json", "max_seq_length") or _limit(
        folder / "tokenizer_config.json", "model_max_length"
    )
    count_tokens = _counter(folder / "tokenizer.json") if limit else None
    return {"count_tokens": count_tokens, "max_length": limit} if count_tokens is not None else {}


def _limit(path: Path, key: str) -> int | None:
    try:
        # a pipe in its place would be waited for
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    value = settings.get(key) if isinstance(settings, dict) else None
    return int(value) if isinstance(value, int | float) and 0 < value < _NO_LIMIT else None


def _counter(path: Path) -> Callable[[Sequence[str]], list[int]] | None:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None
    if not path.is_file():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001  (tokenizers raises nothing narrower)
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(encoded.ids) for encoded in tokenizer.encode_batch(list(texts))]
