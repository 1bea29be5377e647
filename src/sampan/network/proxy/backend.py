"""The seam between what the proxy wants and the packet filter that does it.

A backend owns its rules in the kernel and nothing else there. Calls come one at a time. `errors.Unusable` from any of
them means that trying again will not help until a person acts; `errors.RefusedByKernel` and OSError are retried with a
full `replace`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sampan.network.proxy.model import ServicePort

Ports = tuple[ServicePort, ...]


class Change(NamedTuple):
    """One Service (`namespace/name`), what its rules were and what they become; () stands for none."""

    service: str
    old: Ports
    new: Ports


class Removable(Protocol):
    """What can be taken away when another mode has taken its place."""

    async def remove(self) -> None: ...


class Backend(Protocol):
    async def replace(self, services: Mapping[str, Ports]) -> None:
        """Makes the rules be exactly these, in one atomic step; what worked before and still should keeps working.
        Holds up the event loop for no longer than moments, however many there are."""
        ...

    async def update(self, changes: Sequence[Change]) -> None:
        """Applies these differences in one atomic step; cost follows the differences, not the number of services."""
        ...

    async def damaged(self) -> bool:
        """Whether somebody else has changed or removed our rules since the last call; cheap enough for every second."""
        ...

    async def remove(self) -> None:
        """Deletes every rule of ours; nothing there is no error. What `machine.prepare` has set stays."""
        ...

    def close(self) -> None:
        """Lets go of sockets and the like; the rules stay."""
        ...

    def statistics(self) -> dict[str, Any]: ...
