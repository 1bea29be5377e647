"""Names outside the cluster, asked of the machine's own resolvers.

One question is asked once however many clients wait for it. A server that fails rests for a while, growing with its
failures, and is asked last meanwhile; a truncated answer is asked for again over TCP. The number of questions under way
is bounded. A server that passes our questions back to us (a resolver of this machine set to use the cluster's DNS) is
found by a question with a random name and not used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sampan.aio.clock import Clock
from sampan.network.dns import message, wire
from sampan.network.dns.cache import AnswerCache, Key
from sampan.network.dns.message import Broken, Message
from sampan.network.dns.tally import RCODES, Durations

log = logging.getLogger(__name__)

TRY_SECONDS = 1.5
TRIES = 3
AT_ONCE = 1000
REST_SECONDS = 2.0
LONGEST_REST_SECONDS = 30.0


class Exchange(Protocol):
    """One question to one server. Both raise OSError; the caller bounds the time by cancelling."""

    async def udp(self, server: str, query: bytes) -> bytes:
        """The first datagram from that server whose identifier is the query's."""
        ...

    async def tcp(self, server: str, query: bytes) -> bytes: ...


class NoAnswer(Exception):
    """No server gave one."""


@dataclass(slots=True)
class Upstream:
    address: str
    failures: int = 0
    resting_until: float = 0.0
    loops: bool = False
    durations: dict[str, Durations] = field(default_factory=dict)
    """How long it took to answer, by the answer's code."""

    def answered(self, rcode: int, seconds: float) -> None:
        name = RCODES[rcode] if rcode < len(RCODES) else str(rcode)
        self.durations.setdefault(name, Durations()).note(seconds)


def nameservers(resolv_conf: str, own: Collection[str]) -> list[str]:
    """The servers a resolv.conf(5) text names, at most the three that count, without our `own` addresses."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]) and words[1] not in own:
            found.append(words[1])
    return list(dict.fromkeys(found))[:3]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


class Forwarder:
    def __init__(self, *, exchange: Exchange, clock: Clock, rng: random.Random, cache: AnswerCache) -> None:
        self._exchange = exchange
        self._clock = clock
        self._rng = rng
        self._cache = cache
        self._servers: list[Upstream] = []
        self._stubs: dict[bytes, list[Upstream]] = {}
        self._under_way: dict[Key, asyncio.Future[Message]] = {}
        self._probes: dict[bytes, Upstream] = {}
        self._counts = {"asked": 0, "failed": 0, "shared": 0, "refused": 0}

    def use(self, addresses: Iterable[str], stubs: Mapping[bytes, Iterable[str]] | None = None) -> None:
        """Asks these servers from now on, in this order; for names in the domains `stubs` (wire form) those there."""
        known = {server.address: server for server in self._all()}

        def upstreams(given: Iterable[str]) -> list[Upstream]:
            return [known.setdefault(address, Upstream(address)) for address in given]

        self._servers = upstreams(addresses)
        self._stubs = {domain: upstreams(given) for domain, given in (stubs or {}).items()}

    def cached(self, question: bytes, wish: int = 0) -> tuple[Message, int] | None:
        """What is known already, with its age in seconds; `question` in lower case, `wish` as of `wire.Query`."""
        return self._cache.get((question, wish), self._clock.monotonic())

    async def ask(self, question: bytes, wish: int = 0) -> tuple[Message, int]:
        """The answer to a question (name, type, class) not `cached` a moment ago, and its age; raises NoAnswer."""
        key = question, wish
        known = self._cache.get(key, self._clock.monotonic(), again=True)
        if known is not None:
            return known
        same = self._under_way.get(key)
        if same is not None:
            self._counts["shared"] += 1
            return await asyncio.shield(same), 0
        if len(self._under_way) >= AT_ONCE:
            self._counts["refused"] += 1
            raise NoAnswer("too many questions under way")
        return await self._ask_for_all(key), 0

    async def find_loops(self) -> None:
        """Asks every server for a name nobody else would ask for; `is_probe` catches it coming back."""
        for server in self._all():
            name = wire.encode_name(f"{self._rng.getrandbits(60):x}.{self._rng.getrandbits(60):x}")
            self._probes[name] = server
            try:
                await self._try(server, name + struct.pack(">HH", wire.HINFO, wire.IN))
            except (OSError, TimeoutError, Broken):
                pass
            finally:
                del self._probes[name]

    def is_probe(self, name: bytes) -> bool:
        """Whether this incoming question is our own, back from a server, which then is used no more."""
        server = self._probes.get(name)
        if server is None:
            return False
        if not server.loops:
            server.loops = True
            log.error("this resolver sends questions back to the cluster DNS and is not used server=%s", server.address)
        return True

    def durations(self) -> Iterator[tuple[str, str, Durations]]:
        """(server, answer's code, how long those took)."""
        for server in self._all():
            for rcode, durations in server.durations.items():
                yield server.address, rcode, durations

    def statistics(self) -> dict[str, Any]:
        now = self._clock.monotonic()
        servers = {
            server.address: "loop" if server.loops else "resting" if server.resting_until > now else "used"
            for server in self._all()
        }
        return {"servers": servers, "underWay": len(self._under_way), **self._counts, "cache": self._cache.statistics()}

    async def _ask_for_all(self, key: Key) -> Message:
        """Asks, and tells whoever has the same question meanwhile."""
        told: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._under_way[key] = told
        failure = NoAnswer("who asked for it was stopped")
        try:
            answer = await self._ask_servers(key)
            told.set_result(answer)
            return answer
        except NoAnswer as error:
            self._counts["failed"] += 1
            failure = error
            raise
        finally:
            del self._under_way[key]
            if not told.done():
                told.set_exception(failure)
                told.exception()

    async def _ask_servers(self, key: Key) -> Message:
        self._counts["asked"] += 1
        failed: Message | None = None
        for server in self._order(key[0][:-4]):
            began = self._clock.monotonic()
            try:
                answer = await self._try(server, *key)
            except (OSError, TimeoutError, Broken) as error:
                self._rest(server, error)
                continue
            server.answered(answer.rcode, self._clock.monotonic() - began)
            if answer.rcode in (wire.SERVFAIL, wire.REFUSED, wire.NOTIMP):
                failed = answer
                continue
            server.failures, server.resting_until = 0, 0.0
            self._cache.put(key, answer, self._clock.monotonic())
            return answer
        if failed is None:
            raise NoAnswer("no server answered")
        return failed

    def _all(self) -> list[Upstream]:
        """Every server once."""
        groups = (self._servers, *self._stubs.values())
        return list({server.address: server for group in groups for server in group}.values())

    def _order(self, name: bytes) -> list[Upstream]:
        """Whom to ask, one after the other: those that work, then those that rest; each again while tries are left."""
        now = self._clock.monotonic()
        domain = next((suffix for suffix in wire.ancestors(name) if suffix in self._stubs), None)
        servers = self._servers if domain is None else self._stubs[domain]
        usable = [server for server in servers if not server.loops]
        ordered = sorted(usable, key=lambda server: server.resting_until > now)
        return (ordered * TRIES)[:TRIES] if len(ordered) < TRIES else ordered

    def _rest(self, server: Upstream, error: Exception) -> None:
        if server.failures == 0:
            log.warning("resolver does not answer server=%s error=%s", server.address, error or "no answer in time")
        server.failures += 1
        rest = min(REST_SECONDS * 2 ** min(server.failures - 1, 5), LONGEST_REST_SECONDS)
        server.resting_until = self._clock.monotonic() + rest

    async def _try(self, server: Upstream, question: bytes, wish: int = 0) -> Message:
        identifier = self._rng.getrandbits(16)
        query = message.query_bytes(identifier, question, wish)
        data = await self._clock.wait_for(self._exchange.udp(server.address, query), TRY_SECONDS)
        answer = message.parse(data, identifier, question)
        if answer.truncated:
            data = await self._clock.wait_for(self._exchange.tcp(server.address, query), TRY_SECONDS)
            answer = message.parse(data, identifier, question)
        return answer
