"""Names resolved under the rule of `addresses`.

A name is resolved once for a connection, and the connection goes to the very addresses that were looked at: so what the
name resolves to a moment later does not matter (CVE-2020-8562).
"""

from __future__ import annotations

import errno
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from sampan.apiserver.proxying.addresses import NOT_ALLOWED, is_allowed


class NotAllowed(OSError):
    """The name stands for an address that nothing is proxied to."""


class Resolver(AbstractResolver):
    """Resolves names by `inner`; fails unless all their addresses are allowed."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found or not all(is_allowed(one["host"]) for one in found):
            raise NotAllowed(errno.EACCES, NOT_ALLOWED)
        return found

    async def close(self) -> None:
        await self._inner.close()
