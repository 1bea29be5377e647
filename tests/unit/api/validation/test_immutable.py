"""What no update may change, kind by kind: (kind, field, before, after, the first thing told), a row each.

The objects are the small ones of `tests/api/every_kind.yaml`.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from sampan.api import defaults, registry, strategy, validation

SMALL = yaml.safe_load((Path(__file__).parents[3] / "api" / "every_kind.yaml").read_text())
FIXED = "field is immutable"
ZONE = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}
HOST = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "b", "operator": "Exists"}]}]}}
CLAIM = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName"
STATEFUL = "spec: Forbidden: updates to statefulset spec for fields other than"
NODE = 'node updates may not change {} except from "" to valid'
DEVICES = [{"requests": [{"name": n, "exactly": {"deviceClassName": "c"}}]} for n in ("a", "b")]

ROWS: list[tuple[str, str, Any, Any, str]] = [
    ("/ConfigMap", "immutable", True, False, "immutable: Forbidden: field is immutable when `immutable` is set"),
    ("/Event", "reason", "A", "B", ""),
    ("/Node", "spec.podCIDR", "10.0.0.0/24", "10.1.0.0/24", f"spec.podCIDRs: Forbidden: {NODE.format('podCIDR')}"),
    ("/Node", "spec.providerID", "a", "b", f"spec.providerID: Forbidden: {NODE.format('providerID')}"),
    ("/PersistentVolume", "spec.hostPath.path", "/a", "/b", "spec.persistentvolumesource: Forbidden: "),
    ("/PersistentVolume", "spec.nodeAffinity", ZONE, HOST, "nodeAffinity: Invalid value: "),
    (
        "/PersistentVolume",
        "spec.volumeMode",
        "Block",
        "Filesystem",
        f'volumeMode: Invalid value: "Filesystem": {FIXED}',
    ),
    ("/PersistentVolumeClaim", "spec.accessModes", ["ReadWriteOnce"], ["ReadWriteMany"], CLAIM),
    ("/PersistentVolumeClaim", "spec.storageClassName", "a", "b", CLAIM),
    (
        "/ResourceQuota",
        "spec.scopes",
        ["BestEffort"],
        ["NotBestEffort"],
        'spec.scopes: Invalid value: ["NotBestEffort"]',
    ),
    ("/Secret", "immutable", True, False, "immutable: Forbidden: field is immutable when `immutable` is set"),
    ("/Secret", "type", "Opaque", "x/y", f'type: Invalid value: "x/y": {FIXED}'),
    ("apps/ControllerRevision", "data", {"a": "b"}, {"a": "c"}, f'data: Invalid value: {{"a":"c"}}: {FIXED}'),
    ("apps/DaemonSet", "spec.selector.matchLabels", {"a": "b"}, {"c": "d"}, "spec.selector: Invalid value: "),
    ("apps/Deployment", "spec.selector.matchLabels", {"a": "b"}, {"a": "c"}, "spec.template.metadata.labels: "),
    ("apps/StatefulSet", "spec.podManagementPolicy", "Parallel", "OrderedReady", STATEFUL),
    ("apps/StatefulSet", "spec.serviceName", "a", "b", STATEFUL),
    ("coordination.k8s.io/LeaseCandidate", "spec.leaseName", "a", "b", f'spec.leaseName: Invalid value: "b": {FIXED}'),
    ("discovery.k8s.io/EndpointSlice", "addressType", "FQDN", "IPv4", f'addressType: Invalid value: "IPv4": {FIXED}'),
    ("events.k8s.io/Event", "reason", "A", "B", f'reason: Invalid value: "B": {FIXED}'),
    ("networking.k8s.io/IPAddress", "spec.parentRef.name", "a", "b", "spec.parentRef: Invalid value: "),
    (
        "networking.k8s.io/IngressClass",
        "spec.controller",
        "a/b",
        "a/c",
        f'spec.controller: Invalid value: "a/c": {FIXED}',
    ),
    ("networking.k8s.io/ServiceCIDR", "spec.cidrs", ["10.7.0.0/24"], ["10.8.0.0/24"], "spec.cidrs[0]: Invalid value: "),
    ("node.k8s.io/RuntimeClass", "handler", "a", "b", f'handler: Invalid value: "b": {FIXED}'),
    ("rbac.authorization.k8s.io/ClusterRoleBinding", "roleRef.name", "a", "b", "roleRef: Invalid value: "),
    ("rbac.authorization.k8s.io/RoleBinding", "roleRef.name", "a", "b", "roleRef: Invalid value: "),
    ("resource.k8s.io/ResourceClaim", "spec.devices", *DEVICES, "spec: Invalid value: "),
    ("resource.k8s.io/ResourceClaimTemplate", "spec.spec.devices", *DEVICES, "spec: Invalid value: "),
    ("resource.k8s.io/ResourcePoolStatusRequest", "spec.driver", "a.b", "a.c", "spec: Invalid value: "),
    ("resource.k8s.io/ResourceSlice", "spec.driver", "a.b", "a.c", f'spec.driver: Invalid value: "a.c": {FIXED}'),
    ("resource.k8s.io/ResourceSlice", "spec.nodeName", "a", "b", f'spec.nodeName: Invalid value: "b": {FIXED}'),
    ("resource.k8s.io/ResourceSlice", "spec.pool.name", "a", "b", f'spec.pool.name: Invalid value: "b": {FIXED}'),
    ("scheduling.k8s.io/PodGroup", "spec.disruptionMode", "Pod", "PodGroup", "spec.disruptionMode: Invalid value: "),
    ("scheduling.k8s.io/PriorityClass", "preemptionPolicy", "Never", "PreemptLowerPriority", "preemptionPolicy: "),
    ("scheduling.k8s.io/PriorityClass", "value", 1, 2, "value: Forbidden: may not be changed in an update."),
    (
        "scheduling.k8s.io/Workload",
        "spec.podGroupTemplates.0.name",
        "a",
        "b",
        "spec.podGroupTemplates: Invalid value: ",
    ),
    ("storage.k8s.io/CSIDriver", "spec.attachRequired", True, False, "spec.attachedRequired: Invalid value: false: "),
    (
        "storage.k8s.io/CSIDriver",
        "spec.volumeLifecycleModes",
        ["Persistent"],
        ["Ephemeral"],
        "spec.volumeLifecycleModes",
    ),
    ("storage.k8s.io/CSINode", "spec.drivers.0.nodeID", "a", "b", "spec.drivers: Invalid value: "),
    ("storage.k8s.io/CSINode", "spec.drivers.0.allocatable", {"count": 1}, {"count": 2}, ""),
    (
        "storage.k8s.io/CSIStorageCapacity",
        "storageClassName",
        "a",
        "b",
        f'storageClassName: Invalid value: "b": {FIXED}',
    ),
    ("storage.k8s.io/StorageClass", "parameters", {"a": "b"}, {}, "parameters: Forbidden: updates to parameters are "),
    ("storage.k8s.io/StorageClass", "provisioner", "a/b", "a/c", "provisioner: Forbidden: updates to provisioner are "),
    ("storage.k8s.io/StorageClass", "reclaimPolicy", "Delete", "Retain", "reclaimPolicy: Forbidden: updates to "),
    ("storage.k8s.io/StorageClass", "volumeBindingMode", "Immediate", "WaitForFirstConsumer", "volumeBindingMode: "),
    ("storage.k8s.io/VolumeAttachment", "spec.nodeName", "a", "b", "spec: Invalid value: "),
    (
        "storage.k8s.io/VolumeAttributesClass",
        "driverName",
        "a.b",
        "a.c",
        "driverName: Forbidden: updates to driverName ",
    ),
    (
        "storage.k8s.io/VolumeAttributesClass",
        "parameters",
        {"a": "b"},
        {"a": "c"},
        "parameters: Forbidden: updates to ",
    ),
    ("storagemigration.k8s.io/StorageVersionMigration", "spec.resource.resource", "a", "b", "spec: Invalid value: "),
]


def kind_of(name: str) -> registry.Kind:
    group, _, kind = name.rpartition("/")
    return next(k for k in registry.builtin().kinds() if (k.group, k.kind) == (group, kind))


def with_field(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    *parents, last = path.split(".")
    inner: Any = made
    for part in parents:
        inner = inner[int(part)] if part.isdigit() else inner.setdefault(part, {})
    inner[last] = value
    return made


def decoded(kind: registry.Kind, document: dict[str, Any]) -> Any:
    obj = kind.decode(msgspec.json.encode(document))
    defaults.apply(kind, obj)
    return obj


@pytest.mark.parametrize(("name", "path", "before", "after", "first"), ROWS, ids=[f"{r[0]} {r[1]}" for r in ROWS])
def test_a_field_stays(name: str, path: str, before: Any, after: Any, first: str) -> None:
    kind = kind_of(name)
    fields = json.loads(json.dumps(SMALL[name]).replace("NAMESPACE", "n"))
    metadata = {"name": fields.pop("name", "x"), "uid": "u"} | ({"namespace": "n"} if kind.namespaced else {})
    old, new = (decoded(kind, with_field({**fields, "metadata": metadata}, path, v)) for v in (before, after))
    strategy.prepare_update(kind, new, old, now=0.0)
    errors = [str(e) for e in validation.update(kind, new, old)]
    assert (errors[0] if errors else "")[: len(first)] == first
    assert bool(errors) == bool(first)
