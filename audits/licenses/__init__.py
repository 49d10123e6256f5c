"""License facts and their resolution; unknown never reads as permissive."""

from audits.licenses.facts import Category
from audits.licenses.resolution import CATEGORIES, ResolvedLicense, resolve, strictest

__all__ = ["CATEGORIES", "Category", "ResolvedLicense", "resolve", "strictest"]
