"""Whether a machine is there, asked through the kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sampan.network.liveness.judgement import Place, Probe
from sampan.network.liveness.probes import KernelProbes

from ..cluster.harness import until
from .world import OUTSIDE, World, inside

NODE6, OUTSIDE6 = "fd00:9::1", "fd00:9::2"


@pytest.fixture
def probes(world: World) -> Iterator[KernelProbes]:
    for namespace, address in ((world.node, NODE6), (world.outside, OUTSIDE6)):
        world.command("ip", "-n", namespace, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
    with inside(world.node):
        opened = KernelProbes(secret=7)
    yield opened
    opened.close()


def answered(world: World, probes: KernelProbes, probe: Probe) -> bool:
    """Asks until it is answered, as others do."""
    with inside(world.node):
        probes.send(probe)
    return probe.place.address in probes.received()


def test_a_machine_that_is_there_answers_echoes(world: World, probes: KernelProbes) -> None:
    for address in (OUTSIDE, OUTSIDE6):
        until(lambda a=address: answered(world, probes, Probe(Place(a), thorough=False)), f"{address} answers")
    assert probes.received() == set()


def test_where_echoes_are_lost_a_refused_connection_is_an_answer(world: World, probes: KernelProbes) -> None:
    chain = "type filter hook input priority 0; ip protocol icmp drop;"
    rules = f"table inet wall {{ chain in {{ {chain} }}; }}"
    world.command("ip", "netns", "exec", world.outside, "nft", rules)
    quiet, thorough = (Probe(Place(OUTSIDE, 10250), thorough=each) for each in (False, True))
    assert not any(answered(world, probes, quiet) for _ in range(20))
    until(lambda: answered(world, probes, thorough), "the closed port answers")


def test_a_machine_that_is_gone_does_not_answer(world: World, probes: KernelProbes) -> None:
    world.command("ip", "-n", world.outside, "link", "set", "eth0", "down")
    probe = Probe(Place(OUTSIDE, 10250), thorough=True)
    assert not any(answered(world, probes, probe) for _ in range(20))
