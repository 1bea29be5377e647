"""Three nodes on this machine, and what tests do to them: pods on each, requests between them, and faults."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sampan.cluster import options
from sampan.cluster.nodes.plan import Place, Plan
from sampan.cluster.supervision.processes import Record, Records
from sampan.testing.machines import Machine
from sampan.testing.ports import free_port

from ..cluster.harness import Cluster, run, until
from ..cluster.manifests import SAMPLE


class World(Cluster):
    """A running cluster of several nodes. Nodes are known by their number, the first being 1."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, free_port())

    @property
    def places(self) -> dict[int, Place]:
        """The further nodes, which are namespaces."""
        known = options.load(options.Layout(self.data_dir))
        assert known is not None, "the cluster is up"
        return {place.number: place for place in Plan(known)}

    @property
    def names(self) -> dict[int, str]:
        """Every node's name."""
        places = self.places
        first = next(iter(places.values())).options.node_name
        return {1: first} | {number: place.name for number, place in places.items()}

    def machine(self, number: int) -> Machine:
        """A further node, to be cut off, paused or killed."""
        return Machine(self.places[number])

    def on(self, number: int, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A program in a node's network."""
        there = list(command) if number == 1 else self.places[number].inside(*command)
        return run(there, check=check)

    def fetch(self, number: int, url: str, seconds: int = 2) -> str:
        """The body of a GET from a node; AssertionError when there is none."""
        return self.on(number, "timeout", str(seconds), "busybox", "wget", "-qO-", url).stdout

    def pod(self, name: str, number: int, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
        """The manifest of a pod of the sample on that node."""
        container = {"name": "web", "image": SAMPLE, "ports": [{"name": "http", "containerPort": 8080}]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name, **(labels or {})}},
            "spec": {
                "nodeName": self.names[number],
                "terminationGracePeriodSeconds": 0,
                "containers": [container],
                **spec,
            },
        }

    def address(self, pod: str, *where: str) -> str:
        """A running pod's address."""

        def look() -> str:
            found = self.get("pod", pod, *where)["status"]
            return str(found.get("podIP", "")) if found.get("phase") == "Running" else ""

        return until(look, f"pod {pod} runs")

    def asks(self, pod: str, url: str, *where: str, seconds: int = 2) -> str:
        """The body of a GET from inside a pod; AssertionError when there is none."""
        return self.kubectl("exec", pod, *where, "--", "timeout", str(seconds), "wget", "-qO-", url).stdout

    def ready(self, number: int) -> bool:
        """Whether the cluster takes the node for ready."""
        conditions = self.get("node", self.names[number])["status"]["conditions"]
        return {c["type"]: c["status"] for c in conditions}["Ready"] == "True"

    def process_of(self, number: int, name: str) -> Record:
        """A running process of a further node's."""
        records = Records(self.places[number].layout.run)

        def look() -> Record | None:
            entry = records.load(name)
            return entry if entry and entry.alive else None

        return until(look, f"process {name} of node {number} runs")

    @contextmanager
    def cut_off(self, number: int) -> Iterator[None]:
        """No packet to or from the node meanwhile."""
        machine = self.machine(number)
        machine.cut_off()
        try:
            yield
        finally:
            machine.mend()

    @contextmanager
    def paused(self, number: int) -> Iterator[None]:
        """Nothing on the node runs meanwhile, its pods' processes included."""
        machine = self.machine(number)
        machine.pause()
        try:
            yield
        finally:
            machine.resume()
