"""What a pod asks of a node, worked out once for all pods that ask the same.

The replicas of a workload differ in little but their names, so the scheduler reads a pod's spec down to the fields
that bear on placement, and everything after that works on the shared `Needs`: a decision for one replica is most of
the decision for the next. Labels and namespace are part of it only where the spec speaks about other pods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.interning import Interner
from sampan.scheduler.requests import PODS, SCORED_CPU, SCORED_MEMORY, pod_requests, scored_requests
from sampan.scheduler.terms import PodTerm, SpreadConstraint, pod_terms, spread_constraints

HostPort = tuple[str, str, int]
"""Address, protocol, port."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of a node selector term; `field` tells metadata.name from a label."""

    key: str
    operator: str
    values: tuple[str, ...]
    field: bool = False


Term = tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Toleration:
    key: str
    operator: str
    value: str
    effect: str

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """API reference, Toleration: an empty effect matches all effects, an empty key with Exists all taints."""
        if self.effect and self.effect != effect:
            return False
        if self.key and self.key != key:
            return False
        return self.operator == "Exists" or (bool(self.key) and self.value == value)


@dataclass(slots=True, weakref_slot=True, eq=False, kw_only=True)
class Needs:
    """`vector` has the request in each resource column (table units); `columns` those that the node must have left.

    `required` is None when any node will do, else the terms of which one must hold, each with nodeSelector joined in;
    no terms means that no node will do.
    """

    vector: NDArray[np.int64]
    columns: NDArray[np.intp]
    amounts: NDArray[np.int64]
    selector: Term = ()
    required: tuple[Term, ...] | None = None
    preferred: tuple[tuple[int, Term], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    ports: tuple[HostPort, ...] = ()
    images: tuple[str, ...] = ()
    containers: int = 1
    affinity: tuple[PodTerm, ...] = ()
    anti_affinity: tuple[PodTerm, ...] = ()
    preferred_pods: tuple[tuple[int, PodTerm], ...] = ()
    spread: tuple[SpreadConstraint, ...] = ()
    key: bytes = field(default=b"", repr=False)
    plain: list[int] | None = field(default=None, repr=False)

    def share(self, columns: list[int]) -> list[int]:
        """What is asked for in each of these columns."""
        if self.plain is None:
            self.plain = self.vector.tolist()
        plain = self.plain
        return [plain[column] if column < len(plain) else 0 for column in columns]

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        return any(toleration.tolerates(key, value, effect) for toleration in self.tolerations)


class NeedsCatalog:
    """Every distinct `Needs` that some pod still has."""

    def __init__(self, resources: Interner[str]) -> None:
        self._resources = resources
        self._known: WeakValueDictionary[bytes, Needs] = WeakValueDictionary()
        self._encode = msgspec.json.Encoder().encode

    def __len__(self) -> int:
        return len(self._known)

    def of(self, pod: Any) -> Needs:
        """The needs of a `core_v1.Pod`; raises QuantityError or SelectorError for a spec no API server lets in."""
        key = self._encode(_signature(pod))
        needs = self._known.get(key)
        if needs is None:
            needs = self._known[key] = self._read(pod, key)
        return needs

    def _read(self, pod: Any, key: bytes) -> Needs:
        spec = pod.spec
        vector = self._vector(spec)
        columns = np.array([c for c in np.flatnonzero(vector) if c not in (SCORED_CPU, SCORED_MEMORY)], np.intp)
        affinity = spec.affinity
        containers = [*(spec.initContainers or ()), *(spec.containers or ())]
        return Needs(
            key=key,
            vector=vector,
            columns=columns,
            amounts=vector[columns],
            selector=_selector(spec.nodeSelector),
            required=_required(affinity and affinity.nodeAffinity),
            preferred=_preferred(affinity and affinity.nodeAffinity),
            tolerations=tuple(
                Toleration(t.key or "", t.operator or "Equal", t.value or "", t.effect or "")
                for t in spec.tolerations or ()
            ),
            ports=_host_ports(spec),
            images=tuple(image for c in containers if (image := normal_image(c.image or ""))),
            containers=len(containers),
            affinity=pod_terms(pod, affinity and affinity.podAffinity),
            anti_affinity=pod_terms(pod, affinity and affinity.podAntiAffinity),
            preferred_pods=_preferred_pods(pod, affinity),
            spread=spread_constraints(pod),
        )

    def _vector(self, spec: Any) -> NDArray[np.int64]:
        wants = pod_requests(spec)
        codes = {self._resources.code(resource): value for resource, value in wants.items()}
        vector = np.zeros(len(self._resources), np.int64)
        for code, value in codes.items():
            vector[code] = value
        vector[PODS] = 1
        vector[SCORED_CPU], vector[SCORED_MEMORY] = scored_requests(spec)
        return vector


def normal_image(name: str) -> str:
    """An image's name with its tag written out, as nodes report it."""
    last = name.rpartition("/")[2]
    return name if not name or ":" in last or "@" in last else f"{name}:latest"


def _signature(pod: Any) -> tuple[Any, ...]:
    """The fields that placement depends on, and nothing else."""
    spec = pod.spec
    affinity = spec.affinity
    about_pods = spec.topologySpreadConstraints or (affinity and (affinity.podAffinity or affinity.podAntiAffinity))
    return (
        [(c.image, c.resources, c.ports) for c in spec.containers or ()],
        [(c.image, c.resources, c.ports, c.restartPolicy) for c in spec.initContainers or ()],
        spec.nodeSelector,
        affinity,
        spec.tolerations,
        spec.overhead,
        spec.resources,
        (spec.topologySpreadConstraints, pod.metadata.namespace, pod.metadata.labels) if about_pods else None,
    )


def _selector(selector: dict[str, str] | None) -> Term:
    return tuple(Requirement(key, "In", (value,)) for key, value in (selector or {}).items())


def _term(term: Any) -> Term:
    labels = [Requirement(e.key, e.operator, tuple(e.values or ())) for e in term.matchExpressions or ()]
    fields = [Requirement(e.key, e.operator, tuple(e.values or ()), True) for e in term.matchFields or ()]
    return (*labels, *fields)


def _required(affinity: Any) -> tuple[Term, ...] | None:
    required = affinity and affinity.requiredDuringSchedulingIgnoredDuringExecution
    if not required:
        return None
    return tuple(term for term in map(_term, required.nodeSelectorTerms or ()) if term)


def _preferred(affinity: Any) -> tuple[tuple[int, Term], ...]:
    preferred = affinity and affinity.preferredDuringSchedulingIgnoredDuringExecution
    terms = ((p.weight or 0, _term(p.preference)) for p in preferred or () if p.preference is not None)
    return tuple((weight, term) for weight, term in terms if weight and term)


def _preferred_pods(pod: Any, affinity: Any) -> tuple[tuple[int, PodTerm], ...]:
    """Weighted terms about other pods, those of anti-affinity with their weight negated."""
    found: list[tuple[int, PodTerm]] = []
    for side, sign in ((affinity and affinity.podAffinity, 1), (affinity and affinity.podAntiAffinity, -1)):
        for entry in (side and side.preferredDuringSchedulingIgnoredDuringExecution) or ():
            found.append((sign * (entry.weight or 0), PodTerm.of(pod, entry.podAffinityTerm)))
    return tuple(found)


def _host_ports(spec: Any) -> tuple[HostPort, ...]:
    sidecars = (c for c in spec.initContainers or () if c.restartPolicy == "Always")
    return tuple(
        (port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort)
        for container in [*sidecars, *(spec.containers or ())]
        for port in container.ports or ()
        if port.hostPort
    )
