"""Which form of an answer the client wants (`Accept`), and which form it sent (`Content-Type`).

Forms of answers: the object itself, a `Table` of columns (KEP-571, API concepts: "Receiving resources as Tables") or
`PartialObjectMetadata(List)`; each as JSON or YAML.
"""

from __future__ import annotations

from typing import NamedTuple

from sampan.api.errors import NotAcceptable, UnsupportedMediaType
from sampan.api.remembered import remembered

JSON = b"application/json"
YAML = b"application/yaml"
PROTOBUF = b"application/vnd.kubernetes.protobuf"
AVAILABLE = (
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, "
    "application/vnd.kubernetes.protobuf;stream=watch"
)
READABLE = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
META_VERSIONS = frozenset({"v1", "v1beta1"})


class Form(NamedTuple):
    """The form of an answer.

    `shape` is "" for the object itself, else Table, PartialObjectMetadata or PartialObjectMetadataList.
    """

    media: bytes = JSON
    shape: str = ""
    version: str = "v1"


PLAIN = Form()
FORMATS = {"application/json": JSON, "*/*": JSON, "application/*": JSON, "application/yaml": YAML}


@remembered(512)
def accepted(accept: bytes) -> Form:
    """The first clause of highest quality that can be served.

    Raises NotAcceptable when there is none (RFC 9110, 12.5.1).
    """
    if not accept.strip():
        return PLAIN
    best: tuple[float, Form] | None = None
    for clause in accept.decode("latin-1").split(","):
        form, quality = _clause(clause)
        if form is not None and quality > 0 and (best is None or quality > best[0]):
            best = quality, form
    if best is None:
        raise not_acceptable()
    return best[1]


def not_acceptable() -> NotAcceptable:
    """406 in upstream's words."""
    return NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {AVAILABLE}", details={})


def _clause(clause: str) -> tuple[Form | None, float]:
    media, *rest = (part.strip() for part in clause.split(";"))
    options = dict(part.split("=", 1) for part in rest if "=" in part)
    try:
        quality = float(options.get("q", "1"))
    except ValueError:
        quality = 1.0
    known = FORMATS.get(media.lower())
    shape = options.get("as", "")
    if known is None or (options.get("stream", "watch") != "watch"):
        return None, quality
    if not shape:
        return Form(known), quality
    version = options.get("v", "")
    if options.get("g") != "meta.k8s.io" or version not in META_VERSIONS or not _known_shape(shape):
        return None, quality
    return Form(known, shape, version), quality


def _known_shape(shape: str) -> bool:
    return shape in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def sent(content_type: bytes) -> bytes:
    """The form of a request body: JSON, YAML or PROTOBUF; a missing header means JSON. Raises UnsupportedMediaType."""
    media = content_type.split(b";", 1)[0].strip().lower()
    if not media or media == JSON:
        return JSON
    if media in (YAML, b"application/x-yaml", b"text/yaml"):
        return YAML
    if media == PROTOBUF:
        return PROTOBUF
    raise unsupported(READABLE)


def unsupported(readable: str) -> UnsupportedMediaType:
    """415 in upstream's words; `readable` lists the media types that would do."""
    return UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {readable}"
    )
