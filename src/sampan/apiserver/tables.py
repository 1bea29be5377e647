"""Objects as a `meta.k8s.io` Table, for people's tools.

What the columns of each kind are stands in `sampan.api.tables`; here they are put around objects, and the column
definitions of a kind are encoded once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from sampan.api.errors import BadRequest
from sampan.api.registry import Kind
from sampan.apiserver.negotiation import Form
from sampan.apiserver.request import Request

POLICIES = ("", "None", "Metadata", "Object")


class _Version(msgspec.Struct, gc=False):
    resourceVersion: str = ""


class _Metadata(msgspec.Struct, gc=False):
    metadata: _Version


class _RawMetadata(msgspec.Struct, gc=False):
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


_version = msgspec.json.Decoder(_Metadata).decode
_raw = msgspec.json.Decoder(_RawMetadata).decode


def metadata_of(data: bytes) -> bytes:
    """The list metadata of a Table of one object."""
    return b'{"resourceVersion":"%b"}' % _version(data).metadata.resourceVersion.encode()


def table(
    request: Request,
    form: Form,
    items: list[bytes],
    metadata: bytes,
    *,
    definitions: bool = True,
    kind: Kind | None = None,
) -> bytes:
    """A Table of objects given as bytes.

    Without `definitions` the columns are left out, as in all but the first event of a watch.
    """
    include = request.parameter("includeObject")
    if include not in POLICIES:
        raise BadRequest(f'unrecognized includeObject value: "{include}"')
    kind = kind or request.kind
    now = request.server.clock.now()
    rows = [_row(kind, data, form, include, now) for data in items]
    columns = column_definitions(kind) if definitions else b"null"
    return b'{"kind":"Table","apiVersion":"meta.k8s.io/%b","metadata":%b,"columnDefinitions":%b,"rows":[%b]}' % (
        form.version.encode(),
        metadata,
        columns,
        b",".join(rows),
    )


def _row(kind: Kind, data: bytes, form: Form, include: str, now: float) -> bytes:
    from sampan.codec import table as codec_table

    shown = kind.decode(data)
    cells = b'"cells":%b' % msgspec.json.encode(codec_table.row(kind, shown, now))
    if conditions := codec_table.conditions(kind, shown):
        cells = b'%b,"conditions":%b' % (cells, msgspec.json.encode(conditions))
    if include == "None":
        return b'{%b,"object":null}' % cells
    if include == "Object":
        return b'{%b,"object":%b}' % (cells, data)
    return b'{%b,"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}}' % (
        cells,
        form.version.encode(),
        bytes(_raw(data).metadata),
    )


@lru_cache(maxsize=512)
def column_definitions(kind: Kind) -> bytes:
    """The kind's columns as JSON (meta/v1 TableColumnDefinition)."""
    from sampan.codec import table as codec_table

    columns: list[Any] = list(codec_table.columns(kind))
    return msgspec.json.encode(columns)
