"""A path leads to the object it names, under the rule for that object, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from ..conftest import NOBODY

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def grant(api: Any, namespace: str, *rules: dict[str, Any]) -> None:
    """Let `nobody` do this in the namespace."""
    api.make(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": "r"}, "rules": list(rules)})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subjects = [{"kind": "User", "name": "nobody", "apiGroup": "rbac.authorization.k8s.io"}]
    body = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": subjects}
    api.make(f"{RBAC}/namespaces/{namespace}/rolebindings", body)


def test_cve_2019_11247_cluster_objects_through_a_namespace(api: Any, namespace: str) -> None:
    """A role in one namespace must not reach objects of the whole cluster."""
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    grant(api, namespace, everything)
    api.make(f"{RBAC}/clusterroles", {"metadata": {"name": f"c-{namespace}"}, "rules": [everything]})
    path = f"{RBAC}/namespaces/{namespace}/clusterroles"
    assert api("GET", path, token=NOBODY).status == 404
    for method in ("GET", "DELETE"):
        assert api(method, f"{path}/c-{namespace}", token=NOBODY).status == 404
    assert api("POST", path, {"metadata": {"name": "mine"}}, token=NOBODY).status == 404
    assert api("GET", f"/api/v1/namespaces/{namespace}/nodes", token=NOBODY).status == 404
    assert api("GET", f"{RBAC}/clusterroles/c-{namespace}", token=NOBODY).status == 403
    assert api("GET", f"{RBAC}/clusterroles/c-{namespace}").status == 200
    assert api("GET", f"{RBAC}/namespaces/{namespace}/roles/r", token=NOBODY).status == 200


TRAVERSALS = [
    "configmaps/../secrets/s",
    "configmaps/..%2Fsecrets%2Fs",
    "configmaps/%2e%2e/secrets/s",
    "configmaps/%2e%2e%2fsecrets%2fs",
    "configmaps//secrets/s",
    "configmaps/c/../../secrets/s",
    "configmaps/c%2F..%2F..%2Fsecrets%2Fs",
    "configmaps/..%252Fsecrets%252Fs",
    "configmaps/c;/secrets/s",
    "configmaps%2F..%2Fsecrets/s",
    "./secrets/s",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_cve_2022_3162_another_kind_by_traversal(api: Any, namespace: str, path: str) -> None:
    """Who may read config maps reads config maps, however the name is spelled."""
    place = f"/api/v1/namespaces/{namespace}"
    grant(api, namespace, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]})
    api.make(f"{place}/secrets", {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}})
    api.make(f"{place}/configmaps", {"metadata": {"name": "c"}, "data": {"a": "b"}})
    answer = api("GET", f"{place}/{path}", token=NOBODY)
    assert answer.status in (400, 403, 404, 405)
    assert "aHVudGVyMg==" not in str(answer.body)
    assert api("GET", f"{place}/configmaps/c", token=NOBODY).body["data"] == {"a": "b"}


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%2Fb", "a%00b", "%"])
def test_cve_2022_3162_names_that_are_paths_are_not_stored(api: Any, namespace: str, name: str) -> None:
    body = {"metadata": {"name": name}, "data": {}}
    assert api("POST", f"/api/v1/namespaces/{namespace}/configmaps", body).status == 422
    assert api("PUT", f"/api/v1/namespaces/{namespace}/configmaps/{name}", body).status in (400, 404, 405)
