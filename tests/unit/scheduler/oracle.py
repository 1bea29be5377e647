"""The scheduling rules once more, in plain loops over API objects: slow, and written to be read.

`verdict` gives the names of the best nodes, or the count of each reason why there is none. It shares no code with the
scheduler except the parsing of quantities and selectors.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from sampan.api import quantity
from sampan.api.selectors import from_label_selector

MIB = 1024 * 1024
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


class Cluster:
    """`pods` maps a node's name to the pods there, in any order."""

    def __init__(self, nodes: dict[str, Any], pods: dict[str, list[Any]], namespaces: dict[str, dict[str, str]]):
        self.nodes = nodes
        self.pods = pods
        self.namespaces = namespaces

    def everywhere(self) -> list[tuple[Any, Any]]:
        """Each pod on an existing node, with the node."""
        return [(pod, node) for name, node in self.nodes.items() for pod in self.pods.get(name, [])]


def verdict(pod: Any, cluster: Cluster) -> set[str] | Counter[str]:
    reasons: Counter[str] = Counter()
    feasible = []
    for node in cluster.nodes.values():
        against = next((found for check in CHECKS if (found := check(pod, node, cluster))), [])
        reasons.update(against)
        if not against:
            feasible.append(node)
    if not feasible:
        return reasons
    totals = Counter({node.metadata.name: 0 for node in feasible})
    for weight, scorer in SCORERS:
        for name, score in scorer(pod, feasible, cluster).items():
            totals[name] += weight * score
    best = max(totals.values())
    return {name for name, total in totals.items() if total == best}


# -- filters: each gives the reasons against one node ------------------------------------------------------------------


def unschedulable(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    cordoned = node.spec.unschedulable and not tolerated(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule")
    return ["node(s) were unschedulable"] if cordoned else []


def taints(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    for taint in node.spec.taints or ():
        forbids = taint.effect in ("NoSchedule", "NoExecute")
        if forbids and not tolerated(pod, taint.key, taint.value or "", taint.effect):
            return ["node(s) had untolerated taint(s)"]
    return []


def tolerated(pod: Any, key: str, value: str, effect: str) -> bool:
    for toleration in pod.spec.tolerations or ():
        if toleration.effect and toleration.effect != effect:
            continue
        if not toleration.key and toleration.operator == "Exists":
            return True
        if toleration.key != key:
            continue
        if toleration.operator == "Exists" or (toleration.value or "") == value:
            return True
    return False


def node_affinity(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    return [] if wants_node(pod, node) else ["node(s) didn't match Pod's node affinity/selector"]


def wants_node(pod: Any, node: Any) -> bool:
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in (pod.spec.nodeSelector or {}).items()):
        return False
    affinity = pod.spec.affinity and pod.spec.affinity.nodeAffinity
    required = affinity and affinity.requiredDuringSchedulingIgnoredDuringExecution
    return not required or any(term_matches(term, node) for term in required.nodeSelectorTerms)


def term_matches(term: Any, node: Any) -> bool:
    if not term.matchExpressions and not term.matchFields:
        return False
    labels = all(holds(e, node.metadata.labels.get(e.key)) for e in term.matchExpressions or ())
    return labels and all(holds(e, node.metadata.name) for e in term.matchFields or ())


def holds(requirement: Any, value: str | None) -> bool:
    values = requirement.values or []
    match requirement.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdigit() and int(value) > int(values[0])
        case _:
            return value is not None and value.isdigit() and int(value) < int(values[0])


def ports(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    used = [p for other in cluster.pods.get(node.metadata.name, []) for p in host_ports(other)]
    clash = any(a[1:] == b[1:] and (a[0] == b[0] or "0.0.0.0" in (a[0], b[0])) for a in host_ports(pod) for b in used)
    return ["node(s) didn't have free ports for the requested pod ports"] if clash else []


def host_ports(pod: Any) -> list[tuple[str, str, int]]:
    found = [p for container in pod.spec.containers for p in container.ports or () if p.hostPort]
    return [(p.hostIP or "0.0.0.0", p.protocol or "TCP", p.hostPort) for p in found]


def fit(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    there = cluster.pods.get(node.metadata.name, [])
    reasons = []
    if len(there) + 1 > int(node.status.allocatable.get("pods", 0)):
        reasons.append("Too many pods")
    for resource, amount in requests(pod).items():
        used = sum(requests(other).get(resource, 0) for other in there)
        if amount > 0 and used + amount > whole(resource, node.status.allocatable.get(resource, 0)):
            reasons.append(f"Insufficient {resource}")
    return reasons


def whole(resource: str, text: Any) -> int:
    return quantity.milli(text) if resource == "cpu" else quantity.units(text)


def requests(pod: Any, scored: bool = False) -> dict[str, int]:
    """By container; sidecars and init containers as in the API reference."""

    def of(container: Any) -> dict[str, int]:
        given = (container.resources and container.resources.requests) or {}
        defaults = {"cpu": 100, "memory": 200 * MIB} if scored else {}
        return defaults | {resource: whole(resource, text) for resource, text in given.items()}

    resources = {"cpu", "memory"}.union(
        *(of(c) for c in [*pod.spec.containers, *(pod.spec.initContainers or ())]), pod.spec.overhead or ()
    )
    total = {}
    for resource in resources:
        apps = sum(of(c).get(resource, 0) for c in pod.spec.containers)
        sidecars = peak = 0
        for init in pod.spec.initContainers or ():
            amount = of(init).get(resource, 0)
            peak = max(peak, sidecars + amount)
            if init.restartPolicy == "Always":
                sidecars += amount
        overhead = whole(resource, (pod.spec.overhead or {}).get(resource, 0))
        total[resource] = max(apps + sidecars, peak) + overhead
    return total


def spread(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    hard = [c for c in pod.spec.topologySpreadConstraints or () if c.whenUnsatisfiable == "DoNotSchedule"]
    if any(c.topologyKey not in node.metadata.labels for c in hard):
        return ["node(s) didn't match pod topology spread constraints (missing required label)"]
    for constraint in hard:
        eligible = eligible_nodes(pod, constraint, [c.topologyKey for c in hard], cluster)
        totals = {other.metadata.labels[constraint.topologyKey]: 0 for other in eligible}
        for other in eligible:
            totals[other.metadata.labels[constraint.topologyKey]] += spread_count(pod, constraint, other, cluster)
        least = min(totals.values(), default=0) if len(totals) >= (constraint.minDomains or 1) else 0
        itself = from_label_selector(constraint.labelSelector).matches(pod.metadata.labels)
        if totals.get(node.metadata.labels[constraint.topologyKey], 0) + itself - least > constraint.maxSkew:
            return ["node(s) didn't match pod topology spread constraints"]
    return []


def eligible_nodes(pod: Any, constraint: Any, keys: list[str], cluster: Cluster) -> list[Any]:
    return [
        node
        for node in cluster.nodes.values()
        if all(key in node.metadata.labels for key in keys)
        and (constraint.nodeAffinityPolicy == "Ignore" or wants_node(pod, node))
        and (constraint.nodeTaintsPolicy != "Honor" or not taints(pod, node, cluster))
    ]


def spread_count(pod: Any, constraint: Any, node: Any, cluster: Cluster) -> int:
    selector = from_label_selector(constraint.labelSelector)
    if selector.everything:
        return 0
    return sum(
        other.metadata.deletionTimestamp is None
        and other.metadata.namespace == pod.metadata.namespace
        and selector.matches(other.metadata.labels)
        for other in cluster.pods.get(node.metadata.name, [])
    )


def affinity_terms(pod: Any, side: str, kind: str) -> list[Any]:
    part = pod.spec.affinity and getattr(pod.spec.affinity, side)
    return (part and getattr(part, f"{kind}DuringSchedulingIgnoredDuringExecution")) or []


def meets(term: Any, owner: Any, other: Any, cluster: Cluster) -> bool:
    """Whether `other` is a pod that a term of `owner` speaks of."""
    namespace = other.metadata.namespace
    named = term.namespaces or []
    if not named and term.namespaceSelector is None:
        named = [owner.metadata.namespace]
    inside = namespace in named
    if term.namespaceSelector is not None:
        inside |= from_label_selector(term.namespaceSelector).matches(cluster.namespaces.get(namespace, {}))
    return inside and from_label_selector(term.labelSelector).matches(other.metadata.labels)


def same_domain(key: str, a: Any, b: Any) -> bool:
    return key in a.metadata.labels and a.metadata.labels[key] == b.metadata.labels.get(key)


def pod_affinity(pod: Any, node: Any, cluster: Cluster) -> list[str]:
    running = cluster.everywhere()
    terms = affinity_terms(pod, "podAffinity", "required")
    friends = [(o, n) for o, n in running if all(meets(term, pod, o, cluster) for term in terms)]
    met = all(any(same_domain(term.topologyKey, node, n) for _, n in friends) for term in terms)
    labelled = all(term.topologyKey in node.metadata.labels for term in terms)
    known = any(term.topologyKey in n.metadata.labels for term in terms for _, n in friends)
    first = not known and all(meets(term, pod, pod, cluster) for term in terms)
    if not labelled or not (met or first):
        return ["node(s) didn't match pod affinity rules"]
    for term in affinity_terms(pod, "podAntiAffinity", "required"):
        if any(meets(term, pod, o, cluster) and same_domain(term.topologyKey, node, n) for o, n in running):
            return ["node(s) didn't match pod anti-affinity rules"]
    for other, home in running:
        for term in affinity_terms(other, "podAntiAffinity", "required"):
            if meets(term, other, pod, cluster) and same_domain(term.topologyKey, node, home):
                return ["node(s) didn't satisfy existing pods anti-affinity rules"]
    return []


CHECKS = (unschedulable, taints, node_affinity, ports, fit, spread, pod_affinity)

# -- scores: each gives 0 to 100 for every feasible node ---------------------------------------------------------------


def least_allocated(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    scores = {}
    for node in nodes:
        shares = []
        for resource in ("cpu", "memory"):
            capacity = whole(resource, node.status.allocatable.get(resource, 0))
            there = [*cluster.pods.get(node.metadata.name, []), pod]
            used = sum(requests(other, scored=True)[resource] for other in there)
            if capacity:
                shares.append(max(capacity - used, 0) * 100 // capacity)
        scores[node.metadata.name] = sum(shares) // len(shares) if shares else 0
    return scores


def balanced(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    wants = requests(pod)
    if not wants["cpu"] and not wants["memory"]:
        return {}

    def balance(node: Any, pods: list[Any]) -> int:
        shares = []
        for resource in ("cpu", "memory"):
            capacity = whole(resource, node.status.allocatable.get(resource, 0))
            if capacity:
                shares.append(min(sum(requests(other)[resource] for other in pods) / capacity, 1.0))
        return int((1 - (abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0)) * 100)

    scores = {}
    for node in nodes:
        there = cluster.pods.get(node.metadata.name, [])
        scores[node.metadata.name] = 50 + int((50 + balance(node, [*there, pod]) - balance(node, there)) / 2)
    return scores


def up(raw: dict[str, int]) -> dict[str, int]:
    most = max(raw.values())
    return {name: 100 * value // most if most else value for name, value in raw.items()}


def taint_score(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    def intolerable(node: Any) -> int:
        soft = [t for t in node.spec.taints or () if t.effect == "PreferNoSchedule"]
        return sum(not tolerated(pod, t.key, t.value or "", t.effect) for t in soft)

    return {name: 100 - value for name, value in up({n.metadata.name: intolerable(n) for n in nodes}).items()}


def affinity_score(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    preferred = affinity_terms(pod, "nodeAffinity", "preferred")
    return up({n.metadata.name: sum(p.weight for p in preferred if term_matches(p.preference, n)) for n in nodes})


def spread_score(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    soft = [c for c in pod.spec.topologySpreadConstraints or () if c.whenUnsatisfiable == "ScheduleAnyway"]
    if not soft:
        return {}
    keys = [c.topologyKey for c in soft]
    counted = [n for n in nodes if all(key in n.metadata.labels for key in keys)]
    raw = {}
    for node in counted:
        total = 0.0
        for constraint in soft:
            key = constraint.topologyKey
            if key == HOSTNAME:
                domains, count = len(counted), spread_count(pod, constraint, node, cluster)
            else:
                domains = len({n.metadata.labels[key] for n in counted})
                eligible = eligible_nodes(pod, constraint, keys, cluster)
                count = sum(spread_count(pod, constraint, n, cluster) for n in eligible if same_domain(key, n, node))
            total += count * math.log(domains + 2) + (constraint.maxSkew - 1)
        raw[node.metadata.name] = math.floor(total + 0.5)
    scores = {n.metadata.name: 0 for n in nodes}
    most, least = max(raw.values(), default=0), min(raw.values(), default=0)
    for name, value in raw.items():
        scores[name] = 100 * (most + least - value) // most if most else 100
    return scores


def pod_affinity_score(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    raw = {}
    for node in nodes:
        total = 0
        for other, home in cluster.everywhere():
            for owner, subject in ((pod, other), (other, pod)):
                for side, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
                    for weighted in affinity_terms(owner, side, "preferred"):
                        term = weighted.podAffinityTerm
                        if meets(term, owner, subject, cluster) and same_domain(term.topologyKey, node, home):
                            total += sign * weighted.weight
            for term in affinity_terms(other, "podAffinity", "required"):
                if meets(term, other, pod, cluster) and same_domain(term.topologyKey, node, home):
                    total += 1
        raw[node.metadata.name] = total
    most, least = max(raw.values()), min(raw.values())
    return {name: int(100 * ((value - least) / (most - least))) if most > least else 0 for name, value in raw.items()}


def image_score(pod: Any, nodes: list[Any], cluster: Cluster) -> dict[str, int]:
    def held(node: Any, image: str) -> int | None:
        return next((i.sizeBytes for i in node.status.images or () if image in i.names), None)

    scores = {}
    for node in nodes:
        total = 0
        for container in [*pod.spec.containers, *(pod.spec.initContainers or ())]:
            image = container.image if ":" in container.image else f"{container.image}:latest"
            size = held(node, image)
            if size is not None:
                share = sum(held(n, image) is not None for n in cluster.nodes.values()) / len(cluster.nodes)
                total += int(size * share)
        count = len(pod.spec.containers) + len(pod.spec.initContainers or ())
        low, high = 23 * MIB, 1000 * MIB * count
        scores[node.metadata.name] = 100 * (min(max(total, low), high) - low) // (high - low)
    return scores


SCORERS = (
    (1, least_allocated),
    (1, balanced),
    (3, taint_score),
    (2, affinity_score),
    (2, spread_score),
    (2, pod_affinity_score),
    (1, image_score),
)
