"""The decode and default stages: a request body becomes a typed object, made whole.

Unknown and duplicate fields are refused, told in warnings or ignored as `fieldValidation` says
(https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation).
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import decoding, defaults, schema
from sampan.api.errors import BadRequest, Invalid
from sampan.api.registry import Kind
from sampan.apiserver import encodedbytes, mistyped, negotiation
from sampan.apiserver.request import Request
from sampan.codec import json
from sampan.codec.errors import CodecError

VALIDATIONS = ("", "Ignore", "Warn", "Strict")
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


def field_validation(request: Request) -> str:
    """Ignore, Warn (the default) or Strict. Raises Invalid for anything else."""
    value = request.parameter("fieldValidation")
    if value not in VALIDATIONS:
        from sampan.api import errors

        known = ", ".join(f'"{v}"' for v in VALIDATIONS)
        message = f'Unsupported value: "{value}": supported values: {known}'
        option = {"create": "CreateOptions", "update": "UpdateOptions"}.get(request.target.verb, "PatchOptions")
        wrong = [errors.FieldError(errors.NOT_SUPPORTED, "fieldValidation", message)]
        raise errors.invalid("meta.k8s.io", option, "", wrong)
    return value or "Warn"


def body(request: Request, kind: Kind) -> Any:
    """The body as an object of `kind`, in JSON or YAML.

    Raises BadRequest and UnsupportedMediaType in upstream's words.
    """
    exchange = request.exchange
    strictness = field_validation(request)
    data = exchange.body
    repeated: list[str] = []
    form = negotiation.sent(exchange.headers.get(b"content-type", b""))
    if form is negotiation.YAML:
        data = _from_yaml(data, strictness)
    elif form is negotiation.PROTOBUF:
        data = from_protobuf(data)
    else:
        repeated = duplicates(data, strictness)
    obj, unknown = typed(kind, data)
    report(request, kind, strictness, unknown, repeated)
    return obj


def typed(kind: Kind, data: bytes) -> tuple[Any, list[str]]:
    """An object of `kind` and the paths of its unknown fields. Raises BadRequest for what is no such object."""
    try:
        obj, unknown = decoding.decode(kind, data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(kind, data, error) from None
    if obj.kind != kind.kind or obj.apiVersion != kind.api_version:
        _check_type(kind, obj.kind, obj.apiVersion)
        obj.kind, obj.apiVersion = kind.kind, kind.api_version
    complete(kind, obj)
    return obj, unknown


def value(kind: Kind, document: Any) -> tuple[Any, list[str]]:
    """As `typed`, from a JSON value (a patched object). `document` may be changed."""
    try:
        obj, unknown = decoding.convert(kind.struct, document)
    except msgspec.MsgspecError as error:
        raise _undecodable(kind, json.encode(document), error) from None
    if obj.kind != kind.kind or obj.apiVersion != kind.api_version:
        _check_type(kind, obj.kind, obj.apiVersion)
        obj.kind, obj.apiVersion = kind.kind, kind.api_version
    complete(kind, obj)
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


def report(request: Request, kind: Kind, strictness: str, unknown: list[str], repeated: list[str]) -> None:
    """Refuse or warn about unknown and duplicate fields."""
    if (not unknown and not repeated) or strictness == "Ignore":
        return
    found = [f'unknown field "{path}"' for path in unknown] + [f'duplicate field "{path}"' for path in repeated]
    del found[decoding.MOST_TOLD :]
    if strictness == "Warn":
        request.warnings.extend(found)
        return
    raise BadRequest(f"{_handled_as(kind)}: strict decoding error: {', '.join(found)}")


def _handled_as(kind: Kind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'


def duplicates(data: bytes, strictness: str) -> list[str]:
    """Paths of members that occur twice in a JSON body, when anybody wants to know."""
    if strictness == "Ignore" or not mistyped.may_have_duplicates(data):
        return []
    try:
        return json.duplicates(data)
    except CodecError:
        return []


def _from_yaml(data: bytes, strictness: str) -> bytes:
    from sampan.codec import yaml

    try:
        return json.encode(yaml.decode(data, strict=strictness == "Strict"))
    except CodecError as error:
        raise BadRequest(f"error converting YAML to JSON: {error}") from None


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
