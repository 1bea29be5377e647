"""Defaults, what always shows, what is forgotten, and canonical forms."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api import defaults, registry


def defaulted(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    """An object of the kind with its defaults, as it would be stored."""
    found = registry.builtin().kind(api_version, kind)
    obj = found.decode(msgspec.json.encode({"metadata": {"name": "a"}, **fields}))
    defaults.apply(found, obj)
    stored: dict[str, Any] = msgspec.json.decode(found.encode(obj))
    return stored


def pod(**spec: Any) -> dict[str, Any]:
    return defaulted("v1", "Pod", spec=spec)["spec"]  # type: ignore[no-any-return]


def test_a_pod_shows_what_it_did_not_say() -> None:
    assert pod(containers=[{"name": "c", "image": "i:1"}]) == {
        "containers": [
            {
                "name": "c",
                "image": "i:1",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("app", "Always"),
        ("registry:5000/app", "Always"),
        ("app:latest", "Always"),
        ("app:1", "IfNotPresent"),
        ("app@sha256:" + "a" * 64, "IfNotPresent"),
        ("No Image!", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pod(containers=[{"name": "c", "image": image}])["containers"][0]["imagePullPolicy"] == policy


def test_value_fields_forget_zero_and_pointers_keep_it() -> None:
    spec = pod(containers=[{"name": "c", "image": "i:1"}], hostNetwork=False, automountServiceAccountToken=False)
    assert "hostNetwork" not in spec
    assert spec["automountServiceAccountToken"] is False


def test_limits_become_requests_in_canonical_form() -> None:
    resources = {"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": "0.5"}}
    shown = pod(containers=[{"name": "c", "image": "i:1", "resources": resources}])["containers"][0]["resources"]
    assert shown == {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}


def test_a_quantity_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        pod(containers=[{"name": "c", "image": "i:1", "resources": {"limits": {"cpu": "a lot"}}}])


def test_absent_lists_and_times_show_as_null_where_upstream_shows_them() -> None:
    assert defaulted("rbac.authorization.k8s.io/v1", "Role")["rules"] is None
    assert defaulted("v1", "Event")["eventTime"] is None


def test_empty_lists_are_dropped_when_encoded() -> None:
    assert "finalizers" not in defaulted("v1", "ConfigMap", metadata={"name": "a", "finalizers": []})["metadata"]


def test_secret_text_becomes_data() -> None:
    secret = defaulted("v1", "Secret", data={"a": "YQ=="}, stringData={"b": "b"})
    assert secret["data"] == {"a": "YQ==", "b": "Yg=="}
    assert "stringData" not in secret


def test_service_policies_follow_the_type() -> None:
    spec = defaulted("v1", "Service", spec={"type": "LoadBalancer", "ports": [{"port": 80}]})["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["externalTrafficPolicy"], spec["internalTrafficPolicy"]) == ("Cluster", "Cluster")
    assert spec["allocateLoadBalancerNodePorts"] is True


def test_times_are_told_in_utc() -> None:
    lease = defaulted("coordination.k8s.io/v1", "Lease", spec={"renewTime": "2026-01-01T02:00:00.5+02:00"})
    assert lease["spec"]["renewTime"] == "2026-01-01T00:00:00.500000Z"


def test_a_template_s_job_waits_for_its_defaults() -> None:
    spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}
    inner = defaulted("batch/v1", "CronJob", spec=spec)["spec"]["jobTemplate"]["spec"]
    assert "backoffLimit" not in inner
    assert inner["template"]["spec"]["restartPolicy"] == "Always"


def test_schemas_inside_schemas_forget_what_schemas_forget() -> None:
    inner = {
        "type": "string",
        "description": "",
        "nullable": False,
        "minLength": 0,
        "required": [],
        "x-kubernetes-int-or-string": False,
        "x-kubernetes-preserve-unknown-fields": False,
    }
    kept = {"type": "string", "minLength": 0, "x-kubernetes-preserve-unknown-fields": False}
    nested = {"items": inner, "additionalProperties": inner, "properties": {"p": inner}, "allOf": [{"items": inner}]}
    expected = {"items": kept, "additionalProperties": kept, "properties": {"p": kept}, "allOf": [{"items": kept}]}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"items": nested}}}
    spec = {"group": "g", "scope": "Cluster", "names": {"plural": "p", "kind": "K"}, "versions": [version]}
    kind = registry.builtin().kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    obj = kind.decode(msgspec.json.encode({"metadata": {"name": "p.g"}, "spec": spec}))
    defaults.apply(kind, obj)
    shown = msgspec.json.decode(kind.encode(obj))
    assert shown["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {"items": expected}
