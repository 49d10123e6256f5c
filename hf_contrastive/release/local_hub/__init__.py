"""A small Hugging Face Hub in a folder, for rehearsals and tests; the standard library only."""

from hf_contrastive.release.local_hub.errors import LocalHubError
from hf_contrastive.release.local_hub.server import LocalHub, hub_environment, serve

__all__ = ["LocalHub", "LocalHubError", "hub_environment", "serve"]
