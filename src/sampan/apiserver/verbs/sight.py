"""How new the state is that a write is decided on.

The watch cache of a server over a shared store may be behind other servers' writes by some milliseconds. Asking the
store first, on every write, would cost a round trip that is nearly always for nothing. So a write is decided on the
cache as it is: where that was old, compare-and-swap refuses the commit, and no harm is done. What compare-and-swap
cannot see is a refusal, or a decision that nothing is to be written; those stand only on a cache that is known to hold
every write acknowledged before the request came (as upstream's `GuaranteedUpdate` does with a cached object).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer


class Sight:
    """One request's: `certain` once nothing acknowledged before it can be missing from the cache."""

    __slots__ = ("_server", "certain")

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.certain = server.local

    async def begin(self) -> None:
        """Over a store of this process certainty costs nothing; a cache that has lost its store says so here.

        Raises StoreError.
        """
        if self._server.local or self._server.cache.failure is not None:
            await self._server.cache.fresh()

    async def renew(self) -> None:
        """Makes it certain. Raises StoreError."""
        if not self.certain:
            await self._server.cache.fresh()
            self.certain = True
