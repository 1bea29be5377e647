"""Which paths there are and what may be done on each, as plain values.

One `Operation` per method and path. Its parameters are keys of `parameters`, its body and answers are names of
definitions. The verbs of a kind, its scope and its subresources decide everything; names and descriptions follow the
pattern that generated clients rely on (`listCoreV1NamespacedPod`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sampan.api import schema
from sampan.api.registry import Kind, Registry, Subresource
from sampan.apiserver.openapi import parameters

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
STATUS, DELETE_OPTIONS, PATCH_BODY = f"{META}.Status", f"{META}.DeleteOptions", f"{META}.Patch"
WATCH_EVENT = f"{META}.WatchEvent"
FORMATS = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor")
PLAIN_FORMATS = FORMATS[:3]
STREAM_FORMATS = (
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/cbor-seq",
)
PATCH_FORMATS = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
)
ANY = ("*/*",)
TEXT = "string"
CONNECT_METHODS = {"create": ("post",), "delete": ("delete",), "get": ("get",), "patch": ("patch",), "update": ("put",)}
DEPRECATED = "deprecated: use the 'watch' parameter with a list operation instead"

# Deleting one of these is answered with the object itself, all others with a Status.
RETURNED_WHEN_DELETED = frozenset(
    {
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ResourceQuota"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "DeviceTaintRule"),
        ("resource.k8s.io", "ResourceClaim"),
        ("resource.k8s.io", "ResourceClaimTemplate"),
        ("resource.k8s.io", "ResourcePoolStatusRequest"),
        ("resource.k8s.io", "ResourceSlice"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`body` and the values of `answers` (by status code) name definitions, or are TEXT."""

    method: str
    id: str
    description: str
    tag: str
    answers: dict[str, str]
    produces: tuple[str, ...] = FORMATS
    consumes: tuple[str, ...] = ANY
    parameters: tuple[str, ...] = ()
    body: str = ""
    body_required: bool = True
    action: str = ""
    kind: tuple[str, str, str] | None = None


Paths = dict[str, list[Operation]]


def group_name(group: str, *, capital: bool) -> str:
    """`rbac.authorization.k8s.io` is RbacAuthorization in operations' names and rbacAuthorization in tags."""
    words = group.removesuffix(".k8s.io").split(".") if group else ["core"]
    joined = "".join(w[:1].upper() + w[1:] for w in words)
    return joined if capital else joined[:1].lower() + joined[1:]


def base_path(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def group_version(registry: Registry, group: str, version: str) -> Paths:
    """The paths of one version of a group: its index and its kinds'."""
    base = base_path(group, version)
    tag = f"{group_name(group, capital=False)}_{version}"
    index = Operation(
        method="get",
        id=f"get{group_name(group, capital=True)}{version.capitalize()}APIResources",
        description="get available resources",
        tag=tag,
        answers={"200": f"{META}.APIResourceList"},
        consumes=FORMATS,
    )
    paths: Paths = {f"{base}/": [index]}
    kinds = [k for k in registry.kinds() if k.group == group and k.version == version and describable(k)]
    for kind in sorted(kinds, key=lambda k: k.plural):
        paths |= _Kind(kind, base, tag).paths()
    return paths


def describable(kind: Kind) -> bool:
    """Whether the kind's definition is in the schema; custom kinds bring their own."""
    return kind.struct in schema.load().by_struct


def root(path: str) -> Paths:
    """The paths of the documents above the versions: "api", "apis", "apis/<group>", "version"."""
    if path == "version":
        return {
            "/version/": [
                _document("getCodeVersion", "get the version information for this server", "version", VERSION)
            ]
        }
    if path == "api":
        return {"/api/": [_document("getCoreAPIVersions", "get available API versions", "core", f"{META}.APIVersions")]}
    if path == "apis":
        return {"/apis/": [_document("getAPIVersions", "get available API versions", "apis", f"{META}.APIGroupList")]}
    group = path.removeprefix("apis/")
    name, tag = group_name(group, capital=True), group_name(group, capital=False)
    return {f"/{path}/": [_document(f"get{name}APIGroup", "get information of a group", tag, f"{META}.APIGroup")]}


VERSION = "io.k8s.apimachinery.pkg.version.Info"


def _document(name: str, description: str, tag: str, answer: str) -> Operation:
    formats = PLAIN_FORMATS if answer != VERSION else FORMATS[:1]
    return Operation(
        method="get",
        id=name,
        description=description,
        tag=tag,
        answers={"200": answer},
        produces=formats,
        consumes=formats,
    )


def with_article(kind: str) -> str:
    """`a Pod`, `an Ingress`, and `Endpoints`, which is a plural."""
    if kind.endswith("s") and not kind.endswith("ss"):
        return kind
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


class _Kind:
    """The paths of one kind."""

    def __init__(self, kind: Kind, base: str, tag: str) -> None:
        self._kind = kind
        self._base = base
        self._tag = tag
        self._gv = f"{group_name(kind.group, capital=True)}{kind.version.capitalize()}"
        self._definition = schema.info(kind.struct).definition
        self._list = f"{self._definition}List"
        self._where = ("namespace",) if kind.namespaced else ()
        self._scope = "Namespaced" if kind.namespaced else ""
        self._named = with_article(kind.kind)

    def paths(self) -> Paths:
        kind = self._kind
        inner = f"/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"/{kind.plural}"
        found: Paths = {}
        if kind.namespaced and "list" in kind.verbs:
            found[f"{self._base}/{kind.plural}"] = [self._listing(f"{kind.kind}ForAllNamespaces", ())]
        found[self._base + inner] = list(self._collection())
        found[f"{self._base}{inner}/{{name}}"] = list(self._object())
        for sub in sorted(kind.subresources.values(), key=lambda s: s.name):
            found |= self._subresource(f"{self._base}{inner}/{{name}}/{sub.name}", sub)
        if "watch" in kind.verbs:
            found |= self._watches(inner)
        return {path: operations for path, operations in found.items() if operations}

    def _operation(self, **fields: Any) -> Operation:
        own = (self._kind.group, self._kind.version, self._kind.kind)
        return Operation(**({"tag": self._tag, "kind": own} | fields))

    def _listing(self, suffix: str, where: tuple[str, ...]) -> Operation:
        does = "list or watch" if "watch" in self._kind.verbs else "list"
        return self._operation(
            method="get",
            id=f"list{self._gv}{suffix}",
            description=f"{does} objects of kind {self._kind.kind}",
            action="list",
            answers={"200": self._list},
            produces=FORMATS + STREAM_FORMATS,
            parameters=(*where, "pretty", *parameters.LIST),
        )

    def _collection(self) -> Iterator[Operation]:
        verbs, kind = self._kind.verbs, self._kind.kind
        if "deletecollection" in verbs:
            yield self._operation(
                method="delete",
                id=f"delete{self._gv}Collection{self._scope}{kind}",
                description=f"delete collection of {kind}",
                action="deletecollection",
                body=DELETE_OPTIONS,
                body_required=False,
                answers={"200": STATUS},
                parameters=(*self._where, "pretty", *parameters.DELETE, *parameters.SELECT),
            )
        if "list" in verbs:
            yield self._listing(self._scope + kind, self._where)
        if "create" in verbs:
            yield self._operation(
                method="post",
                id=f"create{self._gv}{self._scope}{kind}",
                description=f"create {self._named}",
                action="post",
                body=self._definition,
                answers=dict.fromkeys(("200", "201", "202"), self._definition),
                parameters=(*self._where, "pretty", *parameters.WRITE),
            )

    def _object(self) -> Iterator[Operation]:
        kind = self._kind
        where = (f"name/{kind.kind}", *self._where, "pretty")
        if "delete" in kind.verbs:
            answer = self._definition if (kind.group, kind.kind) in RETURNED_WHEN_DELETED else STATUS
            yield self._operation(
                method="delete",
                id=f"delete{self._gv}{self._scope}{kind.kind}",
                description=f"delete {self._named}",
                action="delete",
                body=DELETE_OPTIONS,
                body_required=False,
                answers={"200": answer, "202": answer},
                parameters=(*where, *parameters.DELETE),
            )
        own = (kind.group, kind.version, kind.kind)
        yield from self._read_write(kind.verbs, where, self._definition, own, kind.kind, f"the specified {kind.kind}")

    def _read_write(
        self,
        verbs: tuple[str, ...],
        where: tuple[str, ...],
        definition: str,
        own: tuple[str, str, str],
        suffix: str,
        what: str,
    ) -> Iterator[Operation]:
        written = dict.fromkeys(("200", "201"), definition)
        common = {"action": "get", "kind": own, "parameters": where}
        changed = common | {"answers": written, "parameters": (*where, *parameters.WRITE)}
        name = f"{self._gv}{self._scope}{suffix}"
        if "get" in verbs:
            answers = {"200": definition}
            yield self._operation(**common, method="get", id=f"read{name}", description=f"read {what}", answers=answers)
        if "patch" in verbs:
            yield self._operation(
                **changed
                | {"action": "patch", "consumes": PATCH_FORMATS, "parameters": (*where, *parameters.WRITE, "force")},
                method="patch",
                id=f"patch{name}",
                description=f"partially update {what}",
                body=PATCH_BODY,
            )
        if "update" in verbs:
            text = f"replace {what}"
            yield self._operation(
                **changed | {"action": "put"}, method="put", id=f"replace{name}", description=text, body=definition
            )

    def _subresource(self, path: str, sub: Subresource) -> Paths:
        if sub.name in parameters.CONNECT:
            return self._connect(path, sub)
        kind = self._kind
        own = (sub.group or kind.group, sub.version or kind.version, sub.kind)
        definition = definition_of(*own) or self._definition
        where = (f"name/{sub.kind}", *self._where, "pretty")
        suffix = f"{kind.kind}{sub.name.capitalize()}"
        if sub.name == "log":
            return {path: [self._log(where)]}
        operations = list(
            self._read_write(sub.verbs, where, definition, own, suffix, f"{sub.name} of the specified {kind.kind}")
        )
        if "create" in sub.verbs:
            operations.append(
                self._operation(
                    method="post",
                    id=f"create{self._gv}{self._scope}{suffix}",
                    description=f"create {sub.name} of {self._named}",
                    action="post",
                    kind=own,
                    body=definition,
                    answers=dict.fromkeys(("200", "201", "202"), definition),
                    parameters=(*where, *parameters.WRITE),
                )
            )
        return {path: operations}

    def _log(self, where: tuple[str, ...]) -> Operation:
        return self._operation(
            method="get",
            id=f"read{self._gv}{self._scope}{self._kind.kind}Log",
            description=f"read log of the specified {self._kind.kind}",
            action="get",
            answers={"200": TEXT},
            produces=("text/plain", *FORMATS),
            parameters=(*where, *parameters.LOG),
        )

    def _connect(self, path: str, sub: Subresource) -> Paths:
        methods = [m for verb in sub.verbs for m in CONNECT_METHODS[verb]]
        if sub.name != "proxy":
            return {path: [self._connection(m, sub, "") for m in methods]}
        methods += ["head", "options"]
        return {
            path: [self._connection(m, sub, "") for m in methods],
            f"{path}/{{path}}": [self._connection(m, sub, "WithPath") for m in methods],
        }

    def _connection(self, method: str, sub: Subresource, suffix: str) -> Operation:
        name = f"connect{self._gv}{method.capitalize()}{self._scope}{self._kind.kind}{sub.name.capitalize()}{suffix}"
        below = ("path",) if suffix else ()
        return self._operation(
            method=method,
            id=name,
            description=f"connect {method.upper()} requests to {sub.name} of {self._kind.kind}",
            action="connect",
            kind=(sub.group, sub.version, sub.kind),
            answers={"200": TEXT},
            produces=ANY,
            parameters=(f"name/{sub.kind}", *self._where, *below, *parameters.CONNECT[sub.name]),
        )

    def _watches(self, inner: str) -> Paths:
        kind = self._kind
        name = f"{self._gv}{self._scope}{kind.kind}"
        found: Paths = {}
        if kind.namespaced:
            everywhere = f"{self._gv}{kind.kind}ListForAllNamespaces"
            found[f"{self._base}/watch/{kind.plural}"] = [self._watch(everywhere, ())]
        found[f"{self._base}/watch{inner}"] = [self._watch(f"{name}List", self._where)]
        one = (f"name/{kind.kind}", *self._where)
        found[f"{self._base}/watch{inner}/{{name}}"] = [self._watch(name, one)]
        return found

    def _watch(self, name: str, where: tuple[str, ...]) -> Operation:
        single = any(w.startswith("name/") for w in where)
        what = f"changes to an object of kind {self._kind.kind}"
        if not single:
            what = f"individual changes to a list of {self._kind.kind}"
        rest = ", filtered to a single item with the 'fieldSelector' parameter" if single else ""
        return self._operation(
            method="get",
            id=f"watch{name}",
            description=f"watch {what}. {DEPRECATED}{rest}.",
            action="watch" if single else "watchlist",
            answers={"200": WATCH_EVENT},
            produces=FORMATS + STREAM_FORMATS,
            parameters=(*where, "pretty", *parameters.LIST),
        )


def definition_of(group: str, version: str, kind: str) -> str:
    """The definition that stands for a kind, "" when the schema has none."""
    return _by_kind().get((group, version, kind), "")


def _by_kind() -> dict[tuple[str, str, str], str]:
    return {info.kinds[0]: name for name, info in schema.load().types.items() if len(info.kinds) == 1}
