"""The fingerprint depends on the schema and the values in row order, and on nothing else."""

from __future__ import annotations

import datetime
import decimal
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.errors import SourceError
from audits.fingerprint import fingerprint, fingerprint_table

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(max_size=8),
            "number": st.none() | st.integers(-(2**63), 2**63 - 1),
            "real": st.none() | st.floats(width=64),
            "flag": st.none() | st.booleans(),
            "tags": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
            "pair": st.none() | st.fixed_dictionaries({"a": st.none() | st.text(max_size=2), "b": st.integers(0, 9)}),
            "bag": st.none() | st.lists(st.tuples(st.text(max_size=2), st.none() | st.integers(0, 9)), max_size=2),
            "two": st.none() | st.lists(st.integers(0, 9), min_size=2, max_size=2),
        }
    ),
    max_size=12,
)
SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "number": pa.int64(),
        "real": pa.float64(),
        "flag": pa.bool_(),
        "tags": pa.list_(pa.string()),
        "pair": pa.struct({"a": pa.string(), "b": pa.int8()}),
        "bag": pa.map_(pa.string(), pa.int32()),
        "two": pa.list_(pa.int16(), 2),
    }
)


def table_of(rows):
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@settings(max_examples=80)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 12), max_size=4), lead=ROWS)
def test_chunks_slices_and_batches_leave_no_trace(rows, cuts, lead):
    table = table_of(rows)
    expected = fingerprint_table(table)
    bounds = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    parts = [table.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
    assert fingerprint(parts, SCHEMA) == expected
    inside = pa.concat_tables([table_of(lead), table, table_of(lead)]).combine_chunks()
    assert fingerprint_table(inside.slice(len(lead), len(rows))) == expected


@settings(max_examples=40)
@given(rows=ROWS)
def test_storage_types_leave_no_trace(rows, tmp_path_factory):
    table = table_of(rows)
    expected = fingerprint_table(table)
    text = table.column("text")
    for stored in (text.cast(pa.large_string()), text.cast(pa.string_view()), text.dictionary_encode()):
        assert fingerprint_table(table.set_column(0, "text", stored)) == expected
    large = table.column("tags").cast(pa.large_list(pa.large_string()))
    assert fingerprint_table(table.set_column(4, "tags", large)) == expected
    path = tmp_path_factory.mktemp("fingerprint") / "x.parquet"
    pq.write_table(table, path, row_group_size=3)
    assert fingerprint_table(pq.read_table(path)) == expected


@settings(max_examples=60)
@given(rows=ROWS.filter(bool), data=st.data())
def test_any_change_of_a_value_changes_it(rows, data):
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from(SCHEMA.names))
    changed = {
        "text": (rows[row]["text"] or "") + "x",
        "number": (rows[row]["number"] or 0) // 2 + 1,
        "real": 1.5 if rows[row]["real"] != 1.5 else 2.5,
        "flag": not rows[row]["flag"],
        "tags": [*(rows[row]["tags"] or []), ""],
        "pair": {"a": ((rows[row]["pair"] or {}).get("a") or "") + "x", "b": 1},
        "bag": [*(rows[row]["bag"] or []), ("", None)],
        "two": [1, 2] if rows[row]["two"] != [1, 2] else [1, 3],
    }
    if changed[column] == rows[row][column]:
        return
    other = [dict(item) for item in rows]
    other[row][column] = changed[column]
    assert fingerprint_table(table_of(other)) != fingerprint_table(table_of(rows))


MOMENT = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def of(values, kind=None, name="x"):
    return fingerprint_table(pa.table({name: pa.array(values, kind)}))


def test_what_tells_two_tables_apart():
    base = of(["a", "b"])
    others = [
        of(["b", "a"]),
        of(["a", "b"], name="y"),
        of(["ab", ""]),
        of(["", "ab"]),
        of(["a", None]),
        of(["a", ""]),
        of(["a"]),
        of([]),
        of([b"a", b"b"]),
        of([["a"], ["b"]]),
        of([["a", "b"], []]),
        of([None, ["a", "b"]]),
        of([[], ["a", "b"]]),
        of([1, 2]),
        of([1, 2], pa.int32()),
        of([None, None]),
        of([None, None, None]),
        of([None, None], pa.string()),
    ]
    assert len({base, *others}) == 1 + len(others)
    two = pa.table({"a": ["1"], "b": ["2"]})
    assert fingerprint_table(two) != fingerprint_table(two.select(["b", "a"]))
    assert fingerprint_table(pa.table({"a": ["x"], "b": ["y"]})) != fingerprint_table(
        pa.table({"a": ["xy"], "b": [""]})
    )


def test_metadata_and_nullability_do_not_count():
    table = pa.table({"x": ["a"]})
    strict = pa.schema(
        [pa.field("x", pa.string(), nullable=False, metadata={"k": "v"})], metadata={"huggingface": "{}"}
    )
    assert fingerprint_table(table.cast(strict)) == fingerprint_table(table)


def test_bytes_under_a_null_do_not_count():
    offsets = pa.array([0, 1, 4, 5], pa.int32()).buffers()[1]
    validity = pa.array([True, False, True]).buffers()[1]
    dirty = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"aXYZb"), validity)
    assert fingerprint_table(pa.table({"x": dirty})) == of(["a", None, "b"])
    numbers = pa.Array.from_buffers(pa.int64(), 3, [validity, pa.array([1, 99, 3]).buffers()[1]])
    assert fingerprint_table(pa.table({"x": numbers})) == of([1, None, 3])
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 3, 4], pa.int32()), pa.array([1, 8, 9, 2]), mask=pc.invert(pa.array([True, False, True]))
    )
    assert fingerprint_table(pa.table({"x": lists})) == of([[1], None, [2]])
    struct = pa.StructArray.from_arrays([pa.array([1, 7])], ["a"], mask=pa.array([False, True]))
    assert fingerprint_table(pa.table({"x": struct})) == of([{"a": 1}, None])


def test_nan_is_one_value_and_zero_has_a_sign():
    payload = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)
    assert of(payload) == of([float("nan")])
    assert of([float("nan")]) != of([None], pa.float64())
    assert of([0.0]) != of([-0.0])


def test_dictionary_with_a_null_value_and_unused_entries():
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, 2, None, 0], pa.int8()), pa.array(["a", "unused", None]))
    assert fingerprint_table(pa.table({"x": encoded})) == of(["a", None, None, "a"])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([MOMENT, None], pa.timestamp("us")),
        ([MOMENT, None], pa.timestamp("ns", tz="UTC")),
        ([datetime.date(2020, 1, 1), None], pa.date32()),
        ([datetime.timedelta(1), None], pa.duration("s")),
        ([decimal.Decimal("1.25"), None], pa.decimal128(6, 2)),
        ([decimal.Decimal("1.25"), None], pa.decimal256(60, 2)),
        ([b"abcd", None], pa.binary(4)),
        ([np.float16(1.5), None], pa.float16()),
        ([["a"], None], pa.list_view(pa.string())),
        ([None, None], pa.null()),
    ],
)
def test_other_types_are_covered(values, kind):
    doubled = pa.array([*values, *values], kind)
    table = pa.table({"x": doubled})
    assert fingerprint_table(table.slice(2)) == of(values, kind)
    assert fingerprint([table.slice(0, 1), table.slice(1)], table.schema) == fingerprint_table(table)
    if not pa.types.is_null(kind):
        assert of(values, kind) != of(values[::-1], kind)


def test_an_extension_type_is_its_storage():
    class Tagged(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.string(), "test.tagged")

        def __arrow_ext_serialize__(self):
            return b""

    tagged = pa.ExtensionArray.from_storage(Tagged(), pa.array(["a", None]))
    assert fingerprint_table(pa.table({"x": tagged})) == of(["a", None])


def test_a_union_is_refused_by_name():
    union = pa.UnionArray.from_dense(pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array([1, 2])])
    with pytest.raises(SourceError, match="Column `odd` has the type dense_union"):
        fingerprint_table(pa.table({"odd": union}))


def test_a_schema_that_changes_on_the_way_is_refused():
    with pytest.raises(SourceError, match="changes its schema"):
        fingerprint([pa.table({"x": ["a"]}), pa.table({"x": [1]})], pa.schema({"x": pa.string()}))


def test_the_form_is_frozen():
    # a report of today must be comparable with the data of next year: bump VERSION to change this
    table = pa.table({"anchor": ["a", None, ""], "n": pa.array([1, None, 3], pa.int32())})
    assert fingerprint_table(table) == "sha256:c9970de88632f3da61b558f34839d16244555b9fed620404c3f79bb308000857"
