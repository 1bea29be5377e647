"""Pods that mean harm: by links where the node lends files, by pipes and floods. The node and the neighbours stay well.

More of it stands where its subject does: sub-paths raced and logs that never end, fork bombs, full disks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .harness import Node, eventually

UP = "/.." * 12
MOUNT = [{"name": "v", "mountPath": "/v"}]


def shell(script: str, name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-c", script], **more}


@pytest.fixture
async def neighbour(node: Node) -> AsyncIterator[None]:
    """A pod that must notice nothing."""
    ready = {"exec": {"command": ["test", "-s", "/etc/hosts"]}, "periodSeconds": 1}
    node.pod("neighbour", containers=[shell("exec sleep 1000", readinessProbe=ready)], terminationGracePeriodSeconds=1)
    await node.running("neighbour")
    yield
    assert node.container(pod="neighbour").restartCount == 0
    assert node.container(pod="neighbour").ready


@pytest.fixture
def treasure(node: Node) -> Path:
    """A file of the node's that no pod may read or write."""
    path = node.folder / "treasure"
    path.write_text("the node's own")
    path.chmod(0o666)
    return path


def held(path: Path) -> str:
    return path.read_text()


async def test_links_where_the_node_lends_files(node: Node, neighbour: None, treasure: Path) -> None:
    """A volume over /etc whose `hosts` leads out of the container, and last words that are to lie behind a link: what
    the runtime mounts there, and what is then written, stays inside; and the words that are read are the pod's own."""
    leads = f"{UP}{treasure}"
    script = f"ln -s {leads} /v/hosts; ln -s {leads} /v/resolv.conf; mkdir /v/w; ln -s {leads} /v/w/words"
    node.pod(
        restartPolicy="Never",
        volumes=[{"name": "v", "emptyDir": {}}],
        initContainers=[shell(script, "i", volumeMounts=MOUNT)],
        containers=[
            shell(
                "echo evil >> /etc/hosts; echo evil > /etc/resolv.conf; echo evil > /etc/w/words; cat /etc/w/words",
                terminationMessagePath="/etc/w/words",
                volumeMounts=[{"name": "v", "mountPath": "/etc"}],
            )
        ],
    )
    await node.ended()
    assert held(treasure) == "the node's own"
    ended = node.container().state.terminated
    assert ended is None or "the node's own" not in (ended.message or "")


async def test_last_words_that_are_no_file(node: Node, neighbour: None, treasure: Path) -> None:
    """A privileged pod that has the kubelet's own folder puts a link and a pipe where its last words are to be read
    from: neither is followed or waited for."""
    pods = node.config.root / "pods"
    folder = "$(ls -d /v/*/containers/{0})"
    link, pipe = (f"cd {folder.format(name)} && rm -f 0 && " for name in ("link", "pipe"))
    node.pod(
        restartPolicy="Never",
        volumes=[{"name": "v", "hostPath": {"path": str(pods)}}],
        containers=[
            shell(f"{link} ln -s {treasure} 0", "link", volumeMounts=MOUNT),
            shell(f"{pipe} mkfifo 0", "pipe", volumeMounts=MOUNT),
        ],
    )
    status = await node.ended()
    assert [c.state.terminated.message for c in status.containerStatuses] == [None, None]
    assert status.phase == "Succeeded"
    await node.api.delete(type(node.get()), "p", "default", grace_period_seconds=0)
    await node.gone()
    assert held(treasure) == "the node's own"


async def test_a_log_that_is_no_file(node: Node, neighbour: None, treasure: Path) -> None:
    """A pod with the folder of logs puts a link to a file of the node's, and a pipe, in the place of its own log."""
    uid = "$(ls -d /v/default_{0}_*)"
    for name, script in (("link", f"ln -sf {treasure}"), ("pipe", "rm -f 0.log; mkfifo")):
        node.pod(
            name,
            terminationGracePeriodSeconds=1,
            volumes=[{"name": "v", "hostPath": {"path": str(node.config.log_root)}}],
            containers=[shell(f"cd {uid.format(name)}/c && {script} 0.log; echo done; sleep 1000", volumeMounts=MOUNT)],
        )
        await node.running(name)
        log = node.config.log_root / f"default_{name}_{node.get(name).metadata.uid}" / "c" / "0.log"
        await eventually(lambda log=log: log.is_symlink() or log.is_fifo())
        assert "the node's own" not in await node.log(name)
    assert held(treasure) == "the node's own"


async def test_a_flood_of_last_words_and_of_output(node: Node, neighbour: None) -> None:
    """Last words of a gigabyte that is not there, and a probe that says two megabytes: what is kept is bounded."""
    loud = {"exec": {"command": ["sh", "-c", "head -c 2000000 /dev/zero | tr '\\0' x; exit 1"]}, "timeoutSeconds": 10}
    node.pod(
        terminationGracePeriodSeconds=1,
        restartPolicy="Never",
        containers=[
            shell("truncate -s 1G /dev/termination-log; exit 1", "words"),
            shell("exec sleep 1000", "loud", readinessProbe=loud),
        ],
    )
    told = "Unhealthy: Readiness probe failed: xxx"
    await eventually(lambda: any(event.startswith(told) for event in node.events()), seconds=15, about=node.events)
    assert max(map(len, node.events())) <= 1100 + len("Unhealthy: ")
    words = node.container("words").state.terminated
    assert len((words.message or "").encode()) <= 12 << 10
