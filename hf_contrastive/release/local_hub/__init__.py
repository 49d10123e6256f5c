"""A small Hugging Face Hub in a folder, for rehearsals, tests and machines without a network.

It needs none of Hugging Face's libraries: the standard library, and for its pages markupsafe and markdown-it.
"""

from hf_contrastive.release.local_hub.errors import LocalHubError, LocalHubSettingError
from hf_contrastive.release.local_hub.server import LocalHub, hub_environment, serve

__all__ = ["LocalHub", "LocalHubError", "LocalHubSettingError", "hub_environment", "serve"]
