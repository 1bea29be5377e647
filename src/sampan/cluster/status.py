"""`sampan status`: what runs, where, and what is wrong, gathered from the processes and the API.

Gathering (`gather`) is apart from judging (`problems`), and both from printing (`sampan.cli.status`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1
from sampan.client import kubeconfig
from sampan.client.errors import BadConfig, Unreachable
from sampan.client.interface import Client
from sampan.client.rest import RestClient
from sampan.cluster import components, supervise
from sampan.cluster import options as stored
from sampan.cluster.nodes import plan as nodes
from sampan.cluster.options import Options
from sampan.cluster.servers import balancing, plan
from sampan.cluster.servers.balancer import Backend, Health
from sampan.cluster.servers.plan import Plan
from sampan.cluster.supervision.processes import Records

RECENT_WARNINGS = 5


class Process(msgspec.Struct):
    """`memory` is the proportional set size in bytes: shared pages counted once over all who share them."""

    name: str
    pid: int | None = None
    memory: int = 0
    restarts: int = 0
    started: float = 0.0


class Node(msgspec.Struct):
    name: str
    address: str
    ready: bool
    message: str
    version: str
    runtime: str


class Server(msgspec.Struct):
    """One of several API servers; `trouble` is empty when it is ready."""

    name: str
    address: str
    trouble: str = ""


class Pod(msgspec.Struct):
    namespace: str
    name: str
    phase: str
    ready: bool
    trouble: str


@dataclass
class Status:
    """`api` is empty when the API server answers, else says why it does not."""

    server: str
    processes: list[Process]
    api: str = ""
    servers: list[Server] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What is wrong, worst first, each with where to look."""
        found = [f"process {p.name} does not run" for p in self.processes if p.pid is None]
        found += [f"{s.name} ({s.address}) {s.trouble}: see its log" for s in self.servers if s.trouble]
        if self.api:
            return [*found, f"the API server does not answer: {self.api}"]
        found += [f"node {n.name} is not ready: {n.message}" for n in self.nodes if not n.ready]
        if not self.nodes:
            found.append("no node has registered: see the agent's log")
        found += [f"pod {p.namespace}/{p.name}: {p.trouble}" for p in self.pods if p.trouble]
        return found


async def gather(options: Options, clock: Clock) -> Status:
    """Looks at the processes and asks the API; never raises for a cluster that is half up."""
    status = Status(server=options.server, processes=processes(options))
    try:
        status.servers = await asyncio.gather(*(server(options, clock, each) for each in Plan(options)))
        config = kubeconfig.load(options.layout.admin_kubeconfig)
        async with RestClient(config, clock) as client:
            await ask(client, status)
    except (ApiError, Unreachable, BadConfig) as error:
        status.api = str(error)
    return status


async def server(options: Options, clock: Clock, place: plan.Server) -> Server:
    """Asks one of several API servers itself, and not whichever the balancer chooses."""
    async with balancing.client(options, clock, Backend(place.address, options.port)) as client:
        health = await balancing.health(client)
    return Server(place.apiserver, place.address, "" if health is Health.READY else health.value)


async def ask(client: Client, status: Status) -> None:
    """Fills in what the API knows."""
    status.nodes = [node(n) for n in (await client.list(core_v1.Node)).items]
    status.pods = [pod(p) for p in (await client.list(core_v1.Pod)).items]
    events = (await client.list(core_v1.Event, fields="type=Warning")).items
    events.sort(key=lambda e: e.lastTimestamp or e.eventTime or "")
    status.warnings = [warning(e) for e in events[-RECENT_WARNINGS:]]


def processes(options: Options) -> list[Process]:
    """All that should run on this machine, whether they do or not; those of a further node under its name."""
    found = own_processes(options)
    for place in nodes.Plan(options):
        if (further := stored.load(place.layout)) is not None:
            found += [msgspec.structs.replace(p, name=f"{place.name}/{p.name}") for p in own_processes(further)]
    return found


def own_processes(options: Options) -> list[Process]:
    records = Records(options.layout.run)
    own = [] if options.container_runtime_endpoint else [supervise.CONTAINERD]
    members = [server.etcd for server in Plan(options)]
    found = []
    for name in (supervise.SUPERVISOR, *own, *members, *components.processes(options), supervise.GUARDIAN):
        entry = records.load(name)
        if entry is None or not entry.alive:
            found.append(Process(name=name, restarts=entry.restarts if entry else 0))
        else:
            memory = proportional_memory(entry.pid)
            found.append(
                Process(name=name, pid=entry.pid, memory=memory, restarts=entry.restarts, started=entry.started)
            )
    return found


def proportional_memory(pid: int) -> int:
    """Bytes of memory with shared pages divided among those who share them; 0 when it cannot be read."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def node(obj: Any) -> Node:
    state = obj.status or core_v1.NodeStatus()
    ready = next((c for c in state.conditions or () if c.type == "Ready"), None)
    info = state.nodeInfo
    return Node(
        name=obj.metadata.name,
        address=next((a.address for a in state.addresses or () if a.type == "InternalIP"), ""),
        ready=bool(ready and ready.status == "True"),
        message=(ready.message or ready.reason or "") if ready else "it has reported no conditions",
        version=info.kubeletVersion if info else "",
        runtime=info.containerRuntimeVersion if info else "",
    )


def pod(obj: Any) -> Pod:
    state = obj.status or core_v1.PodStatus()
    conditions = {c.type: c for c in state.conditions or ()}
    ready = "Ready" in conditions and conditions["Ready"].status == "True"
    return Pod(
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        phase=state.phase or "Pending",
        ready=ready,
        trouble="" if ready or state.phase == "Succeeded" else trouble(obj, state, conditions),
    )


def trouble(obj: Any, state: Any, conditions: dict[str, Any]) -> str:
    """Why a pod is not ready, in one line: a container's waiting reason before a condition's message."""
    if obj.metadata.deletionTimestamp:
        return ""
    for container in [*(state.initContainerStatuses or ()), *(state.containerStatuses or ())]:
        waiting = container.state.waiting if container.state else None
        if waiting and waiting.reason not in (None, "ContainerCreating", "PodInitializing"):
            return f"{container.name}: {waiting.reason}{f': {waiting.message}' if waiting.message else ''}"
    scheduled = conditions.get("PodScheduled")
    if scheduled and scheduled.status == "False":
        return f"{scheduled.reason}: {scheduled.message}"
    return state.message or "" if state.phase == "Failed" else ""


def warning(event: Any) -> str:
    about = event.involvedObject
    subject = f"{about.kind.lower()} {about.namespace + '/' if about.namespace else ''}{about.name}"
    return f"{event.lastTimestamp or event.eventTime} {subject}: {event.reason}: {event.message}"
