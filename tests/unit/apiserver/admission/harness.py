"""An API server in this process, over a store in memory, for admission plugins to be seen at work."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sampan.aio.clock import SystemClock
from sampan.apiserver.auth.user import User
from sampan.apiserver.config import Config
from sampan.apiserver.http.exchange import Exchange
from sampan.apiserver.server import ApiServer
from sampan.store.memory import MemoryStore

ADMIN = User("admin", groups=("system:masters", "system:authenticated"))


class As:
    """Authenticates everybody as `user`."""

    def __init__(self) -> None:
        self.user = ADMIN

    def authenticate(self, exchange: Exchange) -> User:
        return self.user


class Api:
    """`await api("POST", path, body)` gives the status and the decoded body."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.who = As()
        server.authenticator = self.who

    async def __call__(self, method: str, path: str, body: Any = None, *, user: User = ADMIN) -> tuple[int, Any]:
        self.who.user = user
        content = b"application/merge-patch+json" if method == "PATCH" else b"application/json"
        data = b"" if body is None else json.dumps(body).encode()
        exchange = Exchange(method=method, target=path, headers={b"content-type": content}, body=data)
        answer = self.server.handle(exchange)
        response: Any = answer if not hasattr(answer, "__await__") else await answer
        self.headers = response.headers
        return response.status, json.loads(response.whole())

    async def make(self, path: str, body: Any) -> Any:
        status, made = await self("POST", path, body)
        assert status == 201, made
        return made

    async def message(self, path: str, body: Any, *, method: str = "POST", user: User = ADMIN) -> str:
        """What a write that must be forbidden is told."""
        status, answer = await self(method, path, body, user=user)
        assert status == 403, answer
        return str(answer["message"])


@asynccontextmanager
async def api(**config: Any) -> AsyncIterator[Api]:
    clock = SystemClock()
    config = {"disable_plugins": ("ServiceAccount",)} | config
    server = ApiServer(Config(**config), MemoryStore(clock), clock, random.Random(1))
    await server.start(listen=False)
    try:
        yield Api(server)
    finally:
        await server.close()


def pod(name: str, *, metadata: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    meta = {"name": name, **(metadata or {})}
    return {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "i", **container}]}}
