"""What went into the model, where it came from, and what its licenses ask for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from audits.intent import Intent
from audits.licenses.analysis import LicenseAnalysis
from audits.licenses.compatibility import analyse
from audits.licenses.inputs import LicensedInput
from audits.licenses.inventory import all_inputs, base_input, read_datasets, row_inputs
from audits.licenses.lineage import Start, WalkedLineage, walk
from audits.licenses.obligations import SHORTEST_TEXT, is_known_by_text, same_text
from audits.licenses.snapshots import HubClient
from audits.licenses.standard_texts import standard_text
from audits.licenses.texts import identify
from audits.policy import Policy
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.plan import LICENSE_COPIES
from model_cards.evidence import Evidence
from model_cards.validate import is_hub_id

_MOST_TEXT = 100_000
_LARGEST_COPY = 2**20


def trace(
    evidence: Evidence,
    client: HubClient,
    *,
    folder: Path | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> WalkedLineage:
    """Walk from the data and the base model to what they come from.

    Args:
        evidence: names the audited data, and the base model where a training was recorded.
        client: where ids are looked up.
        folder: of the model; where no training was recorded, its adapter names the base model.
        on_progress: called with a name before it is read.
    """
    report, training = evidence.audit, evidence.training
    refs = report.datasets if report is not None else ()
    trained = {ref.fingerprint for ref in training.datasets} if training is not None else None
    rows: dict[tuple[str, str | None], int] = {}
    for ref in refs:
        if ref.repo_id and is_hub_id(ref.repo_id) and (trained is None or ref.fingerprint in trained):
            key = (ref.repo_id, ref.revision)
            rows[key] = rows.get(key, 0) + ref.num_rows
    datasets = [Start(name=name, revision=revision, rows=count) for (name, revision), count in rows.items()]
    base = training.base.model_id if training is not None else _told_base(folder)
    revision = training.base.revision if training is not None else None
    models = [Start(name=base, revision=revision)] if base and is_hub_id(base) else []
    return walk(client, datasets=datasets, models=models, on_progress=on_progress)


def license_analysis(evidence: Evidence, policy: Policy) -> LicenseAnalysis:
    """Apply the license rules to everything that the evidence names; pure.

    Args:
        evidence: with the audit; with the lineage where it was traced.
        policy: its intent and the company's positions.
    """
    return analyse(licensed_inputs(evidence), intent_of(evidence, policy), overlay=policy.licenses.overlay)


def licensed_inputs(evidence: Evidence) -> tuple[LicensedInput, ...]:
    """Return every input that the audit, the record of the training and the lineage name."""
    report, training = evidence.audit, evidence.training
    trained = {ref.fingerprint for ref in training.datasets} if training is not None else None
    rows = row_inputs(report, trained, read_datasets(evidence.lineage)) if report is not None else ()
    base = None
    if training is not None:
        told = training.base
        base = base_input(told.model_id, declared=told.license, source=told.license_source, revision=told.revision)
    by_row = report is not None and report.columns.license is not None
    return all_inputs(rows, base, evidence.lineage, rows_declare=by_row)


def intent_of(evidence: Evidence, policy: Policy) -> Intent:
    """Return the policy's intent with what is published: its license, and adapter or merged weights."""
    outgoing = evidence.license
    if outgoing == "other":
        outgoing = evidence.statement("license_name").text or outgoing
    return replace(
        policy.intent, outgoing_license=outgoing or policy.intent.outgoing_license, ships=evidence.save_format
    )


def texts_at_hand(analysis: LicenseAnalysis, walked: WalkedLineage | None, given: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of licenses that must go along, where they are at hand.

    Looked at are the given ones, then the LICENSE files that the walk retrieved, which name their holders, then the
    standard texts of :mod:`audits.licenses.standard_texts`.

    Args:
        analysis: whose obligations ask for copies.
        walked: with the texts of the walk.
        given: texts by SPDX id.
    """
    wanted = {item.license: item.inputs for item in analysis.obligations if item.kind == "license_copy"}
    found = {key: text for key, text in given.items() if key in wanted}
    for text in _retrieved(walked):
        match = identify(text)
        # a text that was altered, or stands among others, is no copy
        if len(match.ids) == 1 and match.ids[0] in wanted and not (match.altered or match.riders or match.cut):
            found.setdefault(match.ids[0], text)
    for key, names in wanted.items():
        standard = standard_text(key, _holders(analysis, names)) if key not in found else None
        if standard is not None:
            found[key] = standard
    return found


def own_copies(folder: Path, analysis: LicenseAnalysis) -> dict[str, str]:
    """Return the license texts that lie in ``folder`` as ``<ID>.txt`` and must go along, by SPDX id.

    Links and texts of other licenses are not read: what is published must be what it is called.

    Raises:
        ConfigurationError: a file is no text, too long, or not the text of the license that it is named after.
    """
    wanted = {item.license for item in analysis.obligations if item.kind == "license_copy"}
    found = {}
    for path in sorted(folder.glob("*.txt")) if folder.is_dir() and not folder.is_symlink() else ():
        if path.stem not in wanted or path.is_symlink() or not path.is_file():
            continue
        shown = f"`{LICENSE_COPIES}{path.name}`"
        if path.stat().st_size > _LARGEST_COPY:
            msg = (
                f"{shown} has {path.stat().st_size:,} bytes; a license text has at most {_LARGEST_COPY:,}. Replace it."
            )
            raise ConfigurationError(msg)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            msg = f"{shown} is no UTF-8 text ({error.reason} at byte {error.start}). Save the license as UTF-8."
            raise ConfigurationError(msg) from error
        if not _is_text_of(path.stem, text):
            ids = ", ".join(identify(text).ids) or "no license that is known here"
            msg = f"{shown} is not the text of {path.stem}: it is {ids}. Replace it by the license's own text."
            raise ConfigurationError(msg)
        found[path.stem] = text
    return found


def _is_text_of(license_id: str, text: str) -> bool:
    """Whether ``text`` is that license; of terms whose text nobody knows here, any text of some length is taken."""
    if not is_known_by_text(license_id):
        return len(text.strip()) >= SHORTEST_TEXT
    return any(same_text(license_id, item) for item in identify(text).ids)


def _holders(analysis: LicenseAnalysis, names: Sequence[str]) -> list[str]:
    """Return who is named: the sources of rows, else the repositories; rows of unnamed origin name nobody."""
    known = {item.name: item for item in analysis.inputs}
    named = (who for name in names if name in known for who in (known[name].groups or _repository(known[name])))
    return list(dict.fromkeys(named))


def _repository(item: LicensedInput) -> tuple[str, ...]:
    return () if item.kind == "rows" else (item.name,)


def _retrieved(walked: WalkedLineage | None) -> Iterator[str]:
    for kept in walked.texts if walked is not None else ():
        is_license = not kept.name.casefold().endswith((".json", "readme.md", "gating-text.md", "card-metadata.md"))
        if is_license and not kept.cut and len(kept.content) <= _MOST_TEXT:
            yield kept.content.decode("utf-8", errors="replace")


def _told_base(folder: Path | None) -> str | None:
    path = folder / "adapter_config.json" if folder is not None else None
    if path is None or not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    name = told.get("base_model_name_or_path") if isinstance(told, dict) else None
    return name if isinstance(name, str) else None
