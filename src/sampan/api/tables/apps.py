"""Tables of apps."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, CONTAINERS, IMAGES, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, age, at, containers, labels, selector


def deployment(obj: Any, now: float) -> Cells:
    matching = selector(at(obj, "spec.selector"))
    return [
        obj.metadata.name,
        f"{at(obj, 'status.readyReplicas', 0)}/{at(obj, 'spec.replicas', 0)}",
        at(obj, "status.updatedReplicas", 0),
        at(obj, "status.availableReplicas", 0),
        age(obj, now),
        *containers(at(obj, "spec.template")),
        "" if matching == NONE else "<invalid>" if matching == "<error>" else matching,
    ]


def replica_set(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        at(obj, "spec.replicas", 0),
        at(obj, "status.replicas", 0),
        at(obj, "status.readyReplicas", 0),
        age(obj, now),
        *containers(at(obj, "spec.template")),
        selector(at(obj, "spec.selector")),
    ]


def stateful_set(obj: Any, now: float) -> Cells:
    ready = f"{at(obj, 'status.readyReplicas', 0)}/{at(obj, 'spec.replicas', 0)}"
    return [obj.metadata.name, ready, age(obj, now), *containers(at(obj, "spec.template"))]


def daemon_set(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        at(obj, "status.desiredNumberScheduled", 0),
        at(obj, "status.currentNumberScheduled", 0),
        at(obj, "status.numberReady", 0),
        at(obj, "status.updatedNumberScheduled", 0),
        at(obj, "status.numberAvailable", 0),
        labels(at(obj, "spec.template.spec.nodeSelector")),
        age(obj, now),
        *containers(at(obj, "spec.template")),
        selector(at(obj, "spec.selector")),
    ]


def controller_revision(obj: Any, now: float) -> Cells:
    owner = next((o for o in obj.metadata.ownerReferences or [] if o.controller), None)
    return [obj.metadata.name, owner_text(owner) if owner else NONE, obj.revision or 0, age(obj, now)]


def owner_text(owner: Any) -> str:
    """`statefulset.apps/web`: kind and group in lower case, and the name."""
    group, slash, _ = (owner.apiVersion or "").partition("/")
    kind = f"{owner.kind}.{group}" if slash else owner.kind
    return f"{kind.lower()}/{owner.name}"


READY = Column("Ready", text="Number of the pod with ready state")
DEPLOYMENT = (
    NAME,
    READY,
    Column("Up-to-date", "apps.v1.DeploymentStatus.updatedReplicas"),
    Column("Available", "apps.v1.DeploymentStatus.availableReplicas"),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", "apps.v1.DeploymentSpec.selector", priority=1),
)
REPLICA_SET = (
    NAME,
    Column("Desired", "apps.v1.ReplicaSetSpec.replicas", type="integer"),
    Column("Current", "apps.v1.ReplicaSetStatus.replicas", type="integer"),
    Column("Ready", "apps.v1.ReplicaSetStatus.readyReplicas", type="integer"),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", "apps.v1.ReplicaSetSpec.selector", priority=1),
)
DAEMON_SET = (
    NAME,
    Column("Desired", "apps.v1.DaemonSetStatus.desiredNumberScheduled", type="integer"),
    Column("Current", "apps.v1.DaemonSetStatus.currentNumberScheduled", type="integer"),
    Column("Ready", "apps.v1.DaemonSetStatus.numberReady", type="integer"),
    Column("Up-to-date", "apps.v1.DaemonSetStatus.updatedNumberScheduled", type="integer"),
    Column("Available", "apps.v1.DaemonSetStatus.numberAvailable", type="integer"),
    Column("Node Selector", "core.v1.PodSpec.nodeSelector"),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", "apps.v1.DaemonSetSpec.selector", priority=1),
)
CONTROLLER_REVISION = (
    NAME,
    Column("Controller", text="Controller of the object"),
    Column("Revision", "apps.v1.ControllerRevision.revision"),
    AGE,
)

TABLES = {
    "ControllerRevision": Table(CONTROLLER_REVISION, controller_revision),
    "DaemonSet": Table(DAEMON_SET, daemon_set),
    "Deployment": Table(DEPLOYMENT, deployment),
    "ReplicaSet": Table(REPLICA_SET, replica_set),
    "StatefulSet": Table((NAME, READY, AGE, CONTAINERS, IMAGES), stateful_set),
}
