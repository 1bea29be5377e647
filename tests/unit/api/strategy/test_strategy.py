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
    strategy.prepare_update(kind, after, before, subresource, now=0.0)
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
    strategy.prepare_update(kind, after, before, now=0.0)
    assert (after.spec.clusterIP, after.spec.clusterIPs) == ("10.96.0.5", ["10.96.0.5"])
    assert after.spec.ports[0].nodePort == 30001


def test_a_service_that_stops_needing_node_ports_loses_them() -> None:
    port = {"name": "a", "port": 80, "nodePort": 30001}
    kind, before = decoded("v1", "Service", {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [port]}})
    _, after = decoded("v1", "Service", {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "ports": [port]}})
    strategy.prepare_update(kind, after, before, now=0.0)
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
    strategy.prepare_update(kind, after, before, "resize", now=0.0)
    assert (after.spec.containers[0].image, after.spec.containers[0].resources.requests) == ("i:1", {"cpu": "2"})


NOW = "1970-01-01T00:00:00Z"
EARLIER = "1960-01-01T00:00:00Z"


def change(api_version: str, name: str, old: dict[str, Any], new: dict[str, Any], subresource: str = "") -> Any:
    """`new` after an update of `old`, at the epoch."""
    kind, before = decoded(api_version, name, {"metadata": {"name": "x"}, **old})
    _, after = decoded(api_version, name, {"metadata": {"name": "x"}, **new})
    strategy.prepare_update(kind, after, before, subresource, now=0.0)
    return after


def created(api_version: str, name: str, document: dict[str, Any]) -> Any:
    metadata = {"name": "x", "uid": "u", "creationTimestamp": NOW, **document.pop("metadata", {})}
    kind, obj = decoded(api_version, name, {"metadata": metadata, **document})
    strategy.prepare_create(kind, obj)
    return obj


def test_conditions_of_a_signing_request_get_times() -> None:
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": EARLIER, "lastUpdateTime": EARLIER}
    again, fresh = {"type": "Failed", "status": "True"}, {"type": "Other", "status": "True"}
    after = change(
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        {"spec": {}, "status": {"conditions": [failed]}},
        {"spec": {}, "status": {"conditions": [again, fresh]}},
        "status",
    )
    times = [(c.type, c.lastTransitionTime, c.lastUpdateTime) for c in after.status.conditions]
    assert times == [("Failed", EARLIER, NOW), ("Other", NOW, NOW)]


def test_a_signer_does_not_change_what_was_decided() -> None:
    approved = {"type": "Approved", "status": "True", "reason": "asked"}
    after = change(
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        {"status": {"conditions": [approved]}},
        {"status": {"conditions": [{**approved, "reason": "other"}]}},
        "status",
    )
    assert after.status.conditions[0].reason == "asked"


def test_a_volume_tells_when_it_came_into_its_phase() -> None:
    def after(new: dict[str, Any]) -> Any:
        old = {"status": {"phase": "Available", "lastPhaseTransitionTime": EARLIER}}
        return change("v1", "PersistentVolume", old, {"status": new}, "status").status.lastPhaseTransitionTime

    assert after({"phase": "Bound"}) == NOW
    assert after({"phase": "Bound", "lastPhaseTransitionTime": EARLIER}) == NOW
    assert after({"phase": "Bound", "lastPhaseTransitionTime": "1965-01-01T00:00:00Z"}) == "1965-01-01T00:00:00Z"
    assert after({"phase": "Available", "lastPhaseTransitionTime": EARLIER}) == EARLIER


def test_a_device_taint_counts_from_its_effect() -> None:
    kind = "resource.k8s.io/v1alpha3", "DeviceTaintRule"
    taint = {"key": "k", "effect": "NoSchedule"}
    assert created(*kind, {"spec": {"taint": taint}}).spec.taint.timeAdded == NOW
    old = {"spec": {"taint": {**taint, "timeAdded": EARLIER}}}
    assert change(*kind, old, old).spec.taint.timeAdded == EARLIER
    changed = {"spec": {"taint": {**taint, "effect": "NoExecute", "timeAdded": EARLIER}}}
    assert change(*kind, old, changed).spec.taint.timeAdded == NOW


def test_what_devices_report_goes_with_their_allocation() -> None:
    def status(*devices: str) -> dict[str, Any]:
        results = [{"request": "r", "driver": "d", "pool": "p", "device": d} for d in devices]
        reports = [{"driver": "d", "pool": "p", "device": d} for d in ("a", "b")]
        return {"spec": {}, "status": {"allocation": {"devices": {"results": results}}, "devices": reports}}

    after = change("resource.k8s.io/v1", "ResourceClaim", status("a", "b"), status("a"), "status")
    assert [d.device for d in after.status.devices] == ["a"]


def test_a_definition_remembers_the_versions_it_stored() -> None:
    def versions(stored: str) -> dict[str, Any]:
        return {"spec": {"versions": [{"name": v, "storage": v == stored} for v in ("v1", "v2")]}}

    old = {**versions("v1"), "status": {"storedVersions": ["v1"]}}
    after = change("apiextensions.k8s.io/v1", "CustomResourceDefinition", old, versions("v2"))
    assert after.status.storedVersions == ["v1", "v2"]


def test_what_the_server_serves_itself_is_available_at_once() -> None:
    spec = {"groupPriorityMinimum": 1, "versionPriority": 1}
    local = created("apiregistration.k8s.io/v1", "APIService", {"spec": spec})
    assert [(c.type, c.status, c.reason) for c in local.status.conditions] == [("Available", "True", "Local")]
    remote = created("apiregistration.k8s.io/v1", "APIService", {"spec": {**spec, "service": {"name": "s"}}})
    assert not remote.status.conditions


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "image": "i:1"}], **spec}}


def test_a_gated_pod_says_why_it_waits() -> None:
    gated = created("v1", "Pod", pod(schedulingGates=[{"name": "g"}]))
    (condition,) = gated.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("PodScheduled", "False", "SchedulingGated")
    assert condition.lastTransitionTime == NOW
    assert not created("v1", "Pod", pod()).status.conditions


def test_keys_to_match_become_part_of_the_selector() -> None:
    selector = {"matchLabels": {"app": "a"}}
    spread = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
        "matchLabelKeys": ["hash", "absent"],
    }
    term = {"topologyKey": "zone", "labelSelector": selector, "matchLabelKeys": ["hash"], "mismatchLabelKeys": ["app"]}
    affinity = {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]
        },
    }
    document = pod(topologySpreadConstraints=[spread], affinity=affinity)
    spec = created("v1", "Pod", {"metadata": {"labels": {"app": "a", "hash": "h"}}, **document}).spec
    near = spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]
    apart = spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm

    def told(each: Any) -> list[tuple[Any, ...]]:
        return [(r.key, r.operator, r.values) for r in each.labelSelector.matchExpressions]

    assert told(spec.topologySpreadConstraints[0]) == [("hash", "In", ["h"])]
    assert told(near) == told(apart) == [("hash", "In", ["h"]), ("app", "NotIn", ["a"])]


def test_a_profile_named_by_an_annotation_becomes_the_container_s() -> None:
    annotations = {"container.apparmor.security.beta.kubernetes.io/c": "localhost/mine"}
    obj = created("v1", "Pod", {"metadata": {"annotations": annotations}, **pod()})
    profile = obj.spec.containers[0].securityContext.appArmorProfile
    assert (profile.type, profile.localhostProfile) == ("Localhost", "mine")
    same = {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}}
    obj = created("v1", "Pod", {"metadata": {"annotations": annotations}, **pod(**same)})
    assert obj.spec.containers[0].securityContext is None


def test_observed_generations_are_not_taken_away() -> None:
    condition = {"type": "Ready", "status": "True"}
    old = {**pod(), "status": {"observedGeneration": 3, "conditions": [{**condition, "observedGeneration": 2}]}}
    after = change("v1", "Pod", old, {**pod(), "status": {"conditions": [condition]}}, "status")
    assert (after.status.observedGeneration, after.status.conditions[0].observedGeneration) == (3, 2)


def test_an_account_keeps_the_names_of_its_secrets_alone() -> None:
    account = created("v1", "ServiceAccount", {"secrets": [{"name": "s", "kind": "Secret", "namespace": "n"}]})
    assert msgspec.to_builtins(account.secrets) == [{"name": "s"}]


def test_a_service_network_s_status_is_taken_as_given() -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "True", "reason": "r", "message": "", "lastTransitionTime": NOW}]
    }
    obj = created("networking.k8s.io/v1", "ServiceCIDR", {"spec": {"cidrs": ["10.0.0.0/8"]}, "status": status})
    assert obj.status.conditions[0].type == "Ready"


def test_the_topology_of_an_older_version_is_not_written_anew() -> None:
    def endpoints(*addresses: str) -> dict[str, Any]:
        every = [{"addresses": [each], "deprecatedTopology": {"zone": "z"}} for each in addresses]
        return {"addressType": "IPv4", "endpoints": every}

    kind = ("discovery.k8s.io/v1", "EndpointSlice")
    assert created(*kind, endpoints("1.2.3.4")).endpoints[0].deprecatedTopology is None
    kept = change(*kind, endpoints("1.2.3.4"), endpoints("1.2.3.4"))
    assert kept.endpoints[0].deprecatedTopology == {"zone": "z"}
    assert change(*kind, endpoints("1.2.3.4"), endpoints("1.2.3.5")).endpoints[0].deprecatedTopology is None
