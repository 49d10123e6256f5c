"""Results of checks on disk, so that what was audited once, by the same code, is not audited again.

A result is kept under a key of everything that it depends on: the fingerprints of the data and the roles of its
columns, the code of the check, what the context gave it, the seed and the versions of the packages. Where something
can not be told, such as a tokenizer without a fingerprint, nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from audits.checks import Check, CheckContext
from audits.encoders import Encoder, TfidfEncoder
from audits.errors import SchemaError
from audits.findings import CheckResult, Finding, FindingRows
from audits.fingerprint import fingerprint_table
from audits.planting import plants
from audits.records import canonical_json
from audits.source import AuditSource

_MOST_FILES, _MOST_BYTES = 400, 1 << 29
_ABANDONED = 86_400  # seconds after which a file that was not written to its end is nobody's
_SEAL = 32  # bytes before the rest, their SHA-256
_ROWS = (
    ("row", np.int64, "q"),
    ("other_split", np.int8, "b"),
    ("other_row", np.int64, "q"),
    ("score", np.float64, "d"),
)


class ResultCache:
    """Results of the checks of one audit.

    Args:
        folder: where they are kept; made when something is written.
        told: everything that a result depends on, beside its check.
    """

    def __init__(self, folder: Path, told: dict[str, Any]) -> None:
        self._folder = folder
        self._told = told

    @classmethod
    def of(
        cls,
        folder: Path | None,
        source: AuditSource,
        context: CheckContext,
        checks: Sequence[Check],
        self_test: bool | int,
        versions: dict[str, str],
    ) -> ResultCache | None:
        """Return the cache of an audit; None where there is no folder, or something can not be told."""
        encoder = context.encoder
        plain = type(encoder) is TfidfEncoder or encoder is None
        vectors = _settings(encoder) if plain else getattr(encoder, "fingerprint", None)
        tokens = "none" if context.count_tokens is None else _fingerprint_of(context.count_tokens)
        if folder is None or vectors is None or tokens is None or context.hub is not None:
            return None
        codes = sorted(check.code for check in checks)
        kinds = [[type(plant).__module__, plant.kind, *plant.codes] for plant in plants(checks)]
        told = {
            "datasets": [ref.to_dict() for ref in source.refs],
            # not what the references say: joined and chosen columns have those of the data that they came from
            "tables": {split: fingerprint_table(table) for split, table in source.tables.items()},
            "columns": source.columns.to_dict(),
            "license": source.declared_license,
            "name": source.name,
            "documents": _digest(dict(source.documents)),
            "vectors": vectors,
            "tokens": tokens,
            "max_length": context.max_length,
            "semantic_threshold": context.semantic_threshold,
            "benchmarks": _digest({name: list(texts) for name, texts in context.benchmarks.items()}),
            "seed": context.seed,
            # what is planted depends on what else is planted
            "self_test": [str(self_test), codes, kinds] if self_test else False,
            "versions": versions,
        }
        return cls(folder, told)

    def get(self, check: Check) -> CheckResult | None:
        """Return the result of ``check``, or None: not there, damaged, or of a check without a version."""
        path = self._path(check)
        if path is None:
            return None
        try:
            content = path.read_bytes()
            # what is not as it was written is not even parsed
            if sha256(content[_SEAL:]).digest() != content[:_SEAL]:
                return None
            with np.load(BytesIO(content[_SEAL:]), allow_pickle=False) as file:
                result = CheckResult.from_dict(json.loads(file["result"].tobytes()))
                findings = tuple(_with_rows(finding, file, i) for i, finding in enumerate(result.findings))
        except (OSError, SchemaError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what is used stays
        whole = all(finding.rows is None or finding.rows.digest == finding.rows_digest for finding in findings)
        return replace(result, findings=findings) if whole else None

    def put(self, check: Check, result: CheckResult) -> None:
        """Keep ``result``; where it can not be written, nothing is kept."""
        path = self._path(check)
        # what was skipped may be for something that is installed tomorrow
        if path is None or result.status != "ran" or (result.self_test and "errored" in result.self_test.reason):
            return
        arrays: dict[str, Any] = {"result": np.frombuffer(canonical_json(result.to_dict()).encode(), np.uint8)}
        for i, finding in enumerate(result.findings):
            if finding.rows is not None:
                named = canonical_json([finding.rows.split, *finding.rows.splits]).encode()
                arrays[f"{i}.splits"] = np.frombuffer(named, np.uint8)
                arrays.update({f"{i}.{name}": np.asarray(getattr(finding.rows, name), kind) for name, kind, _ in _ROWS})
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            written = BytesIO()
            np.savez_compressed(written, **arrays)
            content = written.getvalue()
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(sha256(content).digest() + content)
                Path(temporary).replace(path)
            finally:
                Path(temporary).unlink(missing_ok=True)
            self._forget_oldest()

    def _path(self, check: Check) -> Path | None:
        version = _version_of(check)
        if version is None:
            return None
        return self._folder / f"{check.code}-{_digest({**self._told, 'check': [check.code, version]})[:32]}.result"

    def _forget_oldest(self) -> None:
        now, total = time.time(), 0
        for path in self._folder.glob("*.part"):
            if now - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
        kept = sorted(self._folder.glob("*.result"), key=lambda path: path.stat().st_mtime, reverse=True)
        for number, path in enumerate(kept):
            total += path.stat().st_size
            if number and (number >= _MOST_FILES or total > _MOST_BYTES):
                path.unlink(missing_ok=True)


def _digest(told: Any) -> str:
    """Return the SHA-256 of what is told; a text may be no valid UTF-8, so that its characters are escaped."""
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _version_of(check: Check) -> str | None:
    """Return what changes with the code of a check: its ``version``, or of those of this package all sources."""
    if type(check).__module__.startswith("audits.checks."):
        return _sources()
    version = getattr(check, "version", None)
    return None if version is None else f"{type(check).__module__}.{type(check).__qualname__} {version}"


@cache
def _sources() -> str:
    state = sha256()
    folder = Path(__file__).parent
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml", ".tsv", ".txt")):
        state.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


def _settings(encoder: Encoder | None) -> str:
    return "none" if encoder is None else str(sorted(vars(encoder).items()))


def _fingerprint_of(count_tokens: Any) -> str | None:
    """Return the fingerprint of what a bound method belongs to, or of the function itself."""
    found = getattr(getattr(count_tokens, "__self__", count_tokens), "fingerprint", None)
    return None if found is None else str(found)


def _with_rows(finding: Finding, file: Any, i: int) -> Finding:
    if f"{i}.splits" not in file:
        return finding
    split, *splits = json.loads(file[f"{i}.splits"].tobytes())
    columns = [array(code, file[f"{i}.{name}"].astype(kind).tolist()) for name, kind, code in _ROWS]
    return replace(finding, rows=FindingRows(split, tuple(splits), *columns))
