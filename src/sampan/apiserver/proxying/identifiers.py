"""`name`, `name:port` and `scheme:name:port`, by which a proxy path names its object. Pure."""

from __future__ import annotations

from typing import NamedTuple

SCHEMES = ("", "http", "https")


class Identifier(NamedTuple):
    """`scheme` and `port` are "" where the caller names none; `port` may be a number or a name."""

    scheme: str
    name: str
    port: str


def split(text: str) -> Identifier | None:
    """None for a text of another form."""
    parts = text.split(":")
    if len(parts) > 3:
        return None
    scheme = parts[0] if len(parts) == 3 else ""
    name, port = (*parts, "")[:2] if len(parts) < 3 else parts[1:]
    return Identifier(scheme, name, port) if name and scheme in SCHEMES else None


def joined(host: str, port: str) -> str:
    """`host:port` with brackets where they are due; the host alone without a port."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown
