"""One object as the cache holds it."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

import msgspec

from sampan.store import keys
from sampan.store.cache.projection import Projection

KEY_FIELDS = ("metadata.name", "metadata.namespace")
"""Selectable fields every resource has; they are read from the key."""
METADATA = b'"metadata":{'


class Entry(msgspec.Struct, eq=False, gc=False):
    """An object's bytes at one revision; never changed once made, so it can be shared and compared by identity.

    `data` is canonical JSON with `metadata.resourceVersion`; `namespace` is "" for cluster-scoped objects.
    """

    key: str
    namespace: str
    name: str
    revision: int
    data: bytes
    projection: Projection
    decoded: Any = None

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's labels, decoded on first use."""
        return self.projection.labels(self.decoded if self.decoded is not None else self._decode())

    def field(self, name: str) -> str:
        """A selectable field as text, "" when unset; raises KeyError when the resource has no such field."""
        if name == "metadata.name":
            return self.name
        if name == "metadata.namespace":
            return self.namespace
        return self.projection.value(self.decoded if self.decoded is not None else self._decode(), name)

    @property
    def fields(self) -> dict[str, str]:
        """All selectable fields as text."""
        named = {"metadata.name": self.name}
        if self.namespace:
            named["metadata.namespace"] = self.namespace
        return named | {name: self.field(name) for name in self.projection.names}

    def _decode(self) -> Any:
        self.decoded = self.projection.decode(self.data)
        return self.decoded

    def at(self, revision: int) -> Entry:
        """The same object with another resourceVersion: what a DELETED event carries."""
        old, new = b'"resourceVersion":"%d"' % self.revision, b'"resourceVersion":"%d"' % revision
        data = self.data.replace(old, new, 1)
        return Entry(self.key, self.namespace, self.name, revision, data, self.projection, self.decoded)


def make(key: str, value: bytes, revision: int, projection: Projection) -> Entry:
    """The entry of a stored value."""
    place = keys.split(key)
    return Entry(key, intern(place.namespace), place.name, revision, splice(value, revision), projection)


def splice(value: bytes, revision: int) -> bytes:
    """`value` with `"resourceVersion"` as the first member of its metadata.

    Canonical JSON begins with kind, apiVersion and metadata, so the first `"metadata":{` is the object's own. A value
    without metadata is returned as it is.
    """
    found = value.find(METADATA)
    if found < 0:
        return value
    at = found + len(METADATA)
    comma = b"" if value[at : at + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (value[:at], revision, comma, value[at:])
