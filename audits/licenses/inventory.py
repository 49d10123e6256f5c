"""The inputs of a model as an audit counted them: rows by license, each with its role."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set

from audits.findings import AuditReport, Table
from audits.licenses.inputs import LicensedInput, LicenseStatement, Lineage, Role
from audits.licenses.resolution import resolve

_MEASURED_WITH = ("valid", "dev", "eval", "test")
_AT_ONCE = 40  # groups named by one input


def row_inputs(report: AuditReport, trained: Set[str] | None = None) -> tuple[LicensedInput, ...]:
    """Return one input for each license that rows of the data stand under.

    Args:
        report: of the data, with the check LIC002.
        trained: fingerprints of the splits that were trained on, where a record says so. A split that is not among
            them counts as only measured with where its name begins with valid, dev, eval or test; all others count as
            trained on.

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
    for split, stated, spdx, kind, note, count in table.rows:
        role = _role(str(split), report, trained)
        merged[str(stated), str(spdx), str(kind), str(note), role] += int(count or 0)
    column = report.columns.license
    found = []
    for (stated, spdx, kind, note, role), count in merged.items():
        concluded = spdx if spdx and kind != "unknown" else None
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
    concluded = read.spdx if read.category != "unknown" else None
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
    rows: Iterable[LicensedInput], base: LicensedInput | None, lineage: Lineage | None, *, rows_declare: bool
) -> tuple[LicensedInput, ...]:
    """Join what the audit, the record of the training and the walk over the Hub say.

    A base model or dataset that the walk could read replaces what was recorded of it; one that it could not read
    leaves the record standing, and the lineage's ``problems`` say what is unknown. What the base model's card says
    that the base was trained on stays with the lineage: it is no input of this model.

    Args:
        rows: of :func:`row_inputs`.
        base: of :func:`base_input`, None where there is no base or nothing is recorded.
        lineage: of the walk.
        rows_declare: whether each row states its own license; else they only repeat their dataset's.
    """
    walked = [item for item in (lineage.inputs if lineage is not None else ()) if item.relation != "base-trained-on"]
    readable = {item.name.partition("@")[0] for item in walked if item.statements or item.license}
    kept = [item for item in walked if item.depth or item.name.partition("@")[0] in readable or item.kind != "model"]
    if base is not None and base.name in readable:
        base = None
    else:
        kept = [item for item in kept if base is None or item.name.partition("@")[0] != base.name]
    if rows_declare:
        # where each row states its license, a card that states none leaves nothing open
        kept = [item for item in kept if item.kind != "dataset" or item.depth or item.license or item.disagreements]
    datasets = [item for item in kept if item.kind == "dataset" and item.role == "training" and not item.depth]
    if datasets and not rows_declare:
        rows = [item for item in rows if item.role != "training"]
    return (*rows, *((base,) if base is not None else ()), *kept)


def _role(split: str, report: AuditReport, trained: Set[str] | None) -> Role:
    known = {ref.split: ref.fingerprint for ref in report.datasets}
    if known.get(split) in (trained or ()):
        return "training"
    return "evaluation" if split.casefold().startswith(_MEASURED_WITH) else "training"


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
