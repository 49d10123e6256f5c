"""A fingerprint of data that depends on nothing but the data.

``datasets``' own ``_fingerprint`` is a cache key: it survives exchanging the Arrow file, and it changes
with the path. This one is SHA-256 over the schema and every value in row order.

What counts: column names and their order, logical types, values, nulls (a null is not ``""``), row
order. What does not: chunks, slices, offsets, bytes that lie under a null, how a text is stored
(``string``, ``large_string``, ``string_view`` and dictionaries of them are one type, the same for binary
and list types; an extension type is its storage), nullability and metadata of the schema.
Floats count by their bits (0.0 and -0.0 differ), except that every NaN is the same NaN.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audits.errors import SourceError

VERSION = "hf-contrastive-fingerprint/1"


def fingerprint(batches: Iterable[pa.RecordBatch | pa.Table], schema: pa.Schema) -> str:
    """Return ``sha256:<hex>`` over ``schema`` and all values of ``batches`` in row order.

    Streams: one batch is looked at at a time, and how the rows are cut into batches is irrelevant.

    Raises:
        SourceError: a column has a type without a defined form (a union), or a batch has
            another schema.
    """
    columns = [_Column(field.type, field.name) for field in schema]
    names = list(schema.names)
    types = [column.type_name for column in columns]
    rows = 0
    for batch in batches:
        if batch.schema.names != names or [logical_type(f.type, f.name) for f in batch.schema] != types:
            msg = (
                f"The data changes its schema on the way: it began with {_show(schema)}, then came "
                f"{_show(batch.schema)} after {rows} rows. Give all parts the same columns and types."
            )
            raise SourceError(msg)
        rows += batch.num_rows
        for part in batch.to_batches() if isinstance(batch, pa.Table) else (batch,):
            for column, array in zip(columns, part.columns, strict=True):
                column.update(array)
    state = [VERSION, rows, [[*pair, column.digests()] for *pair, column in zip(names, types, columns, strict=True)]]
    text = json.dumps(state, ensure_ascii=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode("ascii")).hexdigest()


def fingerprint_table(table: pa.Table) -> str:
    """Return the :func:`fingerprint` of one table."""
    return fingerprint((table,), table.schema)


def logical_type(kind: pa.DataType, where: str = "") -> str:
    """Return the name of a type without the way it is stored.

    Raises:
        SourceError: the type has no defined form; the message names the column ``where``.
    """
    kind = _unwrap(kind)
    if _is_text(kind):
        return "string"
    if _is_bytes(kind):
        return "binary"
    if pa.types.is_fixed_size_list(kind):
        return f"list[{kind.list_size}]<{logical_type(kind.value_type, where)}>"
    if _is_list(kind):
        return f"list<{logical_type(kind.value_type, where)}>"
    if pa.types.is_map(kind):
        return f"map<{logical_type(kind.key_type, where)},{logical_type(kind.item_type, where)}>"
    if pa.types.is_struct(kind):
        inner = (f"{json.dumps(f.name)}:{logical_type(f.type, where)}" for f in _fields(kind))
        return f"struct<{','.join(inner)}>"
    if pa.types.is_null(kind) or pa.types.is_fixed_size_binary(kind) or _is_fixed_width(kind):
        return str(kind)
    msg = (
        f"Column `{where}` has the type {kind}, which can not be fingerprinted; allowed are texts, bytes, "
        "numbers, booleans, dates and times, decimals, and lists, maps and structs of them. "
        "Cast or drop the column."
    )
    raise SourceError(msg)


class _Column:
    """Hash states of one column or of one level of a nested column.

    Validity, lengths and values go into separate states, so that the place of a batch boundary leaves
    no trace; only valid slots reach lengths, values and children.
    """

    def __init__(self, kind: pa.DataType, where: str) -> None:
        self.type_name = logical_type(kind, where)
        kind = _unwrap(kind)
        self._validity = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._values = hashlib.sha256()
        self._children: list[_Column] = []
        if pa.types.is_map(kind):
            self._children = [_Column(kind.key_type, where), _Column(kind.item_type, where)]
        elif pa.types.is_struct(kind):
            self._children = [_Column(field.type, where) for field in _fields(kind)]
        elif _is_list(kind) or pa.types.is_fixed_size_list(kind):
            self._children = [_Column(kind.value_type, where)]

    def digests(self) -> list[Any]:
        """Return the digests of this level and below."""
        own = [state.hexdigest() for state in (self._validity, self._lengths, self._values)]
        return [*own, [child.digests() for child in self._children]]

    def update(self, array: pa.Array) -> None:
        """Add the values of ``array``."""
        array = _decode(array)
        valid = array.is_valid().cast(pa.uint8())
        self._validity.update(_raw(valid, 1))
        kind = array.type
        if pa.types.is_null(kind):
            return
        if array.null_count:
            array = array.drop_null()
        if pa.types.is_struct(kind):
            for child, values in zip(self._children, array.flatten(), strict=True):
                child.update(values)
        elif pa.types.is_map(kind):
            offsets = array.offsets.to_numpy()
            self._lengths.update(np.diff(offsets).astype("<i8").tobytes())
            start, count = (int(offsets[0]), int(offsets[-1] - offsets[0])) if len(array) else (0, 0)
            # the offsets count from the child arrays as stored, which know nothing of a slice
            for child, values in zip(self._children, (array.keys, array.items), strict=True):
                child.update(values.slice(start, count))
        elif self._children:
            if not pa.types.is_fixed_size_list(kind):
                lengths = pc.list_value_length(array).cast(pa.int64())
                self._lengths.update(_raw(lengths, 8))
            self._children[0].update(array.flatten())
        elif pa.types.is_large_binary(kind):
            self._update_bytes(array)
        else:
            self._update_fixed(array)

    def _update_bytes(self, array: pa.Array) -> None:
        if not len(array):
            return
        _, offsets_buffer, data = array.buffers()
        offsets = np.frombuffer(offsets_buffer, "<i8")[array.offset : array.offset + len(array) + 1]
        self._lengths.update(np.diff(offsets).tobytes())
        if data is not None:
            self._values.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])

    def _update_fixed(self, array: pa.Array) -> None:
        kind = array.type
        if pa.types.is_boolean(kind):
            self._values.update(_raw(array.cast(pa.uint8()), 1))
            return
        raw = _raw(array, kind.bit_width // 8)
        if pa.types.is_floating(kind):
            floats = np.frombuffer(raw, f"<f{kind.bit_width // 8}")
            missing = np.isnan(floats)
            if missing.any():
                raw = memoryview(np.where(missing, floats.dtype.type("nan"), floats).tobytes())
        self._values.update(raw)


def _raw(array: pa.Array, width: int) -> memoryview:
    """Return the value bytes of a fixed-width array without nulls, ``len(array) * width`` of them."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return memoryview(b"")
    return memoryview(buffer)[array.offset * width : (array.offset + len(array)) * width]


def _decode(array: pa.Array) -> pa.Array:
    """Return the array as its plain, decoded type; texts and bytes become ``large_binary``."""
    while True:
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            array = array.storage
        elif pa.types.is_dictionary(kind):
            array = array.dictionary_decode()
        elif pa.types.is_run_end_encoded(kind):
            array = pc.run_end_decode(array)
        elif (_is_text(kind) or _is_bytes(kind)) and not pa.types.is_large_binary(kind):
            array = array.cast(pa.large_binary())
        else:
            return array


def _unwrap(kind: pa.DataType) -> pa.DataType:
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _fields(kind: pa.DataType) -> list[pa.Field]:
    return [kind.field(i) for i in range(kind.num_fields)]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_list_view, pa.types.is_large_list_view)
    return any(test(kind) for test in tests)


def _is_fixed_width(kind: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def _show(schema: pa.Schema) -> str:
    return "(" + ", ".join(f"{field.name}: {field.type}" for field in schema) + ")"
