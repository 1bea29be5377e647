"""How a WebSocket begins (RFC 6455, section 4): pure, and all that is loaded while nobody streams."""

from __future__ import annotations

import base64
import hashlib

KEY_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY_BYTES = 16


def offered(headers: dict[bytes, bytes]) -> list[str]:
    """The subprotocols that the client names, by its preference."""
    return [name.strip().decode("latin-1") for name in headers.get(b"sec-websocket-protocol", b"").split(b",")]


def is_valid(headers: dict[bytes, bytes]) -> bool:
    """Whether the handshake's headers are a client's (RFC 6455, 4.2.1)."""
    try:
        key = base64.b64decode(headers.get(b"sec-websocket-key", b""), validate=True)
    except ValueError:
        return False
    return len(key) == KEY_BYTES and headers.get(b"sec-websocket-version") == b"13"


def switched(headers: dict[bytes, bytes], protocol: str) -> bytes:
    """The head of the answer that opens the WebSocket."""
    key = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + KEY_SALT, usedforsecurity=False).digest())
    lines = (
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + key,
        b"Sec-WebSocket-Protocol: " + protocol.encode(),
    )
    return b"\r\n".join([*lines, b"", b""])
