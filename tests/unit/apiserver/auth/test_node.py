"""The node authorizer: a kubelet sees what its pods use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.api.selectors import parse_fields
from sampan.apiserver.auth.authorizer import Attributes, Decision
from sampan.apiserver.auth.node.authorizer import NodeAuthorizer
from sampan.apiserver.auth.node.graph import Graph
from sampan.apiserver.auth.user import User
from sampan.store.cache import Entry
from sampan.store.cache.projection import Projection

N1 = User("system:node:n1", groups=("system:nodes",))
N2 = User("system:node:n2", groups=("system:nodes",))
SPEC: dict[str, Any] = {
    "nodeName": "n1",
    "serviceAccountName": "bot",
    "imagePullSecrets": [{"name": "pull"}],
    "containers": [
        {
            "name": "c",
            "envFrom": [{"secretRef": {"name": "env"}}],
            "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "key", "key": "k"}}}],
        }
    ],
    "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "init"}}]}],
    "ephemeralContainers": [{"name": "e", "envFrom": [{"secretRef": {"name": "debug"}}]}],
    "volumes": [
        {"name": "s", "secret": {"secretName": "vol"}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "root"}}, {"secret": {"name": "both"}}]}},
        {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "scratch", "ephemeral": {}},
        {"name": "i", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "inline"}}},
    ],
    "resourceClaims": [{"name": "r", "resourceClaimName": "named"}, {"name": "t", "resourceClaimTemplateName": "t"}],
}
STATUS = {
    "resourceClaimStatuses": [{"name": "t", "resourceClaimName": "made"}],
    "extendedResourceClaimStatus": {"resourceClaimName": "extended", "requestMappings": []},
}


def entry(plural: str, body: dict[str, Any], name: str, namespace: str = "") -> Entry:
    return Entry(f"{plural}/{namespace}/{name}", namespace, name, 1, json.dumps(body).encode(), Projection())


def pod(spec: dict[str, Any] | None = None, **metadata: Any) -> Entry:
    meta = {"name": "p", "namespace": "ns", **metadata}
    return entry("pods", {"metadata": meta, "spec": spec or SPEC, "status": STATUS}, "p", "ns")


@pytest.fixture
def graph() -> Graph:
    graph = Graph()
    graph._put_pod(pod(), False)
    volume = {"spec": {"claimRef": {"namespace": "ns", "name": "data"}, "csi": {}}}
    volume["spec"]["csi"] = {"nodePublishSecretRef": {"namespace": "storage", "name": "csi"}}
    graph._put_volume(entry("persistentvolumes", volume, "pv"), False)
    return graph


def get(resource: str, name: str, namespace: str = "ns") -> Attributes:
    return Attributes("get", "", "v1", resource, "", namespace, name)


REACHED = [
    *(get("secrets", name) for name in ("pull", "env", "vol", "debug", "both", "inline")),
    *(get("configmaps", name) for name in ("key", "root", "init")),
    *(get("persistentvolumeclaims", name) for name in ("data", "p-scratch")),
    *(get("resourceclaims", name)._replace(group="resource.k8s.io") for name in ("named", "made", "extended")),
    get("persistentvolumes", "pv", ""),
    get("secrets", "csi", "storage"),
    get("pods", "p"),
    Attributes("create", "", "v1", "serviceaccounts", "token", "ns", "bot"),
]


@pytest.mark.parametrize("asked", REACHED, ids=lambda a: f"{a.resource}-{a.name}")
def test_a_node_reads_what_its_pods_use_and_another_does_not(graph: Graph, asked: Attributes) -> None:
    authorizer = NodeAuthorizer(graph)
    assert authorizer.decide(N1, asked) == (Decision.ALLOW, "")
    assert authorizer.decide(N2, asked)[0] is Decision.NO_OPINION
    graph._put_pod(pod(), True)
    assert authorizer.decide(N1, asked)[0] is Decision.NO_OPINION


def test_the_words_of_a_refusal(graph: Graph) -> None:
    decision, reason = NodeAuthorizer(graph).decide(N1, get("secrets", "other"))
    assert (decision, reason) == (Decision.NO_OPINION, "no relationship found between node 'n1' and this object")


def test_a_pod_that_moves_takes_its_secrets_along(graph: Graph) -> None:
    authorizer = NodeAuthorizer(graph)
    graph._put_pod(pod(SPEC | {"nodeName": "n2"}), False)
    assert authorizer.decide(N1, get("secrets", "env"))[0] is Decision.NO_OPINION
    assert authorizer.decide(N2, get("secrets", "env"))[0] is Decision.ALLOW


def test_a_mirror_pod_opens_nothing() -> None:
    graph = Graph()
    graph._put_pod(pod(annotations={"kubernetes.io/config.mirror": "x"}), False)
    assert NodeAuthorizer(graph).decide(N1, get("secrets", "env"))[0] is Decision.NO_OPINION
    assert NodeAuthorizer(graph).decide(N1, get("pods", "p"))[0] is Decision.ALLOW


def test_a_claim_cannot_take_a_volume_that_is_not_its_own() -> None:
    graph = Graph()
    graph._put_pod(pod(), False)
    theirs = {"spec": {"claimRef": {"namespace": "theirs", "name": "data"}}}
    graph._put_volume(entry("persistentvolumes", theirs, "pv"), False)
    assert NodeAuthorizer(graph).decide(N1, get("persistentvolumes", "pv", ""))[0] is Decision.NO_OPINION


def listing(resource: str, fields: str = "", **more: str) -> Attributes:
    return Attributes("list", "", "v1", resource, fields=parse_fields(fields).requirements, **more)


@pytest.mark.parametrize(
    "asked, allowed",
    [
        (listing("pods", "spec.nodeName=n1"), True),
        (listing("pods", "spec.nodeName=n2"), False),
        (listing("pods", "spec.nodeName!=n1"), False),
        (listing("pods"), False),
        (listing("services"), True),
        (listing("secrets", namespace="ns"), False),
        (Attributes("watch", "", "v1", "nodes", name="n1"), True),
        (Attributes("list", "", "v1", "nodes"), False),
        (Attributes("get", "", "v1", "nodes", name="n2"), False),
        (Attributes("delete", "", "v1", "nodes", name="n1"), False),
        (Attributes("patch", "", "v1", "nodes", "status", name="n1"), True),
        (Attributes("update", "coordination.k8s.io", "v1", "leases", "", "kube-node-lease", "n1"), True),
        (Attributes("update", "coordination.k8s.io", "v1", "leases", "", "kube-node-lease", "n2"), False),
        (Attributes("get", "coordination.k8s.io", "v1", "leases", "", "kube-system", "n1"), False),
        (Attributes("create", "authentication.k8s.io", "v1", "tokenreviews"), True),
        (Attributes("get", "", "v1", "secrets", "", "ns", ""), False),
        (Attributes("update", "", "v1", "configmaps", "", "ns", "key"), False),
        (Attributes("get", path="/metrics"), False),
    ],
)
def test_own_things_only(graph: Graph, asked: Attributes, allowed: bool) -> None:
    assert (NodeAuthorizer(graph).decide(N1, asked)[0] is Decision.ALLOW) is allowed


def test_only_nodes_are_nodes(graph: Graph) -> None:
    asked = get("secrets", "env")
    assert NodeAuthorizer(graph).decide(User("system:node:n1"), asked) == (Decision.NO_OPINION, "")
    reason = NodeAuthorizer(graph).decide(User("joe", groups=("system:nodes",)), asked)[1]
    assert reason == 'unknown node for user "joe"'
