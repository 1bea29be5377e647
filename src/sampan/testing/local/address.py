"""Where a cluster is reached."""

from __future__ import annotations

from dataclasses import dataclass

from sampan.client.config import ClientConfig


@dataclass(frozen=True)
class Address:
    """Where the server is and how to be its administrator."""

    url: str
    admin: ClientConfig
