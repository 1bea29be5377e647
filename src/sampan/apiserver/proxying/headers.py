"""Which headers go on to the other end, and which come back. Pure.

What tells this server who asks (a token, impersonation, a front proxy's word) stays here; so do headers that concern
one connection only (RFC 9110, 7.6.1). `Location` is made to lead through the proxy again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sampan.apiserver.kubelets import VERSIONS, versions

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade".split()
)
OWN = frozenset(b"authorization content-length expect x-forwarded-for x-forwarded-host x-forwarded-uri".split())
IDENTIFYING = (b"impersonate-", b"x-remote-")
CROSS_ORIGIN = b"access-control-"
UNSAFE_TO_REPEAT = frozenset(b"content-length content-type date".split())
"""Written by this server's own head, or by nobody."""
PATH_SAFE = "/:@!$&'()*+,;=~"


def onward(headers: Mapping[bytes, bytes], *, client: str, uri: str) -> dict[str, str]:
    """For the request to the other end. `client` is the address of who asks, `uri` the path they asked for."""
    dropped = HOP_BY_HOP | OWN | _listed(headers.get(b"connection", b""))
    sent = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers.items()
        if name not in dropped and not name.startswith(IDENTIFYING)
    }
    sent["x-forwarded-uri"] = uri
    sent["x-forwarded-proto"] = "https"
    before = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    if client:
        sent["x-forwarded-for"] = f"{before}, {client}" if before else client
    if host := headers.get(b"host", b"").decode("latin-1"):
        sent["x-forwarded-host"] = host
    return sent


def is_upgrade(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request asks to go on in another protocol (RFC 9110, 7.8)."""
    return b"upgrade" in headers and b"upgrade" in _listed(headers.get(b"connection", b""))


def asking(sent: Mapping[str, str], headers: Mapping[bytes, bytes], length: int) -> list[tuple[bytes, bytes]]:
    """What `onward` gave, for a request that asks for the protocol the client asked for; without the host."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
    kept = [pair for pair in pairs if pair[0] not in (b"host", VERSIONS)]
    if length:
        kept.append((b"content-length", b"%d" % length))
    return [*kept, *versions(headers), (b"connection", b"Upgrade"), (b"upgrade", headers[b"upgrade"])]


def back(headers: Iterable[tuple[bytes, bytes]], *, source: str, host: str, prefix: str) -> list[tuple[bytes, bytes]]:
    """For the answer. `source` is the other end's `host:port`, `host` what the client calls this server, `prefix` the
    path that leads to the proxy.
    """
    listed = list(headers)
    connection = next((value for name, value in listed if name.lower() == b"connection"), b"")
    dropped = HOP_BY_HOP | UNSAFE_TO_REPEAT | _listed(connection)
    kept = []
    for name, value in listed:
        lower = name.lower()
        if lower in dropped or lower.startswith(CROSS_ORIGIN):
            continue
        if lower == b"location":
            text = location(value.decode("latin-1"), source=source, host=host, prefix=prefix)
            value = text.encode("latin-1", "replace")
        kept.append((name, value))
    return kept


def location(text: str, *, source: str, host: str, prefix: str) -> str:
    """A redirect's target as the client is to see it: within the other end, through the proxy; elsewhere, unchanged."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    elsewhere = parts.netloc and parts.netloc not in (source, host)
    if elsewhere or not parts.path.startswith("/"):
        return text
    if parts.path.startswith(prefix):
        return urlunsplit(("", "", parts.path, parts.query, parts.fragment))
    path = prefix + cleaned(unquote(parts.path))
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def cleaned(path: str) -> str:
    """A decoded path as an absolute one without `.`, `..` and empty segments, encoded; a slash at its end stays."""
    whole = "/" + posixpath.normpath("/" + path).lstrip("/")
    if path.endswith("/") and whole != "/":
        whole += "/"
    return quote(whole, safe=PATH_SAFE)


def _listed(connection: bytes) -> frozenset[bytes]:
    """The headers that a Connection header names."""
    return frozenset(part.strip().lower() for part in connection.split(b",") if part.strip())
