"""What a kubelet that was taken over may not do: become more than its node."""

from __future__ import annotations

from typing import Any

from .conftest import KUBELET, MERGE

NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/default/pods"
MIRROR = {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"}


def as_kubelet(api: Any, method: str, path: str, body: Any = None) -> Any:
    content = MERGE if method == "PATCH" else "application/json"
    return api(method, path, body, headers=KUBELET, content_type=content)


def registered(api: Any) -> Any:
    """The node of the kubelet, which registers itself."""
    as_kubelet(api, "POST", NODES, {"metadata": {"name": "n1", "labels": {"kubernetes.io/os": "linux"}}})
    return api("GET", f"{NODES}/n1").body


def test_cve_2025_5187_a_node_does_not_have_itself_collected(api: Any, namespace: str) -> None:
    """With an owner that does not exist, the garbage collector would delete the node: it could register anew."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "no-such-uid"}
    api("DELETE", f"{NODES}/n1")
    answer = as_kubelet(api, "POST", NODES, {"metadata": {"name": "n1", "ownerReferences": [owner]}})
    assert (answer.status, "is not allowed to set ownerReferences" in answer.body["message"]) == (403, True)
    node = registered(api)
    for path in (f"{NODES}/n1", f"{NODES}/n1/status"):
        answer = as_kubelet(api, "PATCH", path, {"metadata": {"ownerReferences": [owner]}})
        assert answer.status == 403
        assert "is not allowed to modify ownerReferences" in answer.body["message"]
        whole = {**node, "metadata": {**node["metadata"], "ownerReferences": [owner]}}
        whole["metadata"].pop("resourceVersion")
        assert as_kubelet(api, "PUT", path, whole).status == 403
    assert as_kubelet(api, "DELETE", f"{NODES}/n1").status == 403
    beat = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "r", "message": "m"}]}}
    assert as_kubelet(api, "PATCH", f"{NODES}/n1/status", beat).status == 200


def test_cve_2025_4563_a_mirror_pod_claims_no_devices(api: Any) -> None:
    """Static pods cannot use resource claims, and a mirror pod that says so would open them to the node."""
    uid = registered(api)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": uid, "controller": True}
    meta = {"name": "m-n1", "annotations": MIRROR, "ownerReferences": [owner]}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    claimed = {"resourceClaims": [{"name": "gpu", "resourceClaimName": "others"}]}
    answer = as_kubelet(api, "POST", PODS, {"metadata": meta, "spec": spec | claimed})
    assert answer.status == 403
    assert 'node "n1" can not create pods that reference resourceclaims' in answer.body["message"]
    assert as_kubelet(api, "POST", PODS, {"metadata": meta, "spec": spec}).status == 201
    status = {"status": {"phase": "Running", "resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "others"}]}}
    assert as_kubelet(api, "PATCH", f"{PODS}/m-n1/status", status).status == 403
    assert as_kubelet(api, "PATCH", f"{PODS}/m-n1/status", {"status": {"phase": "Running"}}).status == 200


def test_cve_2021_25735_admission_sees_the_object_that_is_stored(api: Any) -> None:
    """An update was judged against an old object that the request itself could shape; nodes' labels got changed so."""
    registered(api)
    kept = {"node-restriction.kubernetes.io/tier": "gold"}
    assert api("PATCH", f"{NODES}/n1", {"metadata": {"labels": kept}}, content_type=MERGE).status == 200
    node = api("GET", f"{NODES}/n1").body
    honest = {**node, "metadata": {**node["metadata"], "labels": {**node["metadata"]["labels"], "mine.example/a": "b"}}}
    answer = as_kubelet(api, "PUT", f"{NODES}/n1", honest)
    assert answer.status == 200
    for labels in ({"node-restriction.kubernetes.io/tier": "platinum"}, {"node-restriction.kubernetes.io/tier": None}):
        refused = as_kubelet(api, "PATCH", f"{NODES}/n1", {"metadata": {"labels": labels}})
        assert refused.status == 403
        assert "node-restriction.kubernetes.io/tier" in refused.body["message"]
    node = answer.body
    del node["metadata"]["labels"]["node-restriction.kubernetes.io/tier"]
    assert as_kubelet(api, "PUT", f"{NODES}/n1", node).status == 403
    operations = [
        {"op": "test", "path": "/metadata/name", "value": "n1"},
        {"op": "remove", "path": "/metadata/labels/node-restriction.kubernetes.io~1tier"},
    ]
    patched = api("PATCH", f"{NODES}/n1", operations, headers=KUBELET, content_type="application/json-patch+json")
    assert patched.status == 403
    assert api("GET", f"{NODES}/n1").body["metadata"]["labels"]["node-restriction.kubernetes.io/tier"] == "gold"
