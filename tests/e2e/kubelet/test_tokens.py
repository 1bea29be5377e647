"""A pod's tokens in a projected volume: new ones are there before the old ones end, and nothing is restarted."""

from __future__ import annotations

from sampan.api.kinds import core_v1, meta_v1

from .harness import FastClock, Machine, Node, eventually, running_node
from .test_contents import shell

SPEED = 100.0
LIFE = 600
"""Seconds: the least that a pod may ask for."""
SHOWN = """
last=
while :; do
  now=$(cat /t/token); [ "$now" = "$last" ] || echo "$now|$(cat /t/other)|$(stat -L -c '%a %u' /t/token)"
  last=$now; sleep 0.02
done
"""


async def test_tokens_are_new_before_they_end(machine: Machine) -> None:
    """The node's clock runs a hundred times as fast, so that four fifths of ten minutes are soon over."""
    async with running_node(Node(machine, FastClock(SPEED))) as node:
        node.api.add(core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name="default", namespace="default")))
        tokens = [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": LIFE}},
            {"serviceAccountToken": {"path": "other", "expirationSeconds": 100 * LIFE, "audience": "vault"}},
        ]
        mounts, began = [{"name": "t", "mountPath": "/t"}], node.clock.monotonic()
        node.pod(
            volumes=[{"name": "t", "projected": {"sources": tokens}}],
            securityContext={"runAsUser": 1000},
            containers=[shell(SHOWN, volumeMounts=mounts)],
        )
        await node.running()

        async def seen() -> list[str]:
            return (await node.log()).splitlines()

        async def renewed() -> bool:
            return len(await seen()) >= 2

        await eventually(renewed)
        assert node.clock.monotonic() - began > 0.8 * LIFE, "not sooner"
        first, second = [line.split("|") for line in (await seen())[:2]]
        assert first[0] != second[0] and first[0].endswith(" of system:serviceaccount:default:default")
        assert first[1:] == second[1:] and first[1] not in (first[0], second[0]), "the one that lasts longer stays"
        assert first[2] == "600 1000"
        assert node.container().restartCount == 0
