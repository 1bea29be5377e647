"""The decode and default stages: a request body becomes a typed object, made whole.

Unknown and duplicate fields are refused, told in warnings or ignored: see `strictness`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import decoding, defaults, schema
from sampan.api.errors import BadRequest, Invalid
from sampan.api.registry import Kind
from sampan.apiserver import encodedbytes, mistyped, negotiation, strictness
from sampan.apiserver.request import Request
from sampan.codec import json
from sampan.codec.errors import CodecError

SCHEMES = {
    "apiextensions.k8s.io": "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
    "apiregistration.k8s.io": "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
}
"""Where upstream keeps its kinds, which its messages tell."""
SCHEME = "pkg/api/legacyscheme/scheme.go:30"


class _TypeMeta(msgspec.Struct, gc=False):
    kind: str | None = None
    apiVersion: str | None = None


decode_type = msgspec.json.Decoder(_TypeMeta).decode


def body(request: Request, kind: Kind) -> Any:
    """The body as an object of `kind`, in JSON or YAML.

    Raises BadRequest and UnsupportedMediaType in upstream's words.
    """
    exchange = request.exchange
    strict = strictness.asked(request)
    data = exchange.body
    form = negotiation.sent(exchange.headers.get(b"content-type", b""))
    repeated: list[str] = []
    if form is negotiation.YAML:
        data, repeated = _from_yaml(data)
    elif form is negotiation.PROTOBUF:
        data = from_protobuf(data)
    obj, unknown = _decoded(kind, data)
    walk = bool(unknown)
    if strict != strictness.IGNORE and form is negotiation.JSON:
        walk = walk or mistyped.may_have_duplicates(data, obj)
    _made_whole(kind, obj)
    if request.record is not None:
        request.record.sends(obj)
    if strict == strictness.IGNORE or not (walk or repeated):
        return obj
    in_yaml = form is negotiation.YAML
    found = strictness.in_yaml(repeated, unknown) if in_yaml else strictness.in_json(schema.info(kind.struct), data)
    strictness.report(request, strict, found, _handled_as(kind))
    return obj


def typed(kind: Kind, data: bytes) -> tuple[Any, list[str]]:
    """An object of `kind` and the paths of its unknown fields. Raises BadRequest for what is no such object."""
    obj, unknown = _decoded(kind, data)
    _made_whole(kind, obj)
    return obj, unknown


def _decoded(kind: Kind, data: bytes) -> tuple[Any, list[str]]:
    """As the bytes have it, without defaults."""
    try:
        return decoding.decode(kind, data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(kind, data, error) from None


def _made_whole(kind: Kind, obj: Any) -> None:
    """With the type that its place says, and defaults. Raises BadRequest for another type."""
    if obj.kind != kind.kind or obj.apiVersion != kind.api_version:
        _check_type(kind, obj.kind, obj.apiVersion)
        obj.kind, obj.apiVersion = kind.kind, kind.api_version
    complete(kind, obj)


def value(kind: Kind, document: Any) -> tuple[Any, list[str]]:
    """As `typed`, from a JSON value (a patched object). `document` may be changed."""
    try:
        obj, unknown = decoding.convert(kind.struct, document)
    except msgspec.MsgspecError as error:
        raise _undecodable(kind, json.encode(document), error) from None
    _made_whole(kind, obj)
    return obj, unknown


def complete(kind: Kind, obj: Any) -> None:
    """Fill in what the client left out (the API reference's "Defaults to"). Raises BadRequest for a quantity, a time or
    bytes that cannot be read.
    """
    try:
        defaults.apply(kind, obj)
    except ValueError as error:
        raise BadRequest(f"{_handled_as(kind)}: {error}") from None
    wrong = encodedbytes.problem(kind.struct, obj)
    if wrong is not None:
        raise BadRequest(f"{_handled_as(kind)}: {wrong}")


def _handled_as(kind: Kind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'


def _from_yaml(data: bytes) -> tuple[bytes, list[str]]:
    """The same in JSON, and YAML's complaints about repeated keys. Raises BadRequest."""
    from sampan.codec import yaml

    try:
        value, repeated = yaml.decode_telling(data)
    except CodecError as error:
        raise BadRequest(f"error converting YAML to JSON: {error}") from None
    return json.encode(value), repeated


def from_protobuf(data: bytes) -> bytes:
    """A protobuf body as JSON. Raises BadRequest."""
    from sampan.codec import protobuf

    try:
        return json.encode(protobuf.decode(data))
    except CodecError as error:
        raise BadRequest(str(error)) from None


def _check_type(kind: Kind, name: str | None, api_version: str | None) -> None:
    """Empty means: as the URL says. Raises BadRequest when the body says it is something else."""
    if (name or kind.kind) == kind.kind and (api_version or kind.api_version) == kind.api_version:
        return
    name, version = name or kind.kind, api_version or kind.api_version
    raise BadRequest(
        f'{name} in version "{version.rpartition("/")[2]}" cannot be handled as a {kind.kind}: '
        f'no kind "{name}" is registered for version "{version}" in scheme "{SCHEMES.get(kind.group, SCHEME)}"'
    )


def _undecodable(kind: Kind, data: bytes, error: Exception) -> BadRequest | Invalid:
    """What is wrong with the bytes, in the words of upstream's decoder."""
    try:
        if isinstance(error, RecursionError):
            raise error
        document = msgspec.json.decode(data)
    except RecursionError:
        return BadRequest(f"{_handled_as(kind)}: exceeded max depth")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return mistyped.malformed(kind, data, error)
    wrong = mistyped.kind_or_version(kind, document, data)
    if wrong is not None:
        return wrong
    return BadRequest(f"{_handled_as(kind)}: {mistyped.first_mismatch(schema.info(kind.struct), document) or error}")
