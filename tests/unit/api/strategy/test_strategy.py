"""What each endpoint may touch, and when generations count."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import defaults, registry, strategy


def decoded(api_version: str, kind: str, document: dict[str, Any]) -> tuple[registry.Kind, Any]:
    found = registry.builtin().kind(api_version, kind)
    obj = found.decode(msgspec.json.encode(document))
    defaults.apply(found, obj)
    return found, obj


def deployment(replicas: int = 1, **metadata: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"metadata": {"name": "d", "namespace": "n", "generation": 3, **metadata}, "spec": spec}


def updated(old: dict[str, Any], new: dict[str, Any], subresource: str = "") -> Any:
    kind, before = decoded("apps/v1", "Deployment", old)
    _, after = decoded("apps/v1", "Deployment", new)
    strategy.prepare_update(kind, after, before, subresource)
    return after


def test_a_creator_sets_no_status() -> None:
    kind, obj = decoded("apps/v1", "Deployment", {**deployment(), "status": {"replicas": 7}})
    strategy.prepare_create(kind, obj)
    assert obj.status.replicas is None
    assert obj.metadata.generation == 1


def test_a_changed_spec_counts() -> None:
    assert updated(deployment(1), deployment(2)).metadata.generation == 4


def test_a_label_does_not_count_and_an_annotation_of_a_deployment_does() -> None:
    assert updated(deployment(), deployment(labels={"x": "y"})).metadata.generation == 3
    assert updated(deployment(), deployment(annotations={"x": "y"})).metadata.generation == 4


def test_the_status_endpoint_leaves_the_spec() -> None:
    after = updated(deployment(1), {**deployment(2), "status": {"replicas": 1}}, "status")
    assert (after.spec.replicas, after.status.replicas, after.metadata.generation) == (1, 1, 3)


def test_the_object_s_endpoint_leaves_the_status() -> None:
    after = updated({**deployment(1), "status": {"replicas": 1}}, {**deployment(2), "status": {"replicas": 9}})
    assert (after.spec.replicas, after.status.replicas) == (2, 1)


def test_what_the_server_set_stays_when_the_request_is_silent() -> None:
    old = deployment(uid="u", creationTimestamp="2026-01-01T00:00:00Z")
    after = updated(old, deployment(generation=99))
    assert (after.metadata.uid, after.metadata.generation) == ("u", 3)
    assert after.metadata.creationTimestamp == "2026-01-01T00:00:00Z"


def test_a_service_keeps_what_was_given_out() -> None:
    port = {"name": "a", "port": 80}
    old = {
        "clusterIP": "10.96.0.5",
        "clusterIPs": ["10.96.0.5"],
        "type": "NodePort",
        "ports": [{**port, "nodePort": 30001}],
    }
    kind, before = decoded("v1", "Service", {"metadata": {"name": "s"}, "spec": old})
    _, after = decoded("v1", "Service", {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [port]}})
    strategy.prepare_update(kind, after, before)
    assert (after.spec.clusterIP, after.spec.clusterIPs) == ("10.96.0.5", ["10.96.0.5"])
    assert after.spec.ports[0].nodePort == 30001


def test_a_service_that_stops_needing_node_ports_loses_them() -> None:
    port = {"name": "a", "port": 80, "nodePort": 30001}
    kind, before = decoded("v1", "Service", {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [port]}})
    _, after = decoded("v1", "Service", {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "ports": [port]}})
    strategy.prepare_update(kind, after, before)
    assert after.spec.ports[0].nodePort is None


def test_a_job_selects_its_pods_by_its_uid() -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}
    kind, job = decoded("batch/v1", "Job", {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": template}})
    strategy.prepare_create(kind, job)
    assert job.spec.selector.matchLabels == {"batch.kubernetes.io/controller-uid": "u"}
    assert job.spec.template.metadata.labels["job-name"] == "j"


def test_resizing_touches_resources_alone() -> None:
    container = {"name": "c", "image": "i:1", "resources": {"requests": {"cpu": "1"}}}
    kind, before = decoded("v1", "Pod", {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    wanted = {**container, "image": "other:1", "resources": {"requests": {"cpu": "2"}}}
    _, after = decoded("v1", "Pod", {"metadata": {"name": "p"}, "spec": {"containers": [wanted]}})
    strategy.prepare_update(kind, after, before, "resize")
    assert (after.spec.containers[0].image, after.spec.containers[0].resources.requests) == ("i:1", {"cpu": "2"})
