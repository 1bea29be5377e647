"""A pod deleted in the middle of something goes within its grace, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from sampan.api.errors import ServiceUnavailable
from sampan.api.kinds import core_v1

from .harness import Machine, Node, eventually, running_node

MOUNTS = Path("/proc/self/mounts")
GRACE = 2
SLACK = 6.0
"""Seconds over the grace that a loaded machine may take."""
HANG = {"exec": {"command": ["sleep", "1000"]}}


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "command": ["sh", "-c", script], **more}


async def goes(node: Node) -> None:
    """Deletes the pod and checks that it goes in time, with all that belongs to it."""
    uid, began = node.get().metadata.uid, time.monotonic()
    await node.api.delete(core_v1.Pod, "p", "default", grace_period_seconds=GRACE)
    await node.gone()
    assert time.monotonic() - began < GRACE + SLACK
    await eventually(lambda: node.kubelet.pods.get(uid) is None)
    assert await remains(node, uid) == []


async def remains(node: Node, uid: str) -> list[str]:
    """Whatever on this machine still bears the pod's uid."""
    left = [f"sandbox {s.id}" for s in await node.runtime.list_sandboxes() if s.metadata.uid == uid]
    left += [f"container {c.id}" for c in await node.runtime.list_containers() if uid in c.labels.values()]
    return left + mounts(uid) + files(uid, node.config.root / "pods", node.config.log_root, Path("/sys/fs/cgroup"))


def mounts(uid: str) -> list[str]:
    return [f"mount {line}" for line in MOUNTS.read_text().splitlines() if uid in line]


def files(uid: str, *folders: Path) -> list[str]:
    return [str(path) for folder in folders for path in folder.glob(f"**/*{uid}*")]


async def test_while_its_image_is_being_pulled(node: Node) -> None:
    """From a registry that takes the connection and says nothing."""
    asked = asyncio.Event()
    connections: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        asked.set()
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        node.pod(containers=[{"name": "c", "image": f"127.0.0.1:{port}/some/image:1"}])
        await asyncio.wait_for(asked.wait(), 20)
        await goes(node)
    finally:
        server.close()
        # containerd 2 gives up a pull and keeps its connection.
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.wait_closed() for connection in connections), return_exceptions=True)


async def test_while_its_volume_is_missing(node: Node) -> None:
    node.pod(
        volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}, {"name": "v", "configMap": {"name": "never"}}],
        containers=[shell("true", volumeMounts=[{"name": "v", "mountPath": "/v"}])],
    )
    await eventually(lambda: any(event.startswith("FailedMount") for event in node.events()))
    await goes(node)


async def test_while_its_volume_is_being_mounted(machine: Machine) -> None:
    """By a program that waits for a file server; it ends with the pod. Others start meanwhile."""
    node = Node(machine)
    program, began = node.folder / "hangs", node.folder / "began"
    program.write_text(f"#!/bin/sh\necho $$ > {began}\nexec sleep 1000\n")
    program.chmod(0o755)
    node.mount_program = str(program)
    async with running_node(node):
        node.pod(
            volumes=[{"name": "v", "nfs": {"server": "192.0.2.9", "path": "/p"}}],
            containers=[shell("true", volumeMounts=[{"name": "v", "mountPath": "/v"}])],
        )
        await eventually(lambda: began.exists() and began.read_text().strip())
        node.pod("other")
        await node.running("other")
        await goes(node)
        with pytest.raises(ProcessLookupError):
            os.kill(int(began.read_text()), 0)


async def test_while_its_post_start_hook_hangs(node: Node) -> None:
    node.pod(containers=[shell("exec sleep 1000", lifecycle={"postStart": HANG})])
    await eventually(lambda: any(event.startswith("Started") for event in node.events()))
    await goes(node)


async def test_while_its_pre_stop_hook_hangs(node: Node) -> None:
    node.pod(containers=[shell("exec sleep 1000", lifecycle={"preStop": HANG})])
    await node.running()
    await goes(node)


async def test_while_its_api_server_is_away(node: Node) -> None:
    """Its containers end in time; the object goes as soon as the server is back."""
    node.pod(containers=[shell("exec sleep 1000")])
    await node.running()
    uid = node.get().metadata.uid
    await node.api.delete(core_v1.Pod, "p", "default", grace_period_seconds=GRACE)
    node.api.fail("delete", "pods", ServiceUnavailable("away"), times=3)
    node.api.fail("patch", "pods", ServiceUnavailable("away"), times=3)

    async def ended() -> bool:
        found = await node.runtime.list_containers()
        return not [c for c in found if uid in c.labels.values() and c.state == 1]

    await eventually(ended, seconds=GRACE + SLACK)
    await node.gone()
    await eventually(lambda: node.kubelet.pods.get(uid) is None)
    assert await remains(node, uid) == []
