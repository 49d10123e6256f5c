"""The audit with a real encoder: token counts and vectors come from the model that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import audits
from audits.columns import common_columns
from audits.findings import AuditReport, DatasetRef
from audits.source import references as _references

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder

__all__ = ["audit", "common_columns", "references"]


def audit(source: Any, *, model: str | TextEncoder | None = None, **options: Any) -> AuditReport:
    """Audit ``source``; see :func:`audits.audit` for all options.

    The audit measures and does not judge: ``policy``, a name, a TOML file or a Policy, is checked first, so
    that a mistake in it shows before the run; :func:`audits.judge` applies it to the report.

    Args:
        source: a Dataset, DatasetDict, Hub id, or path of csv, json, jsonl, parquet or a saved dataset.
        model: its tokenizer tells which texts are truncated at its ``max_length``; an id, a folder or a
            TextEncoder. Needs the extra ``train``.
        **options: ``split``, ``text_columns``, ``label_column``, ``license_column``, ``sample``, ``max_rows``,
            ``policy``, ``checks``, ``encoder``, ``semantic_threshold``, ``benchmarks``, ``max_length``, ``seed``,
            ``self_test``, ``cache_dir``, ``on_progress``.

    Raises:
        SourceError: the data can not be read or holds nothing to audit.
        ColumnError: columns are missing or not recognised.
        PolicyError: ``policy`` can not be used.
    """
    if model is not None:
        from hf_contrastive.errors import require

        require("train", "torch", "transformers", "peft")
        from hf_contrastive.encoder import TextEncoder

        encoder = TextEncoder.load(model)
        options.setdefault("count_tokens", encoder.count_tokens)
        options.setdefault("max_length", encoder.spec.max_length)
    return audits.audit(source, **options)


def references(**splits: Any) -> tuple[DatasetRef, ...]:
    """Return the fingerprint of each dataset, over all its columns; ``None`` is left out.

    Args:
        **splits: datasets by the name of their split.
    """
    given = {name: dataset for name, dataset in splits.items() if dataset is not None}
    return _references(given)
