"""The node's life in the API: registered once, alive by its Lease, described by its status.

The Lease in kube-node-lease is renewed every ten seconds and is all that says "alive" (KEP-589). The status is looked
at as often, but written only when something in it changed, or after five minutes. What others do to the Node (its pod
network, its deletion, that it is called lost) is heard from a watch.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sampan.aio.clock import Clock, micro_timestamp
from sampan.aio.tasks import TaskOwner
from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.client.errors import ClientError
from sampan.client.informer import Informer
from sampan.client.interface import Client
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.machine import Machine
from sampan.kubelet.node import new_node, node_labels

log = logging.getLogger(__name__)
LEASES = "kube-node-lease"
HEARTBEAT_FIELDS = ("lastHeartbeatTime",)


class Heartbeat:
    """`describe(known)` gives the node's status now; `on_node` hears of the Node each time it changed."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        config: KubeletConfig,
        machine: Machine,
        *,
        describe: Callable[[Any], Awaitable[Any]],
        on_node: Callable[[Any], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._config = config
        self._machine = machine
        self._describe = describe
        self._on_node = on_node
        self._node: Informer[Any] = Informer(
            client, core_v1.Node, clock, rng, fields=f"metadata.name={config.node_name}"
        )
        self._changed = asyncio.Event()
        self._written: Any = None
        self._written_at = 0.0
        self._lease: Any = None
        self._unready_checks = 0
        self.renewals = 0
        self.writes = 0

    def changed(self) -> None:
        """Something about the node has changed: look at once."""
        self._changed.set()

    async def register(self) -> Any:
        """Makes the Node, or takes over the one that has our name; tries until it is done. Returns the Node."""
        failures = 0
        while True:
            try:
                node = await self._register()
                self._node.observe(node)
                self._on_node(node)
                return node
            except (ApiError, ClientError) as error:
                failures += 1
                log.warning("node not registered yet name=%s error=%s", self._config.node_name, error)
                await self._clock.sleep(min(0.2 * 2**failures, 7.0))

    async def _register(self) -> Any:
        node = new_node(self._config, self._machine, await self._describe(None))
        try:
            return await self._client.create(node)
        except AlreadyExists:
            known = await self._client.get(core_v1.Node, self._config.node_name)
        wanted = node_labels(self._config, self._machine)
        notes = self._config.node_annotations
        labelled = wanted.items() <= (known.metadata.labels or {}).items()
        if labelled and notes.items() <= (known.metadata.annotations or {}).items():
            return known
        patch = {"metadata": {"labels": wanted, "annotations": dict(notes)}}
        return await self._client.patch(core_v1.Node, self._config.node_name, None, patch)

    async def run(self) -> None:
        """Renews and reports until cancelled."""
        self._node.add_handler(self._seen)
        async with TaskOwner("heartbeat") as owner:
            owner.start(self._node.run, name="node")
            owner.start(self._renew_forever, name="lease")
            owner.start(self._report_forever, name="status")
            await owner.wait()

    # The lease.

    async def _renew_forever(self) -> None:
        while True:
            try:
                await self._renew()
                self.renewals += 1
            except (ApiError, ClientError) as error:
                self._lease = None
                log.warning("node lease not renewed name=%s error=%s", self._config.node_name, error)
            await self._clock.sleep(self._config.lease_renewal)

    async def _renew(self) -> None:
        if self._lease is None:
            self._lease = await self._find_lease()
        lease = msgspec.convert(msgspec.to_builtins(self._lease), type(self._lease))
        lease.spec.renewTime = micro_timestamp(self._clock.now())
        self._lease = await self._client.update(lease)

    async def _find_lease(self) -> Any:
        name = self._config.node_name
        try:
            return await self._client.get(coordination_v1.Lease, name, LEASES)
        except NotFound:
            pass
        node = await self._client.get(core_v1.Node, name)
        owner = meta_v1.OwnerReference(apiVersion="v1", kind="Node", name=name, uid=node.metadata.uid)
        spec = coordination_v1.LeaseSpec(
            holderIdentity=name,
            leaseDurationSeconds=int(self._config.lease_seconds),
            renewTime=micro_timestamp(self._clock.now()),
        )
        meta = meta_v1.ObjectMeta(name=name, namespace=LEASES, ownerReferences=[owner])
        return await self._client.create(coordination_v1.Lease(metadata=meta, spec=spec))

    # The status.

    async def _report_forever(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._report()
            except (ApiError, ClientError) as error:
                log.warning("node status not written name=%s error=%s", self._config.node_name, error)
            try:
                await self._clock.wait_for(self._changed.wait(), self._check_seconds())
            except TimeoutError:
                continue

    def _check_seconds(self) -> float:
        """A node that is not ready looks more often, at first: most often it only waits for its pod network."""
        if is_ready(self._written):
            self._unready_checks = 0
            return self._config.status_check
        self._unready_checks = min(self._unready_checks + 1, 40)
        return min(self._config.unready_check * 1.3**self._unready_checks, self._config.status_check)

    def _seen(self, _old: Any, node: Any) -> None:
        """Others write into the Node, too."""
        if node is not None:
            self._on_node(node)
        if node is None or overruled(node, self._written):
            self.changed()

    async def _report(self) -> None:
        status = await self._describe(self._written)
        due = self._clock.monotonic() - self._written_at >= self._config.status_report
        node = self._node.get(self._config.node_name)
        try:
            if node is None:
                raise NotFound(f"node {self._config.node_name} was deleted")
            if due or not same(self._written, status) or overruled(node, status):
                await self._write(status)
        except NotFound:
            # Somebody deleted the Node of a node that lives: it comes back.
            self._lease = self._written = None
            await self.register()
            self.changed()

    async def _write(self, status: Any) -> None:
        patch = {"status": node_patch(status)}
        name = self._config.node_name
        node = await self._client.patch(core_v1.Node, name, None, patch, type="strategic", subresource="status")
        self._node.observe(node)
        self._written, self._written_at = status, self._clock.monotonic()
        self.writes += 1


def is_ready(status: Any) -> bool:
    return status is not None and any(c.type == "Ready" and c.status == "True" for c in status.conditions or ())


def node_patch(status: Any) -> dict[str, Any]:
    patch: dict[str, Any] = msgspec.to_builtins(status)
    patch["addresses"] = [{"$patch": "replace"}, *patch["addresses"]]
    return patch


def same(old: Any | None, new: Any) -> bool:
    """Whether nothing but the times of the heartbeat differs."""
    return old is not None and stripped(old) == stripped(new)


def overruled(node: Any, status: Any) -> bool:
    """Whether the Node shows another state for a condition than the kubelet has found."""
    if status is None:
        return False
    states = {c.type: c.status for c in (node.status.conditions if node.status else None) or ()}
    return any(states.get(c.type) != c.status for c in status.conditions or ())


def stripped(status: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(status)
    for condition in plain.get("conditions", ()):
        for name in HEARTBEAT_FIELDS:
            condition.pop(name, None)
    # Free space moves all the time; its capacity does not.
    return plain
