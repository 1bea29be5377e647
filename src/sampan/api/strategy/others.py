"""Strategies of the groups whose kinds need little more than a word each. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.kinds import apiregistration_v1
from sampan.api.strategy.habits import COUNTED, Strategy, content_changed, never, reset_metadata, spec_changed

RESET = Strategy(status_metadata=reset_metadata)
COUNTED_RESET = Strategy(generation=True, status_metadata=reset_metadata)
TAKEN_AS_GIVEN = Strategy(drops_status=False, drops_status_on_update=False)


def slice_changed(new: Any, old: Any) -> bool:
    """Labels of an endpoint slice say whose it is, so they count."""
    return content_changed(new, old) or (new.metadata.labels or {}) != (old.metadata.labels or {})


def drop_topology(o: Any) -> None:
    """What v1 shows of an older version's topology is not written through v1."""
    for each in o.endpoints or ():
        each.deprecatedTopology = None


def drop_new_topology(new: Any, old: Any) -> None:
    if new.endpoints != old.endpoints:
        drop_topology(new)


def definition_changed(new: Any, old: Any) -> bool:
    """Schemas inside schemas are Structs in the new definition and plain values in one read from the store."""
    return bool(msgspec.to_builtins(new.spec) != msgspec.to_builtins(old.spec))


TOLD_TO_KUBELETS = ("tokenRequests", "requiresRepublish", "seLinuxMount")


def count_driver(new: Any, old: Any) -> None:
    """A CSI driver counts, from its first change on, what kubelets must be told of."""
    if any(getattr(new.spec, name) != getattr(old.spec, name) for name in TOLD_TO_KUBELETS):
        new.metadata.generation = (old.metadata.generation or 0) + 1


def add_stored_version(new: Any, old: Any) -> None:
    """A version that objects are stored in from now on is one that they may be stored in."""
    status = new.status
    stored = next((v.name for v in new.spec.versions or () if v.storage), None)
    if status is not None and stored and stored not in (status.storedVersions or ()):
        status.storedVersions = [*(status.storedVersions or ()), stored]


LOCAL_SERVICE = "Local APIServices are always available"


def create_service(o: Any) -> None:
    """What the server itself serves is there from the start."""
    if o.spec.service is None:
        condition = apiregistration_v1.APIServiceCondition(
            type="Available",
            status="True",
            reason="Local",
            message=LOCAL_SERVICE,
            lastTransitionTime=o.metadata.creationTimestamp,
        )
        o.status.conditions = [condition]


STRATEGIES: dict[tuple[str, str], Strategy] = {
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): COUNTED,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): COUNTED,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): COUNTED,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): COUNTED_RESET,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): COUNTED,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): COUNTED,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Strategy(
        generation=True,
        changed=definition_changed,
        update=add_stored_version,
        resets={"status": {"f:spec": {}, "f:metadata": {}}},
    ),
    ("authentication.k8s.io", "SelfSubjectReview"): TAKEN_AS_GIVEN,
    ("discovery.k8s.io", "EndpointSlice"): Strategy(
        generation=True, changed=slice_changed, create=drop_topology, update=drop_new_topology
    ),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): Strategy(
        generation=True, changed=spec_changed, status_metadata=reset_metadata
    ),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): Strategy(
        generation=True, changed=spec_changed, status_metadata=reset_metadata
    ),
    ("networking.k8s.io", "Ingress"): Strategy(generation=True, changed=spec_changed),
    ("networking.k8s.io", "IngressClass"): Strategy(generation=True, changed=spec_changed),
    ("networking.k8s.io", "NetworkPolicy"): Strategy(generation=True, changed=spec_changed),
    ("internal.apiserver.k8s.io", "StorageVersion"): RESET,
    ("networking.k8s.io", "ServiceCIDR"): Strategy(
        drops_status=False, drops_status_on_update=False, status_metadata=reset_metadata
    ),
    ("policy", "PodDisruptionBudget"): Strategy(generation=True, changed=spec_changed),
    ("scheduling.k8s.io", "PodGroup"): RESET,
    ("scheduling.k8s.io", "PriorityClass"): Strategy(generation=True, changed=never),
    ("apiregistration.k8s.io", "APIService"): Strategy(create=create_service, status_metadata=reset_metadata),
    ("storage.k8s.io", "CSIDriver"): Strategy(update=count_driver),
    ("storage.k8s.io", "VolumeAttachment"): RESET,
    ("storagemigration.k8s.io", "StorageVersionMigration"): RESET,
}
