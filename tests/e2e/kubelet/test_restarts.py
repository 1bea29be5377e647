"""Kubelet and containerd die and return; containers do not notice."""

from __future__ import annotations

import time

from sampan.api.kinds import coordination_v1, core_v1

from .harness import Machine, Node, eventually

FOREVER = [{"name": "c", "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]}]


async def test_a_new_kubelet_takes_over_running_pods(node: Node) -> None:
    node.pod(containers=[{**FOREVER[0], "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}])
    await node.running()
    before, sandboxes = node.container(), len(await node.runtime.list_sandboxes())
    await node.stop()
    await node.start()
    await eventually(lambda: node.kubelet.pods.find("default", "p") is not None)
    worker = node.kubelet.pods.find("default", "p")
    await eventually(lambda: worker.rounds >= 1 and worker.seen.containers)
    assert node.container().containerID == before.containerID
    assert node.container().restartCount == 0
    assert node.container().ready, "a pod that was ready stays so across a kubelet's restart"
    assert len(await node.runtime.list_sandboxes()) == sandboxes


async def test_what_was_deleted_meanwhile_is_cleared(node: Node) -> None:
    node.pod(containers=FOREVER, volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}])
    await node.running()
    uid = node.get().metadata.uid
    cgroups = node.kubelet.resources.upkeep.cgroups
    cgroup = cgroups.tree.folder("memory", cgroups.name(node.get()))
    assert cgroup.is_dir()
    await node.stop()
    node.api.remove(core_v1.Pod, "p", "default")
    await node.start()

    async def cleared() -> bool:
        left = [s for s in await node.runtime.list_sandboxes() if s.metadata.uid == uid]
        folder = node.folder / "kubelet" / "pods" / uid
        return not left and not folder.exists() and no_logs(node) and not cgroup.exists()

    await eventually(cleared)


def no_logs(node: Node) -> bool:
    return not list((node.folder / "logs").iterdir())


async def test_what_ended_meanwhile_is_noticed(node: Node) -> None:
    script = "until test -e /shared/go; do sleep 0.05; done; echo gone > /shared/gone; exit 4"
    mounts = [{"name": "v", "mountPath": "/shared"}]
    shared = node.folder / "shared"
    node.pod(
        restartPolicy="Never",
        volumes=[{"name": "v", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}],
        containers=[{"name": "c", "command": ["sh", "-c", script], "volumeMounts": mounts}],
    )
    await eventually(lambda: node.phase() == "Running")
    await node.stop()
    (shared / "go").touch()
    await eventually((shared / "gone").exists)
    await node.start()
    await node.ended()
    assert node.container().state.terminated.exitCode == 4


async def test_containerd_dies_and_returns(node: Node, machine: Machine) -> None:
    node.pod(containers=FOREVER)
    await node.running()
    before = node.container()
    machine.kill()
    try:
        await eventually(lambda: "runtime is down" in not_ready(node))
        node.pod(name="q", containers=FOREVER)
        assert node.container().containerID == before.containerID
    finally:
        machine.run()
    await node.running("q")
    await eventually(lambda: not_ready(node) == "")
    assert node.container().containerID == before.containerID
    assert node.container().restartCount == 0
    # Events are heard again: the end of a container is seen at once.
    began = time.monotonic()
    await node.runtime.stop_container(before.containerID.removeprefix("containerd://"), 1)
    await eventually(lambda: node.container().restartCount == 1)
    assert time.monotonic() - began < 3.0


async def test_containerd_dies_while_pods_start(node: Node, machine: Machine) -> None:
    """Killed in the middle of whatever it was making: each pod runs once, and nothing half-made stays."""
    names = [f"p{number}" for number in range(5)]
    for name in names:
        node.pod(name=name, containers=FOREVER)
    uids = {node.get(name).metadata.uid for name in names}

    async def sandboxes() -> list[str]:
        return [s.metadata.uid for s in await node.runtime.list_sandboxes() if s.metadata.uid in uids]

    async def one_is_made() -> bool:
        return bool(await sandboxes())

    await eventually(one_is_made)
    machine.kill()
    machine.run()
    for name in names:
        await node.running(name)
        assert node.container(pod=name).restartCount == 0

    async def nothing_is_left_over() -> bool:
        containers = [c for c in await node.runtime.list_containers() if uids & set(c.labels.values())]
        return sorted(await sandboxes()) == sorted(uids) and len(containers) == len(names)

    await eventually(nothing_is_left_over)


def not_ready(node: Node) -> str:
    """Why the node is not ready, "" when it is."""
    status = node.api.peek(core_v1.Node, "n1").status
    if status is None:
        return "registered just now"
    conditions = status.conditions
    ready = next(condition for condition in conditions if condition.type == "Ready")
    return "" if ready.status == "True" else ready.message


async def test_the_node_is_registered_and_alive(node: Node) -> None:
    await eventually(lambda: node.api.peek(core_v1.Node, "n1") is not None)
    await eventually(lambda: not_ready(node) == "")
    status = node.api.peek(core_v1.Node, "n1").status
    assert status.nodeInfo.containerRuntimeVersion.startswith("containerd://")
    assert status.capacity["pods"] == "110"
    assert {"cpu", "memory", "ephemeral-storage"} <= status.capacity.keys() & status.allocatable.keys()
    found = {(address.type, address.address) for address in status.addresses}
    assert {("InternalIP", node.config.node_ips[0])} <= found and "Hostname" in dict(found)
    shown = {condition.type: condition.status for condition in status.conditions}
    assert shown == {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}
    lease = node.api.peek(coordination_v1.Lease, "n1", "kube-node-lease")
    assert (lease.spec.holderIdentity, lease.spec.leaseDurationSeconds) == ("n1", 40)
    assert any("sampan.dev/sample:1" in image.names for image in status.images)
    assert status.daemonEndpoints.kubeletEndpoint.Port == node.kubelet.server.port
