"""What the audit log is told when a server starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """`policy` or `path` None: nothing is written. `path` `-` is standard output.

    A file of `max_megabytes` is put aside (0: of a hundred); of those put aside `max_backups` stay, and none is older
    than `max_days` (0: all stay). `compress`: they are gzipped. `strict`: a request whose event cannot be written is
    refused.
    """

    policy: Path | None = None
    path: Path | None = None
    max_days: int = 0
    max_backups: int = 0
    max_megabytes: int = 0
    compress: bool = False
    strict: bool = False
