"""Streams through the node's server over real sockets; the runtime's end is an echo on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from sampan.cri.errors import RuntimeFailure
from sampan.kubelet.access.delegated import Refused
from sampan.kubelet.streaming import ports, streams

from .harness import Node, node
from .test_server import certificates, context, serving

UPGRADE = b"Host: n\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The runtime's server: says what it was asked, and then what it is told."""
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n" + head)
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def streaming_node(folder: Path) -> AsyncIterator[Node]:
    runtime = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with runtime, node(folder, port=0, bind_address="127.0.0.1") as n:
        n.runtime.stream_url = f"http://127.0.0.1:{runtime.sockets[0].getsockname()[1]}/exec/t0ken"
        n.pod()
        n.pod("waits", containers=[{"name": "c", "envFrom": [{"configMapRef": {"name": "none"}}]}])
        await n.advance(1)
        yield n


async def ask(n: Node, target: str, extra: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """The answer's head is the last part."""
    reader, writer = await asyncio.open_connection("127.0.0.1", n.kubelet.server.port)
    writer.write(b"POST " + target.encode() + b" HTTP/1.1\r\n" + UPGRADE + b"\r\n" + extra)
    return reader, writer, await reader.readuntil(b"\r\n\r\n")


async def refusal(n: Node, target: str) -> tuple[int, str]:
    reader, writer, head = await ask(n, target)
    body = await reader.read()
    writer.close()
    return int(head.split()[1]), body.decode()


async def test_exec_reaches_the_runtime_with_the_protocol_asked_for(tmp_path: Path) -> None:
    async with streaming_node(tmp_path) as n:
        target = "/exec/default/p/c?command=sh&command=-c&command=echo+%24HOME&input=1&output=1&tty=1&error=1"
        reader, writer, head = await ask(n, target, b"early ")
        assert head.startswith(b"HTTP/1.1 101")
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"POST /exec/t0ken HTTP/1.1\r\n")
        assert b"x-stream-protocol-version: v4.channel.k8s.io\r\n" in asked
        writer.write(b"late")
        assert await reader.readexactly(10) == b"early late"
        container = n.container().containerID.partition("://")[2]
        assert ("exec", container, "sh", "-c", "echo $HOME") in n.runtime.calls
        writer.close()


async def test_attach_and_port_forward(tmp_path: Path) -> None:
    async with streaming_node(tmp_path) as n:
        for target in ("/attach/default/p/c?output=1", "/portForward/default/p?port=80&port=443"):
            _, writer, head = await ask(n, target)
            assert head.startswith(b"HTTP/1.1 101")
            writer.close()
        kinds = [call[0] for call in n.runtime.calls if call[0] in ("attach", "port_forward")]
        assert kinds == ["attach", "port_forward"]
        assert n.runtime.calls[-1][2:] == ("80", "443")


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/exec/default/none/c?output=1", 404, "pod does not exist\n"),
        ("/exec/default/p/x?output=1", 404, 'container not found ("x")\n'),
        ("/exec/default/waits/c?output=1", 404, 'container not found ("c")\n'),
        ("/exec/default/p/c?command=sh", 400, "you must specify at least 1 of stdin, stdout, stderr\n"),
        ("/exec/default/p?output=1", 404, "404 page not found\n"),
        ("/exec/default/p/c?" + "a=1&" * 1001, 400, "more than 1000 query parameters\n"),
        ("/portForward/default/p?port=0", 400, '"0" is no port: want a number from 1 to 65535\n'),
    ],
)
async def test_refusals(tmp_path: Path, target: str, status: int, text: str) -> None:
    async with streaming_node(tmp_path) as n:
        assert await refusal(n, target) == (status, text)


async def test_what_the_runtime_says_is_passed_on(tmp_path: Path) -> None:
    async with streaming_node(tmp_path) as n:
        n.runtime.fail("exec", RuntimeFailure("container is on fire"))
        assert await refusal(n, "/exec/default/p/c?output=1") == (500, "container is on fire\n")
        n.runtime.stream_url = "http://127.0.0.1:1/"
        status, text = await refusal(n, "/exec/default/p/c?output=1")
        assert status == 500 and text.startswith("the runtime's stream could not be opened: ")


async def test_who_may_not_gets_no_stream(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    certificates(pki)
    config = {"port": 0, "bind_address": "127.0.0.1", "client_ca": pki / "ca.crt", **serving(pki)}
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    async with node(tmp_path, **config) as n, aiohttp.ClientSession() as session:
        n.pod()
        await n.advance(1)
        url = f"https://127.0.0.1:{n.kubelet.server.port}/exec/default/p/c?output=1"
        for who, status in ((None, 401), ("someone", 403)):
            async with session.post(url, ssl=context(pki, who), headers=headers) as response:
                assert response.status == status
        assert not [call for call in n.runtime.calls if call[0] == "exec"]


def test_a_terminal_has_one_output() -> None:
    assert streams([("output", "1"), ("error", "1"), ("tty", "true")]) == (False, True, False, True)
    with pytest.raises(Refused):
        streams([("output", "0")])
    assert ports([("port", "1"), ("ports", "x"), ("port", "65535")]) == [1, 65535]
