"""Questions to other servers over sockets of this machine: a new port for each, which a forger would have to guess."""

from __future__ import annotations

import asyncio
import struct

PORT = 53


class SocketExchange:
    """`forwarding.Exchange` by UDP and TCP."""

    def __init__(self, port: int = PORT) -> None:
        self._port = port

    async def udp(self, server: str, query: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        received: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Waiting(query[:2], received), remote_addr=self._place(server)
        )
        try:
            transport.sendto(query)
            return await received
        finally:
            transport.close()

    async def tcp(self, server: str, query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._place(server))
        try:
            writer.write(struct.pack(">H", len(query)) + query)
            length = struct.unpack(">H", await reader.readexactly(2))[0]
            return await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("closed in the middle of an answer") from error
        finally:
            writer.close()

    def _place(self, server: str) -> tuple[str, int]:
        """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`."""
        host, _, port = server.rpartition(":")
        if port.isdecimal() and (host.endswith("]") or ":" not in host) and host:
            return host.strip("[]"), int(port)
        return server.strip("[]"), self._port


class _Waiting(asyncio.DatagramProtocol):
    """Gives the first datagram with the right identifier to a future; others are forged or late."""

    def __init__(self, identifier: bytes, received: asyncio.Future[bytes]) -> None:
        self._identifier = identifier
        self._received = received

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._identifier and not self._received.done():
            self._received.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._received.done():
            self._received.set_exception(exc)
