"""Questions to other servers over sockets of this machine: a new port for each, which a forger would have to guess."""

from __future__ import annotations

import asyncio
import socket
import struct

PORT = 53
LARGEST = 4096
"""Bytes of a datagram that are taken; resolvers are told to send no more than wire.UDP_SIZE."""


class SocketExchange:
    """`forwarding.Exchange` by UDP and TCP."""

    def __init__(self, port: int = PORT) -> None:
        self._port = port

    async def udp(self, server: str, query: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        host, port = self._place(server)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect((host, port))
            asking.send(query)
            while True:
                data = await loop.sock_recv(asking, LARGEST)
                # Others with another identifier are forged or late.
                if data[:2] == query[:2]:
                    return data

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
