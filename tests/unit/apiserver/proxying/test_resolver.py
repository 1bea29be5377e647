"""Names under the rule of addresses: looked at once, at the moment of connecting."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from sampan.apiserver.proxying.resolver import NotAllowed, Resolver

GOOD = "192.0.2.7"


class Rebinding(AbstractResolver):
    """Answers each question with the next list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        found = self._answers.pop(0)
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET, proto=0, flags=0) for one in found
        ]

    async def close(self) -> None:
        """Holds nothing."""


@pytest.mark.parametrize("answer", [["127.0.0.1"], [GOOD, "127.0.0.1"], ["169.254.169.254"], []])
async def test_a_name_for_what_is_not_allowed_is_refused(answer: list[str]) -> None:
    with pytest.raises(NotAllowed, match="address not allowed"):
        await Resolver(Rebinding(answer)).resolve("rebind.example", 80)


async def test_cve_2020_8562_the_address_looked_at_is_the_one_connected_to() -> None:
    """The name leads to the loopback from the second question on: there is none for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as loopback:
        loopback.setblocking(False)
        names = Rebinding([GOOD], ["127.0.0.1"], ["127.0.0.1"])
        connector = aiohttp.TCPConnector(resolver=Resolver(names), use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=0.3)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            for _ in range(2):
                with pytest.raises((aiohttp.ClientError, TimeoutError)):
                    await session.get(f"http://rebind.example:{loopback.getsockname()[1]}/")
        assert names.asked == 2
        with pytest.raises(BlockingIOError):
            loopback.accept()
