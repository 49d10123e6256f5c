"""CredSweeper's rules and small model for secrets: passwords and keys by the name that they are given to, too.

Its parts are put together here rather than by its own class, which starts a process. Nothing is tried out, and nothing
is asked of a network.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from audits.errors import AuditError
from audits.extras import missing_extra, silenced
from audits.personal.matches import Detector, Match

_BATCH = 16
_LONGEST = 20_000
# rules that find what opens nothing
_NO_SECRETS = frozenset({"UUID", "IPv4", "IPv6", "ID_PASSWD_PAIR", "ID_PAIR_PASSWD_PAIR"})
# blanks beyond ASCII are none to RE2
_HINT = (
    r"(?i)(?:pass|pw|pwd|token|secret|key|api|auth|cred|bearer|nonce|salt|cert)[^\n]{0,40}?"
    "[:=\\s\x0b\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
    r"[^\n]{4}|"
    r"://[^ ]*:[^ ]*@|-----BEGIN|[a-z0-9_+/-]{20}"
)


class _Sweeper(NamedTuple):
    """The parts of CredSweeper: what finds candidates, what groups them, and what judges them."""

    scanner: Any
    provider: Any
    manager: Any
    validator: Any


def _find(text: str) -> Iterator[Match]:
    lines = text[:_LONGEST].splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    found = set()
    with silenced("credsweeper"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own classes
        for candidate in _candidates(_sweeper(), [line.rstrip("\r\n") for line in lines]):
            if candidate.rule_name in _NO_SECRETS:
                continue
            for part in candidate.line_data_list:
                row = int(part.line_num) - 1
                if part.value and 0 <= row < len(lines):
                    start = text.find(part.value, starts[row])
                    if start >= 0:
                        found.add((start, start + len(part.value), str(candidate.rule_name)))
    taken = 0
    for start, end, kind in sorted(found, key=lambda match: (match[0], -match[1], match[2])):
        if start >= taken:
            yield Match(start, end, kind)
            taken = end


def _candidates(sweeper: _Sweeper, lines: list[str]) -> list[Any]:
    """Return what the rules find and, where a rule asks for it, the model lets pass."""
    found = sweeper.scanner.scan(sweeper.provider(lines, file_path="text.txt", file_type=".txt"))
    if not any(candidate.use_ml for candidate in found):
        return list(found)
    sweeper.manager.set_credentials(found)
    sweeper.manager.purge_duplicates()
    kept, asked = [], []
    for key, group in sweeper.manager.group_credentials().items():
        if any(candidate.use_ml for candidate in group):
            asked.append((key, group))
        else:
            kept.extend(group)
    right, _ = sweeper.validator.validate_groups(asked, _BATCH, None)
    for (_, group), passes in zip(asked, right, strict=True):
        kept.extend(candidate for candidate in group if passes or not candidate.use_ml)
    return kept


@lru_cache(maxsize=1)
def _sweeper() -> _Sweeper:
    reason = missing_extra("secrets")
    if reason is not None:
        msg = f"CredSweeper can not be asked: it {reason}."
        raise AuditError(msg)
    import credsweeper
    from credsweeper.common.constants import Confidence, Severity, ThresholdPreset
    from credsweeper.config.config import Config
    from credsweeper.credentials.credential_manager import CredentialManager
    from credsweeper.file_handler.string_content_provider import StringContentProvider
    from credsweeper.ml_model.ml_validator import MlValidator
    from credsweeper.scanner.scanner import Scanner
    from credsweeper.utils.util import Util

    settings = Util.json_load(f"{credsweeper.__path__[0]}/secret/config.json")
    settings |= {"use_filters": True, "find_by_ext": False, "size_limit": None, "pedantic": False, "depth": 0,
                 "doc": False, "severity": Severity.INFO.value, "confidence": Confidence.MODERATE.value}  # fmt: skip
    manager = CredentialManager.__new__(CredentialManager)  # its own constructor starts a process
    validator = MlValidator(threshold=ThresholdPreset.medium)
    return _Sweeper(Scanner(Config(settings), None), StringContentProvider, manager, validator)


CREDSWEEPER = Detector("secret by CredSweeper", _find, _HINT)
