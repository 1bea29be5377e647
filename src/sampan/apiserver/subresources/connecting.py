"""What is connected to (`pods/exec`, `services/proxy`, ...) passes admission first, with operation CONNECT.

What plugins are shown is the connection's options, which upstream reads off the query and the path: PodExecOptions and
its like. They are in no schema, since no body ever has them; so their Structs stand here.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Any

import msgspec

from sampan.api.errors import BadRequest
from sampan.api.registry import Kind
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request
from sampan.apiserver.routes import query_pairs, truthy
from sampan.apiserver.write import CONNECT, Write

Verb = Callable[[Request], Awaitable[Answer]]
STREAMS = {"stdin": bool, "stdout": bool, "stderr": bool, "tty": bool, "container": str}
FIELDS: dict[str, dict[str, Any]] = {
    "PodExecOptions": STREAMS | {"command": list[str]},
    "PodAttachOptions": STREAMS,
    "PodPortForwardOptions": {"ports": list[int]},
    **{f"{parent}ProxyOptions": {"path": str} for parent in ("Node", "Pod", "Service")},
}


@cache
def options(kind: str) -> Kind:
    """The kind of a connection's options."""
    meta = [("kind", str, kind), ("apiVersion", str, "v1")]
    fields = [(name, type_ | None, None) for name, type_ in FIELDS[kind].items()]
    struct = msgspec.defstruct(kind, [*meta, *fields], omit_defaults=False)
    return Kind(group="", version="v1", kind=kind, plural=kind.lower(), struct=struct, namespaced=True)


def admitted(verb: Verb) -> Verb:
    """The verb, begun when admission has nothing against the connection."""

    @wraps(verb)
    async def connecting(request: Request) -> Answer:
        if "dryRun" in request.target.parameters:
            raise BadRequest("dryRun is not supported")
        name = request.target.subresource.partition("/")[0]
        kind = options(request.kind.subresources[name].kind)
        write = Write(request, CONNECT, new=_read(request, kind), kind=kind, subresource=name)
        await settled(request.server.admission.admit(write))
        return await verb(request)

    return connecting


def _read(request: Request, kind: Kind) -> Any:
    fields = FIELDS[kind.kind]
    if "path" in fields:  # the query is the other end's
        return kind.struct(path=_path(request))
    given: dict[str, list[str]] = {}
    for name, value in query_pairs(request.exchange.target):
        given.setdefault(name, []).append(value)
    return kind.struct(**{name: READERS[type_](given[name]) for name, type_ in fields.items() if name in given})


def _path(request: Request) -> str:
    """What is asked for behind a proxy, from its first slash on."""
    rest = request.target.subresource.partition("/")[2]
    return f"/{rest}" if rest or request.target.path.endswith("/") else ""


def _ports(values: list[str]) -> list[int]:
    found = [port for value in values for port in value.split(",")]
    for port in found:
        if not (port.isascii() and port.isdigit()):
            raise BadRequest(f'cannot convert to []int32: strconv.ParseUint: parsing "{port}": invalid syntax')
        if len(port) > 9 or int(port) >= 1 << 16:
            raise BadRequest(f'cannot convert to []int32: strconv.ParseUint: parsing "{port}": value out of range')
    return [int(port) for port in found]


READERS: dict[Any, Callable[[list[str]], Any]] = {
    bool: lambda values: truthy(values[0]),
    str: lambda values: values[0],
    list[str]: list,
    list[int]: _ports,
}
