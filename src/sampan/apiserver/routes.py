"""From method and path to what is asked for: the verb, the kind, the namespace, the name, the subresource.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote_to_bytes

from sampan.api.errors import BadRequest
from sampan.api.registry import Kind, Registry

COLLECTION_VERBS = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
OBJECT_VERBS = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
MOST_PARAMETERS = 1000
NO_PARAMETERS: dict[str, str] = {}


class Target:
    """What a request is for. `kind` is None for anything but an object or a collection; then `verb` is the method in
    lower case.

    `path` is decoded; `parameters` holds the first value of each query parameter.
    """

    __slots__ = ("group", "kind", "name", "namespace", "parameters", "path", "plural", "subresource", "verb", "version")

    def __init__(self, path: str, parameters: dict[str, str]) -> None:
        self.path = path
        self.parameters = parameters
        self.kind: Kind | None = None
        self.verb = ""
        self.group = ""
        self.version = ""
        self.plural = ""
        self.namespace = ""
        self.name = ""
        self.subresource = ""


class Routes:
    """Resolves targets against a registry, which may gain and lose kinds while the server runs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def identify(self, method: str, target: str) -> Target:
        """Never fails: what is not served has `kind` None (and `plural` when the path has the form of a resource's)."""
        path, _, query = target.partition("?")
        if "%" in path:
            path = unquote_to_bytes(path).decode("utf-8", "replace")
        result = Target(path, parse_parameters(query) if query else NO_PARAMETERS)
        parts = path.split("/")
        root = parts[1] if len(parts) > 1 else ""
        if root == "api" and len(parts) > 3 and parts[3]:
            result.version = parts[2]
            rest = parts[3:]
        elif root == "apis" and len(parts) > 4 and parts[4]:
            result.group = parts[2]
            result.version = parts[3]
            rest = parts[4:]
        else:
            result.verb = method.lower()
            return result
        self._resource(result, method, rest)
        return result

    def _resource(self, result: Target, method: str, rest: list[str]) -> None:
        """Fill in `result` from the path behind group and version."""
        watch = rest[0] == "watch" and len(rest) > 1
        if watch:
            rest = rest[1:]
        size = len(rest)
        if (
            rest[0] == "namespaces"
            and size > 2
            and not (size == 3 and rest[2] in NAMESPACE_SUBRESOURCES and not result.group)
        ):
            result.namespace = rest[1]
            rest = rest[2:]
            size -= 2
        result.plural = rest[0]
        if size > 1:
            result.name = rest[1]
            if size > 2:
                result.subresource = rest[2] if size == 3 else "/".join(rest[2:])
        try:
            kind = self._registry.resource(result.group, result.version, result.plural)
        except KeyError:
            kind = None
        verb = (OBJECT_VERBS if result.name else COLLECTION_VERBS).get(method, "")
        if watch or (verb == "list" and truthy(result.parameters.get("watch"))):
            verb = "watch" if verb in ("list", "get") else verb
        result.verb = verb
        if kind is not None and _in_scope(kind, result):
            result.kind = kind

    def has_group(self, group: str) -> bool:
        """Whether any version of the group is served."""
        return any(kind.group == group for kind in self._registry.kinds())


def _in_scope(kind: Kind, target: Target) -> bool:
    """A cluster-scoped object through a namespaced path, or the reverse, is no object at all (CVE-2019-11247)."""
    if kind.namespaced:
        return bool(target.namespace) or not target.name
    return not target.namespace


def truthy(value: str | None) -> bool:
    """A boolean query parameter: present and not "false" or "0"."""
    return value is not None and value.lower() not in ("false", "0")


def query_pairs(target: str) -> list[tuple[str, str]]:
    """All query parameters of a request's target in order: some may be there several times.

    Raises BadRequest for too many.
    """
    try:
        return parse_qsl(target.partition("?")[2], keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise BadRequest(f"more than {MOST_PARAMETERS} query parameters") from None


def parse_parameters(query: str) -> dict[str, str]:
    """First value of each parameter. Bounded: more than 100 parameters are cut off."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl("&".join(query.split("&", 100)[:100]), keep_blank_values=True):
        parameters.setdefault(name, value)
    return parameters
