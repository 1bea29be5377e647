"""Defaults of the core group: pods and what they are made of, services, volumes, nodes, namespaces.

Source: API reference v1.36, "Defaults to" of each field.
"""

from __future__ import annotations

import base64
import re
from operator import attrgetter
from typing import Any

from sampan.api.kinds import core_v1
from sampan.api.remembered import remembered

FILE_MODE = 0o644
TCP = {"protocol": "TCP"}
MODE = {"defaultMode": FILE_MODE}
RBD = {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}
SCALE_IO = {"storageMode": "ThinProvisioned", "fsType": "xfs"}

CONSTANTS: dict[str, dict[str, Any]] = {
    "core_v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite",
        "kind": "Shared",
        "fsType": "ext4",
        "readOnly": False,
    },
    "core_v1.ConfigMapVolumeSource": MODE,
    "core_v1.Container": {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    "core_v1.ContainerPort": TCP,
    "core_v1.DownwardAPIVolumeSource": MODE,
    "core_v1.EndpointPort": TCP,
    "core_v1.EphemeralContainer": {
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    },
    "core_v1.FileKeySelector": {"optional": False},
    "core_v1.GRPCAction": {"service": ""},
    "core_v1.HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    "core_v1.HostPathVolumeSource": {"type": ""},
    "core_v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "core_v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "core_v1.NamespaceStatus": {"phase": "Active"},
    "core_v1.ObjectFieldSelector": {"apiVersion": "v1"},
    "core_v1.PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "core_v1.PersistentVolumeClaimStatus": {"phase": "Pending"},
    "core_v1.PersistentVolumeSpec": {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
    "core_v1.PersistentVolumeStatus": {"phase": "Pending"},
    "core_v1.PodCertificateProjection": {"maxExpirationSeconds": 86400},
    "core_v1.PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
    },
    "core_v1.Probe": {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    "core_v1.ProjectedVolumeSource": MODE,
    "core_v1.RBDPersistentVolumeSource": RBD,
    "core_v1.RBDVolumeSource": RBD,
    "core_v1.ReplicationControllerSpec": {"replicas": 1},
    "core_v1.ScaleIOPersistentVolumeSource": SCALE_IO,
    "core_v1.ScaleIOVolumeSource": SCALE_IO,
    "core_v1.Secret": {"type": "Opaque"},
    "core_v1.SecretVolumeSource": MODE,
    "core_v1.ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    "core_v1.ServiceSpec": {"sessionAffinity": "None", "type": "ClusterIP"},
}

CLIENT_IP_TIMEOUT_SECONDS = 10800
IMAGE_NAME_LENGTH = 255
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def pod(o: Any) -> None:
    spec = o.spec
    if spec.enableServiceLinks is None:
        spec.enableServiceLinks = True
    for containers in (spec.containers, spec.initContainers):
        for container in containers or ():
            requests_from_limits(container.resources)
            if spec.hostNetwork:
                host_ports(container)
    if spec.resources is not None:
        pod_requests(spec)


def requests_from_limits(resources: Any) -> None:
    """What is limited and not requested is requested in full."""
    if resources is not None and resources.limits:
        resources.requests = {**resources.limits, **(resources.requests or {})}


def pod_requests(spec: Any) -> None:
    """Pod-level requests that are not given (KEP-2837): what the containers request if they all do, else the limit."""
    from sampan.api.defaults.podresources import aggregated_requests

    limits, requests = spec.resources.limits or {}, dict(spec.resources.requests or {})
    for name, amount in aggregated_requests(spec).items():
        if name not in requests and name in limits:
            requests[name] = amount
    spec.resources.requests = {**limits, **requests} or None


def host_ports(container: Any) -> None:
    for port in container.ports or ():
        if not port.hostPort:
            port.hostPort = port.containerPort


def pod_spec(o: Any) -> None:
    """`serviceAccount` is the old name of `serviceAccountName`: both always show."""
    name = o.serviceAccountName or o.serviceAccount or None
    o.serviceAccountName = o.serviceAccount = name


def pod_status(o: Any) -> None:
    """`podIP` and the first of `podIPs` are one."""
    if o.podIP and (not o.podIPs or o.podIPs[0].ip != o.podIP):
        o.podIPs = [core_v1.PodIP(ip=o.podIP)]
    elif o.podIPs and not o.podIP:
        o.podIP = o.podIPs[0].ip


def container(o: Any) -> None:
    if not o.imagePullPolicy:
        o.imagePullPolicy = pull_policy(o.image or "")


@remembered(4096)
def pull_policy(image: str) -> str:
    """Always for the tag `latest`, given or meant; IfNotPresent for any other, a digest, or what is no image."""
    match = IMAGE.fullmatch(image)
    if match is None or len(match["name"]) > IMAGE_NAME_LENGTH or match["digest"]:
        return "IfNotPresent"
    return "Always" if match["tag"] in (None, "latest") else "IfNotPresent"


def volume(o: Any) -> None:
    if o.image is not None and not o.image.pullPolicy:
        o.image.pullPolicy = pull_policy(o.image.reference or "")
    if not any(source is not None for source in volume_sources(o)):
        o.emptyDir = core_v1.EmptyDirVolumeSource()


volume_sources = attrgetter(*(name for name in core_v1.Volume.__struct_fields__ if name != "name"))


def secret(o: Any) -> None:
    """`stringData` is written only: it ends up in `data`."""
    if o.stringData:
        encoded = {k: base64.b64encode((v or "").encode()).decode() for k, v in o.stringData.items()}
        o.data = {**(o.data or {}), **encoded}
    o.stringData = None


def service(o: Any) -> None:
    if o.spec.type == "LoadBalancer" and o.status.loadBalancer is not None:
        for ingress in o.status.loadBalancer.ingress or ():
            if ingress.ip and ingress.ipMode is None:
                ingress.ipMode = "VIP"


def service_spec(o: Any) -> None:
    if o.type in ("NodePort", "LoadBalancer") and not o.externalTrafficPolicy:
        o.externalTrafficPolicy = "Cluster"
    if o.type != "ExternalName" and o.internalTrafficPolicy is None:
        o.internalTrafficPolicy = "Cluster"
    if o.type == "LoadBalancer" and o.allocateLoadBalancerNodePorts is None:
        o.allocateLoadBalancerNodePorts = True
    if o.sessionAffinity == "None":
        o.sessionAffinityConfig = None
    elif o.sessionAffinity == "ClientIP":
        config = o.sessionAffinityConfig or core_v1.SessionAffinityConfig()
        config.clientIP = config.clientIP or core_v1.ClientIPConfig()
        if config.clientIP.timeoutSeconds is None:
            config.clientIP.timeoutSeconds = CLIENT_IP_TIMEOUT_SECONDS
        o.sessionAffinityConfig = config
    for port in o.ports or ():
        if not port.protocol:
            port.protocol = "TCP"
        if not port.targetPort:
            port.targetPort = port.port or 0


def namespace(o: Any) -> None:
    """Every namespace carries its name as a label (KEP-2161)."""
    name = o.metadata.name
    if name:
        o.metadata.labels = {**(o.metadata.labels or {}), "kubernetes.io/metadata.name": name}


def node_spec(o: Any) -> None:
    """`podCIDR` is the first of `podCIDRs`, and has the last word."""
    if o.podCIDR and (not o.podCIDRs or o.podCIDRs[0] != o.podCIDR):
        o.podCIDRs = [o.podCIDR]
    elif o.podCIDRs:
        o.podCIDR = o.podCIDRs[0]


def node_status(o: Any) -> None:
    if o.capacity and not o.allocatable:
        o.allocatable = dict(o.capacity)


def limit_range_item(o: Any) -> None:
    """A container's default limit is the maximum; its default request the default limit, or the minimum."""
    if o.type != "Container":
        return
    o.default = {**(o.max or {}), **(o.default or {})} or None
    o.defaultRequest = {**(o.min or {}), **(o.default or {}), **(o.defaultRequest or {})} or None


def replication_controller(o: Any) -> None:
    template = o.spec.template
    labels = template.metadata.labels if template is not None and template.metadata is not None else None
    if labels:
        o.spec.selector = o.spec.selector or dict(labels)
        o.metadata.labels = o.metadata.labels or dict(labels)


HOOKS = {
    "core_v1.Container": container,
    "core_v1.EphemeralContainer": container,
    "core_v1.LimitRangeItem": limit_range_item,
    "core_v1.Namespace": namespace,
    "core_v1.NodeSpec": node_spec,
    "core_v1.NodeStatus": node_status,
    "core_v1.Pod": pod,
    "core_v1.PodSpec": pod_spec,
    "core_v1.PodStatus": pod_status,
    "core_v1.ReplicationController": replication_controller,
    "core_v1.Secret": secret,
    "core_v1.Service": service,
    "core_v1.ServiceSpec": service_spec,
    "core_v1.Volume": volume,
}
