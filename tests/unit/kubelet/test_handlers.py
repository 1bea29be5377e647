"""Probes' transport against real servers on loopback."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import msgspec
import pytest
from aiohttp import web

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1
from sampan.cri.errors import RuntimeFailure
from sampan.kubelet.asking import Target
from sampan.kubelet.handlers import Answer, NodeHandlers, Unanswered
from sampan.kubelet.hooks import run_hook
from sampan.testing.fakecri import FakeRuntime

REDIRECTS = {"/away": "/ok", "/far": "http://localhost:1/", "/round": "/round"}


@pytest.fixture
def handlers() -> NodeHandlers:
    clock = SystemClock()
    return NodeHandlers(FakeRuntime(clock), clock)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A web server: /ok, /bad (500), /slow, /sent (back what the client is called) and redirects."""

    async def answer(request: web.Request) -> web.Response:
        if request.path in REDIRECTS:
            raise web.HTTPFound(REDIRECTS[request.path], text="moved")
        if request.path == "/slow":
            await asyncio.Event().wait()
        if request.path == "/sent":
            return web.Response(text=f"{request.headers.get('User-Agent')} {request.host}")
        return web.Response(status=500 if request.path == "/bad" else 200, text=request.headers.get("X-Mine", "-"))

    server = web.Server(answer)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_http(handlers: NodeHandlers, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    assert await handlers.http(f"{base}/ok", [("X-Mine", "me")], 5) == Answer(True, "me", status=200)
    assert await handlers.http(f"{base}/bad", [], 5) == Answer(
        False, "HTTP probe failed with statuscode: 500", status=500
    )
    late = await handlers.http(f"{base}/slow", [], 0.05)
    assert (late.ok, "context deadline exceeded" in late.text) == (False, True)
    refused = await handlers.http("http://127.0.0.1:1/", [], 5)
    assert refused == Answer(False, 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused')


async def test_what_a_path_may_hold(handlers: NodeHandlers, port: int) -> None:
    for path in ("/ok", "/ok?a=b c&d=%41", "/ok#part", "/%6fk"):
        assert (await handlers.http(f"http://127.0.0.1:{port}{path}", [], 5)).text == "-", path


async def test_http_headers(handlers: NodeHandlers, port: int) -> None:
    url = f"http://127.0.0.1:{port}/sent"
    assert (await handlers.http(url, [], 5)).text == f"kube-probe/1.36 127.0.0.1:{port}"
    own = [("User-Agent", "mine"), ("Host", "web.example")]
    assert (await handlers.http(url, own, 5)).text == "mine web.example"
    assert (await handlers.http(url, [("User-Agent", "")], 5)).text == f"None 127.0.0.1:{port}"


async def test_http_redirects_stay_on_the_host(handlers: NodeHandlers, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    assert (await handlers.http(f"{base}/away", [], 5)).text == "-"
    assert await handlers.http(f"{base}/far", [], 5) == Answer(
        True, "Probe terminated redirects, Response body: moved", warning=True
    )
    circle = await handlers.http(f"{base}/round", [], 5)
    assert (circle.ok, circle.text) == (False, f'Get "{base}/round": stopped after 10 redirects')


async def test_what_is_given_up_at_any_moment_leaves_nothing(handlers: NodeHandlers, port: int) -> None:
    """Neither an open connection (pytest would see it) nor an error that nobody asks for."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    for number in range(60):
        for scheme in ("http", "https"):
            assert not (await handlers.http(f"{scheme}://127.0.0.1:{port}/slow", [], number / 10_000)).ok
        await handlers.tcp("127.0.0.1", port, number / 100_000)
    gc.collect()
    assert complaints == []


async def test_a_hook_is_heard_whatever_the_status(handlers: NodeHandlers, port: int) -> None:
    get = {"httpGet": {"port": port, "path": "/bad", "host": "127.0.0.1"}}
    hook = msgspec.convert(get, core_v1.LifecycleHandler)
    target = Target(container_id="c", spec=None, ip="")
    assert (await run_hook(handlers, SystemClock(), hook, target)).ok
    hook.httpGet.port = 1
    assert not (await run_hook(handlers, SystemClock(), hook, target)).ok


async def test_tcp(handlers: NodeHandlers, port: int) -> None:
    assert await handlers.tcp("127.0.0.1", port, 5) == Answer(True)
    refused = await handlers.tcp("127.0.0.1", 1, 5)
    assert (refused.ok, refused.text.startswith("dial tcp 127.0.0.1:1: connect: ")) == (False, True)


async def test_exec(handlers: NodeHandlers) -> None:
    runtime = handlers._runtime
    assert isinstance(runtime, FakeRuntime)
    runtime.on_exec = lambda container, command: (1, "no") if command[0] == "false" else (0, "yes")
    assert await handlers.exec("c", ["true"], 1) == Answer(True, "yes")
    assert await handlers.exec("c", ["false"], 1) == Answer(False, "no")
    runtime.fail("exec_sync", RuntimeFailure("container not running", "UNKNOWN"))
    with pytest.raises(Unanswered, match="rpc error: code = Unknown desc = container not running"):
        await handlers.exec("c", ["true"], 1)


async def test_grpc(handlers: NodeHandlers) -> None:
    async def check(request: bytes, context: Any) -> bytes:
        if request[1:].endswith(b"none"):
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        return b"\x08\x01" if request == b"" or len(request) == 203 else b"\x08\x02"

    method = grpc.unary_unary_rpc_method_handler(check)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        answers = [await handlers.grpc("127.0.0.1", port, name, 5) for name in ("", "x" * 200, "other", "none")]
    finally:
        await server.stop(0)
    assert [answer.ok for answer in answers] == [True, True, False, False]
    assert answers[2].text == 'service unhealthy (responded with "NOT_SERVING")'
    assert answers[3].text.startswith("error: this server does not implement the grpc health protocol")
    assert not (await handlers.grpc("127.0.0.1", 1, "", 1)).ok
