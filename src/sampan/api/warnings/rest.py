"""Warnings for services, storage, nodes and the rest. Source: upstream's warnings for each kind."""

from __future__ import annotations

from typing import Any

from sampan.api.warnings.pods import LABELS, Warn, fraction, node_term

STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
INGRESS_CLASS = "kubernetes.io/ingress.class"


def service(o: Any) -> list[str]:
    spec, found = o.spec, []
    if spec.type != "ExternalName" and spec.clusterIP == "None":
        if spec.externalIPs:
            found.append('spec.externalIPs is ignored when spec.clusterIP is "None"')
        if spec.sessionAffinity != "None":
            found.append("spec.SessionAffinity is ignored for headless services")
    if spec.trafficDistribution == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def persistent_volume(o: Any) -> list[str]:
    found = storage_annotation(o)
    needed = o.spec.nodeAffinity.required if o.spec.nodeAffinity is not None else None
    for index, term in enumerate((needed.nodeSelectorTerms if needed is not None else None) or ()):
        found += node_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    if o.spec.persistentVolumeReclaimPolicy == "Recycle":
        text = "The Recycle reclaim policy is deprecated. "
        text += "Instead, the recommended approach is to use dynamic provisioning."
        found.append(f"spec.persistentVolumeReclaimPolicy: {text}")
    return [*found, *fraction(o.spec.capacity, "storage", "spec.capacity")]


def claim(o: Any) -> list[str]:
    requests = o.spec.resources.requests if o.spec.resources is not None else None
    return [*storage_annotation(o), *fraction(requests, "storage", "spec.resources.requests")]


def storage_annotation(o: Any) -> list[str]:
    if STORAGE_CLASS not in (o.metadata.annotations or {}):
        return []
    return [f'metadata.annotations[{STORAGE_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead']


def node(o: Any) -> list[str]:
    found = []
    if o.spec.configSource is not None:
        found.append("spec.configSource: the dynamic kubelet configuration feature was removed in v1.24")
    if o.spec.externalID:
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return found


def storage_class(o: Any) -> list[str]:
    found = []
    for index, term in enumerate(o.allowedTopologies or ()):
        for number, requirement in enumerate(term.matchLabelExpressions or ()):
            if requirement.key in LABELS:
                path = f"allowedTopologies[{index}].matchLabelExpressions[{number}].key"
                found.append(f"{path}: {requirement.key} is {LABELS[requirement.key]}")
    return found


def csi_driver(o: Any) -> list[str]:
    if not o.spec.tokenRequests or o.spec.serviceAccountTokenInSecrets is not None:
        return []
    text = "if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes"
    return [f"spec.serviceAccountTokenInSecrets is unset; {text}"]


def ingress(o: Any) -> list[str]:
    if INGRESS_CLASS not in (o.metadata.annotations or {}):
        return []
    return [f"annotation \"{INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]


def runtime_class(o: Any) -> list[str]:
    selector = (o.scheduling.nodeSelector if o.scheduling is not None else None) or {}
    return [f"scheduling.nodeSelector: {LABELS[key]}" for key in selector if key in LABELS]


def endpoint_slice(o: Any) -> list[str]:
    return ["addressType: FQDN endpoints are deprecated"] if o.addressType == "FQDN" else []


WARNINGS: dict[tuple[str, str], Warn] = {
    ("", "Node"): node,
    ("", "PersistentVolume"): persistent_volume,
    ("", "PersistentVolumeClaim"): claim,
    ("", "Service"): service,
    ("discovery.k8s.io", "EndpointSlice"): endpoint_slice,
    ("networking.k8s.io", "Ingress"): ingress,
    ("node.k8s.io", "RuntimeClass"): runtime_class,
    ("storage.k8s.io", "CSIDriver"): csi_driver,
    ("storage.k8s.io", "StorageClass"): storage_class,
}
