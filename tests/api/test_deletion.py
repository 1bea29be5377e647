"""How objects end: grace, finalizers, propagation, preconditions, collections, namespaces."""

from __future__ import annotations

from typing import Any

MERGE = "application/merge-patch+json"


def make_map(api: Any, namespace: str, name: str, **metadata: Any) -> str:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.make(path, {"metadata": {"name": name, **metadata}})
    return f"{path}/{name}"


def make_pod(api: Any, namespace: str, **spec: Any) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    api.make(path, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}})
    return f"{path}/p"


def test_a_plain_object_is_gone_at_once(api: Any, namespace: str) -> None:
    path = make_map(api, namespace, "a")
    answer = api("DELETE", path)
    assert (answer.status, answer.body["kind"], answer.body["status"]) == (200, "Status", "Success")
    assert answer.body["details"]["kind"] == "configmaps"
    assert api("GET", path).status == 404
    assert api("DELETE", path).status == 404


def test_finalizers_hold_an_object(api: Any, namespace: str) -> None:
    path = make_map(api, namespace, "a", finalizers=["example.com/hold"])
    marked = api("DELETE", path)
    assert marked.body["metadata"]["deletionTimestamp"]
    assert marked.body["metadata"]["deletionGracePeriodSeconds"] == 0
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert api("PATCH", path, more, content_type=MERGE).status == 422
    assert api("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE).status == 200
    assert api("GET", path).status == 404


def test_propagation_is_told_as_a_finalizer(api: Any, namespace: str) -> None:
    for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
        path = make_map(api, namespace, policy.lower())
        answer = api("DELETE", path, {"propagationPolicy": policy})
        assert answer.body["metadata"]["finalizers"] == [finalizer]
        assert api("GET", path).status == 200
    bad = api("DELETE", path, {"propagationPolicy": "Sideways"})
    assert (bad.status, bad.body["reason"]) == (422, "Invalid")


def test_preconditions(api: Any, namespace: str) -> None:
    path = make_map(api, namespace, "a")
    assert api("DELETE", path, {"preconditions": {"uid": "other"}}).status == 409
    assert api("DELETE", path, {"preconditions": {"resourceVersion": "1"}}).status == 409
    uid = api("GET", path).body["metadata"]["uid"]
    assert api("DELETE", path, {"preconditions": {"uid": uid}}).status == 200


def test_a_pod_without_a_node_needs_no_grace(api: Any, namespace: str) -> None:
    path = make_pod(api, namespace)
    assert api("DELETE", path).body["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api("GET", path).status == 404


def test_a_pod_on_a_node_waits_for_its_kubelet(api: Any, namespace: str) -> None:
    path = make_pod(api, namespace, nodeName="n1", terminationGracePeriodSeconds=20)
    marked = api("DELETE", path).body["metadata"]
    assert (marked["deletionGracePeriodSeconds"], marked["generation"]) == (20, 2)
    longer = api("DELETE", path, {"gracePeriodSeconds": 60}).body["metadata"]
    assert longer["deletionTimestamp"] == marked["deletionTimestamp"]
    shorter = api("DELETE", path, {"gracePeriodSeconds": 5}).body["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < marked["deletionTimestamp"]
    assert api("DELETE", path + "?gracePeriodSeconds=0").status == 200
    assert api("GET", path).status == 404


def test_collection(api: Any, namespace: str) -> None:
    for number in range(4):
        make_map(api, namespace, f"c{number}", labels={"parity": ("even", "odd")[number % 2]})
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    gone = api("DELETE", path + "?labelSelector=parity%3Deven").body
    assert (gone["kind"], [i["metadata"]["name"] for i in gone["items"]]) == ("ConfigMapList", ["c0", "c2"])
    assert len(api("DELETE", path + "?dryRun=All").body["items"]) == 2
    assert len(api("GET", path).body["items"]) == 2


def test_a_namespace_is_marked_and_takes_nothing_new(api: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    made = api("GET", path).body
    assert made["spec"]["finalizers"] == ["kubernetes"]
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}
    assert api("DELETE", path).body["status"]["phase"] == "Terminating"
    refused = api("POST", f"{path}/configmaps", {"metadata": {"name": "late"}})
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    emptied = api("GET", path).body
    emptied["spec"]["finalizers"] = []
    assert api("PUT", path + "/finalize", emptied).status == 200
    assert api("GET", path).status == 404


def test_system_namespaces_stay(api: Any) -> None:
    answer = api("DELETE", "/api/v1/namespaces/kube-system")
    assert (answer.status, answer.body["reason"]) == (403, "Forbidden")


def test_watchers_see_mark_then_end(api: Any, namespace: str) -> None:
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    start = api("GET", collection).body["metadata"]["resourceVersion"]
    path = make_map(api, namespace, "a", finalizers=["example.com/hold"])
    api("DELETE", path)
    api("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    events = api.watch(f"{collection}?watch=true&resourceVersion={start}&timeoutSeconds=1")
    assert [e["type"] for e in events] == ["ADDED", "MODIFIED", "DELETED"]
