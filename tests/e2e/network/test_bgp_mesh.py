"""Nodes on one network that has addresses of one family alone, and pods of both: each is the other's neighbour."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .test_bgp import Node, Place

LENGTHS = {4: 24, 6: 64}


class Meshed(Node):
    """Cabled to the other node; `version`: of the addresses that nodes have."""

    version = 4

    def known(self) -> list[Node]:
        return self.place.nodes

    def peers(self) -> str:
        return "mesh"

    def _cable(self) -> None:
        self.passwords = {}
        self.address = {4: f"192.0.9.{self.number}", 6: f"fd00:9::{self.number}"}[self.version]
        if self.number == 1:
            self.place.run("link", "add", "eth0", "netns", self.node, "type", "veth", "peer", "name", "n2")
        else:
            self.place.run("link", "set", "n2", "netns", self.node, "name", "eth0")
        on = ("-n", self.node)
        self.place.run(*on, "addr", "add", f"{self.address}/{LENGTHS[self.version]}", "dev", "eth0")
        self.place.run(*on, "link", "set", "eth0", "up")
        for address in self.pods.values():
            self.place.run(*on, "addr", "add", address, "dev", "lo")


class Mesh(Place):
    """Two of them, and no router."""

    def __init__(self, folder: Path, version: int) -> None:
        self.folder = folder
        self._prefix = f"sampan-mesh-{os.getpid()}"
        self._namespaces: list[str] = []
        Meshed.version = version
        self.nodes = [Meshed(number, self) for number in (1, 2)]
        for node in self.nodes:
            node.begin()

    def run(self, *words: str) -> None:
        subprocess.run(("ip", *words), check=True, capture_output=True)

    def close(self) -> None:
        for node in self.nodes:
            node.end()
        for name in self._namespaces:
            self.run("netns", "delete", name)


@pytest.fixture(params=[4, 6])
def mesh(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mesh]:
    if os.geteuid():
        pytest.skip("needs root: makes network namespaces")
    mesh = Mesh(tmp_path, request.param)
    try:
        yield mesh
    finally:
        mesh.close()


def test_pods_of_both_families_over_nodes_of_one(mesh: Mesh) -> None:
    one, two = mesh.nodes
    one.background.until(lambda: one.knows(two) and two.knows(one))
    one.background.until(lambda: one.routes.healthy() and two.routes.healthy())
    for version in (4, 6):
        assert one.asks(two, version) == one.pods[version]
        assert two.asks(one, version) == two.pods[version]
