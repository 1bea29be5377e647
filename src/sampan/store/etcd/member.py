"""One member of the cluster: the calls it offers, by name, in etcd's messages."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from sampan.aio.clock import Clock
from sampan.aio.grpc import MOST_BYTES, Channel, Streaming
from sampan.aio.tls import reloading
from sampan.store.errors import Unavailable
from sampan.store.etcd.messages import pb

CLIENT_PORT = 2379


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """How to trust and be trusted: PEM files for endpoints with https, and etcd's own user and password."""

    authority: Path | None = None
    """Who signed the members' certificates; None: those whom the machine trusts."""
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password: str = ""


class Procedure(NamedTuple):
    """Where a call is made, and how its answer is read."""

    path: str
    read: Callable[[bytes], Any]


UNARY = {
    "range": Procedure("/etcdserverpb.KV/Range", pb.RangeResponse.FromString),
    "put": Procedure("/etcdserverpb.KV/Put", pb.PutResponse.FromString),
    "txn": Procedure("/etcdserverpb.KV/Txn", pb.TxnResponse.FromString),
    "compact": Procedure("/etcdserverpb.KV/Compact", pb.CompactionResponse.FromString),
    "grant": Procedure("/etcdserverpb.Lease/LeaseGrant", pb.LeaseGrantResponse.FromString),
    "revoke": Procedure("/etcdserverpb.Lease/LeaseRevoke", pb.LeaseRevokeResponse.FromString),
    "status": Procedure("/etcdserverpb.Maintenance/Status", pb.StatusResponse.FromString),
    "authenticate": Procedure("/etcdserverpb.Auth/Authenticate", pb.AuthenticateResponse.FromString),
}
STREAMS = {
    "watch": Procedure("/etcdserverpb.Watch/Watch", pb.WatchResponse.FromString),
    "keep_alive": Procedure("/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseKeepAliveResponse.FromString),
}


class Member:
    """The member at one endpoint, `http://host:port` or `https://host:port`.

    Answers of more than `most` bytes are refused. `calls` take a request, `metadata` and `timeout` in seconds; those
    that are streams take `metadata` alone. They raise `RpcError`.
    """

    calls: dict[str, Any]

    def __init__(self, url: str, credentials: Credentials, clock: Clock, *, most: int = MOST_BYTES) -> None:
        self.url = url
        self.streams: dict[Any, None] = {}
        host, port, secure = _place(url)
        self._channel = Channel(host, port, tls=_tls(credentials) if secure else None, clock=clock, most=most)
        self.calls = {name: self._unary(procedure) for name, procedure in UNARY.items()}
        self.calls |= {name: self._stream(procedure) for name, procedure in STREAMS.items()}

    @property
    def reason(self) -> str:
        """Why there is no connection."""
        return self._channel.reason

    def is_ready(self) -> bool:
        return self._channel.ready

    async def connect(self, seconds: float) -> bool:
        """Whether the member is connected, after at most `seconds`; says no at once when the host refuses."""
        return await self._channel.connect(seconds)

    def end_streams(self) -> None:
        for stream in tuple(self.streams):
            stream.cancel()

    async def close(self) -> None:
        await self._channel.close()

    def _unary(self, procedure: Procedure) -> Callable[..., Any]:
        path, read = procedure
        unary = self._channel.unary

        async def call(request: Any, *, metadata: Any = (), timeout: float) -> Any:
            return read(await unary(path, request.SerializeToString(), metadata=metadata, seconds=timeout))

        return call

    def _stream(self, procedure: Procedure) -> Callable[..., Any]:
        return lambda metadata=(): Messages(self._channel.stream(procedure.path, metadata=metadata), procedure.read)


class Messages:
    """A two-way call in etcd's messages."""

    def __init__(self, stream: Streaming, read: Callable[[bytes], Any]) -> None:
        self._stream = stream
        self._read = read

    def write(self, request: Any) -> None:
        self._stream.write(request.SerializeToString())

    async def read(self) -> Any:
        """None: the call has ended."""
        message = await self._stream.read()
        return None if message is None else self._read(message)

    def cancel(self) -> None:
        self._stream.cancel()

    def add_done_callback(self, callback: Callable[[Messages], Any]) -> None:
        self._stream.add_done_callback(lambda ended: callback(self))


def _place(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether TLS is spoken there."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname, parts.port or CLIENT_PORT, parts.scheme == "https"
    except ValueError:
        pass
    raise Unavailable(f"etcd endpoint {url}: want http://host:port or https://host:port")


def _tls(credentials: Credentials) -> ssl.SSLContext:
    """As etcd wants it; files that are renewed are taken up with the next connection."""
    named = (credentials.authority, credentials.certificate, credentials.key)
    try:
        return reloading(lambda: _context(credentials), [path for path in named if path is not None], server=False)
    except OSError as error:
        raise Unavailable(f"a certificate for etcd cannot be read: {error}") from error


def _context(credentials: Credentials) -> ssl.SSLContext:
    """HTTP/2 by ALPN, and the member's name or address in its certificate."""
    context = ssl.create_default_context(cafile=credentials.authority)
    if credentials.certificate is not None:
        context.load_cert_chain(credentials.certificate, credentials.key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context
