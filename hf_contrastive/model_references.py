"""What a person names as a model: a folder, a Hub id, or a Hub id at a tag, branch or commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_contrastive.errors import ModelError
from hf_contrastive.release.contents.names import NAMED_REPO

if TYPE_CHECKING:
    from hf_contrastive.encoder import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """A model and where it is.

    Attributes:
        name: as people call it; never an absolute path.
        given: what is loaded: a folder, or the model itself.
        repo_id: on the Hub, "" elsewhere.
        commit: of the Hub.
        tag: the version tag of that commit, "" where it has none.
    """

    name: str
    given: Any
    repo_id: str = ""
    commit: str = ""
    tag: str = ""

    def load(self) -> TextEncoder:
        """Load it.

        Raises:
            ModelError: it can not be read.
            MissingExtraError: torch is not installed.
        """
        from hf_contrastive.errors import require

        require("train", "torch", "transformers", "peft")
        from hf_contrastive.encoder import TextEncoder

        return TextEncoder.load(self.given)


def find_model(told: Any, *, api: Any = None) -> ModelReference:
    """Find a model and bring its files here.

    Args:
        told: a folder, ``user/name`` or ``user/name@REVISION``, or a model that is loaded already. A folder goes before
            a repository of that name.
        api: an HfApi; default: the Hub that HF_ENDPOINT names, as who is logged in.

    Raises:
        ModelError: it is none of these, or the repository has no such revision (those there are stand in the message).
        HubError: the Hub refused or could not be reached.
    """
    if not isinstance(told, str | Path):
        return ModelReference(name=str(getattr(told, "name", "") or type(told).__name__), given=told)
    name = str(told)
    path = Path(told).expanduser()
    if path.exists():
        return ModelReference(name=path.absolute().name, given=str(path))
    if not NAMED_REPO.fullmatch(name):
        msg = f"`{name}` is no folder and no model of the Hub; name a folder, or a model as in `user/model@v1`."
        raise ModelError(msg)
    repo_id, _, revision = name.partition("@")
    return download_model(repo_id, revision or None, api=api)


def download_model(repo_id: str, revision: str | None = None, *, api: Any = None) -> ModelReference:
    """Bring the files of an encoder from the Hub, into its cache, and nothing else of the repository.

    Args:
        repo_id: ``user/name``.
        revision: tag, branch or commit; default: main.
        api: see :func:`find_model`.

    Raises:
        ModelError: there is no such model or revision.
        HubError: the Hub refused or could not be reached.
    """
    from huggingface_hub.errors import RevisionNotFoundError

    from hf_contrastive.release.plan import OLD_WEIGHTS
    from hf_contrastive.release.sending.faults import FAULTS, asked
    from hf_contrastive.release.sending.hub import hub_api
    from hf_contrastive.release.sending.revisions import version_at, versions_in
    from hf_contrastive.release.sending.target import Target
    from hf_contrastive.release.versioning.published import explained

    api = api or hub_api()
    target = Target(api=api, repo_id=repo_id, revision=revision)

    def fetched(patterns: list[str]) -> Path:
        return Path(asked(lambda: api.snapshot_download(repo_id, revision=commit, allow_patterns=patterns)))

    try:
        commit = str(target.info(revision, first=True).sha)
        tags = versions_in(target.refs())
        folder = fetched(_wanted())
        if not any(folder.glob("*.safetensors")):
            # older models have their weights in pickles, which torch reads as weights alone
            folder = fetched([*_wanted(), *OLD_WEIGHTS])
    except RevisionNotFoundError as error:
        raise ModelError(str(explained(error, repo_id, api, revision=revision))) from error
    except FAULTS as error:
        cached = _cached(repo_id, revision) if getattr(error, "response", None) is None else None
        if cached is None:
            raise explained(error, repo_id, api) from error
        return cached
    named = (revision, commit) in tags
    tag = revision if named else version_at(tags, commit)
    return ModelReference(
        name=f"{repo_id}@{revision or commit[:8]}", given=str(folder), repo_id=repo_id, commit=commit, tag=tag or ""
    )


def _wanted() -> list[str]:
    from hf_contrastive.release.plan import MODEL_FILES

    return [*MODEL_FILES, "README.md"]


def _cached(repo_id: str, revision: str | None) -> ModelReference | None:
    """Return what an earlier answer of the Hub has left in the cache, where there is no connection."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo_id, revision=revision, allow_patterns=_wanted(), local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
        return None
    return ModelReference(
        name=f"{repo_id}@{revision or folder.name[:8]}", given=str(folder), repo_id=repo_id, commit=folder.name
    )
