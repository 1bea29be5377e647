"""The vectorised decision against a slow one in plain Python, over changing clusters."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.api.kinds import core_v1, meta_v1
from sampan.scheduler.book import Book
from sampan.scheduler.decision import Decider, Refused
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.queue import SchedulingQueue
from sampan.testing.clock import VirtualClock

from . import oracle

APPS = ["a", "b"]
KEYS = ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "disk", "cores"]
NAMESPACES = {"default": {"team": "x"}, "other": {"team": "y"}}
MIB = 1024 * 1024


def maybe(strategy: Any, odds: int = 3) -> Any:
    """None mostly, one time in `odds` a value."""
    return st.integers(1, odds).flatmap(lambda n: strategy if n == 1 else st.none())


label_selectors = st.one_of(
    st.none(),
    st.builds(meta_v1.LabelSelector),
    st.sampled_from(APPS).map(lambda app: meta_v1.LabelSelector(matchLabels={"app": app})),
    st.sampled_from(["Exists", "DoesNotExist"]).map(
        lambda op: meta_v1.LabelSelector(matchExpressions=[meta_v1.LabelSelectorRequirement(key="app", operator=op)])
    ),
)
node_requirements = st.one_of(
    st.builds(
        core_v1.NodeSelectorRequirement,
        key=st.sampled_from(["disk", "cores", "topology.kubernetes.io/zone"]),
        operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        values=st.lists(st.sampled_from(["ssd", "hdd", "z1", "4", "8"]), min_size=1, max_size=2),
    ),
    st.builds(
        core_v1.NodeSelectorRequirement,
        key=st.just("cores"),
        operator=st.sampled_from(["Gt", "Lt"]),
        values=st.sampled_from([["4"], ["6"]]),
    ),
)
fields = st.builds(
    core_v1.NodeSelectorRequirement,
    key=st.just("metadata.name"),
    operator=st.sampled_from(["In", "NotIn"]),
    values=st.sampled_from([["n0"], ["n1"]]),
)
terms = st.builds(
    core_v1.NodeSelectorTerm,
    matchExpressions=maybe(st.lists(node_requirements, max_size=2), 1),
    matchFields=maybe(st.lists(fields, max_size=1)),
)
node_affinities = st.builds(
    core_v1.NodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution=maybe(
        st.builds(core_v1.NodeSelector, nodeSelectorTerms=st.lists(terms, min_size=1, max_size=2)), 2
    ),
    preferredDuringSchedulingIgnoredDuringExecution=maybe(
        st.lists(
            st.builds(
                core_v1.PreferredSchedulingTerm,
                weight=st.integers(1, 100),
                preference=st.builds(
                    core_v1.NodeSelectorTerm, matchExpressions=st.lists(node_requirements, min_size=1, max_size=2)
                ),
            ),
            max_size=2,
        ),
        2,
    ),
)
pod_terms = st.builds(
    core_v1.PodAffinityTerm,
    topologyKey=st.sampled_from(KEYS[:3]),
    labelSelector=label_selectors,
    namespaces=maybe(st.just(["other"])),
    namespaceSelector=maybe(st.sampled_from([{}, {"team": "y"}]).map(lambda m: meta_v1.LabelSelector(matchLabels=m))),
)


def pod_affinities(kind: Any) -> Any:
    weighted = st.builds(core_v1.WeightedPodAffinityTerm, weight=st.integers(1, 100), podAffinityTerm=pod_terms)
    return st.builds(
        kind,
        requiredDuringSchedulingIgnoredDuringExecution=maybe(st.lists(pod_terms, min_size=1, max_size=2), 2),
        preferredDuringSchedulingIgnoredDuringExecution=maybe(st.lists(weighted, min_size=1, max_size=2), 2),
    )


affinities = st.builds(
    core_v1.Affinity,
    nodeAffinity=maybe(node_affinities, 2),
    podAffinity=maybe(pod_affinities(core_v1.PodAffinity), 2),
    podAntiAffinity=maybe(pod_affinities(core_v1.PodAntiAffinity), 2),
)
constraints = st.builds(
    core_v1.TopologySpreadConstraint,
    maxSkew=st.integers(1, 2),
    topologyKey=st.sampled_from(KEYS[:3]),
    whenUnsatisfiable=st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
    labelSelector=label_selectors,
    minDomains=maybe(st.integers(1, 3)),
    nodeAffinityPolicy=maybe(st.just("Ignore")),
    nodeTaintsPolicy=maybe(st.just("Honor")),
)
resources = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["100m", "1", "1500m", "0"]),
        "memory": st.sampled_from(["100Mi", "1Gi", "3G"]),
        "example.com/gpu": st.sampled_from(["1", "2"]),
    },
).map(lambda wanted: core_v1.ResourceRequirements(requests=wanted or None))
ports = st.builds(
    core_v1.ContainerPort,
    containerPort=st.just(80),
    hostPort=st.sampled_from([80, 81]),
    hostIP=maybe(st.sampled_from(["127.0.0.1", "10.0.0.1"])),
    protocol=maybe(st.just("UDP")),
)
containers = st.builds(
    core_v1.Container,
    name=st.just("c"),
    image=st.sampled_from(["app", "db:1"]),
    resources=resources,
    ports=maybe(st.lists(ports, max_size=1), 4),
)
inits = st.builds(
    core_v1.Container,
    name=st.just("i"),
    image=st.just("app"),
    resources=resources,
    restartPolicy=maybe(st.just("Always"), 2),
)
tolerations = st.builds(
    core_v1.Toleration,
    key=st.sampled_from(["k", "j", None, "node.kubernetes.io/unschedulable"]),
    operator=st.just("Exists"),
    effect=maybe(st.just("NoSchedule"), 2),
) | st.builds(
    core_v1.Toleration, key=st.just("k"), operator=maybe(st.just("Equal"), 2), value=st.sampled_from(["v", "w"])
)
pods = st.builds(
    lambda namespace, app, spec, terminating: core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            namespace=namespace,
            labels={"app": app} if app else None,
            deletionTimestamp="2026-01-01T00:00:00Z" if terminating else None,
        ),
        spec=spec,
    ),
    namespace=st.sampled_from([*NAMESPACES, "default"]),
    app=st.sampled_from([*APPS, None]),
    terminating=st.sampled_from([False, False, False, True]),
    spec=st.builds(
        core_v1.PodSpec,
        containers=st.lists(containers, min_size=1, max_size=2),
        initContainers=maybe(st.lists(inits, min_size=1, max_size=3)),
        overhead=maybe(st.just({"cpu": "50m"}), 5),
        nodeSelector=maybe(st.just({"disk": "ssd"}), 5),
        affinity=maybe(affinities, 2),
        tolerations=maybe(st.lists(tolerations, max_size=2), 2),
        topologySpreadConstraints=maybe(st.lists(constraints, min_size=1, max_size=2), 2),
    ),
)
taints = st.builds(
    core_v1.Taint,
    key=st.sampled_from(["k", "j"]),
    value=st.sampled_from(["v", None]),
    effect=st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
)
images = st.builds(
    core_v1.ContainerImage,
    names=st.sampled_from([["app:latest"], ["db:1", "db@sha256:1"]]),
    sizeBytes=st.sampled_from([50 * MIB, 700 * MIB]),
)
node_shapes = st.builds(
    lambda labels, spec, allocatable, images: (labels, spec, allocatable, images),
    labels=st.fixed_dictionaries(
        {},
        optional={
            "topology.kubernetes.io/zone": st.sampled_from(["z1", "z2", "z3"]),
            "disk": st.sampled_from(["ssd", "hdd"]),
            "cores": st.sampled_from(["4", "8", "many"]),
        },
    ),
    spec=st.builds(
        core_v1.NodeSpec, unschedulable=maybe(st.just(True), 6), taints=maybe(st.lists(taints, max_size=2), 3)
    ),
    allocatable=st.fixed_dictionaries(
        {"pods": st.sampled_from(["2", "10"]), "memory": st.sampled_from(["4Gi", "16Gi"])},
        optional={"cpu": st.sampled_from(["2", "4"]), "example.com/gpu": st.just("2")},
    ),
    images=st.lists(images, max_size=2, unique_by=lambda image: image.names[0]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pod"), pods),
        st.tuples(st.just("pod"), pods),
        st.tuples(st.just("place"), pods, st.integers(0, 4)),
        st.tuples(st.just("remove"), st.integers(0, 100)),
        st.tuples(st.just("node"), st.integers(0, 4), node_shapes),
        st.tuples(st.just("drop"), st.integers(0, 4)),
        st.tuples(st.just("again"), st.integers(0, 100)),
    ),
    max_size=12,
)


class Pair:
    """The scheduler's book and the oracle's cluster, told the same."""

    def __init__(self, seed: int) -> None:
        self.table = NodeTable(capacity=2)
        self.book = Book(self.table, SchedulingQueue(VirtualClock()), ["default-scheduler"], lambda: None)
        self.decider = Decider(self.table, random.Random(seed))
        self.cluster = oracle.Cluster({}, {}, NAMESPACES)
        self.asked: list[Any] = []
        self.placed: list[Any] = []
        self.uids = 0
        for name, labels in NAMESPACES.items():
            self.book.on_namespace(None, core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name, labels=labels)))

    def node(self, number: int, shape: Any) -> None:
        name = f"n{number}"
        labels, spec, allocatable, images = shape
        new = core_v1.Node(
            metadata=meta_v1.ObjectMeta(name=name, labels={"kubernetes.io/hostname": name, **labels}),
            spec=spec,
            status=core_v1.NodeStatus(allocatable=allocatable, images=images),
        )
        self.book.on_node(self.cluster.nodes.get(name), new)
        self.cluster.nodes[name] = new

    def drop(self, number: int) -> None:
        old = self.cluster.nodes.pop(f"n{number}", None)
        if old is not None:
            self.book.on_node(old, None)

    def place(self, pod: Any, name: str) -> None:
        pod.spec.nodeName = name
        self.book.on_pod(None, pod)
        self.cluster.pods.setdefault(name, []).append(pod)
        self.placed.append(pod)

    def remove(self, number: int) -> None:
        if self.placed:
            pod = self.placed.pop(number % len(self.placed))
            self.book.on_pod(pod, None)
            self.cluster.pods[pod.spec.nodeName].remove(pod)

    def named(self, template: Any) -> Any:
        self.uids += 1
        meta = template.metadata
        own = {"name": f"p{self.uids}", "uid": f"u{self.uids}"}
        kept = {"namespace": meta.namespace, "labels": meta.labels, "deletionTimestamp": meta.deletionTimestamp}
        return core_v1.Pod(metadata=meta_v1.ObjectMeta(**own, **kept), spec=copied(template.spec))

    def ask(self, template: Any) -> None:
        """Both decide on the pod; it goes where the scheduler says."""
        pod = self.named(template)
        pod.metadata.deletionTimestamp = None
        self.asked.append(template)
        self.book.on_pod(None, pod)
        record = self.book.records[pod.metadata.uid]
        answer = self.decider.decide(record)
        wanted = oracle.verdict(pod, self.cluster)
        if isinstance(answer, Refused):
            assert wanted == answer.reasons
            self.book.on_pod(pod, None)
        else:
            assert isinstance(wanted, set), wanted
            assert self.table.names[answer] in wanted
            self.place(pod, self.table.names[answer])


def copied(spec: Any) -> Any:
    return type(spec)(**{name: getattr(spec, name) for name in spec.__struct_fields__})


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 9), first=st.lists(node_shapes, min_size=1, max_size=5), steps=steps)
def test_agrees_with_oracle(seed: int, first: list[Any], steps: list[Any]) -> None:
    pair = Pair(seed)
    for number, shape in enumerate(first):
        pair.node(number, shape)
    for step in steps:
        match step:
            case ("pod", template):
                pair.ask(template)
            case ("again", number) if pair.asked:
                pair.ask(pair.asked[number % len(pair.asked)])
            case ("place", template, number):
                pair.place(pair.named(template), f"n{number}")
            case ("remove", number):
                pair.remove(number)
            case ("node", number, shape):
                pair.node(number, shape)
            case ("drop", number):
                pair.drop(number)
