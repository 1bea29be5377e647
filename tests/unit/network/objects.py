"""Services and EndpointSlices in few words."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, discovery_v1, meta_v1


def service(name: str, address: str | None = "10.96.0.5", **spec: Any) -> Any:
    spec.setdefault("ports", [core_v1.ServicePort(name="http", port=80)])
    metadata = meta_v1.ObjectMeta(name=name, namespace="default")
    return core_v1.Service(
        kind="Service", apiVersion="v1", metadata=metadata, spec=core_v1.ServiceSpec(clusterIP=address, **spec)
    )


def endpoint_slice(name: str, *addresses: str, port: int = 8080) -> Any:
    labels = {"kubernetes.io/service-name": name}
    return discovery_v1.EndpointSlice(
        kind="EndpointSlice",
        apiVersion="discovery.k8s.io/v1",
        metadata=meta_v1.ObjectMeta(name=f"{name}-1", namespace="default", labels=labels),
        addressType="IPv4",
        ports=[discovery_v1.EndpointPort(name="http", port=port)],
        endpoints=[discovery_v1.Endpoint(addresses=[address]) for address in addresses],
    )


def node(name: str, labels: dict[str, str] | None = None, **parts: Any) -> Any:
    return core_v1.Node(kind="Node", apiVersion="v1", metadata=meta_v1.ObjectMeta(name=name, labels=labels), **parts)
