"""HTTP GET as probes and hooks do it: no certificate is verified, nothing is kept open, and a redirect is followed
only to the same host, so that a container cannot send the node's requests where it likes (upstream's probe/http).

A connection of its own for each request is what a probe is to try; the client is ours because a node asks thousands a
minute, and of a session, pools, cookies and encodings it needs nothing.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from sampan.kubelet.httpwire import Reply, request

AGENT = "kube-probe/1.36"
DEFAULTS = (("User-Agent", AGENT), ("Accept", "*/*"))
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
PORTS = {"http": 80, "https": 443}
UNQUOTED = "/%:@!$&'()*+,;=~?"


class Redirected(Exception):
    """The answer was a redirect to another host, which is not followed."""


async def get(url: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Status and the first of the body; raises Redirected, and OSError or ValueError when there is no answer."""
    named = {name.lower() for name, _ in headers}
    # A header given empty is not sent at all.
    own = [(name, value) for name, value in headers if value]
    sent = [*(default for default in DEFAULTS if default[0].lower() not in named), *own]
    here = url
    for _ in range(MOST_REDIRECTS):
        reply = await once(here, sent)
        body, location = reply.body.decode(errors="replace"), reply.headers.get("location")
        if reply.status not in REDIRECTS or not location:
            return reply.status, body
        there = urljoin(here, location)
        if urlsplit(there).hostname != urlsplit(here).hostname:
            raise Redirected(f"Probe terminated redirects, Response body: {body}")
        here = there
    raise ValueError(f"stopped after {MOST_REDIRECTS} redirects")


async def once(url: str, headers: Sequence[tuple[str, str]]) -> Reply:
    """One request and its answer; raises OSError or ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f'unsupported protocol scheme "{parts.scheme}"')
    sent = request(target(parts), parts.netloc, headers)
    host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    try:
        transport, exchange = await loop.create_connection(Exchange, host, port)
    except OSError as error:
        raise OSError(refusal(host, port, error)) from None
    try:
        # A step of its own: asyncio forgets a connection that is given up before its handshake began.
        way = await secured(transport, exchange, host) if parts.scheme == "https" else transport
        way.write(sent)
        return await exchange.replied
    finally:
        transport.abort()


async def secured(transport: asyncio.Transport, exchange: Exchange, host: str) -> asyncio.WriteTransport:
    """The same connection by TLS; raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        made = await loop.start_tls(transport, exchange, unverified(), server_hostname=host)
    except ssl.SSLError as error:
        raise OSError(f"tls: {error.reason or error}") from None
    if made is None:
        raise OSError("EOF")
    return made


def target(parts: SplitResult) -> str:
    """What a request line asks for: the path, with what may not stand in it written as percentages."""
    path = quote(parts.path or "/", safe=UNQUOTED.replace("?", ""))
    return f"{path}?{quote(parts.query, safe=UNQUOTED)}" if parts.query else path


def refusal(host: str, port: int, error: OSError) -> str:
    """Why there is no connection, in upstream's words."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # Event loops differ in what they add to the system's own words.
    why = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)
    return f"dial tcp {place}: connect: {why.lower()}"


class Exchange(asyncio.Protocol):
    """What comes by one connection, until it is an answer: `replied`."""

    def __init__(self) -> None:
        self.replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._reply = Reply()

    def data_received(self, data: bytes) -> None:
        try:
            self._reply.feed(data)
        except ValueError as error:
            self._fail(error)
        else:
            if self._reply.done and not self.replied.done():
                self.replied.set_result(self._reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.replied.done():
            return
        try:
            self._reply.end()
        except ValueError as error:
            self._fail(exc if isinstance(exc, OSError) else error)
        else:
            self.replied.set_result(self._reply)

    def _fail(self, error: Exception) -> None:
        if not self.replied.done():
            self.replied.set_exception(error)
            # Whoever waits gets it; where nobody does any more, asyncio is not to complain.
            self.replied.exception()


@lru_cache(maxsize=1)
def unverified() -> ssl.SSLContext:
    """The container's certificate is what it is; made once, for it takes milliseconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
