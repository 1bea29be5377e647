"""Roles on a live server: they take effect at once, nobody gives more than they have, and kubectl can tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RBAC = "/apis/rbac.authorization.k8s.io/v1"
NOBODY = "nobody-token"
READ_PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
ALL_ROLES = {"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"]}


def grant(api: Any, namespace: str, name: str, *rules: dict[str, Any], user: str = "nobody") -> None:
    api.make(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": name}, "rules": list(rules)})
    subjects = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    body = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
    api.make(f"{RBAC}/namespaces/{namespace}/rolebindings", body)


def test_a_role_takes_effect_at_once_and_ends_at_once(api: Any, namespace: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    assert api("GET", pods, token=NOBODY).status == 403
    grant(api, namespace, "reader", READ_PODS)
    assert api("GET", pods, token=NOBODY).status == 200
    assert api("GET", "/api/v1/pods", token=NOBODY).status == 403
    api("DELETE", f"{RBAC}/namespaces/{namespace}/rolebindings/reader")
    assert api("GET", pods, token=NOBODY).status == 403


def test_nobody_grants_what_they_do_not_hold(api: Any, namespace: str) -> None:
    grant(api, namespace, "manager", ALL_ROLES | {"verbs": ["create", "get", "patch", "update"]})
    roles = f"{RBAC}/namespaces/{namespace}/roles"
    body = {"metadata": {"name": "mine"}, "rules": [READ_PODS]}
    refused = api("POST", roles, body, token=NOBODY)
    assert refused.status == 403
    assert refused.body["message"] == (
        'roles.rbac.authorization.k8s.io "mine" is forbidden: user "nobody" (groups=["plain" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'
    )
    grant(api, namespace, "reader", READ_PODS)
    assert api("POST", roles, body, token=NOBODY).status == 201
    more = {"rules": [READ_PODS | {"resources": ["secrets"]}]}
    patched = api("PATCH", f"{roles}/mine", more, token=NOBODY, content_type="application/merge-patch+json")
    assert patched.status == 403


def test_binding_needs_the_roles_rights_or_the_verb_bind(api: Any, namespace: str) -> None:
    grant(api, namespace, "binder", ALL_ROLES | {"verbs": ["create"], "resources": ["rolebindings"]})
    bindings = f"{RBAC}/namespaces/{namespace}/rolebindings"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    body = {"metadata": {"name": "up"}, "roleRef": reference, "subjects": []}
    assert api("POST", bindings, body, token=NOBODY).status == 403
    absent = body | {"roleRef": reference | {"name": "no-such"}}
    assert api("POST", bindings, absent, token=NOBODY).status == 404
    grant(api, namespace, "may-bind", ALL_ROLES | {"verbs": ["bind"], "resourceNames": ["cluster-admin"]})
    assert api("POST", bindings, body, token=NOBODY).status == 201


def test_nobody_gathers_rights_by_aggregation(api: Any) -> None:
    """What a role gathers is not known when it is made: so it takes all rights, or the verb escalate."""
    rules = [ALL_ROLES | {"verbs": ["create"], "resources": ["clusterroles"]}]
    api.make(f"{RBAC}/clusterroles", {"metadata": {"name": "gatherer"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gatherer"}
    subjects = [{"kind": "User", "name": "nobody", "apiGroup": "rbac.authorization.k8s.io"}]
    api.make(
        f"{RBAC}/clusterrolebindings",
        {"metadata": {"name": "gatherer"}, "roleRef": reference, "subjects": subjects},
    )
    selectors = [{"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}}]
    body = {"metadata": {"name": "gathered"}, "aggregationRule": {"clusterRoleSelectors": selectors}}
    refused = api("POST", f"{RBAC}/clusterroles", body, token=NOBODY)
    assert refused.status == 403
    assert "must have cluster-admin privileges to use the aggregationRule" in refused.body["message"]
    rules[0]["verbs"] = ["create", "escalate"]
    changed = api(
        "PATCH", f"{RBAC}/clusterroles/gatherer", {"rules": rules}, content_type="application/merge-patch+json"
    )
    assert changed.status == 200
    assert api("POST", f"{RBAC}/clusterroles", body, token=NOBODY).status == 201
    for name in ("clusterrolebindings/gatherer", "clusterroles/gatherer", "clusterroles/gathered"):
        api("DELETE", f"{RBAC}/{name}")


def test_no_label_has_rights_gathered(api: Any) -> None:
    """Who may change roles does not thereby lead the rights of one into roles that they hold themselves."""
    rules = [ALL_ROLES | {"verbs": ["patch", "update"]}]
    secrets = [{"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"]}]
    for name, held in (("changer", rules), ("strong", secrets)):
        api.make(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": held})
    subjects = [{"kind": "User", "name": "nobody", "apiGroup": "rbac.authorization.k8s.io"}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
    for name, who in (("changer", subjects), ("strong", [])):
        body = {"metadata": {"name": name}, "roleRef": reference | {"name": name}, "subjects": who}
        api.make(f"{RBAC}/clusterrolebindings", body)
    for path in ("clusterroles/strong", "clusterrolebindings/strong"):

        def patched(metadata: dict[str, Any], path: str = path) -> Any:
            content = "application/merge-patch+json"
            return api("PATCH", f"{RBAC}/{path}", {"metadata": metadata}, token=NOBODY, content_type=content)

        refused = patched({"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}})
        assert refused.status == 403
        assert "attempting to grant RBAC permissions not currently held" in refused.body["message"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
        assert patched({"finalizers": ["a.example/f"], "ownerReferences": [owner]}).status == 200
        assert patched({"finalizers": [], "ownerReferences": []}).status == 200
    for name in ("changer", "strong"):
        api("DELETE", f"{RBAC}/clusterrolebindings/{name}")
        api("DELETE", f"{RBAC}/clusterroles/{name}")


def test_rules_review_lists_what_one_may(api: Any, namespace: str) -> None:
    grant(api, namespace, "reader", READ_PODS)
    review = {"spec": {"namespace": namespace}}
    answer = api("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review, token=NOBODY)
    status = answer.body["status"]
    assert READ_PODS in status["resourceRules"]
    assert status["incomplete"] is False
    assert any("/version" in rule["nonResourceURLs"] for rule in status["nonResourceRules"])


def rows(text: str) -> list[list[str]]:
    """A table's cells, which two blanks or more lie between."""
    return [re.split(r" {2,}", line.rstrip()) for line in text.splitlines()]


def test_kubectl_tells_who_one_is(api: Any) -> None:
    shown = json.loads(api.kubectl("auth", "whoami", "-o", "json").stdout)
    assert (shown["kind"], shown["apiVersion"]) == ("SelfSubjectReview", "authentication.k8s.io/v1")
    assert {"system:masters", "system:authenticated"} <= set(shown["status"]["userInfo"]["groups"])
    other = ("--as=ann", "--as-uid=7", "--as-group=devs", "--as-group=ops")
    table = api.kubectl("auth", "whoami", *other).stdout
    assert rows(table) == [
        ["ATTRIBUTE", "VALUE"],
        ["Username", "ann"],
        ["UID", "7"],
        ["Groups", "[devs ops system:authenticated]"],
    ]


def test_kubectl_tells_what_one_may(api: Any, namespace: str) -> None:
    grant(api, namespace, "reader", READ_PODS, READ_PODS | {"resources": ["configmaps"], "resourceNames": ["c"]})

    def may(*what: str) -> str:
        done = api.kubectl("auth", "can-i", *what, "--as=nobody", "-n", namespace, check=False)
        assert (done.returncode == 0) == (done.stdout.strip() == "yes")
        return str(done.stdout.strip())

    assert (may("list", "pods"), may("delete", "pods")) == ("yes", "no")
    assert (may("get", "pods", "--subresource=log"), may("list", "pods", "-A")) == ("no", "no")
    assert (may("get", "configmaps/c"), may("get", "configmaps/d"), may("get", "configmaps")) == ("yes", "no", "no")
    assert (may("get", "/version"), may("get", "/metrics")) == ("yes", "no")
    assert api.kubectl("auth", "can-i", "delete", "nodes").stdout.strip() == "yes"
    listed = rows(api.kubectl("auth", "can-i", "--list", "--as=nobody", "-n", namespace).stdout)
    assert listed[0] == ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    assert ["pods", "[]", "[]", "[get list]"] in listed
    assert ["configmaps", "[]", "[c]", "[get list]"] in listed
    assert ["selfsubjectreviews.authentication.k8s.io", "[]", "[]", "[create]"] in listed
    assert ["", "[/version]", "[]", "[get]"] in listed
    assert ["*.*", "[]", "[]", "[*]"] in rows(api.kubectl("auth", "can-i", "--list").stdout)


def test_kubectl_reconciles_roles(api: Any, namespace: str, tmp_path: Path) -> None:
    """What is missing is added; what is too much goes when that is asked for; a binding's role is exchanged."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r", "namespace": namespace},
    }
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}
    binding = role | {"kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    file = tmp_path / "roles.json"

    def reconcile(rules: list[Any], reference: dict[str, Any], *flags: str) -> tuple[list[Any], str]:
        both = [role | {"rules": rules}, binding | {"roleRef": reference}]
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": both}))
        api.kubectl("auth", "reconcile", "-f", str(file), *flags)
        place = f"{RBAC}/namespaces/{namespace}"
        bound = api("GET", f"{place}/rolebindings/r").body["roleRef"]["name"]
        return api("GET", f"{place}/roles/r").body["rules"], bound

    secrets = READ_PODS | {"resources": ["secrets"]}
    assert reconcile([READ_PODS], reference) == ([READ_PODS], "r")
    each = [secrets | {"verbs": [verb]} for verb in secrets["verbs"]]
    assert reconcile([secrets], reference) == ([READ_PODS, *each], "r")
    assert reconcile([secrets], reference, "--remove-extra-permissions") == ([secrets], "r")
    assert reconcile([secrets], reference | {"kind": "ClusterRole", "name": "view"})[1] == "view"


def test_default_roles_are_there(api: Any) -> None:
    names = {item["metadata"]["name"] for item in api("GET", f"{RBAC}/clusterroles").body["items"]}
    assert {"cluster-admin", "admin", "edit", "view", "system:node", "system:controller:job-controller"} <= names
