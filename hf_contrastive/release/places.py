"""Places that only somebody's own machine or network knows: paths, shares and buckets."""

from __future__ import annotations

import re

_ROOTS = (
    "home|Users|root|tmp|mnt|private|workspaces?|kaggle|data\\d*|dbfs|opt|scratch\\w*|content|Volumes|srv|var|nfs\\w*|media"
    "|lustre|gpfs|fsx|efs|raid\\d*|ssd\\d*|hdd\\d*|disk\\d*|export|storage|shared|projects?|teamspace|work|dev/shm|usr/local"
)
# a chat template may well hold `A:\\n`: what could be a line break or a tab must be a name that is known
_FOLDER = r"(?:(?![nrt])[\w.-]+|runs?|results?|repos?|research|training|team|temp|tmp|nlp)"
_LOCAL = re.compile(
    rf"(?<![\w/.:~<-])(?:/(?:{_ROOTS})/[\w.-]+|~/[\w.-]+)"
    rf"|(?<![\w\\])[A-Za-z]:(?:\\{{1,2}}Users\\{{1,2}}[\w.-]+|\\{{1,2}}{_FOLDER}\\{{1,2}}[\w.-]+|/(?!/)[\w.-]+/[\w.-]+)"
    r"|(?:^|(?<=[\"'`\s(=]))\\\\(?![nrt]\\)\w[\w.-]+\\[\w$][\w$.-]+"
    r"|(?<![\w])(?:file://|dbfs:/|(?:s3[an]?|gs|gcs|abfss?|wasbs?|adl|hdfs|viewfs|oss|r2|nfs|smb|sftp|ssh)://)/{0,2}[\w~.-]+",
    re.MULTILINE,
)


def local_path(text: str) -> str:
    """Return the first place in ``text`` that nobody else can reach, or ""."""
    found = _LOCAL.search(text)
    return found.group() if found else ""
