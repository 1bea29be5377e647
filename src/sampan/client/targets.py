"""What a call is about: a kind of struct or a named resource, and how its objects are written and read.

`Target` gives both forms one face, so the verbs in `client.rest` need no case for either.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from sampan.api.decoding import convert
from sampan.api.registry import builtin
from sampan.client.interface import Resource

T = TypeVar("T")
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ListMeta(msgspec.Struct):
    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Envelope(msgspec.Struct):
    """A list of anything: the items are decoded once their kind is known."""

    items: list[Any] | None = None
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


decode_envelope = msgspec.json.Decoder(Envelope).decode


@dataclass(frozen=True)
class Target(Generic[T]):
    """`struct` is None for a `Resource`: its objects are dicts."""

    resource: Resource
    struct: type[T] | None
    items: msgspec.json.Decoder[Any]
    single: msgspec.json.Decoder[Any]

    def path(self, namespace: str | None, name: str = "", subresource: str = "", **query: Any) -> str:
        """The URL's path and query (API reference, "Resource URIs"); empty values are left out."""
        resource = self.resource
        root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        parts = [root]
        if resource.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(resource.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        kept = {key: value for key, value in query.items() if value not in ("", None, 0)}
        return "/".join(parts) + (f"?{urlencode(kept)}" if kept else "")

    def accept(self, many: bool = False) -> str:
        if not self.resource.metadata_only:
            return "application/json"
        return METADATA_LIST_ONLY if many else METADATA_ONLY

    def decode(self, body: bytes) -> T:
        """One object; fields that only a newer server knows are dropped."""
        try:
            return self._complete(self.single.decode(body))
        except msgspec.ValidationError:
            return self._complete(convert(self.struct, msgspec.json.decode(body))[0])

    def decode_list(self, body: bytes) -> tuple[list[T], ListMeta]:
        try:
            listed = self.items.decode(body)
            items = listed.items or []
        except msgspec.ValidationError:
            listed = decode_envelope(body)
            items = [convert(self.struct, item)[0] for item in listed.items or []]
        return [self._complete(item) for item in items], listed.metadata

    def _complete(self, obj: Any) -> T:
        """List items may come without kind and apiVersion; a struct fills them in by itself."""
        if isinstance(obj, dict):
            obj.setdefault("apiVersion", self.resource.api_version)
            obj.setdefault("kind", self.resource.kind)
        return obj


@cache
def target(of: Any) -> Target[Any]:
    """The target for a struct class or a `Resource`; raises LookupError for a class that is no resource.

    A class whose `VIEW_OF` is a kind's struct class names only some of its fields: objects are read as that.
    """
    if isinstance(of, Resource):
        return Target(of, None, msgspec.json.Decoder(Envelope), msgspec.json.Decoder())
    kind = builtin().of(getattr(of, "VIEW_OF", of))
    resource = Resource(kind.group, kind.version, kind.plural, kind.namespaced, kind.kind)
    listed = msgspec.defstruct(
        f"{kind.kind}Items",
        [("items", list[of] | None, None), ("metadata", ListMeta, msgspec.field(default_factory=ListMeta))],
    )
    return Target(resource, of, msgspec.json.Decoder(listed), msgspec.json.Decoder(of))


def target_of(obj: Any, given: Any = None) -> Target[Any]:
    """The target an object belongs to: its class, or `given` when it is a dict."""
    if isinstance(obj, dict):
        if given is None:
            raise TypeError("a dict needs target=Resource(...)")
        return target(given)
    return target(given if isinstance(given, type) else type(obj))
