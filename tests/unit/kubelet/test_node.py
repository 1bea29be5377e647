"""The node in the API: registered, alive, described."""

from __future__ import annotations

import os
from pathlib import Path

from sampan.api.kinds import core_v1, meta_v1, node_v1
from sampan.cri.messages import pb
from sampan.kubelet.kernelmessages import KernelMessages
from sampan.kubelet.machine import huge_pages

from .harness import IMAGE, Node, node


def test_huge_pages_are_found(tmp_path: Path) -> None:
    for size, count in ((2048, 4), (1048576, 0)):
        folder = tmp_path / f"sys/kernel/mm/hugepages/hugepages-{size}kB"
        folder.mkdir(parents=True)
        (folder / "nr_hugepages").write_text(f"{count}\n")
    assert huge_pages(tmp_path) == ((2 << 20, 4), (1 << 30, 0))


async def test_the_node_is_registered_and_renewed(tmp_path: Path) -> None:
    from sampan.api.kinds import coordination_v1

    async with node(tmp_path) as n:
        await n.advance(1)
        made = n.api.peek(core_v1.Node, "n1")
        assert made.metadata.labels["kubernetes.io/hostname"] == "n1"
        assert made.status.capacity == {
            "cpu": "4",
            "memory": "8388608Ki",
            "ephemeral-storage": "104857600Ki",
            "pods": "110",
            "hugepages-2Mi": "8Mi",
            "hugepages-1Gi": "0",
        }
        assert made.status.allocatable["hugepages-2Mi"] == "8Mi"
        assert made.status.allocatable["memory"] == f"{8192 - 100 - 8}Mi"
        lease = n.api.peek(coordination_v1.Lease, "n1", "kube-node-lease")
        assert lease.spec.holderIdentity == "n1"
        await n.advance(10)
        assert n.api.peek(coordination_v1.Lease, "n1", "kube-node-lease").spec.renewTime > lease.spec.renewTime
        writes = n.kubelet.heartbeat.writes
        await n.advance(200)
        assert n.kubelet.heartbeat.writes == writes
        await n.advance(110)
        assert n.kubelet.heartbeat.writes == writes + 1
        n.api.change(core_v1.Node, "n1", None, lambda node: setattr(node.spec, "podCIDR", "10.244.3.0/24"))
        await n.advance(300)
        assert n.cidrs == ["10.244.3.0/24"]


async def test_a_node_that_was_deleted_comes_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await n.advance(1)
        n.api.remove(core_v1.Node, "n1")
        n.runtime.images["new"] = n.runtime.images[IMAGE]
        n.runtime.network_ready = False
        await n.advance(11)
        assert n.api.peek(core_v1.Node, "n1") is not None


async def test_what_the_runtime_can_do_is_told(tmp_path: Path) -> None:
    made = Node(tmp_path)
    made.runtime.runtime_handlers = [pb.RuntimeHandler(name="runc")]
    made.runtime.runtime_handlers[0].features.user_namespaces = True
    await made.start()
    try:
        await made.advance(1)
        status = made.api.peek(core_v1.Node, "n1").status
        assert status.runtimeHandlers[0].name == "runc"
        assert status.runtimeHandlers[0].features.userNamespaces
        assert status.features.supplementalGroupsPolicy is False
        assert "InPlacePodLevelResourcesVerticalScaling" in status.declaredFeatures
    finally:
        await made.stop()


async def test_runtime_classes(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.handlers.add("runsc")
        n.pod(runtimeClassName="safe")
        n.pod("wrong", runtimeClassName="odd")
        for name, handler in (("odd", "none"),):
            n.api.add(node_v1.RuntimeClass(metadata=meta_v1.ObjectMeta(name=name), handler=handler))
        await n.advance(1)
        assert n.runtime.running() == []
        events = " ".join(n.events())
        assert 'RuntimeClass "safe" not found' in events
        assert 'no runtime for "none" is configured' in events
        n.api.add(node_v1.RuntimeClass(metadata=meta_v1.ObjectMeta(name="safe"), handler="runsc"))
        await n.advance(5)
        assert n.status().phase == "Running"


KILL = "oom-kill:constraint={},nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=eater,pid={},uid=0"


async def test_the_machine_is_out_of_memory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kmsg")
    told: list[str] = []
    messages = KernelMessages(lambda type_, reason, text: told.append(f"{reason}: {text}"), tmp_path / "kmsg")
    kernel = os.open(tmp_path / "kmsg", os.O_RDWR)
    messages.start()
    for constraint, pid in (("CONSTRAINT_MEMCG", 1), ("CONSTRAINT_NONE", 2)):
        os.write(kernel, f"6,1,2,-;{KILL.format(constraint, pid)}".encode())
        messages.read()
    assert told == ["SystemOOM: System OOM encountered, victim process: eater, pid: 2"]
    messages.close()
    os.close(kernel)


async def test_kernel_messages_that_cannot_be_read(tmp_path: Path) -> None:
    messages = KernelMessages(lambda *told: None, tmp_path / "none")
    messages.start()
    messages.close()
