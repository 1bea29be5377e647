"""Strategies of the core group. Source: API reference v1.36; API conventions, "Spec and Status"."""

from __future__ import annotations

from typing import Any

from sampan.api.bycontent import share
from sampan.api.kinds import core_v1
from sampan.api.strategy import podcreation, podupdates, services
from sampan.api.strategy.habits import Strategy, spec_changed

GROUP = ""
NAMESPACE_FINALIZER = "kubernetes"


def create_pod(o: Any) -> None:
    """A new pod is pending, and its quality of service is known from its resources. Its spec is complete now."""
    from sampan.api.strategy.qos import quality_of_service

    o.status = core_v1.PodStatus(phase="Pending")
    podcreation.complete(o)
    o.spec = share(o.spec)
    o.status.qosClass = quality_of_service(o.spec)


def update_pod(new: Any, old: Any) -> None:
    new.status = old.status


def update_pod_status(new: Any, old: Any) -> None:
    """The status endpoint owns the status alone; its quality of service class never changes."""
    new.spec = old.spec
    new.metadata.ownerReferences = old.metadata.ownerReferences
    if old.status is not None and new.status is not None and not new.status.qosClass:
        new.status.qosClass = old.status.qosClass
    if old.status is not None and new.status is not None:
        keep_observed(new.status, old.status)


def keep_observed(new: Any, old: Any) -> None:
    """A kubelet that does not know of observed generations does not take them away."""
    if not new.observedGeneration:
        new.observedGeneration = old.observedGeneration
    before: dict[str | None, list[int | None]] = {}
    for condition in old.conditions or ():
        before.setdefault(condition.type, []).append(condition.observedGeneration)
    for condition in new.conditions or ():
        known = before.get(condition.type)
        observed = known.pop(0) if known else None
        if not condition.observedGeneration:
            condition.observedGeneration = observed


def create_namespace(o: Any) -> None:
    o.status = core_v1.NamespaceStatus(phase="Active")
    finalizers = o.spec.finalizers or []
    if NAMESPACE_FINALIZER not in finalizers:
        o.spec.finalizers = [*finalizers, NAMESPACE_FINALIZER]


def update_namespace(new: Any, old: Any) -> None:
    new.spec.finalizers = old.spec.finalizers
    new.status = old.status


def finalize_namespace(new: Any, old: Any) -> None:
    new.status = old.status


def create_volume(o: Any) -> None:
    o.status = core_v1.PersistentVolumeStatus(phase="Pending", lastPhaseTransitionTime=o.metadata.creationTimestamp)


def create_claim(o: Any) -> None:
    o.status = core_v1.PersistentVolumeClaimStatus(phase="Pending")
    normalise_data_source(o.spec)


def update_claim(new: Any, old: Any) -> None:
    new.status = old.status
    normalise_data_source(new.spec)


def normalise_data_source(spec: Any) -> None:
    """`dataSource` and `dataSourceRef` say the same where both can (KEP-1495)."""
    source, reference = spec.dataSource, spec.dataSourceRef
    if source is not None and reference is None:
        spec.dataSourceRef = core_v1.TypedObjectReference(apiGroup=source.apiGroup, kind=source.kind, name=source.name)
    elif reference is not None and source is None and not reference.namespace:
        spec.dataSource = core_v1.TypedLocalObjectReference(
            apiGroup=reference.apiGroup, kind=reference.kind, name=reference.name
        )


def stamp_volume_phase(new: Any, old: Any, now: str) -> None:
    """When a volume came into its phase, unless the client says (KEP-3762)."""
    after, before = new.status, old.status
    if after is None or before is None or after.phase == before.phase:
        return
    if after.lastPhaseTransitionTime in (None, before.lastPhaseTransitionTime):
        after.lastPhaseTransitionTime = now


def only_secret_names(o: Any) -> None:
    """Of the secrets that an account may use only the names count."""
    if o.secrets:
        o.secrets = [core_v1.ObjectReference(name=s.name) for s in o.secrets]


def update_account(new: Any, old: Any) -> None:
    only_secret_names(new)


def create_limit_range(o: Any) -> None:
    """A limit range without a name gets one."""
    if not o.metadata.name:
        o.metadata.name = o.metadata.uid


STRATEGIES: dict[str, Strategy] = {
    "LimitRange": Strategy(create=create_limit_range),
    "Namespace": Strategy(
        create=create_namespace,
        update=update_namespace,
        subresources={"finalize": finalize_namespace},
        resets={"finalize": {"f:status": {}}},
    ),
    "Node": Strategy(drops_status=False),
    "PersistentVolume": Strategy(create=create_volume, stamps={"status": stamp_volume_phase}),
    "PersistentVolumeClaim": Strategy(create=create_claim, update=update_claim),
    "Pod": Strategy(
        generation=True,
        changed=spec_changed,
        drops_status=False,
        create=create_pod,
        update=update_pod,
        subresources={
            "status": update_pod_status,
            "ephemeralcontainers": podupdates.only_ephemeral_containers,
            "resize": podupdates.only_resources,
        },
        resets={"status": {"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}}},
    ),
    "PodTemplate": Strategy(generation=True),
    "ReplicationController": Strategy(generation=True, changed=spec_changed),
    "ServiceAccount": Strategy(create=only_secret_names, update=update_account),
    "Service": Strategy(create=services.create, update=services.update),
}
