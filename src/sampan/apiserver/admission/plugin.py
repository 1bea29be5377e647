"""What an admission plugin is."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar

from sampan.api import errors
from sampan.api.errors import Forbidden
from sampan.apiserver.write import Write

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer


class Plugin:
    """`resources` names what the plugin wants to see as (group, plural); empty: everything. Likewise `operations`.

    A subresource is only shown to a plugin that lists it in `subresources` ("" is the object itself). What is written
    is then of the parent's `resource`, and may be of another kind (a Binding to `pods/binding`, a Scale to
    `deployments/scale`). Of a connection (CONNECT: `pods/exec`, `nodes/proxy`) its options are shown as what is new.
    """

    name: ClassVar[str]
    on_by_default: ClassVar[bool] = True
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE", "UPDATE"})
    subresources: ClassVar[frozenset[str]] = frozenset({""})

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def configure(self, settings: Any) -> None:
        """Take what the configuration file says of the plugin (a JSON value), once, before the first write.

        Raises ValueError for what does not fit; most plugins have nothing to be told.
        """
        raise ValueError("this plugin takes no configuration")

    def require(self) -> None:
        """Raises ValueError when the plugin cannot work as it is configured (or was not, and must be)."""

    def mutate(self, write: Write) -> Awaitable[None] | None:
        """Change `write.new` in place, or raise ApiError."""
        return None

    def validate(self, write: Write) -> Awaitable[None] | None:
        """Raise ApiError, or let it pass."""
        return None

    async def close(self) -> None:
        """The server ends: give back connections."""

    def handles(self, group: str, plural: str, subresource: str, operation: str) -> bool:
        """Whether the plugin wants to see such a write."""
        return (
            (not self.resources or (group, plural) in self.resources)
            and operation in self.operations
            and ("*" in self.subresources or subresource in self.subresources)
        )


def forbid(write: Write, why: str) -> Forbidden:
    """403 about the object being written, for a plugin to raise."""
    resource = write.resource
    return errors.forbidden(resource.group, resource.plural, write.name, why)
