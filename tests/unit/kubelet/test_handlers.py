"""Probes' transport against real servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from aiohttp import web

from sampan.aio.clock import SystemClock
from sampan.cri.errors import RuntimeFailure
from sampan.kubelet.handlers import NodeHandlers
from sampan.testing.fakecri import FakeRuntime


@pytest.fixture
async def handlers() -> AsyncIterator[NodeHandlers]:
    clock = SystemClock()
    made = NodeHandlers(FakeRuntime(clock), clock)
    yield made
    await made.close()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A web server: /ok, /bad (500), /away (a redirect to /ok), /slow."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/away":
            raise web.HTTPFound("/ok")
        if request.path == "/slow":
            await asyncio.Event().wait()
        return web.Response(status=500 if request.path == "/bad" else 200, text=request.headers.get("X-Mine", "-"))

    server = web.Server(answer)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_http(handlers: NodeHandlers, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    assert await handlers.http(f"{base}/ok", [("X-Mine", "me")], 5) == (True, "me")
    assert await handlers.http(f"{base}/away", [], 5) == (True, "-")
    assert await handlers.http(f"{base}/bad", [], 5) == (False, "HTTP probe failed with statuscode: 500")
    ok, text = await handlers.http(f"{base}/slow", [], 0.05)
    assert (ok, "context deadline exceeded" in text) == (False, True)
    assert not (await handlers.http("http://127.0.0.1:1/", [], 5))[0]


async def test_tcp(handlers: NodeHandlers, port: int) -> None:
    assert await handlers.tcp("127.0.0.1", port, 5) == (True, "")
    ok, text = await handlers.tcp("127.0.0.1", 1, 5)
    assert (ok, text.startswith("dial tcp 127.0.0.1:1: connect: ")) == (False, True)


async def test_exec(handlers: NodeHandlers) -> None:
    runtime = handlers._runtime
    assert isinstance(runtime, FakeRuntime)
    runtime.on_exec = lambda container, command: (1, "no") if command[0] == "false" else (0, "yes")
    assert await handlers.exec("c", ["true"], 1) == (True, "yes")
    assert await handlers.exec("c", ["false"], 1) == (False, "no")
    runtime.fail("exec_sync", RuntimeFailure("container not running"))
    assert await handlers.exec("c", ["true"], 1) == (False, "rpc error: container not running")


async def test_grpc(handlers: NodeHandlers) -> None:
    async def check(request: bytes, context: object) -> bytes:
        return b"\x08\x01" if request == b"" else b"\x08\x02"

    method = grpc.unary_unary_rpc_method_handler(check)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert (await handlers.grpc("127.0.0.1", port, "", 5))[0]
        assert not (await handlers.grpc("127.0.0.1", port, "other", 5))[0]
    finally:
        await server.stop(0)
    assert not (await handlers.grpc("127.0.0.1", 1, "", 1))[0]
