"""Somebody flushes all rules of a node, as `systemctl restart nftables` does: everything comes back by itself."""

from __future__ import annotations

import pytest

from ..cluster.harness import until
from .world import World

PORT = 18088
NODE = "172.31.254.2"


def test_all_rules_of_a_node_are_flushed(world: World) -> None:
    pod = world.pod("hosted", 2)
    pod["spec"]["containers"][0]["ports"][0]["hostPort"] = PORT
    spec = {"selector": {"app": "hosted"}, "ports": [{"port": 80, "targetPort": "http"}]}
    world.apply(pod, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hosted"}, "spec": spec})
    world.address("hosted")
    service = f"http://{world.get('service', 'hosted')['spec']['clusterIP']}/"
    ways = ((3, f"http://{NODE}:{PORT}/"), (2, f"http://{NODE}:{PORT}/"), (2, service))
    for number, url in ways:
        until(lambda n=number, u=url: world.fetch(n, u), f"{url} answers node {number}")
    world.on(2, "nft", "flush", "ruleset")
    with pytest.raises(AssertionError):
        world.fetch(*ways[0], seconds=1)
    for number, url in ways:
        until(lambda n=number, u=url: world.fetch(n, u), f"{url} answers node {number} again")
    world.kubectl("delete", "service,pod", "hosted", "--wait=false")
