"""Which column plays which part: one table of names, and the rules by which it is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from audits.errors import ColumnError, SourceError
from audits.findings import Columns

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "anchor": ("anchor", "query", "question", "sentence1", "premise"),
    "positive": ("positive", "positives", "answer", "document", "passage", "sentence2", "hypothesis"),
    "text": ("text", "sentence"),
    "label": ("label",),
    "license": ("license",),
    "group": ("package", "source"),
}
"""Names that are recognised without being named by the user; the first that is there counts."""

ACCEPTED = (
    "(anchor, positive), (anchor, positive, negative, negative_2, …), (anchor, positive, negatives), (text,) or "
    "(text, label)"
)

_NEGATIVE = re.compile(r"negative(_?\d+)?|negatives")


def recognise_columns(
    names: Sequence[str],
    *,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    license_column: str | None = None,
    group_column: str | None = None,
) -> Columns:
    """Return the role of each column.

    Named columns win: one text column is a text, two are anchor and positive, more are negatives.
    Else an anchor and a positive of :data:`COLUMN_NAMES` are a pair, with every column named
    ``negative``, ``negative_1``, ``negative2`` … by number, and ``negatives``; else ``text`` or ``sentence`` is a text.
    Labels, licenses and groups are recognised by the same table.

    Raises:
        ColumnError: a named column is not there, one column is given twice, or no rule fits.
    """
    named = tuple(text_columns) if text_columns else ()
    for name in (*named, label_column, license_column, group_column):
        if name is not None:
            _expect_column(name, names)
    if len(set(named)) != len(named):
        msg = f"The text columns {', '.join(named)} name one column twice; name each once."
        raise ColumnError(msg)
    anchor, positive, negatives, text = _texts(names, named)
    return Columns(
        anchor=anchor,
        positive=positive,
        negatives=negatives,
        text=text,
        label=label_column or _first("label", names),
        license=license_column or _first("license", names),
        group=group_column or _first("group", names),
    )


def common_columns(every: Sequence[Columns]) -> Columns:
    """Return one name for each role that several datasets have: theirs where it is the same, else the role's own.

    Args:
        every: the columns of each dataset; not all have all roles.
    """
    found: dict[str, str | None] = {}
    for role in ("anchor", "positive", "text", "label", "license", "group"):
        names = [name for columns in every if (name := getattr(columns, role)) is not None]
        own = COLUMN_NAMES[role][0] if role != "group" else role
        found[role] = None if not names else names[0] if len(set(names)) == 1 else own
    negatives = max((columns.negatives for columns in every), key=len, default=())
    if any(columns.negatives != negatives[: len(columns.negatives)] for columns in every):
        negatives = tuple("negative" if i == 0 else f"negative_{i + 1}" for i in range(len(negatives)))
    return Columns(negatives=negatives, **found)


def check_columns(tables: Mapping[str, pa.Table], columns: Columns, *, named: Iterable[str | None] = ()) -> Columns:
    """Return ``columns`` when every split has them with a usable type.

    Texts must be strings, positives and negatives may be lists of strings. A label must be a string, an integer or a
    boolean, licenses and groups strings; where such a column was not ``named`` by the user but recognised, an unfit
    one (a float ``label`` is a score) is left alone instead.

    Raises:
        ColumnError: a split lacks a column that the first one has.
        SourceError: a column has another type; names the column, its type and the first such row.
    """
    wanted = set(named)
    roles = {"label": columns.label, "license": columns.license, "group": columns.group}
    for split, table in tables.items():
        for name in (*columns.texts, *(value for value in roles.values() if value is not None)):
            _expect_column(name, table.column_names, split)
        for name in columns.texts:
            kind = table.schema.field(name).type
            listed = name in (columns.positive, *columns.negatives) and _is_text_list(kind)
            if not _is_string(kind) and not listed:
                raise SourceError(_wrong_type(split, name, table, "a text column must hold strings"))
        for role, role_name in roles.items():
            if role_name is None or _fits(role, table.schema.field(role_name).type):
                continue
            if role_name in wanted:
                needed = "a label column must hold strings, integers or booleans"
                needed = needed if role == "label" else f"a {role} column must hold strings"
                raise SourceError(_wrong_type(split, role_name, table, needed))
            roles[role] = None
    return Columns(
        anchor=columns.anchor,
        positive=columns.positive,
        negatives=columns.negatives,
        text=columns.text,
        **roles,
    )


def _texts(names: Sequence[str], named: Sequence[str]) -> tuple[str | None, str | None, tuple[str, ...], str | None]:
    if len(named) == 1:
        return None, None, (), named[0]
    if named:
        return named[0], named[1], tuple(named[2:]), None
    anchor, positive = _first("anchor", names), _first("positive", names)
    if anchor and positive:
        return anchor, positive, tuple(sorted(filter(_NEGATIVE.fullmatch, names), key=_number)), None
    text = _first("text", names)
    if text:
        return None, None, (), text
    msg = (
        f"The data has the columns {', '.join(names) or '(none)'}, in which no text columns are recognised; "
        f"accepted are {ACCEPTED}, where anchor may be called {' or '.join(COLUMN_NAMES['anchor'])}, positive "
        f"{' or '.join(COLUMN_NAMES['positive'])}, and text {' or '.join(COLUMN_NAMES['text'])}. "
        "Name the columns with `text_columns` (`--text-columns A,B`) or rename them."
    )
    raise ColumnError(msg)


def _expect_column(name: str, names: Sequence[str], split: str | None = None) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1)
    where = "The data" if split is None else f"Split `{split}`"
    hint = f"Did you mean `{near[0]}`?" if near else "Name one of these, or rename the column."
    msg = f"{where} has no column `{name}`; its columns are {', '.join(names) or '(none)'}. {hint}"
    raise ColumnError(msg)


def _first(role: str, names: Sequence[str]) -> str | None:
    return next((name for name in COLUMN_NAMES[role] if name in names), None)


def _number(name: str) -> tuple[bool, int, str]:
    digits = re.sub(r"\D", "", name)
    return (name == "negatives", int(digits) if digits else 0, name)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_string(kind: pa.DataType) -> bool:
    kind = _plain(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_text_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(lists) and (_is_string(kind.value_type) or bool(pa.types.is_null(kind.value_type)))


def _fits(role: str, kind: pa.DataType) -> bool:
    discrete = pa.types.is_integer(_plain(kind)) or pa.types.is_boolean(kind)
    return _is_string(kind) or (role == "label" and bool(discrete))


def _wrong_type(split: str, name: str, table: pa.Table, needed: str) -> str:
    column = table.column(name)
    row = pc.index(_offending(column), value=True).as_py()
    seen = f"row {row} is the first such cell" if row >= 0 else "row 0, like all rows, is null"
    return (
        f"Column `{name}` of split `{split}` has the type {column.type} ({seen}); {needed}. "
        f"Convert or drop such cells, or name another column; there are {', '.join(table.column_names)}."
    )


def _offending(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where the cells are that made the column what it is."""
    if isinstance(column.type, pa.BaseExtensionType) and column.type.extension_name == "arrow.json":
        # a json file with texts and others in one column: each cell is JSON, texts begin with a quote
        stored = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
        return pc.and_(column.is_valid(), pc.invert(pc.starts_with(stored, '"')))
    return column.is_valid()
