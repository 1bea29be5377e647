"""The OpenAPI documents of a server, each made when first asked for and kept compressed."""

from __future__ import annotations

import gzip
from typing import NamedTuple

from sampan.api.registry import Registry
from sampan.apiserver.openapi import gnostic, v2, v3

JSON = "application/json"
V2 = "openapi/v2"
V3 = "openapi/v3"


class Document(NamedTuple):
    """`compressed` is gzip; `etag` has its quotes."""

    compressed: bytes
    content_type: str
    etag: str

    @property
    def data(self) -> bytes:
        """Uncompressed, for the rare client that takes no gzip."""
        return gzip.decompress(self.compressed)


class Documents:
    """Looks documents up by path and form; `forget` when the registry has changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: dict[tuple[str, str], Document] = {}

    def forget(self) -> None:
        self._kept.clear()

    def find(self, path: str, *, protobuf: bool = False) -> Document:
        """The document at `path` ("openapi/v2", "openapi/v3", "openapi/v3/apis/apps/v1"); KeyError when there is none.

        `protobuf` is for v2 and means gnostic's form.
        """
        form = gnostic.CONTENT_TYPE if protobuf and path == V2 else JSON
        kept = self._kept.get((path, form))
        if kept is None:
            data, etag = self._make(path, form)
            kept = self._kept[path, form] = Document(gzip.compress(data, 6, mtime=0), form, f'"{etag}"')
        return kept

    def _make(self, path: str, form: str) -> tuple[bytes, str]:
        registry = self._registry
        if path == V2:
            data = v2.document(registry) if form == JSON else gnostic.encode(v2.build(registry))
            return data, v3.fingerprint(registry, f"{path} {form}")
        if path == V3:
            return v3.index(registry), v3.fingerprint(registry, path)
        name = path.removeprefix(f"{V3}/")
        return v3.document(registry, name), v3.fingerprint(registry, name)
