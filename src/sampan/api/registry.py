"""The kinds that a server serves and a client knows: built-in and custom ones take one path.

A `Kind` is a resource in one version: its names, scope, verbs and subresources, the Struct of its objects, and how they
are encoded. The encoded form of an object always begins with `Kind.prefix`; `resourceVersion` is no part of the stored
form and is spliced in behind the prefix when an object is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any

import msgspec

from sampan.api import schema
from sampan.api.bycontent import by_content, is_shared
from sampan.api.resources import ALL_VERBS, GROUPS, PROXY_OPTIONS, STORED_IN, SUBRESOURCES
from sampan.api.schema.compact import compact

_encode = msgspec.json.Encoder().encode

PACKAGES = {
    "": "core",
    "internal.apiserver.k8s.io": "apiserverinternal",
}


class Subresource(msgspec.Struct, frozen=True):
    """`kinds` names the object it takes and gives; `group` and `version` are empty where they are the parent's."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


class Kind:
    """One resource in one version. Compared and hashed by identity: a registry holds each once."""

    def __init__(
        self,
        *,
        group: str,
        version: str,
        kind: str,
        plural: str,
        struct: Any,
        namespaced: bool,
        singular: str = "",
        short_names: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        verbs: tuple[str, ...] = ALL_VERBS,
        subresources: dict[str, Subresource] | None = None,
        stored: tuple[str, str, str] | None = None,
    ) -> None:
        self.group = group
        self.version = version
        self.kind = kind
        self.plural = plural
        self.singular = singular or kind.lower()
        self.namespaced = namespaced
        self.short_names = short_names
        self.categories = categories
        self.verbs = verbs
        self.subresources = subresources or {}
        self.struct = struct
        self.list_kind = f"{kind}List"
        self.api_version = f"{group}/{version}" if group else version
        self.prefix = f'{{"kind":"{kind}","apiVersion":"{self.api_version}","metadata":{{'.encode()
        self.stored = stored or (group, plural, version)

    def __repr__(self) -> str:
        return f"<Kind {self.api_version} {self.kind}>"

    @property
    def qualified(self) -> str:
        """The resource as messages name it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def store_prefix(self) -> str:
        """Where its objects live in the store: `/registry/apps/deployments/`."""
        group, plural, _ = self.stored
        return f"/registry/{group or 'core'}/{plural}/"

    def key(self, namespace: str | None, name: str) -> str:
        """An object's key in the store."""
        return f"{self.store_prefix}{namespace}/{name}" if self.namespaced else self.store_prefix + name

    @cached_property
    def decode(self) -> Any:
        """bytes -> Struct; raises msgspec.DecodeError, and msgspec.ValidationError also for unknown fields."""
        return msgspec.json.Decoder(self.struct).decode

    @staticmethod
    def encode(obj: msgspec.Struct) -> bytes:
        """The canonical bytes of an object (with whatever resourceVersion it has); drops its empty lists and maps."""
        spec = getattr(obj, "spec", None)
        if is_shared(spec):
            return _with(obj, spec, canonical(spec))
        compact(obj)
        return _encode(obj)


@by_content
def canonical(value: Any) -> msgspec.Raw:
    """The canonical bytes of a part that is shared, and so is left as it is."""
    own = msgspec.json.decode(_encode(value), type=type(value))
    compact(own)
    return msgspec.Raw(_encode(own))


def _with(obj: Any, spec: Any, data: msgspec.Raw) -> bytes:
    """The canonical bytes of an object whose spec's are known."""
    obj.spec = None
    compact(obj)
    obj.spec = data
    encoded = _encode(obj)
    obj.spec = spec
    return encoded


class Registry:
    """Kinds by name, by resource and by Struct; new kinds may join while a server runs."""

    def __init__(self) -> None:
        self._by_resource: dict[tuple[str, str, str], Kind] = {}
        self._by_kind: dict[tuple[str, str], Kind] = {}
        self._by_struct: dict[Any, Kind] = {}

    def add(self, kind: Kind) -> None:
        self._by_resource[kind.group, kind.version, kind.plural] = kind
        self._by_kind[kind.api_version, kind.kind] = kind
        self._by_struct[kind.struct] = kind

    def remove(self, kind: Kind) -> None:
        del self._by_resource[kind.group, kind.version, kind.plural]
        del self._by_kind[kind.api_version, kind.kind]
        del self._by_struct[kind.struct]

    def kind(self, api_version: str, kind: str) -> Kind:
        """`kind("apps/v1", "Deployment")`; KeyError when not served."""
        return self._by_kind[api_version, kind]

    def resource(self, group: str, version: str, plural: str) -> Kind:
        """`resource("apps", "v1", "deployments")`; KeyError when not served."""
        return self._by_resource[group, version, plural]

    def of(self, struct: Any) -> Kind:
        """The kind of a Struct class or of an object; KeyError when it is no kind of this registry."""
        return self._by_struct[struct if isinstance(struct, type) else type(struct)]

    def kinds(self) -> Iterator[Kind]:
        """All kinds in the order of discovery."""
        return iter(tuple(self._by_resource.values()))

    def stored(self, kind: Kind) -> Kind:
        """The kind in the version that its objects are stored in."""
        group, plural, version = kind.stored
        return self._by_resource[group, version, plural]


@cache
def builtin() -> Registry:
    """The kinds of Kubernetes v1.36; one registry for the process."""
    registry = Registry()
    stored: dict[tuple[str, str], tuple[str, str, str]] = dict(STORED_IN)
    for (group, version), rows in GROUPS.items():
        for row in filter(None, map(str.strip, rows.splitlines())):
            kind = parse_row(group, version, row, stored)
            registry.add(kind)
    return registry


def parse_row(group: str, version: str, row: str, stored: dict[tuple[str, str], tuple[str, str, str]]) -> Kind:
    """A Kind from a row of `sampan.api.resources`; remembers in `stored` the first version of each resource."""
    plural, name, scope, *rest = row.split()
    options = dict(item.split("=", 1) for item in rest if "=" in item)
    categories = ("all",) if "all" in rest else _words(options.get("categories"))
    return Kind(
        group=group,
        version=version,
        kind=name,
        plural=plural,
        singular=options.get("singular", ""),
        struct=getattr(schema.load().namespaces[f"{package(group)}_{version}"], name),
        namespaced=scope == "ns",
        short_names=_words(options.get("short")),
        categories=categories,
        verbs=_words(options.get("verbs")) or ALL_VERBS,
        subresources={s: subresource(plural, name, s) for s in _words(options.get("sub"))},
        stored=stored.setdefault((group, plural), (group, plural, version)),
    )


def subresource(plural: str, parent_kind: str, name: str) -> Subresource:
    group, version, kind, verbs = SUBRESOURCES[name]
    if name == "proxy":
        kind = PROXY_OPTIONS[plural]
    return Subresource(name, group, version, kind or parent_kind, verbs)


def package(group: str) -> str:
    """The Go package that holds a group's types, after which its namespace in `sampan.api.kinds` is named."""
    return PACKAGES.get(group) or group.split(".")[0]


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
