"""Channels over real sockets: to grpcio's own server, and to what is no gRPC server at all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sampan.aio.clock import SystemClock
from sampan.aio.grpc import Channel, Code, RpcError
from sampan.cluster.certificates import Authority, Identity

LARGE = 5 << 20


async def echo(request: bytes, context: Any) -> bytes:
    return request


async def fail(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nicht so schnell: 50 %")
    return b""


async def hang(request: bytes, context: Any) -> bytes:
    return await asyncio.Event().wait() and b""


async def twice(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request
        yield request


CALLS = grpc.method_handlers_generic_handler(
    "test.Test",
    {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Hang": grpc.unary_unary_rpc_method_handler(hang),
        "Twice": grpc.stream_stream_rpc_method_handler(twice),
    },
)


def tls(folder: Path) -> tuple[Any, ssl.SSLContext]:
    """grpcio's credentials of a server, and what a client of it needs."""
    authority = Authority(folder, SystemClock())
    authority.ensure(Identity(file="server", user="server", hosts=("127.0.0.1",)))
    pair = ((folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes())
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.set_alpn_protocols(["h2"])
    return grpc.ssl_server_credentials([pair]), context


@pytest.fixture(params=["clear", "tls"])
async def channel(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Channel]:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((CALLS,))
    credentials, context = tls(tmp_path) if request.param == "tls" else (None, None)
    port = (
        server.add_secure_port("127.0.0.1:0", credentials) if credentials else server.add_insecure_port("127.0.0.1:0")
    )
    await server.start()
    made = Channel("127.0.0.1", port, tls=context, clock=SystemClock())
    assert await made.connect(5), made.reason
    async with asyncio.timeout(60):
        yield made
    await made.close()
    await server.stop(0)


async def test_what_grpcio_says_is_understood(channel: Channel) -> None:
    large = bytes(range(256)) * (LARGE // 256)
    sent = [b"", b"x", large, *(str(n).encode() for n in range(100))]
    answers = await asyncio.gather(*(channel.unary("/test.Test/Echo", each, seconds=30) for each in sent))
    assert answers == sent
    with pytest.raises(RpcError) as failed:
        await channel.unary("/test.Test/Fail", b"", seconds=30)
    assert (failed.value.code, failed.value.details) == (Code.FAILED_PRECONDITION, "nicht so schnell: 50 %")
    with pytest.raises(RpcError) as unknown:
        await channel.unary("/test.Test/None", b"", seconds=30)
    assert unknown.value.code is Code.UNIMPLEMENTED
    stream = channel.stream("/test.Test/Twice", metadata=(("hasleader", "true"),))
    for message in (b"a", large):
        stream.write(message)
        assert [await stream.read(), await stream.read()] == [message, message]
    stream.cancel()


async def test_calls_that_nobody_answers_end(channel: Channel) -> None:
    with pytest.raises(RpcError) as late:
        await channel.unary("/test.Test/Hang", b"", seconds=0.1)
    assert late.value.code is Code.DEADLINE_EXCEEDED
    left = asyncio.ensure_future(channel.unary("/test.Test/Hang", b"", seconds=30))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    closed = asyncio.ensure_future(channel.unary("/test.Test/Hang", b"", seconds=30))
    await asyncio.sleep(0)
    await channel.close()
    with pytest.raises(RpcError, match="closed"):
        await closed
    with pytest.raises(RpcError, match="closed"):
        await channel.unary("/test.Test/Echo", b"", seconds=30)
    assert not await channel.connect(1)


async def speak_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await reader.read()
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("serve", "reason"),
    [(speak_http1, "does not speak HTTP/2"), (say_nothing, "no answer within"), (hang_up, "the connection")],
)
async def test_what_is_no_server_is_said_so(serve: Any, reason: str) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    channel = Channel("127.0.0.1", server.sockets[0].getsockname()[1], tls=None, clock=SystemClock())
    assert not await channel.connect(0.5)
    assert reason in channel.reason
    with pytest.raises(RpcError) as failed:
        await channel.unary("/test.Test/Echo", b"", seconds=1)
    assert failed.value.untouched
    await channel.close()
    server.close()
    await server.wait_closed()


async def test_a_host_that_refuses_and_a_certificate_of_nobody(tmp_path: Path) -> None:
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    refused = Channel("127.0.0.1", port, tls=None, clock=SystemClock())
    assert not await refused.connect(5) and "connect" in refused.reason.lower()
    await refused.close()
    tls(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    secure = await asyncio.start_server(say_nothing, "127.0.0.1", 0, ssl=context)
    strict = Channel(
        "127.0.0.1", secure.sockets[0].getsockname()[1], tls=ssl.create_default_context(), clock=SystemClock()
    )
    assert not await strict.connect(5) and "certificate" in strict.reason.lower()
    await strict.close()
    secure.close()
    await secure.wait_closed()
