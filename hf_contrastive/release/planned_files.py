"""Is what would be sent what was planned, and are the documents those of the evidence?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_contrastive.release.contents.names import shown_name
from hf_contrastive.release.plan import SIGNATURE, PushPlan, is_document, link_in, payload_names, planned
from hf_contrastive.release.rendering import render_all
from model_cards.errors import ModelCardError
from model_cards.evidence import Evidence
from model_cards.typesetting import one_line

# of sentence-transformers' modules
_WITHOUT_FILES = frozenset({"Normalize"})
_WITH_WEIGHTS = frozenset({"Dense", "StaticEmbedding", "LayerNorm", "LSTM", "CNN", "WordEmbeddings"})


def changed_files(plan: PushPlan, sources: Mapping[str, Path | bytes]) -> list[str]:
    """Say which files are gone, changed, or reached through a link, since the plan was made."""
    found = []
    for item in plan.files:
        source, shown = sources.get(item.path), shown_name(item.path)
        if isinstance(source, Path) and link_in(item.path, source) is not None:
            found.append(f"{shown} is a symbolic link since the plan was made. Plan again.")
        elif source is None or (isinstance(source, Path) and not source.is_file()):
            found.append(f"{shown} is gone since the plan was made. Plan again.")
        elif planned(item.path, source) != item:
            found.append(f"{shown} changed since the plan was made. Plan again.")
    paths = [item.path for item in plan.files]
    found += [
        f"{shown_name(path)} is planned twice. Plan again." for path in sorted(set(paths)) if paths.count(path) > 1
    ]
    return found


def changed_folder(plan: PushPlan, folder: Path) -> list[str]:
    """Compare what lies in the folder now with the plan; contents are compared by :func:`changed_files`."""
    now = set(payload_names(folder))
    then = {item.path for item in plan.files if not is_document(item.path)}
    return [
        *(f"{shown_name(name)} was added since the plan was made. Plan again." for name in sorted(now - then)),
        *(f"{shown_name(name)} is no longer in {folder.name}. Plan again." for name in sorted(then - now)),
    ]


def is_own_file(path: str, source: Path) -> bool:
    """Whether ``source`` is a regular file that lies in the folder itself."""
    return source.is_file() and link_in(path, source) is None


def missing_shards(plan: PushPlan, sources: Mapping[str, Path | bytes]) -> list[str]:
    """Say which weights an index names that do not go along: a loader would look for them, or take those of before."""
    listed = {item.path for item in plan.files}
    found = []
    for path in sorted(listed):
        source = sources.get(path)
        if not path.endswith(".safetensors.index.json") or source is None:
            continue
        try:
            data = json.loads(source if isinstance(source, bytes) else source.read_bytes())
            parts = {str(part) for part in data["weight_map"].values()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
        place = path.rpartition("/")[0]
        missing = sorted(part for part in parts if (f"{place}/{part}" if place else part) not in listed)
        if missing:
            told = ", ".join(map(shown_name, missing[:3]))
            found.append(f"{path} names weights that do not go along ({told}). Save the model again.")
    return found


def missing_parts(plan: PushPlan, sources: Mapping[str, Path | bytes]) -> list[str]:
    """Say what a loader would look for and not find: weights, the kind of the model, a module's folder."""
    listed = {item.path for item in plan.files}
    if not any(path.endswith(".safetensors") for path in listed):
        return ["There are no weights (*.safetensors) among the files: nothing could be loaded. Save the model again."]
    if "modules.json" not in listed:
        # an adapter alone is loaded with the model that it names
        return [] if "adapter_config.json" in listed else _transformer("", listed, sources)
    modules = _json_of("modules.json", sources)
    found: list[str] = []
    for module in modules if isinstance(modules, list) else []:
        if not isinstance(module, dict):
            continue
        place, kind = str(module.get("path") or "").strip("/"), str(module.get("type")).rpartition(".")[2]
        inner = {path for path in listed if not place or path.startswith(f"{place}/")}
        told = one_line(place)[:80]
        if kind == "Transformer" and not {f"{place}/adapter_config.json".lstrip("/")} & listed:
            found += _transformer(place, listed, sources)
        elif not inner and kind not in _WITHOUT_FILES:
            found.append(f"modules.json names the folder {told}, of which nothing goes along. Save the model again.")
        elif kind in _WITH_WEIGHTS and not any(path.endswith(".safetensors") for path in inner):
            found.append(f"modules.json names {told}, which has no weights (*.safetensors). Save the model again.")
    return found


def _transformer(place: str, listed: set[str], sources: Mapping[str, Path | bytes]) -> list[str]:
    config = f"{place}/config.json".lstrip("/")
    shown = one_line(config)[:80]
    if not any(path.endswith(".safetensors") and path.rpartition("/")[0] == place for path in listed):
        return [f"There are no weights (*.safetensors) beside {shown}. Save the model again."]
    if config not in listed:
        return [f"{shown} is missing: nobody could tell what the weights are of. Save the model again."]
    told = _json_of(config, sources)
    if isinstance(told, dict) and not (isinstance(told.get("model_type"), str) and told["model_type"]):
        return [f"{shown} does not name the kind of the model (`model_type`); it could not be loaded. Save it again."]
    return []


def _json_of(path: str, sources: Mapping[str, Path | bytes]) -> Any:
    """Return what a planned file holds, None where it can not be read: that is told elsewhere."""
    source = sources.get(path)
    if source is None or (isinstance(source, Path) and not is_own_file(path, source)):
        return None
    try:
        return json.loads(source if isinstance(source, bytes) else source.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def foreign_documents(plan: PushPlan, evidence: Evidence) -> list[str]:
    """Compare the planned documents with those that this evidence gives: nothing else may speak for the model."""
    listed = {item.path: item for item in plan.files}
    try:
        expected = {path: planned(path, content) for path, content in render_all(evidence, published=True).items()}
    except ModelCardError as error:
        return [f"The documents can not be written from this evidence: {error}"]
    found = [
        f"{shown_name(path)} is no document of this evidence. Plan again."
        for path in listed
        if is_document(path) and path not in {SIGNATURE, *expected}
    ]
    found += [
        f"{shown_name(path)} is missing or not what this evidence says. Plan again."
        for path, item in expected.items()
        if listed.get(path) != item
    ]
    card = listed.get("README.md")
    if card is not None and plan.card_digest != f"sha256:{card.sha256}":
        found.append("The plan names another model card than it holds (digest mismatch). Plan again.")
    return found
