"""The components of a bill of materials: base model, data, what they come from, and the software that was used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audits.findings import DatasetRef
from audits.licenses.inputs import LicensedInput
from model_cards.evidence import BaseModel, Evidence
from model_cards.facts import name_of
from model_cards.standards.bom_licenses import declared, licenses_of
from model_cards.standards.values import filled, properties
from model_cards.typesetting import plural, redact
from model_cards.validate import is_hub_id

MODEL = "model"
"""The reference of the model that the bill is about."""

LOCAL_BASE = "the base model (local files)"
_HUB = "https://huggingface.co/"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?", re.ASCII)
_LONGEST_VERSION = 1024
_SENSITIVE = ("PII", "SEC")


class Components:
    """The components of one bill, their references, and what depends on what."""

    def __init__(self, evidence: Evidence) -> None:
        """Collect everything that the evidence names."""
        self.items: list[dict[str, Any]] = []
        self.depends: dict[str, list[str]] = {MODEL: []}
        self.base: str | None = None
        self.trained: list[str] = []
        self.measured: list[str] = []
        self._by_name: dict[tuple[str, str], str] = {}
        inputs = known_inputs(evidence)
        self._add_base(evidence, inputs)
        self._add_datasets(evidence, inputs)
        for item in inputs:
            self._add_input(item)
        for item in inputs:
            self._link(item)
        self._add_software(evidence)

    def dependencies(self) -> list[dict[str, Any]]:
        """Return the graph: every component once, with what it directly comes from."""
        return [{"ref": ref, "dependsOn": list(dict.fromkeys(targets))} for ref, targets in self.depends.items()]

    def _add(self, kind: str, name: str, component: Mapping[str, Any]) -> str:
        """Add a component under a reference of its own and return that."""
        wanted = f"{kind}:{redact(name)}"
        ref, count = wanted, 1
        while ref in self.depends:
            count += 1
            ref = f"{wanted}#{count}"
        self.items.append({"bom-ref": ref, **component})
        self.depends[ref] = []
        self._by_name.setdefault((kind, name.casefold()), ref)
        return ref

    def _add_base(self, evidence: Evidence, inputs: Iterable[LicensedInput]) -> None:
        if evidence.training is None:
            return
        base = evidence.training.base
        item = next((item for item in inputs if item.role == "base" and not item.parents), None)
        name = base.model_id or LOCAL_BASE
        licenses = licenses_of(item) if item is not None else declared(base.license)
        self.base = self._add(
            "model", name, {**base_identity(base), **filled(licenses=licenses), **_facts_of(base, item)}
        )
        self.depends[MODEL].append(self.base)
        if item is not None:
            # the Hub may know it under another name
            self._by_name.setdefault(("model", item.name.casefold()), self.base)

    def _add_datasets(self, evidence: Evidence, inputs: Iterable[LicensedInput]) -> None:
        uses = _uses(evidence)
        named: dict[str, list[DatasetRef]] = {}
        for ref in uses:
            named.setdefault(name_of(ref), []).append(ref)
        direct = {item.name.casefold(): item for item in inputs if item.kind == "dataset" and not item.parents}
        for name, refs in named.items():
            repo_id = refs[0].repo_id
            item = direct.get((repo_id or "").casefold())
            revisions = {ref.revision for ref in refs}
            revision = next(iter(revisions)) if len(revisions) == 1 else None
            component = filled(
                type="data",
                name=name,
                version=(revision or "")[:_LONGEST_VERSION],
                licenses=licenses_of(item) if item is not None else [],
                externalReferences=_addresses(f"datasets/{repo_id}", revision) if is_hub_id(repo_id) else [],
                data=[_split(evidence, ref, uses[ref], repo_id) for ref in refs],
                properties=_input_properties(item),
            )
            added = self._add("dataset", repo_id or name, component)
            if any("trained on" in uses[ref] for ref in refs):
                self.trained.append(added)
                self.depends[MODEL].append(added)
            if any("measured on" in uses[ref] for ref in refs):
                self.measured.append(added)

    def _add_input(self, item: LicensedInput) -> None:
        """Add an input of the license analysis that is no component yet."""
        kind = "model" if item.kind == "model" else "dataset"
        if (kind, item.name.casefold()) in self._by_name:
            return
        on_hub = item.kind != "rows" and is_hub_id(item.name)
        path = f"datasets/{item.name}" if kind == "dataset" else item.name
        shared = filled(
            version=(item.revision or "")[:_LONGEST_VERSION],
            licenses=licenses_of(item),
            externalReferences=_addresses(path, item.revision) if on_hub else [],
            properties=_input_properties(item),
        )
        if kind == "model":
            identity = hub_identity(item.name, item.revision)
            self._add(kind, item.name, {"type": "machine-learning-model", **identity, **shared})
            return
        rows = properties(("rows", item.rows), *(("from", group) for group in item.groups))
        contents = filled(contents=filled(properties=rows))
        data = [{"type": "dataset", "name": item.name, **contents}]
        added = self._add(kind, item.name, {"type": "data", "name": item.name, **shared, "data": data})
        if item.role == "training" and not item.parents:
            self.trained.append(added)

    def _link(self, item: LicensedInput) -> None:
        """Note what the input was used for: by the model, or by what it was found through."""
        ref = self._by_name.get(("model" if item.kind == "model" else "dataset", item.name.casefold()))
        if ref is None or ref == self.base:
            return
        holder = MODEL
        if item.parents:
            last = item.parents[-1].casefold()
            holder = self._by_name.get(("model", last)) or self._by_name.get(("dataset", last)) or MODEL
        elif item.role == "evaluation":
            return  # the model does not come from what it was measured on
        if ref != holder and ref not in self.depends[holder]:
            self.depends[holder].append(ref)

    def _add_software(self, evidence: Evidence) -> None:
        used: dict[tuple[str, str], list[str]] = {}
        for purpose, versions in _software(evidence):
            for name, version in sorted((name, version) for name, version in versions.items() if name):
                used.setdefault((name, version), []).append(purpose)
        for (name, version), purposes in sorted(used.items()):
            # scope: used to make and to measure the model, no part of it when it runs
            component = filled(
                type="platform" if name == "python" else "library",
                name=name,
                version=version[:_LONGEST_VERSION],
                scope="excluded",
                purl=_purl("pypi", None, name, version) if name != "python" and _PACKAGE.fullmatch(name) else None,
                properties=properties(("used-for", ", ".join(dict.fromkeys(purposes)))),
            )
            self._add("software", f"{name}@{version}", component)


def known_inputs(evidence: Evidence) -> tuple[LicensedInput, ...]:
    """Return the inputs of the license analysis, then those that only the lineage knows."""
    judged = evidence.licenses.inputs if evidence.licenses is not None else ()
    seen = {(item.kind, item.name.casefold()) for item in judged}
    walked = evidence.lineage.inputs if evidence.lineage is not None else ()
    return (*judged, *(item for item in walked if (item.kind, item.name.casefold()) not in seen))


def hub_identity(name: str | None, revision: str | None = None) -> dict[str, Any]:
    """Return group, name and package URL of a model on the Hub; of anything else, the name alone."""
    if not is_hub_id(name) or name is None:
        return {"name": name or "without a name"}
    owner, _, short = name.rpartition("/")
    return filled(group=owner, name=short, purl=_purl("huggingface", owner or None, short, revision))


def base_identity(base: BaseModel) -> dict[str, Any]:
    """Return what identifies the base model: its place on the Hub and its commit, where both are known."""
    on_hub = is_hub_id(base.model_id) and base.model_id is not None
    return filled(
        type="machine-learning-model",
        **(hub_identity(base.model_id, base.revision) if on_hub else {"name": LOCAL_BASE}),
        version=(base.revision or "")[:_LONGEST_VERSION],
        externalReferences=_addresses(base.model_id or "", base.revision) if on_hub else [],
    )


def _facts_of(base: BaseModel, item: LicensedInput | None) -> dict[str, Any]:
    told = properties(
        ("weights-digest", base.weights_sha256),
        ("adapter-digest", base.adapter_sha256),
        ("parameters", base.num_parameters),
        ("architecture", base.architecture),
    )
    return filled(properties=[*told, *_input_properties(item)])


def _input_properties(item: LicensedInput | None) -> list[dict[str, str]]:
    if item is None:
        return []
    return properties(
        ("role", item.role),
        ("relation", item.relation),
        ("license-concluded", item.license or "undetermined"),
        ("license-note", "; ".join(filter(None, (*item.disagreements, item.reason)))),
        ("gated", item.gated),
        # the commit whose card and files were read, which need not be the one that was used
        ("license-read-at", item.revision),
        ("not-read", "true" if item.unread else None),
    )


def _uses(evidence: Evidence) -> dict[DatasetRef, list[str]]:
    """Return each split once, with what it was used for."""
    training, audit = evidence.training, evidence.audit
    uses: dict[DatasetRef, list[str]] = {}
    for ref in training.datasets if training is not None else ():
        uses.setdefault(ref, []).append("trained on")
    measured = [evaluation.dataset for evaluation in evidence.evaluations]
    if evidence.comparison is not None and evidence.comparison.dataset is not None:
        measured.append(evidence.comparison.dataset)
    for ref in dict.fromkeys(measured):
        uses.setdefault(ref, []).append("measured on")
    for ref in audit.datasets if audit is not None else ():
        uses.setdefault(ref, []).append("audited")
    return uses


def _split(evidence: Evidence, ref: DatasetRef, uses: list[str], repo_id: str | None) -> dict[str, Any]:
    told = properties(
        ("rows", ref.num_rows),
        ("rows-not-read", "unknown" if ref.unread_rows is None else ref.unread_rows or None),
        ("fingerprint", ref.fingerprint),
        ("revision", ref.revision),
        ("used", ", ".join(uses)),
    )
    # who owns the namespace decides who may read and change it
    owner = (repo_id or "").partition("/")[0] if is_hub_id(repo_id) and "/" in (repo_id or "") else ""
    return filled(
        type="dataset",
        name=ref.split,
        contents={"properties": told},
        sensitiveData=list(_sensitive(evidence, ref)),
        governance={"owners": [{"organization": {"name": owner}}]} if owner else {},
    )


def _sensitive(evidence: Evidence, ref: DatasetRef) -> Iterator[str]:
    """Yield what the audit found of personal data and secrets in this split."""
    if evidence.audit is None or ref not in evidence.audit.datasets:
        return
    for finding in evidence.audit.findings:
        if finding.split == ref.split and finding.code.startswith(_SENSITIVE):
            where = f" in the column {finding.column}" if finding.column else ""
            yield f"{finding.code} {finding.title}: {plural(finding.total_rows, 'row')}{where}"


def _software(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, str]]]:
    if evidence.training is not None:
        yield "training", evidence.training.environment.versions
    if evidence.audit is not None:
        yield "audit", evidence.audit.versions
    yield "documents", evidence.versions


def _addresses(path: str, revision: str | None) -> list[dict[str, str]]:
    at = f"/tree/{revision}" if revision and _COMMIT.fullmatch(revision) else ""
    return [{"type": "distribution", "url": f"{_HUB}{path}{at}"}]


def _purl(kind: str, namespace: str | None, name: str, version: str | None) -> str:
    from packageurl import PackageURL  # which only this document needs

    # masked before it is encoded, which would hide a path from whoever looks for one
    return PackageURL(kind, namespace, name, redact(version or "") or None).to_string()
