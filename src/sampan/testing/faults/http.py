"""The way to an API server in another process: HTTPS, as any client of its would."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from yarl import URL

from sampan.store.errors import Unavailable

TOKEN = "faults"
TOKENS = f'{TOKEN},faults,1,"system:masters"\n'
"""What a server's --token-auth-file must hold for these clients."""
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE_SECONDS = 3.0
SILENCE_SECONDS = 20.0
"""A watch that says nothing for so long is begun anew, as client-go's do when their connection is silent."""


class Https:
    """`apistore.Caller` on the server at `url`; give the session back with `close`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """Made when first used, because it belongs to an event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False, limit=0), headers=HEADERS)
        return self._session

    async def request(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        try:
            async with self.session.request(method, self.at(target), json=body, timeout=timeout) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from None

    def at(self, target: str) -> URL:
        return URL(self._url + target, encoded=True)

    def follow(self, target: str) -> Lines:
        return Lines(self, target)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class Lines:
    """`apistore.Lines` of one watch."""

    def __init__(self, caller: Https, target: str) -> None:
        self._caller = caller
        self._target = target
        self._answer: aiohttp.ClientResponse | None = None

    async def next(self) -> dict[str, Any]:
        try:
            if self._answer is None:
                self._answer = await self._open()
            line = await self._answer.content.readline()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from None
        if not line.endswith(b"\n"):
            raise Unavailable("the server ended the watch")
        found: dict[str, Any] = json.loads(line)
        return found

    async def _open(self) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE_SECONDS, sock_read=SILENCE_SECONDS)
        answer = await self._caller.session.get(self._caller.at(self._target), timeout=timeout)
        if answer.status != 200:
            answer.close()
            raise Unavailable(f"the watch was answered with {answer.status}")
        return answer

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()


async def ready(caller: Https, seconds: float) -> None:
    """Returns when the server says that it is; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if (await caller.request("GET", "/api/v1/namespaces/default"))[0] == 200:
                    return
            except Unavailable:
                pass
            await asyncio.sleep(0.05)
