"""Where a client finds its server. Apart from the transport: who only reads kubeconfigs opens no connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """Where the API server is and who we are there. `ca`, `cert` and `key` are PEM bytes.

    `ca` None means the machine's own trust store; `cert` with `key` and `token` are each optional. `files` are those it
    was read from, and `again` reads them again: with them, what changes there is taken up while running.
    """

    server: str
    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    insecure_skip_tls_verify: bool = False
    server_name: str | None = None
    namespace: str = "default"
    request_seconds: float = 60.0
    user_agent: str = "sampan"
    files: tuple[Path, ...] = field(default=(), compare=False)
    again: Callable[[], ClientConfig] | None = field(default=None, repr=False, compare=False)
