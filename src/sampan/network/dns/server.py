"""The sockets: datagrams taken in batches, TCP connections bounded in number and time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.network.dns import wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.conversation import Conversation, Later
from sampan.network.dns.outstanding import Outstanding
from sampan.network.dns.resolver import Resolver
from sampan.network.dns.responder import Responder
from sampan.network.dns.tally import PROTOCOLS, Durations, Tally
from sampan.network.dns.wire import Query

log = logging.getLogger(__name__)

BATCH = 64
"""Datagrams answered before other tasks get their turn."""
CONNECTIONS = 512
CONNECTIONS_PER_CLIENT = 32
IPV4, IPV6 = "1", "2"
"""Families as CoreDNS's metrics name them."""


class Busy(Exception):
    """The address and port are taken; the text names them."""


class Listener:
    """Answers on one address, UDP and TCP. `owner` has the tasks of slow queries and connections."""

    def __init__(self, *, responder: Responder, resolver: Resolver, clock: Clock, owner: TaskOwner) -> None:
        self._responder = responder
        self._resolver = resolver
        self._clock = clock
        self._owner = owner
        self._udp: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._outstanding = Outstanding()
        self._connections: Counter[str] = Counter()
        self._counts = {"dropped": 0}
        durations = Durations()
        self.tallies = {(protocol, family): Tally(durations) for protocol in PROTOCOLS for family in (IPV4, IPV6)}

    async def open(self, address: str, port: int) -> int:
        """Starts to answer there; gives the port, chosen by the system when it was 0. Raises Busy, OSError."""
        try:
            server = await asyncio.start_server(self._connected, address, port, backlog=128, limit=2**16)
            bound: int = server.sockets[0].getsockname()[1]
            self._servers.append(server)
            self._listen(address, bound)
        except OSError as error:
            if error.errno == 98:
                raise Busy(
                    f"{address} port {port} is in use by another DNS server: stop it or choose another"
                ) from None
            raise
        return bound

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for udp in self._udp:
            loop.remove_reader(udp.fileno())
            udp.close()
        for server in self._servers:
            server.close()
        self._udp.clear()
        self._servers.clear()

    def statistics(self) -> dict[str, Any]:
        found = dict.fromkeys(PROTOCOLS, 0) | self._counts
        for (protocol, _), tally in self.tallies.items():
            found[protocol] += tally.queries
        slow = {"slow": self._outstanding.ever, "slowNow": self._outstanding.now}
        return {**found, **slow, "connections": self._connections.total()}

    def _listen(self, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.setblocking(False)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        udp.bind((address, port))
        self._udp.append(udp)
        tally = self.tallies["udp", _family(address)]
        asyncio.get_running_loop().add_reader(udp.fileno(), self._reader(udp, tally))

    def _reader(self, udp: socket.socket, tally: Tally) -> Callable[[], None]:
        one, monotonic, durations = self._answering(udp, tally), self._clock.monotonic, tally.durations

        def readable() -> None:
            began, answered = monotonic(), 0
            for _ in range(BATCH):
                answer = one()
                if answer is None:
                    break
                answered += answer
            if answered:
                durations.note((monotonic() - began) / answered, answered)

        return readable

    def _answering(self, udp: socket.socket, tally: Tally) -> Callable[[], bool | None]:
        """Answers one datagram: whether it did at once, or None when there is none."""
        receive, send, immediate, counts = udp.recvfrom, udp.sendto, self._responder.immediate, self._counts

        def one() -> bool | None:
            try:
                data, client = receive(4096)
            except OSError:
                return None
            tally.query(data)
            answer = immediate(data)
            if isinstance(answer, Query):
                answer = self._later(udp, answer, client, tally)
            if answer is None:
                return False
            tally.answer(answer)
            try:
                send(answer, client)
            except OSError:
                counts["dropped"] += 1
            return True

        return one

    def _later(self, udp: socket.socket, query: Query, client: Any, tally: Tally) -> bytes | None:
        """What is in the cache; else None, and a task that sends the answer when it comes."""
        known = self._resolver.known(query, tcp=False)
        if known is not None:
            return known
        if not self._outstanding.take(client[0]):
            self._counts["dropped"] += 1
            return None
        self._owner.start(lambda: self._resolve(udp, query, client, tally), name="query", policy="log")
        return None

    async def _resolve(self, udp: socket.socket, query: Query, client: Any, tally: Tally) -> None:
        began = self._clock.monotonic()
        try:
            answer = await self._resolver.resolve(query, tcp=False)
            tally.answer(answer)
            tally.durations.note(self._clock.monotonic() - began)
            udp.sendto(answer, client)
        except OSError:
            self._counts["dropped"] += 1
        finally:
            self._outstanding.give(client[0])

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = str((writer.get_extra_info("peername") or [""])[0])
        if self._connections.total() >= CONNECTIONS or self._connections[client] >= CONNECTIONS_PER_CLIENT:
            self._counts["dropped"] += 1
            writer.close()
            return
        self._connections[client] += 1
        tally = self.tallies["tcp", _family(client)]
        try:
            await Conversation(
                reader=reader, writer=writer, clock=self._clock, ask=lambda data: self._asked(data, client, tally)
            ).hold()
        finally:
            self._connections -= Counter((client,))

    def _asked(self, data: bytes, client: str, tally: Tally) -> bytes | Later | None:
        """The answer to a query by TCP, or what finds it out."""
        began = self._clock.monotonic()
        tally.query(data)
        answer = self._responder.immediate(data, tcp=True)
        if isinstance(answer, Query):
            query = answer
            if (answer := self._resolver.known(query, tcp=True)) is None:
                return lambda: self._found_out(query, client, tally)
        if answer is not None:
            tally.answer(answer)
            tally.durations.note(self._clock.monotonic() - began)
        return answer

    async def _found_out(self, query: Query, client: str, tally: Tally) -> bytes:
        """Goes on when the connection ends, for others may wait for the same question."""
        if not self._outstanding.take(client):
            return Answer(rcode=wire.SERVFAIL).to(query, tcp=True)
        work = self._owner.start(lambda: self._find_out(query, client, tally), name="query", policy="log")
        return bytes(await asyncio.shield(work))

    async def _find_out(self, query: Query, client: str, tally: Tally) -> bytes:
        began = self._clock.monotonic()
        try:
            answer = await self._resolver.resolve(query, tcp=True)
            tally.answer(answer)
            tally.durations.note(self._clock.monotonic() - began)
            return answer
        finally:
            self._outstanding.give(client)


def _family(address: str) -> str:
    return IPV6 if ":" in address else IPV4
