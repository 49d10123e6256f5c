"""The inputs of a model as an audit counted them: rows by license, each with its role."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from audits.findings import AuditReport, Table
from audits.licenses.facts import NON_COMMERCIAL
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage, Role
from audits.licenses.resolution import resolve
from audits.splits import is_measured_with, measured_with_alone

_AT_ONCE = 40  # groups named by one input


def row_inputs(
    report: AuditReport, trained: Set[str] | None = None, read: Set[str] = frozenset()
) -> tuple[LicensedInput, ...]:
    """Return one input for each license that rows of the data stand under.

    Args:
        report: of the data, with the check LIC002.
        trained: fingerprints of the splits that were trained on, where a record says so. A split that is not among
            them counts as only measured with where its name says so, and another split is there to be trained on; all
            others count as trained on.
        read: ids of datasets whose own license was read. Where rows state none of their own, theirs says all.

    Returns:
        Inputs of kind ``rows``, those trained on first, by number of rows. Without the check one input of unknown
        license, since not checked is not permissive.
    """
    result = report.result("LIC002")
    table = _table(result.tables if result is not None else (), "licenses by split")
    if table is None:
        reason = "the licenses of the rows were not read: the check LIC002 did not run"
        rows = sum(ref.num_rows for ref in report.datasets)
        return (LicensedInput(name="rows", role="training", kind="rows", license=None, reason=reason, rows=rows),)
    groups = _groups(result.tables if result is not None else ())
    # long texts are shortened in the table, so what was read from them belongs to the key
    merged: dict[tuple[str, str, str, str, Role], int] = defaultdict(int)
    column = report.columns.license
    covered = {ref.split for ref in report.datasets if column is None and ref.repo_id in read}
    for split, stated, spdx, kind, note, count in table.rows:
        if split in covered:
            continue
        role = _role(str(split), report, trained)
        merged[str(stated), str(spdx), str(kind), str(note), role] += int(count or 0)
    found = []
    for (stated, spdx, kind, note, role), count in merged.items():
        concluded = _concluded(spdx, kind)
        statement = LicenseStatement(
            place="row_column" if column else "card",
            where=column or "license",
            text=stated,
            concluded=concluded,
            note=note or "declared; text not verified",
        )
        found.append(
            LicensedInput(
                name=f"rows: {stated}" if role == "training" else f"rows to evaluate on: {stated}",
                role=role,
                kind="rows",
                license=concluded,
                reason="" if concluded else note or f"class {kind}, but no exact license is named",
                statements=(statement,),
                rows=count,
                groups=groups.get(stated, ()),
            )
        )
    return tuple(sorted(found, key=lambda item: (item.role != "training", -(item.rows or 0), item.name)))


def base_input(
    model_id: str | None, *, declared: str | None, source: str = "", revision: str | None = None
) -> LicensedInput:
    """Return the base model as it was recorded when it was loaded, where nothing more is known of it.

    Args:
        model_id: its id on the Hub, None for local files.
        declared: the license that its card declares.
        source: where that was read.
        revision: its commit.
    """
    read = resolve(declared)
    concluded = _concluded(read.spdx or "", read.category)
    statement = LicenseStatement(
        place="card", where="license", text=declared or "", concluded=concluded, note=source or read.note
    )
    return LicensedInput(
        name=model_id or "the base model (local files)",
        role="base",
        kind="model",
        license=concluded,
        reason="" if concluded else read.note,
        statements=(statement,) if declared else (),
        revision=revision,
    )


def all_inputs(
    rows: Sequence[LicensedInput], base: LicensedInput | None, lineage: Lineage | None, *, rows_declare: bool
) -> tuple[LicensedInput, ...]:
    """Join what the audit, the record of the training and the walk over the Hub say.

    A base model that the walk could read replaces what was recorded of it. Where it could not be read, or was not
    looked for, the record stands, and beside it what the base comes from, of which nothing is known. What the base
    model's card says that the base was trained on stays with the lineage: it is no input of this model.

    Args:
        rows: of :func:`row_inputs`.
        base: of :func:`base_input`, None where there is no base or nothing is recorded.
        lineage: of the walk, None where there was none.
        rows_declare: whether each row states its own license; else they only repeat their dataset's.
    """
    walked = [item for item in (lineage.inputs if lineage is not None else ()) if item.relation != "base-trained-on"]
    inputs = [*rows]
    found = next(
        (item for item in walked if base is not None and item.kind == "model" and item.name == base.name), None
    )
    if base is not None and (found is None or found.unread):
        reason = found.reason if found is not None else "it was not traced"
        unknown = replace(base, name=f"what {base.name} comes from", license=None, reason=reason, statements=())
        inputs += [base, unknown]
        walked = [item for item in walked if item is not found]
    stated = {row.license for row in rows if row.role == "training"}
    return (*inputs, *(item for item in walked if not (rows_declare and _repeats(item, stated))))


def read_datasets(lineage: Lineage | None) -> frozenset[str]:
    """Return the ids of the datasets used directly whose cards were read."""
    inputs = lineage.inputs if lineage is not None else ()
    return frozenset(item.name for item in inputs if item.kind == "dataset" and not item.depth and not item.unread)


def _repeats(item: LicensedInput, stated: Set[str | None]) -> bool:
    """Whether a dataset whose rows all state their own license adds nothing to them.

    So it is where its card states none, or lists what its rows stand under, and nothing else speaks: no text, no gate.
    """
    if item.kind != "dataset" or item.depth or item.unread or item.gated == "yes":
        return False
    said = [statement for statement in item.statements if statement.text or statement.concluded]
    if any(statement.place != "card" or not statement.concluded for statement in said):
        return False
    listed = {statement.concluded for statement in said}
    return bool(stated) and None not in stated and (not listed or stated <= listed)


def _concluded(spdx: str, kind: str) -> str | None:
    """Return the license to reckon with; terms that forbid commercial use do so without a name as well."""
    if kind == "non-commercial" and not spdx:
        return NON_COMMERCIAL
    return spdx if spdx and kind != "unknown" else None


def _role(split: str, report: AuditReport, trained: Set[str] | None) -> Role:
    known = {ref.split: ref.fingerprint for ref in report.datasets}
    if known.get(split) in (trained or ()):
        return "training"
    if any(fingerprint in (trained or ()) for fingerprint in known.values()):
        return "evaluation" if is_measured_with(split) else "training"
    return "evaluation" if split in measured_with_alone(known) else "training"


def _groups(tables: Iterable[Table]) -> dict[str, tuple[str, ...]]:
    table = _table(tables, "licenses by group")
    named: dict[str, list[str]] = defaultdict(list)
    for group, stated, *_ in table.rows if table is not None else ():
        if group:
            named[str(stated)].append(str(group))
    return {
        stated: tuple(dict.fromkeys(groups))
        if len(groups) <= _AT_ONCE
        else (*groups[:_AT_ONCE], f"and {len(groups) - _AT_ONCE} more")
        for stated, groups in named.items()
    }


def _table(tables: Iterable[Table], name: str) -> Table | None:
    return next((table for table in tables if table.name == name), None)
