"""Logs of real containers: rotated while they are followed, huge lines, two streams, and what was there before."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

from .harness import LOG_BYTES, Node, eventually


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "command": ["sh", "-c", script], **more}


async def test_a_followed_log_is_rotated_and_nothing_is_lost(node: Node) -> None:
    """Two bursts of more than a log may hold, with time between them to be rotated in."""
    burst = "seq {0} {1} | sed 's/$/ and some more text to fill the line/'"
    wait = "until test -e /go/{0}; do sleep 0.1; done"
    script = "; ".join([burst.format(1, 20000), wait.format("on"), burst.format(20001, 40000), wait.format("end")])
    shared = node.folder / "go"
    node.pod(
        restartPolicy="Never",
        volumes=[{"name": "v", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}],
        containers=[shell(script, volumeMounts=[{"name": "v", "mountPath": "/go"}])],
    )
    await eventually(lambda: node.phase() == "Running")
    following = asyncio.ensure_future(node.log(follow="true"))
    folder = node.config.log_root / f"default_p_{node.get().metadata.uid}" / "c"
    await eventually(lambda: len(list(folder.glob("0.log.*"))) >= 1)
    (shared / "on").touch()
    await eventually(lambda: len(list(folder.glob("0.log.*.gz"))) >= 1 and len(list(folder.glob("0.log.*"))) >= 2)
    (shared / "end").touch()
    await node.ended()
    lines = (await following).splitlines()
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1, 40001)]
    former = sorted(folder.glob("0.log.*"))
    with gzip.open(former[0]) as file:
        assert b" stdout F 1 and some more text" in file.readline()
    assert (folder / "0.log").stat().st_size < LOG_BYTES


async def test_following_ends_with_the_instance_that_was_followed(node: Node) -> None:
    """As upstream's: a restart ends it, and the former instance's log is there until the next but one."""
    shared = node.folder / "go"
    script = "n=$(ls /go | wc -l); touch /go/$n; echo life $n; until test -e /go/end$n; do sleep 0.1; done; exit 1"
    node.pod(
        terminationGracePeriodSeconds=1,
        volumes=[{"name": "v", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}],
        containers=[shell(script, volumeMounts=[{"name": "v", "mountPath": "/go"}])],
    )
    await node.running()
    following = asyncio.ensure_future(node.log(follow="true"))
    (shared / "end0").touch()
    assert await following == "life 0\n"
    await eventually(lambda: node.container().restartCount == 1 and node.container().ready)
    assert await node.log(previous="true") == "life 0\n"
    assert await node.log(sinceSeconds="1000") == "life 2\n"
    assert await node.log(sinceTime="2999-01-01T00:00:00Z") == ""


async def test_a_huge_line_and_two_streams(node: Node) -> None:
    script = "head -c 300000 /dev/zero | tr '\\0' x; echo; echo bad >&2; printf 'no end'"
    node.pod(restartPolicy="Never", containers=[shell(script)])
    await node.ended()
    assert await node.log(stream="Stdout") == "x" * 300000 + "\n" + "no end"
    assert await node.log(stream="Stderr") == "bad\n"
    assert await node.log(limitBytes="10") == "x" * 10


async def test_a_container_that_will_not_stop_talking_harms_only_itself(node: Node) -> None:
    """Its log keeps to its size while its neighbour starts, answers and ends as ever."""
    node.pod("loud", containers=[shell("exec yes 'again and again and again and again'")])
    await eventually(lambda: node.phase("loud") == "Running")
    folder = node.config.log_root / f"default_loud_{node.get('loud').metadata.uid}" / "c"
    await eventually(lambda: len(list(folder.glob("0.log.*"))) >= 3, seconds=60)
    node.pod("quiet", restartPolicy="Never", containers=[shell("echo here")])
    assert (await node.ended("quiet")).phase == "Succeeded"
    assert await node.log("quiet") == "here\n"
    assert len(list(folder.glob("0.log*"))) <= node.config.log_max_files + 1
