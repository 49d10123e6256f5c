"""PII006 and SEC002: what other tools find, where they are installed."""

from __future__ import annotations

from collections.abc import Iterable

from audits.checks import CheckContext, Observation
from audits.checks.personal_data import PERSONAL, report_matches
from audits.personal.credsweeper import CREDSWEEPER
from audits.personal.presidio import PRESIDIO
from audits.source import AuditSource


class PresidioNumbers:
    """Numbers of persons by Presidio's recognisers."""

    code = "PII006"
    needs: tuple[str, ...] = ("texts", "presidio")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Kinds that PII001 to PII005 do not know: of Australia, Canada, India, Korea, Turkey and others, and wallets.

        Counted is what has a right check digit and two letters, or a word before it that its recogniser asks for. No
        language model is used, so that names and places are not found, and nothing is asked of a network. The first
        20,000 characters of a text are read.
        """
        yield from report_matches(
            self,
            source,
            (PRESIDIO,),
            "number of a person by Presidio",
            PERSONAL,
            "recognisers of presidio-analyzer: a check digit and two letters, or a word of the recogniser within 40 "
            "characters before it",
        )


class ScannedSecrets:
    """Keys, tokens and passwords by CredSweeper."""

    code = "SEC002"
    needs: tuple[str, ...] = ("texts", "secrets")

    def run(self, source: AuditSource, context: CheckContext) -> Iterable[Observation]:
        """Passwords and keys that have no form of their own, by the name that stands before them.

        Its small model tells them from placeholders. Nothing is tried out, so that a key may be an old one. The first
        20,000 characters of a text are read.
        """
        yield from report_matches(
            self,
            source,
            (CREDSWEEPER,),
            "key, token or password by CredSweeper",
            "Have the key revoked by whoever owns it first; then remove these rows or replace the key.",
            "rules of CredSweeper and its model at its middle threshold, on texts that name a secret or hold a long "
            "run of letters and digits",
        )
