"""Carrying out the action of a probe or a lifecycle hook against one container: which way, which address, how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.kubelet.handlers import Answer, Handlers, Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One container instance to ask: its id, its spec, the address its ports answer at, and when it was started
    (seconds since the epoch, 0 when that does not matter)."""

    container_id: str
    spec: Any
    ip: str
    started: float = 0.0


async def ask(
    handlers: Handlers, action: Any, target: Target, timeout: float | None = None, *, agent: str = ""
) -> Answer:
    """Carries out the action of a probe, or of a hook, which gives its own timeout and agent; raises Unanswered."""
    seconds = float(action.timeoutSeconds or 1) if timeout is None else timeout
    if action.exec is not None:
        return await handlers.exec(target.container_id, action.exec.command or [], seconds)
    if action.httpGet is not None:
        return await ask_http(handlers, action.httpGet, target, seconds, agent)
    if action.tcpSocket is not None:
        port = port_number(action.tcpSocket.port, target.spec)
        return await handlers.tcp(action.tcpSocket.host or target.ip, port, seconds)
    if getattr(action, "grpc", None) is not None:
        return await handlers.grpc(target.ip, action.grpc.port, action.grpc.service or "", seconds)
    raise Unanswered(f"missing probe handler for container {target.spec.name}")


async def ask_http(handlers: Handlers, get: Any, target: Target, seconds: float, agent: str) -> Answer:
    host = get.host or target.ip
    host = f"[{host}]" if ":" in host else host
    path = get.path or "/"
    scheme = (get.scheme or "HTTP").lower()
    url = f"{scheme}://{host}:{port_number(get.port, target.spec)}{path if path.startswith('/') else '/' + path}"
    headers = [(header.name, header.value or "") for header in get.httpHeaders or ()]
    if agent and not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", agent))
    return await handlers.http(url, headers, seconds)


def port_number(port: int | str, spec: Any) -> int:
    """A port by number, or by the name of one of the container's; raises Unanswered when there is none of that name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for known in spec.ports or ():
        if known.name == port:
            return int(known.containerPort)
    raise Unanswered(f"couldn't find port: {port} in container {spec.name}")
