"""From stored bytes, or an error, to an answer: the last stage.

The plain form of an object is the bytes that the watch cache holds; only a Table, partial metadata, YAML, `pretty` or
another version of the kind makes anything be decoded.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import ApiError
from sampan.api.registry import Kind
from sampan.apiserver import negotiation, tables, warningheaders
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.negotiation import PLAIN, YAML, Form
from sampan.apiserver.request import Request
from sampan.apiserver.routes import truthy
from sampan.apiserver.stored import in_version

GZIP_FROM_BYTES = 128 * 1024
INTERACTIVE = (b"curl", b"Wget", b"Mozi")


class _Metadata(msgspec.Struct, gc=False):
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


decode_metadata = msgspec.json.Decoder(_Metadata).decode


def object_answer(request: Request, data: bytes, status: int = 200) -> Response:
    """One object, given as stored bytes with its resourceVersion, in the version and form the client asked for."""
    form = request.form
    data = in_version(request.kind, data)
    if form.shape:
        data = object_shape(request, form, data)
    return finish(request, data, form, status)


def object_shape(request: Request, form: Form, data: bytes) -> bytes:
    """A Table of one row, or the object's metadata alone."""
    if form.shape == "Table":
        return tables.table(request, form, [data], tables.metadata_of(data))
    if form.shape == "PartialObjectMetadata":
        return partial(data, form)
    raise negotiation.not_acceptable()


def partial(data: bytes, form: Form) -> bytes:
    """An object cut down to its metadata."""
    metadata = bytes(decode_metadata(data).metadata)
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (
        form.version.encode(),
        metadata,
    )


def struct_answer(request: Request, value: Any, status: int = 200, *, table_as: Kind | None = None) -> Response:
    """A Struct that is not stored (Status, Scale, TokenRequest, ...); `table_as` is the kind to show in a Table."""
    data = msgspec.json.encode(value)
    if table_as is not None and request.form.shape == "Table":
        data = tables.table(request, request.form, [data], tables.metadata_of(data), kind=table_as)
    return finish(request, data, request.form, status)


def finish(request: Request, data: bytes | list[bytes], form: Form, status: int) -> Response:
    """Encode for the wire: YAML, indentation, gzip, warnings."""
    headers = request.exchange.headers
    if form.media is YAML or wants_pretty(request):
        whole = data if isinstance(data, bytes) else b"".join(data)
        data = as_yaml(whole) if form.media is YAML else msgspec.json.format(whole, indent=2) + b"\n"
    response = Response(status, data, form.media)
    for warning in warningheaders.of(request.warnings) if request.warnings else ():
        response.add_header(b"Warning", warning)
    if b"accept-encoding" in headers and status == 200 and request.exchange.method == "GET":
        _compress(response, headers[b"accept-encoding"])
    return response


def wants_pretty(request: Request) -> bool:
    """`?pretty=`, or a person's tool that did not say."""
    value = request.target.parameters.get("pretty")
    if value is not None:
        return truthy(value)
    return request.exchange.headers.get(b"user-agent", b"")[:4] in INTERACTIVE


def as_yaml(data: bytes) -> bytes:
    """JSON bytes as YAML. Imported late: few clients ask."""
    from sampan.codec import yaml

    return yaml.encode(msgspec.json.decode(data)).encode()


def _compress(response: Response, accepted: bytes) -> None:
    if b"gzip" not in accepted:
        return
    if response.length() < GZIP_FROM_BYTES:
        return
    import gzip

    response.body = gzip.compress(response.whole(), compresslevel=1, mtime=0)
    response.add_header(b"Content-Encoding", b"gzip")
    response.add_header(b"Vary", b"Accept-Encoding")


def error_answer(request: Request | None, error: ApiError) -> Response:
    """An ApiError as a Status, in the client's form when that is known."""
    data = msgspec.json.encode(error.status())
    form = PLAIN
    if request is not None and error.code != 406:
        try:
            form = request.form
        except ApiError:
            form = PLAIN
    if form.media is YAML:
        data = as_yaml(data)
    elif request is not None and wants_pretty(request):
        data = msgspec.json.format(data, indent=2) + b"\n"
    response = Response(error.code, data, form.media)
    for warning in warningheaders.of(request.warnings) if request is not None else ():
        response.add_header(b"Warning", warning)
    if error.retry_after:
        response.add_header(b"Retry-After", b"%d" % error.retry_after)
    return response
