"""Cluster addresses and node ports of services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sampan.api.registry import Kind
from sampan.apiserver.write import Write

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer


class Allocators:
    """To be filled in."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def load(self) -> None:
        """Read what is taken from the watch cache."""

    def allocate(self, write: Write) -> None:
        """Give a service what it asks for."""

    def release(self, kind: Kind, obj: Any, write: Write) -> None:
        """Take back what an object that ends holds."""
