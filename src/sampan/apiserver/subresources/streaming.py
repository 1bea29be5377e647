"""`pods/exec`, `pods/attach` and `pods/portforward`: the client's connection becomes a tunnel to the pod's kubelet.

The protocols spoken in it (SPDY/3.1, WebSocket) are the client's and the runtime's own matter, unless the client's has
to be translated (`apiserver.streaming`); what is checked here is who may, whether there is such a pod and container,
and where it runs. Source: API reference v1.36, PodExecOptions, PodAttachOptions, PodPortForwardOptions; KEP-4006 for
who may open a WebSocket.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from sampan.aio.tunnel import Tunnel
from sampan.api.errors import BadRequest
from sampan.apiserver import kubelets, stored
from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request
from sampan.apiserver.routes import query_pairs, truthy
from sampan.apiserver.streaming import handshake
from sampan.apiserver.subresources.podcontainer import chosen
from sampan.apiserver.verbs.get import find

STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
"""Parameters of the API to those of the kubelet."""


class Translation(NamedTuple):
    """For a client that names `protocol`, `behind` is spoken to the kubelet, and what `make` makes stands between."""

    protocol: str
    behind: bytes
    make: Callable[[bytes, Tunnel], Answer]


def _command(wanted: dict[str, bool], head: bytes, far: Tunnel) -> Answer:
    from sampan.apiserver.streaming.remotecommand import RemoteCommand

    return RemoteCommand(head, far, **wanted)


def _forwarding(head: bytes, far: Tunnel) -> Answer:
    from sampan.apiserver.streaming.portforward import Unwrapped

    return Unwrapped(head, far)


FORWARDING = Translation("SPDY/3.1+portforward.k8s.io", b"portforward.k8s.io", _forwarding)


async def execute(request: Request) -> Answer:
    """Run a command in a container. Raises NotFound, BadRequest, Forbidden, and what the kubelet says."""
    given = query_pairs(request.exchange.target)
    command = [("command", value) for name, value in given if name == "command"]
    return await _in_container(request, "exec", command)


async def attach(request: Request) -> Answer:
    """Join what a container's process reads and writes. Raises as `execute`."""
    return await _in_container(request, "attach", [])


async def port_forward(request: Request) -> Answer:
    """Connections to ports of a pod. Raises as `execute`."""
    pod = _pod(request)
    given = query_pairs(request.exchange.target)
    ports = [("port", port) for name, value in given if name == "ports" for port in value.split(",")]
    path = f"/portForward/{quote(request.target.namespace)}/{quote(request.target.name)}"
    return await _tunnel(request, pod, path, ports, FORWARDING)


async def _in_container(request: Request, verb: str, options: list[tuple[str, str]]) -> Answer:
    pod = _pod(request)
    container = chosen(request, pod)
    wanted = {name: truthy(request.target.parameters.get(name)) for name in STREAMS}
    options += [(theirs, "1") for ours, theirs in STREAMS.items() if wanted[ours]]
    target = request.target
    path = f"/{verb}/{quote(target.namespace)}/{quote(target.name)}/{quote(container)}"
    translation = Translation("v5.channel.k8s.io", b"v4.channel.k8s.io", partial(_command, wanted))
    return await _tunnel(request, pod, path, options, translation)


async def _tunnel(
    request: Request, pod: Any, path: str, options: list[tuple[str, str]], translation: Translation
) -> Answer:
    if not pod.spec.nodeName:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    headers = request.exchange.headers
    if b"upgrade" not in headers.get(b"connection", b"").lower():
        raise BadRequest("Upgrade request required")
    if headers.get(b"upgrade", b"").lower() == b"websocket":
        # A WebSocket is opened with GET, and does what else needs the right to create.
        from sampan.apiserver.stages import attributes, permit

        await permit(request, attributes(request)._replace(verb="create"))
    path += f"?{urlencode(options)}" if options else ""
    subject = f'pods "{pod.metadata.name}"'
    reach = partial(request.server.kubelets.upgrade, pod.spec.nodeName, path, subject=subject)
    if translation.protocol not in handshake.offered(headers):
        return await reach(kubelets.passed_on(headers), method=request.exchange.method)
    if not handshake.is_valid(headers):
        raise BadRequest("not a WebSocket handshake: want version 13 and a key of 16 bytes in base64")
    far = await reach(kubelets.asking_for(translation.behind), method="POST")
    return translation.make(handshake.switched(headers, translation.protocol), far)


def _pod(request: Request) -> Any:
    return stored.from_bytes(request.kind, find(request).data)
