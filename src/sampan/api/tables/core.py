"""Tables of the core group."""

from __future__ import annotations

from typing import Any

from sampan.api.quantity import canonical
from sampan.api.tables import AGE, CONTAINERS, IMAGES, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, UNKNOWN, UNSET, age, at, containers, labels, shortened, since
from sampan.api.tables.pod_status import summary

ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
ROLE_PREFIX = "node-role.kubernetes.io/"
STORAGE_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def pod(obj: Any, now: float) -> Cells:
    ready, status, restarts = summary(obj, now)
    addresses = at(obj, "status.podIPs", [])
    return [
        obj.metadata.name,
        ready,
        status,
        restarts,
        age(obj, now),
        (addresses[0].ip if addresses else None) or NONE,
        at(obj, "spec.nodeName") or NONE,
        at(obj, "status.nominatedNodeName") or NONE,
        readiness_gates(obj),
    ]


def readiness_gates(obj: Any) -> str:
    gates = at(obj, "spec.readinessGates", [])
    found = {c.type: c.status for c in reversed(at(obj, "status.conditions", []))}
    return f"{sum(found.get(g.conditionType) == 'True' for g in gates)}/{len(gates)}" if gates else NONE


def pod_conditions(obj: Any) -> list[dict[str, str]]:
    message = COMPLETED.get(at(obj, "status.phase", ""))
    if not message:
        return []
    return [{"type": "Completed", "status": "True", "reason": obj.status.phase, "message": message}]


COMPLETED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


def pod_template(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, *containers(obj.template), labels(at(obj, "template.metadata.labels"))]


def replication_controller(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        at(obj, "spec.replicas", 0),
        at(obj, "status.replicas", 0),
        at(obj, "status.readyReplicas", 0),
        age(obj, now),
        *containers(at(obj, "spec.template")),
        labels(at(obj, "spec.selector")),
    ]


def service(obj: Any, now: float) -> Cells:
    addresses = at(obj, "spec.clusterIPs", [])
    ports = ",".join(map(service_port, at(obj, "spec.ports", [])))
    return [
        obj.metadata.name,
        at(obj, "spec.type", ""),
        addresses[0] if addresses else NONE,
        external_address(obj),
        ports or NONE,
        age(obj, now),
        labels(at(obj, "spec.selector")),
    ]


def service_port(port: Any) -> str:
    node_port = f":{port.nodePort}" if port.nodePort else ""
    return f"{port.port}{node_port}/{port.protocol or ''}"


def external_address(obj: Any) -> str:
    external = at(obj, "spec.externalIPs", [])
    match at(obj, "spec.type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or NONE
        case "LoadBalancer":
            return ",".join([*load_balancer(obj), *external]) or "<pending>"
        case "ExternalName":
            return str(at(obj, "spec.externalName", ""))
    return UNKNOWN


def load_balancer(obj: Any) -> list[str]:
    """Addresses or host names of a load balancer's entry points, each once."""
    found = [i.ip or i.hostname for i in at(obj, "status.loadBalancer.ingress", [])]
    return list(dict.fromkeys(filter(None, found)))


def endpoints(obj: Any, now: float) -> Cells:
    found: list[str] = []
    for subset in obj.subsets or []:
        addresses = [a.ip for a in subset.addresses or []]
        if subset.ports:
            found += [f"{host(a)}:{p.port}" for p in subset.ports for a in addresses]
        else:
            found += addresses
    return [obj.metadata.name, shortened(found, "" if obj.subsets else NONE), age(obj, now)]


def host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def node(obj: Any, now: float) -> Cells:
    info = at(obj, "status.nodeInfo")
    return [
        obj.metadata.name,
        node_status(obj),
        ",".join(node_roles(obj)) or NONE,
        age(obj, now),
        at(info, "kubeletVersion", ""),
        node_address(obj, "InternalIP"),
        node_address(obj, "ExternalIP"),
        at(info, "osImage") or UNKNOWN,
        at(info, "kernelVersion") or UNKNOWN,
        at(info, "containerRuntimeVersion") or UNKNOWN,
    ]


def node_status(obj: Any) -> str:
    ready = [c for c in at(obj, "status.conditions", []) if c.type == "Ready"]
    status = "Unknown" if not ready else "Ready" if ready[-1].status == "True" else "NotReady"
    return f"{status},SchedulingDisabled" if at(obj, "spec.unschedulable") else status


def node_roles(obj: Any) -> list[str]:
    found = obj.metadata.labels or {}
    roles = {k.removeprefix(ROLE_PREFIX) for k in found if k.startswith(ROLE_PREFIX)} | {
        found.get("kubernetes.io/role")
    }
    return sorted(r for r in roles if r)


def node_address(obj: Any, kind: str) -> str:
    return next((a.address for a in at(obj, "status.addresses", []) if a.type == kind), NONE)


def event(obj: Any, now: float) -> Cells:
    first = since(obj.firstTimestamp or obj.eventTime, now)
    last = since(obj.lastTimestamp, now) if obj.lastTimestamp else first
    count = obj.count or 1
    if obj.series is not None:
        last, count = since(obj.series.lastObservedTime, now), obj.series.count or 0
    component = at(obj, "source.component") or obj.reportingComponent or ""
    instance = at(obj, "source.host") or obj.reportingInstance
    return [
        last,
        obj.type or "",
        obj.reason or "",
        involved(obj.involvedObject),
        at(obj, "involvedObject.fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        (obj.message or "").strip(),
        first,
        count,
        obj.metadata.name,
    ]


def involved(reference: Any) -> str:
    kind = at(reference, "kind", "").lower()
    name = at(reference, "name", "")
    return f"{kind}/{name}" if name else kind


def namespace(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, at(obj, "status.phase", ""), age(obj, now)]


def secret(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, obj.type or "", len(obj.data or ()), age(obj, now)]


def config_map(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, len(obj.data or ()) + len(obj.binaryData or ()), age(obj, now)]


def service_account(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, age(obj, now)]


def component_status(obj: Any, now: float) -> Cells:
    healthy = next((c for c in obj.conditions or [] if c.type == "Healthy"), None)
    status = "Unknown" if healthy is None else "Healthy" if healthy.status == "True" else "Unhealthy"
    return [obj.metadata.name, status, at(healthy, "message", ""), at(healthy, "error", "")]


def persistent_volume(obj: Any, now: float) -> Cells:
    claim = at(obj, "spec.claimRef")
    return [
        obj.metadata.name,
        storage(at(obj, "spec.capacity")),
        access_modes(at(obj, "spec.accessModes")),
        at(obj, "spec.persistentVolumeReclaimPolicy", ""),
        "Terminating" if obj.metadata.deletionTimestamp else at(obj, "status.phase", ""),
        f"{claim.namespace or ''}/{claim.name or ''}" if claim else "",
        storage_class(obj),
        at(obj, "spec.volumeAttributesClassName", UNSET),
        at(obj, "status.reason", ""),
        age(obj, now),
        at(obj, "spec.volumeMode", UNSET),
    ]


def persistent_volume_claim(obj: Any, now: float) -> Cells:
    volume = at(obj, "spec.volumeName", "")
    return [
        obj.metadata.name,
        "Terminating" if obj.metadata.deletionTimestamp else at(obj, "status.phase", ""),
        volume,
        storage(at(obj, "status.capacity")) if volume else "",
        access_modes(at(obj, "status.accessModes")) if volume else "",
        storage_class(obj),
        at(obj, "spec.volumeAttributesClassName", UNSET),
        age(obj, now),
        at(obj, "spec.volumeMode", UNSET),
    ]


def storage(amounts: dict[str, Any] | None) -> str:
    return canonical((amounts or {}).get("storage", "0"))


def access_modes(modes: list[str] | None) -> str:
    return ",".join(short for mode, short in ACCESS_MODES.items() if mode in (modes or ()))


def storage_class(obj: Any) -> str:
    annotated = (obj.metadata.annotations or {}).get(STORAGE_CLASS_ANNOTATION)
    return str(at(obj, "spec.storageClassName", "") if annotated is None else annotated)


def resource_quota(obj: Any, now: float) -> Cells:
    hard, used = at(obj, "status.hard", {}), at(obj, "status.used", {})
    texts = {name: f"{name}: {canonical(used.get(name, '0'))}/{canonical(hard[name])}" for name in sorted(hard)}
    limits = [text for name, text in texts.items() if name.startswith("limits.")]
    requests = [text for name, text in texts.items() if not name.startswith("limits.")]
    return [obj.metadata.name, ", ".join(requests), ", ".join(limits), age(obj, now)]


POD = (
    NAME,
    Column("Ready", text="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", text="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        text="The number of times the containers in this pod have been restarted and when the last container in this "
        "pod has restarted.",
    ),
    AGE,
    Column("IP", "core.v1.PodStatus.podIP", priority=1),
    Column("Node", "core.v1.PodSpec.nodeName", priority=1),
    Column("Nominated Node", "core.v1.PodStatus.nominatedNodeName", priority=1),
    Column("Readiness Gates", "core.v1.PodSpec.readinessGates", priority=1),
)
POD_TEMPLATE = (
    NAME,
    Column("Containers", text=CONTAINERS.text),
    Column("Images", text=IMAGES.text),
    Column("Pod Labels", text="The labels for the pod template."),
)
REPLICATION_CONTROLLER = (
    NAME,
    Column("Desired", "core.v1.ReplicationControllerSpec.replicas", type="integer"),
    Column("Current", "core.v1.ReplicationControllerStatus.replicas", type="integer"),
    Column("Ready", "core.v1.ReplicationControllerStatus.readyReplicas", type="integer"),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", "core.v1.ReplicationControllerSpec.selector", priority=1),
)
SERVICE = (
    NAME,
    Column("Type", "core.v1.ServiceSpec.type"),
    Column("Cluster-IP", "core.v1.ServiceSpec.clusterIP"),
    Column("External-IP", "core.v1.ServiceSpec.externalIPs"),
    Column("Port(s)", "core.v1.ServiceSpec.ports"),
    AGE,
    Column("Selector", "core.v1.ServiceSpec.selector", priority=1),
)
NODE = (
    NAME,
    Column("Status", text="The status of the node"),
    Column("Roles", text="The roles of the node"),
    AGE,
    Column("Version", "core.v1.NodeSystemInfo.kubeletVersion"),
    Column("Internal-IP", "core.v1.NodeStatus.addresses", priority=1),
    Column("External-IP", "core.v1.NodeStatus.addresses", priority=1),
    Column("OS-Image", "core.v1.NodeSystemInfo.osImage", priority=1),
    Column("Kernel-Version", "core.v1.NodeSystemInfo.kernelVersion", priority=1),
    Column("Container-Runtime", "core.v1.NodeSystemInfo.containerRuntimeVersion", priority=1),
)
EVENT = (
    Column("Last Seen", "core.v1.Event.lastTimestamp"),
    Column("Type", "core.v1.Event.type"),
    Column("Reason", "core.v1.Event.reason"),
    Column("Object", "core.v1.Event.involvedObject"),
    Column("Subobject", "core.v1.ObjectReference.fieldPath", priority=1),
    Column("Source", "core.v1.Event.source", priority=1),
    Column("Message", "core.v1.Event.message"),
    Column("First Seen", "core.v1.Event.firstTimestamp", priority=1),
    Column("Count", "core.v1.Event.count", priority=1),
    Column("Name", NAME.field, format="name", priority=1),
)
PERSISTENT_VOLUME = (
    NAME,
    Column("Capacity", "core.v1.PersistentVolumeSpec.capacity"),
    Column("Access Modes", "core.v1.PersistentVolumeSpec.accessModes"),
    Column("Reclaim Policy", "core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy"),
    Column("Status", "core.v1.PersistentVolumeStatus.phase"),
    Column("Claim", "core.v1.PersistentVolumeSpec.claimRef"),
    Column("StorageClass", text="StorageClass of the pv"),
    Column("VolumeAttributesClass", text="VolumeAttributesClass of the pv"),
    Column("Reason", "core.v1.PersistentVolumeStatus.reason"),
    AGE,
    Column("VolumeMode", "core.v1.PersistentVolumeSpec.volumeMode", priority=1),
)
PERSISTENT_VOLUME_CLAIM = (
    NAME,
    Column("Status", "core.v1.PersistentVolumeClaimStatus.phase"),
    Column("Volume", "core.v1.PersistentVolumeClaimSpec.volumeName"),
    Column("Capacity", "core.v1.PersistentVolumeClaimStatus.capacity"),
    Column("Access Modes", "core.v1.PersistentVolumeClaimStatus.accessModes"),
    Column("StorageClass", text="StorageClass of the pvc"),
    Column("VolumeAttributesClass", text="VolumeAttributesClass of the pvc"),
    AGE,
    Column("VolumeMode", "core.v1.PersistentVolumeClaimSpec.volumeMode", priority=1),
)
RESOURCE_QUOTA = (
    NAME,
    Column("Request", text="Request represents a minimum amount of cpu/memory that a container may consume."),
    Column(
        "Limit",
        text="Limits control the maximum amount of cpu/memory that a container may use independent of contention on "
        "the node.",
    ),
    AGE,
)
COMPONENT_STATUS = (
    NAME,
    Column("Status", text="Status of the component conditions"),
    Column("Message", text="Message of the component conditions"),
    Column("Error", text="Error of the component conditions"),
)

TABLES = {
    "ComponentStatus": Table(COMPONENT_STATUS, component_status),
    "ConfigMap": Table((NAME, Column("Data", "core.v1.ConfigMap.data"), AGE), config_map),
    "Endpoints": Table((NAME, Column("Endpoints", "core.v1.Endpoints.subsets"), AGE), endpoints),
    "Event": Table(EVENT, event),
    "Namespace": Table((NAME, Column("Status", text="The status of the namespace"), AGE), namespace),
    "Node": Table(NODE, node),
    "PersistentVolume": Table(PERSISTENT_VOLUME, persistent_volume),
    "PersistentVolumeClaim": Table(PERSISTENT_VOLUME_CLAIM, persistent_volume_claim),
    "Pod": Table(POD, pod, pod_conditions),
    "PodTemplate": Table(POD_TEMPLATE, pod_template),
    "ReplicationController": Table(REPLICATION_CONTROLLER, replication_controller),
    "ResourceQuota": Table(RESOURCE_QUOTA, resource_quota),
    "Secret": Table((NAME, Column("Type", "core.v1.Secret.type"), Column("Data", "core.v1.Secret.data"), AGE), secret),
    "Service": Table(SERVICE, service),
    "ServiceAccount": Table((NAME, AGE), service_account),
}
