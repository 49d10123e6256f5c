"""What a check needs, and in which words it is said to be missing."""

from __future__ import annotations

from dataclasses import fields

from audits.checks import Check, CheckContext
from audits.encoders import TfidfEncoder
from audits.errors import AuditError
from audits.extras import EXTRAS, missing_extra
from audits.findings import Columns
from audits.source import AuditSource


def unmet_need(check: Check, source: AuditSource, context: CheckContext) -> str | None:
    """Return why ``check`` can not run on ``source``, in plain words, or None.

    Raises:
        AuditError: the check needs something that does not exist.
    """
    for need in check.needs:
        if need == "texts":
            if not source.columns.texts:
                return "needs a text column; none was named or found"
        elif need == "splits":
            if len(source.splits) < 2:
                return f"needs at least two splits; the data has one ({', '.join(source.splits)})"
        elif need == "semantic_encoder":
            if context.encoder is None or isinstance(context.encoder, TfidfEncoder):
                return "needs an encoder (`encoder`); the default one compares words, as DUP002 and LEAK002 do exactly"
        elif need == "target":
            columns = source.columns
            if not columns.label and not (columns.anchor and columns.positive):
                return "needs a label column, or anchors and positives; neither was named or found"
        elif need in EXTRAS:
            reason = missing_extra(need)
            if reason is not None:
                return reason
        elif need in _ROLES:
            if not getattr(source.columns, need):
                return f"needs {_ARTICLES.get(need, 'a')} {need} column; none was named or found"
        elif need in _CONTEXT:
            value = getattr(context, need)
            if value is None or (need == "benchmarks" and not value):
                return f"needs {_CONTEXT_WORDS.get(need, need)}; none was given"
        else:
            allowed = ", ".join(("texts", "splits", "semantic_encoder", *_ROLES, *_CONTEXT, "target", *EXTRAS))
            msg = f"The check {check.code} needs `{need}`, which does not exist; allowed are {allowed}."
            raise AuditError(msg)
    return None


_ROLES = tuple(item.name for item in fields(Columns))
_ARTICLES = {"anchor": "an", "negatives": "a"}
_CONTEXT = tuple(item.name for item in fields(CheckContext) if item.name != "memo")
_CONTEXT_WORDS = {
    "count_tokens": "a tokenizer (`count_tokens`)",
    "max_length": "the model's `max_length`",
    "hub": "a Hub client (`hub`)",
    "benchmarks": "benchmarks to compare with (`benchmarks`)",
    "cache_dir": "a folder for caches (`cache_dir`)",
}
