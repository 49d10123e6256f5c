"""What of a repository bears on its license, at one commit, and who hands it out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import yaml

from audits.errors import LineageError

RepoKind = Literal["model", "dataset"]
Gated = Literal["no", "auto", "manual", ""]

MAX_FILE_BYTES = 1 << 20
"""A license, card or notice is kept up to this size; what is longer is cut, and said to be."""
MAX_LICENSE_FILES = 20

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_LICENSE_FILE = re.compile(
    r"licen[cs]e.*|(?:.*[-_. ])?(?:licen[cs]es?|copying|notices?|use[-_ ]?policy|terms[-_ ]of[-_ ]use)(?:[-_. ].*)?",
    re.IGNORECASE,
)
# named after licenses but no text of one: code, rows, weights, pictures, archives
_NO_TEXT = re.compile(
    r"\.(?:py|ipynb|sh|js|css|json|jsonl|ya?ml|csv|tsv|parquet|arrow|npy|safetensors|bin|pt|gguf|onnx|png|jpe?g|gif|svg"
    r"|zip|gz|zst|xz|tar)$",
    re.IGNORECASE,
)
_FRONT_MATTER = re.compile(
    r"\A\ufeff?\s*---[ \t]*\r?\n(?P<yaml>.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_OPENED = re.compile(r"\A\ufeff?\s*---[ \t]*(?:\r?\n|\Z)")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 100
NESTED_TOO_DEEPLY = "its metadata is nested too deeply"
"""What :func:`card_metadata` says of a card that a parser in C would not survive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSnapshot:
    """The card, the license files and the gate of a repository at one commit, as retrieved.

    Attributes:
        kind: ``"model"`` or ``"dataset"``.
        repo_id: as its host spells it.
        commit: "" for a folder that does not say of which commit it is a copy.
        card: README.md, None where there is none or it can not be read.
        files: license files, notices and use policies at the root, by name; see :func:`is_license_file`.
        gated: whether its terms have to be accepted, "" where that is unknown.
        gating_text: what has to be accepted.
        metadata: a card with nothing but the metadata that the Hub gives everybody; only where the card itself can not
            be read.
        declared_bases: (file, base model) for configuration files that name one.
        cut: names of files of which only the first bytes are here.
        problems: what could not be read, by file name.
    """

    kind: RepoKind
    repo_id: str
    commit: str
    card: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    gated: Gated = ""
    gating_text: str = ""
    metadata: bytes | None = None
    declared_bases: tuple[tuple[str, str], ...] = ()
    cut: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


class HubClient(Protocol):
    """Reads repositories from wherever they are."""

    def snapshot(self, kind: RepoKind, repo_id: str, revision: str | None = None) -> RepoSnapshot:
        """Return what the repository says of its license, all of it at the commit that ``revision`` names.

        Args:
            kind: of the repository.
            repo_id: ``owner/name`` or ``name``.
            revision: a commit, branch or tag; None for the newest.

        Raises:
            LineageError: it can not be read.
        """


def check_repo_id(repo_id: str) -> str:
    """Return ``repo_id``, which is safe as a part of a path or URL.

    Raises:
        LineageError: it is not ``name`` or ``owner/name``.
    """
    parts = repo_id.split("/")
    if len(parts) > 2 or ".." in repo_id or "--" in repo_id or not all(_NAME.fullmatch(part) for part in parts):
        msg = (
            f"{shown(repo_id)} is no repository id: allowed is `name` or `owner/name` of letters, digits, `-`, `_`, `.`"
        )
        raise LineageError(msg)
    return repo_id


def is_license_file(name: str) -> bool:
    """Return whether a file at the root of a repository is kept: LICENSE, COPYING, NOTICE, USE_POLICY and the like."""
    plain = "/" not in name and "\\" not in name and len(name) <= 200 and name.isprintable()
    return plain and _LICENSE_FILE.fullmatch(name) is not None and not _NO_TEXT.search(name)


def license_names(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the license files among a repository's files, and those that are too many, each with that reason."""
    found = sorted(name for name in names if is_license_file(name))
    reason = f"not read: more than {MAX_LICENSE_FILES} files are named like licenses"
    return found[:MAX_LICENSE_FILES], dict.fromkeys(found[MAX_LICENSE_FILES:], reason)


def card_metadata(card: bytes | None) -> tuple[dict[str, Any], str]:
    """Return the metadata between a card's first two lines ``---``, and what is wrong with it or "".

    Keys that are no strings are left out. It never raises: a card is written by anybody.
    """
    if card is None:
        return {}, ""
    text = card.decode("utf-8", "replace")
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, "its metadata has no closing line `---`" if _OPENED.match(text) else "it has no metadata"
    try:
        if _is_deep(match["yaml"]):
            return {}, NESTED_TOO_DEEPLY
        data = yaml.load(match["yaml"], Loader=_LOADER)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return {}, f"its metadata is no valid YAML ({shown(' '.join(str(error).split()))})"
    if data is None:
        return {}, "its metadata is empty"
    if not isinstance(data, dict):
        return {}, f"its metadata is no mapping of keys to values but a {type(data).__name__}"
    return {key: value for key, value in data.items() if isinstance(key, str)}, ""


def _is_deep(source: str) -> bool:
    """Return whether YAML nests deeper than a card does: loaders call themselves, in C without a limit."""
    depth = 0
    for event in yaml.parse(source, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            return True
    return False


def gating_text(metadata: Mapping[str, Any]) -> str:
    """Return what a card asks for before it lets anybody in: its heading, prompt and description, or ""."""
    keys = ("extra_gated_heading", "extra_gated_prompt", "extra_gated_description")
    return "\n\n".join(value for key in keys if isinstance(value := metadata.get(key), str) and value.strip())


def gate_of(value: object) -> Gated:
    """Return the Hub's or a file's word for a gate; what is no such word is unknown."""
    if value is False or value == "no":
        return "no"
    if value is True or value == "manual":
        return "manual"
    return "auto" if value == "auto" else ""


def base_of_config(name: str, content: bytes) -> tuple[tuple[str, str], ...]:
    """Return (file, base model) if a configuration file names the model it was made from."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return ()
    key = "base_model_name_or_path" if name == "adapter_config.json" else "_name_or_path"
    value = data.get(key) if isinstance(data, dict) else None
    return ((name, value),) if isinstance(value, str) and value.strip() else ()


def shown(text: str, length: int = 120) -> str:
    """Return a foreign text on one line, without control characters, quoted and shortened."""
    cut = text if len(text) <= length else text[: length - 3] + "..."
    return "`" + "".join(letter if letter.isprintable() else "?" for letter in cut) + "`"
