"""The check brought about: pods made on every node, their output read, everything removed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from sampan.aio.clock import Clock
from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.interface import Client
from sampan.network.check import plan
from sampan.network.check.plan import NODE, NODE_PORT, POD, POD_PORT, SERVE, Asked, Member, Place, Told

NAMESPACE = "sampan-network-check"
IMAGE = "sampan.dev/sample:1"
LABEL = "network.sampan.dev/check"
PATIENCE_SECONDS, POLL_SECONDS = 60.0, 0.2
MOST_NODES = 20
NOT_STARTED = (
    "the check's pods on node {node} do not start ({why}): see `sampan status`, the agent's log there, and whether a "
    "firewall there keeps the node from the API server (`nft list ruleset`)"
)
NOT_READY = (
    "node {node} is not ready: see `sampan status`; if its agent runs, whether a firewall there keeps it from the API "
    "server (`nft list ruleset`)"
)


class Raw(Client, Protocol):
    """A client that also reads what is no object: logs."""

    async def raw(self, method: str, path: str) -> bytes: ...


@dataclass(frozen=True, kw_only=True)
class _Answering:
    """A node that takes part, with addresses of each family that it and its pods have."""

    node: str
    hosts: tuple[str, ...]
    pods: tuple[str, ...]
    ranges: tuple[str, ...]

    def member(self, version: int) -> Member:
        ranges = tuple(cidr for cidr in self.ranges if (":" in cidr) == (version == 6))
        return Member(node=self.node, address=_of(version, self.hosts), pod=_of(version, self.pods), ranges=ranges)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    views: tuple[tuple[Asked, Told], ...]
    """By family, the pods' first one first."""
    absent: tuple[str, ...]
    """Why nodes took no part."""


class Check:
    """`nodes`: those that take part, all that are ready when empty. `domain`: the cluster's, `servers`: its DNS's
    addresses."""

    def __init__(
        self, client: Raw, clock: Clock, *, nodes: Sequence[str], outside: str, domain: str, servers: Sequence[str] = ()
    ) -> None:
        self._client = client
        self._clock = clock
        self._names = set(nodes)
        self._outside = outside
        self._domain = domain
        self._servers = {_version(address): address for address in servers}
        self._absent: list[str] = []

    async def run(self) -> Outcome:
        """Raises ApiError and Unreachable."""
        nodes = await self._nodes()
        async with self._namespace():
            views = [(asked, Told()) for asked in self._views(*await self._serve(nodes))]
            names = dict.fromkeys(member.node for asked, _ in views for member in asked.members)
            await asyncio.gather(*(self._ask(views, name, kind) for name in names for kind in (POD, NODE)))
        return Outcome(views=tuple(views), absent=tuple(dict.fromkeys(self._absent)))

    def _views(self, found: Sequence[_Answering], services: Sequence[str]) -> list[Asked]:
        """One for each family in which pods answer."""
        versions = dict.fromkeys(_version(address) for each in found for address in each.pods)
        return [
            Asked(
                members=tuple(each.member(version) for each in found if _of(version, each.pods)),
                service=_of(version, services),
                name=f"kubernetes.default.svc.{self._domain}",
                outside=self._outside if (plan.family_of(self._outside) or next(iter(versions))) == version else "",
                server=self._servers.get(version, "") if number else "",
                version=version,
            )
            for number, version in enumerate(versions)
        ]

    async def _nodes(self) -> list[Any]:
        known = (await self._client.list(core_v1.Node)).items
        for name in sorted(self._names - {n.metadata.name for n in known}):
            self._absent.append(f"there is no node {name}: `kubectl get nodes` shows those there are")
        found = [n for n in known if self._wanted(n)]
        if len(found) > MOST_NODES:
            self._absent.append(
                f"{len(found) - MOST_NODES} of {len(found)} nodes were not looked at: name some with --node"
            )
        return found[:MOST_NODES]

    def _wanted(self, node: Any) -> bool:
        name = node.metadata.name
        if self._names and name not in self._names:
            return False
        conditions = {c.type: c.status for c in (node.status.conditions or ())}
        if conditions.get("Ready") != "True":
            self._absent.append(NOT_READY.format(node=name))
            return False
        return True

    @contextlib.asynccontextmanager
    async def _namespace(self) -> AsyncIterator[None]:
        """One of our own, where no policy isolates; what an interrupted check has left goes first."""
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        made = core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=NAMESPACE, labels=labels))
        await self._create_anew(made)
        try:
            yield
        finally:
            await asyncio.shield(self._client.delete(core_v1.Namespace, NAMESPACE))

    async def _create_anew(self, namespace: Any) -> None:
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                await self._client.create(namespace)
                return
            except AlreadyExists:
                if self._clock.monotonic() > deadline:
                    raise
            with contextlib.suppress(NotFound):
                await self._client.delete(core_v1.Namespace, NAMESPACE)
            await self._clock.sleep(POLL_SECONDS)

    async def _serve(self, nodes: Sequence[Any]) -> tuple[list[_Answering], list[str]]:
        """Those nodes whose pods answer, and the addresses of the Service of all."""
        ports = [core_v1.ServicePort(port=80, targetPort=POD_PORT)]
        spec = core_v1.ServiceSpec(selector={LABEL: POD}, ports=ports, ipFamilyPolicy="PreferDualStack")
        metadata = meta_v1.ObjectMeta(name="check", namespace=NAMESPACE)
        service: Any = await self._client.create(core_v1.Service(metadata=metadata, spec=spec))
        found = await asyncio.gather(*(self._member(node) for node in nodes))
        return [each for each in found if each], service.spec.clusterIPs or [service.spec.clusterIP or ""]

    async def _member(self, node: Any) -> _Answering | None:
        name = node.metadata.name
        for kind, port in ((POD, POD_PORT), (NODE, NODE_PORT)):
            await self._client.create(pod(f"serve-{kind}", name, kind, f"PORT={port}; {SERVE}"))
        waits = (self._until(f"serve-{kind}-{name}", ("Running",)) for kind in (POD, NODE))
        answering = await asyncio.gather(*waits)
        if None in answering:
            return None
        inside, host = (_addresses(each.status) for each in answering)
        return _Answering(node=name, hosts=host, pods=inside, ranges=tuple(node.spec.podCIDRs or ()))

    async def _ask(self, views: Sequence[tuple[Asked, Told]], node: str, kind: str) -> None:
        await self._client.create(pod(f"ask-{kind}", node, kind, plan.script([asked for asked, _ in views], kind)))
        if await self._until(f"ask-{kind}-{node}", ("Succeeded", "Failed")) is not None:
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{quote(f'ask-{kind}-{node}')}/log"
            output = (await self._client.raw("GET", path)).decode(errors="replace")
            for asked, told in views:
                plan.read(asked, Place(kind, node), output, told)

    async def _until(self, name: str, phases: Sequence[str]) -> Any:
        """The pod in one of these phases; None, and why is noted, when it does not get there."""
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        while True:
            found: Any = await self._client.get(core_v1.Pod, name, NAMESPACE)
            if found.status.phase in phases and (found.status.podIP or phases != ("Running",)):
                return found
            if self._clock.monotonic() > deadline or found.status.phase in ("Succeeded", "Failed"):
                self._absent.append(NOT_STARTED.format(node=found.spec.nodeName, why=why(found)))
                return None
            await self._clock.sleep(POLL_SECONDS)


def _addresses(status: Any) -> tuple[str, ...]:
    return tuple(each.ip for each in status.podIPs or () if each.ip) or (status.podIP,)


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _of(version: int, addresses: Sequence[str]) -> str:
    """The first of that family; "" for none."""
    return next((address for address in addresses if _version(address) == version), "")


def why(pod: Any) -> str:
    """The first reason that its status gives."""
    for container in pod.status.containerStatuses or ():
        waiting = container.state.waiting if container.state else None
        if waiting and waiting.reason:
            return f"{waiting.reason} {waiting.message or ''}".strip()
    ended = pod.status.phase if pod.status.phase != "Pending" else ""
    return pod.status.message or ended or "no word of it from its kubelet"


def pod(role: str, node: str, kind: str, command: str) -> Any:
    """One that runs a shell command on that node: in the pod network, or in the node's own, where it sees the node."""
    host = kind == NODE
    container = core_v1.Container(name="check", image=IMAGE, command=["sh", "-c", command])
    spec = core_v1.PodSpec(
        nodeName=node,
        containers=[container],
        hostNetwork=host or None,
        restartPolicy="Never",
        terminationGracePeriodSeconds=0,
        tolerations=[core_v1.Toleration(operator="Exists")],
        automountServiceAccountToken=False,
        dnsPolicy="ClusterFirstWithHostNet" if host else "ClusterFirst",
    )
    if host:
        container.securityContext = core_v1.SecurityContext(privileged=True)
        container.volumeMounts = [core_v1.VolumeMount(name="host", mountPath="/host", readOnly=True)]
        spec.volumes = [core_v1.Volume(name="host", hostPath=core_v1.HostPathVolumeSource(path="/"))]
    labels = {LABEL: kind} if role.startswith("serve") else {}
    metadata = meta_v1.ObjectMeta(name=f"{role}-{node}", namespace=NAMESPACE, labels=labels)
    return core_v1.Pod(metadata=metadata, spec=spec)
