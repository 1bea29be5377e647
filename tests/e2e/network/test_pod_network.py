"""The pod network's coming and going."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network import cni
from sampan.network.proxy import machine
from sampan.network.proxy.nftables.backend import NftablesBackend

from .conftest import SETTINGS
from .world import NODE, World


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[World]:
    """A node on which nothing is installed yet."""
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()


def test_tear_down_leaves_nothing(bare: World) -> None:
    before = bare.everything()
    assert bare.run(cni.install(bare.pod_network)) == []
    pod, _ = bare.pod("a", host_ports=[(8088, 8080)])
    bare.serve(pod, 8080, "a")
    assert bare.ask(bare.outside, NODE, 8088).server == "a"
    backend = NftablesBackend(SETTINGS)
    bare.run(backend.replace({}))
    assert bare.everything() != before
    bare.remove_pod(pod)
    bare.pod("orphan")
    bare.run(backend.remove())
    bare.run(machine.restore(SETTINGS))
    bare.run(cni.remove(bare.pod_network))
    after = bare.everything()
    assert after["links"] == before["links"]
    assert after["routes"] == before["routes"]
    assert "sampan" not in after["rules"]
    assert "CNI" not in after["rules"]
    assert not bare.pod_network.state.exists()
    assert not list(bare.pod_network.configuration.iterdir())
    bare.run(cni.remove(bare.pod_network))


def test_installing_twice_changes_nothing(bare: World) -> None:
    bare.run(cni.install(bare.pod_network))
    first = bare.everything()
    bare.run(cni.install(bare.pod_network))
    assert bare.everything() == first


def test_a_firewall_that_drops_what_is_forwarded(bare: World) -> None:
    """As Docker leaves it: room is made in it, said so, and given back."""
    bare.command("iptables", "-P", "FORWARD", "DROP")
    bare.command("iptables", "-A", "FORWARD", "-s", "172.17.0.0/16", "-j", "ACCEPT")
    before = bare.command("iptables", "-S")
    remarks = bare.run(cni.install(bare.pod_network))
    assert len(remarks) == 1
    assert "FORWARD chain drops by default" in remarks[0]
    (a, _), (b, address) = bare.pod("a"), bare.pod("b")
    bare.serve(b, 8080, "b")
    assert bare.ask(a, address, 8080).server == "b"
    bare.run(cni.install(bare.pod_network))
    bare.run(cni.remove(bare.pod_network))
    assert bare.command("iptables", "-S") == before


def test_a_configuration_that_comes_first_is_told(bare: World) -> None:
    bare.pod_network.configuration.mkdir(parents=True)
    (bare.pod_network.configuration / "05-other.conflist").write_text("{}")
    assert "05-other.conflist comes before" in bare.run(cni.install(bare.pod_network))[0]
