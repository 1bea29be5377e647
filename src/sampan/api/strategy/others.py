"""Strategies of the groups whose kinds need little more than a word each. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.strategy.habits import COUNTED, Strategy, content_changed, never, reset_metadata, spec_changed

RESET = Strategy(status_metadata=reset_metadata)
COUNTED_RESET = Strategy(generation=True, status_metadata=reset_metadata)
TAKEN_AS_GIVEN = Strategy(drops_status=False, drops_status_on_update=False)


def slice_changed(new: Any, old: Any) -> bool:
    """Labels of an endpoint slice say whose it is, so they count."""
    return content_changed(new, old) or (new.metadata.labels or {}) != (old.metadata.labels or {})


def definition_changed(new: Any, old: Any) -> bool:
    """Schemas inside schemas are Structs in the new definition and plain values in one read from the store."""
    return bool(msgspec.to_builtins(new.spec) != msgspec.to_builtins(old.spec))


TOLD_TO_KUBELETS = ("tokenRequests", "requiresRepublish", "seLinuxMount")


def count_driver(new: Any, old: Any) -> None:
    """A CSI driver counts, from its first change on, what kubelets must be told of."""
    if any(getattr(new.spec, name) != getattr(old.spec, name) for name in TOLD_TO_KUBELETS):
        new.metadata.generation = (old.metadata.generation or 0) + 1


DECISIONS = ("Approved", "Denied")


def keep_spec(new: Any, old: Any) -> None:
    """A certificate request asks once."""
    new.spec = old.spec


def decisions(status: Any) -> list[Any]:
    return [c for c in (status.conditions if status is not None else None) or () if c.type in DECISIONS]


def update_request_status(new: Any, old: Any) -> None:
    """A signer gives certificates and tells of failures; whether to sign is not its to say."""
    new.spec = old.spec
    if new.status is not None:
        others = [c for c in new.status.conditions or () if c.type not in DECISIONS]
        new.status.conditions = [*decisions(old.status), *others] or None


def update_request_approval(new: Any, old: Any) -> None:
    """An approver decides, and does nothing else."""
    new.spec = old.spec
    if new.status is not None and old.status is not None:
        new.status.certificate = old.status.certificate


STRATEGIES: dict[tuple[str, str], Strategy] = {
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): COUNTED,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): COUNTED,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): COUNTED,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): COUNTED_RESET,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): COUNTED,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): COUNTED,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Strategy(
        generation=True, changed=definition_changed, status_metadata=reset_metadata
    ),
    ("authentication.k8s.io", "SelfSubjectReview"): TAKEN_AS_GIVEN,
    ("certificates.k8s.io", "CertificateSigningRequest"): Strategy(
        update=keep_spec,
        subresources={"status": update_request_status, "approval": update_request_approval},
    ),
    ("discovery.k8s.io", "EndpointSlice"): Strategy(generation=True, changed=slice_changed),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): Strategy(
        generation=True, changed=spec_changed, status_metadata=reset_metadata
    ),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): Strategy(
        generation=True, changed=spec_changed, status_metadata=reset_metadata
    ),
    ("networking.k8s.io", "Ingress"): Strategy(generation=True, changed=spec_changed),
    ("networking.k8s.io", "IngressClass"): Strategy(generation=True, changed=spec_changed),
    ("networking.k8s.io", "NetworkPolicy"): Strategy(generation=True, changed=spec_changed),
    ("networking.k8s.io", "ServiceCIDR"): RESET,
    ("policy", "PodDisruptionBudget"): Strategy(generation=True, changed=spec_changed),
    ("resource.k8s.io", "DeviceClass"): COUNTED,
    ("resource.k8s.io", "DeviceTaintRule"): COUNTED_RESET,
    ("resource.k8s.io", "ResourceClaim"): RESET,
    ("resource.k8s.io", "ResourceSlice"): COUNTED,
    ("scheduling.k8s.io", "PriorityClass"): Strategy(generation=True, changed=never),
    ("apiregistration.k8s.io", "APIService"): RESET,
    ("storage.k8s.io", "CSIDriver"): Strategy(update=count_driver),
    ("storage.k8s.io", "VolumeAttachment"): RESET,
}
