"""Between an object as it is shown (a kind in one of its versions, with resourceVersion) and as it is stored (one
version, without).
"""

from __future__ import annotations

from typing import Any

from sampan.api.registry import Kind, builtin


def is_stored_version(kind: Kind) -> bool:
    """Whether objects of the kind are stored in this very version."""
    return kind.stored == (kind.group, kind.plural, kind.version)


def hub_of(kind: Kind) -> Kind:
    """The kind in the version it is stored in."""
    return kind if is_stored_version(kind) else builtin().stored(kind)


def in_version(kind: Kind, data: bytes) -> bytes:
    """Stored bytes as the kind's version shows them; the same bytes when that is the stored version."""
    if is_stored_version(kind):
        return data
    return kind.encode(from_bytes(kind, data))


def from_bytes(kind: Kind, data: bytes) -> Any:
    """Stored bytes (resourceVersion spliced in or not) as an object of the kind's version."""
    if is_stored_version(kind):
        return kind.decode(data)
    from sampan.api import conversion

    hub = hub_of(kind)
    return conversion.convert(hub.decode(data), hub, kind)


def to_bytes(kind: Kind, obj: Any) -> bytes:
    """The bytes to store. `obj` is the caller's again afterwards, its resourceVersion None."""
    obj.metadata.resourceVersion = None
    if is_stored_version(kind):
        return kind.encode(obj)
    from sampan.api import conversion

    hub = hub_of(kind)
    return hub.encode(conversion.convert(obj, kind, hub))


def splice(kind: Kind, data: bytes, revision: int) -> bytes:
    """Stored bytes with their resourceVersion put in behind the prefix;

    as any version of `kind`'s resource shows them.
    """
    at = len(hub_of(kind).prefix)
    return b'%b"resourceVersion":"%d",%b' % (data[:at], revision, data[at:])
