"""Whether this node takes a pod that is bound to it: pure.

The scheduler has looked already, but what it knew may be old, and pods may be bound without it. A pod that was begun is
never asked again. Reasons and messages are upstream's, for controllers and people know them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sampan.api import quantity
from sampan.api.nodefit import driven_off, selected
from sampan.kubelet.amounts import pod_amounts
from sampan.kubelet.eviction.ranking import is_critical
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.qos import qos_class
from sampan.kubelet.restarts import is_sidecar
from sampan.kubelet.spec import app_containers, init_containers
from sampan.kubelet.static.marks import is_static

MEMORY_TAINT = "node.kubernetes.io/memory-pressure"
SYSTEM_LABEL = "kubernetes.io/os"
SYSTEM = "linux"
NODE_AFFINITY = "NodeAffinity"
ANY_ADDRESS = ("", "0.0.0.0")
Port = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Rejection:
    reason: str
    message: str

    @property
    def may_be_old_news(self) -> bool:
        """Whether it rests on the node's labels alone, of which others may know more (upstream asks again, too)."""
        return self.reason == NODE_AFFINITY


def judged(
    pod: Any, others: Iterable[Any], allocatable: Mapping[str, str], pressures: Sequence[str], node: Any = None
) -> Rejection | None:
    """Why the node does not take the pod; None when it does. `others` are the pods that it has, `node` is its Node in
    the API, None before that is known."""
    running = [other for other in others if not is_over(other)]
    return (
        under_pressure(pod, pressures)
        or wrong_system(pod)
        or too_large(pod, running, allocatable)
        or (elsewhere(pod, node) if node is not None else None)
        or port_taken(pod, running)
        or (tainted(pod, node) if node is not None else None)
    )


def under_pressure(pod: Any, pressures: Sequence[str]) -> Rejection | None:
    """Short of memory alone, pods that asked for some are still taken."""
    if not pressures or is_critical(pod):
        return None
    if list(pressures) == ["MemoryPressure"] and (qos_class(pod) != "BestEffort" or tolerates(pod, MEMORY_TAINT)):
        return None
    return Rejection("Evicted", f"The node had condition: [{' '.join(pressures)}]. ")


def tolerates(pod: Any, taint: str) -> bool:
    return any(
        t.key in (None, "", taint) and t.effect in (None, "", "NoSchedule") and (t.key or t.operator == "Exists")
        for t in pod.spec.tolerations or ()
    )


def wrong_system(pod: Any) -> Rejection | None:
    labelled = (pod.metadata.labels or {}).get(SYSTEM_LABEL, SYSTEM)
    if labelled != SYSTEM:
        text = f"Failed to admit pod as the `{SYSTEM_LABEL}` label doesn't match node label"
        return Rejection("PodOSSelectorNodeLabelDoesNotMatch", text)
    if pod.spec.os is not None and pod.spec.os.name != SYSTEM:
        return Rejection("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def too_large(pod: Any, running: Sequence[Any], allocatable: Mapping[str, str]) -> Rejection | None:
    """Whether the pod asks for more than the others have left."""
    for short in shortages(pod, running, allocatable):
        text = f"{short.resource}, requested: {short.wanted}, used: {short.used}, capacity: {short.there}"
        return Rejection(f"OutOf{short.resource}", f"Node didn't have enough resource: {text}")
    return None


class Shortage(NamedTuple):
    """Millicores of cpu, else the resource's unit."""

    resource: str
    wanted: int
    used: int
    there: int

    @property
    def missing(self) -> int:
        return self.wanted + self.used - self.there


def shortages(pod: Any, running: Sequence[Any], allocatable: Mapping[str, str]) -> Iterator[Shortage]:
    """What the pod asks for and the others do not leave. An extended resource that the node knows nothing of is the
    cluster's, and not looked at here."""
    most = quantity.units(allocatable.get("pods"))
    if most and len(running) >= most:
        yield Shortage("pods", 1, len(running), most)
    used: dict[str, int] = {}
    for other in running:
        for name, amount in pod_amounts(other, "requests").items():
            used[name] = used.get(name, 0) + counted(name, amount)
    for name, amount in pod_amounts(pod, "requests").items():
        if is_extended(name) and name not in allocatable:
            continue
        there = counted(name, quantity.parse(allocatable.get(name, "0")))
        wanted = counted(name, amount)
        if wanted and wanted > there - used.get(name, 0):
            yield Shortage(name, wanted, used.get(name, 0), there)


def is_extended(resource: str) -> bool:
    """Whether it is neither Kubernetes' own nor a quota's ("Extended resources")."""
    return "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")


def elsewhere(pod: Any, node: Any) -> Rejection | None:
    if selected(pod.spec, node):
        return None
    return failed(NODE_AFFINITY, "node(s) didn't match Pod's node affinity/selector")


def port_taken(pod: Any, running: Sequence[Any]) -> Rejection | None:
    taken = [port for other in running for port in host_ports(other)]
    if any(collide(port, other) for port in host_ports(pod) for other in taken):
        return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None


def host_ports(pod: Any) -> Iterator[Port]:
    """Address, protocol and number of each port of the node that the pod has while it runs."""
    sidecars = [container for container in init_containers(pod) if is_sidecar(container)]
    for container in [*app_containers(pod), *sidecars]:
        for port in container.ports or ():
            if port.hostPort:
                yield port.hostIP or "", port.protocol or "TCP", port.hostPort


def collide(one: Port, other: Port) -> bool:
    same_address = one[0] in ANY_ADDRESS or other[0] in ANY_ADDRESS or one[0] == other[0]
    return same_address and one[1:] == other[1:]


def tainted(pod: Any, node: Any) -> Rejection | None:
    """Static pods run whatever the node's taints are."""
    if is_static(pod) or not driven_off(pod.spec.tolerations, node.spec.taints if node.spec else None, "NoExecute"):
        return None
    return failed("TaintToleration", "node(s) had taints that the pod didn't tolerate")


def failed(check: str, text: str) -> Rejection:
    return Rejection(check, f"Predicate {check} failed: {text}")


def is_over(pod: Any) -> bool:
    return pod.status is not None and pod.status.phase in TERMINAL


def counted(name: str, amount: quantity.Quantity) -> int:
    return amount.milli if name == "cpu" else amount.units
