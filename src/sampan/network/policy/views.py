"""The few fields of pods that policies depend on: a node with policies holds those of every pod in the cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from sampan.api.kinds import core_v1
from sampan.network.policy.groups import Pod
from sampan.network.policy.rules import PROTOCOLS

ENDED = ("Succeeded", "Failed")


class PortView(msgspec.Struct):
    name: str = ""
    protocol: str = "TCP"
    containerPort: int = 0


class ContainerView(msgspec.Struct):
    ports: list[PortView] | None = None


class SpecView(msgspec.Struct):
    nodeName: str = ""
    hostNetwork: bool | None = None
    containers: list[ContainerView] | None = None


class AddressView(msgspec.Struct):
    ip: str = ""


class StatusView(msgspec.Struct):
    phase: str = ""
    podIP: str = ""
    podIPs: list[AddressView] | None = None


class MetadataView(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] | None = None


class PodView(msgspec.Struct):
    """A Pod as the API server writes it, without what is of no matter here."""

    VIEW_OF: ClassVar[Any] = core_v1.Pod
    metadata: MetadataView = msgspec.field(default_factory=MetadataView)
    spec: SpecView = msgspec.field(default_factory=SpecView)
    status: StatusView = msgspec.field(default_factory=StatusView)


def pod(seen: Any, addresses: tuple[str, ...] | None = None) -> Pod | None:
    """What policies must know of a pod (a view, or a Pod); None for one that has ended or is in its node's network.

    `addresses` stand for those that its status does not tell yet.
    """
    spec, status, metadata = seen.spec, seen.status, seen.metadata
    if spec is None or spec.hostNetwork or (status and status.phase in ENDED):
        return None
    return Pod(
        namespace=metadata.namespace,
        name=metadata.name,
        labels=dict(metadata.labels or {}),
        addresses=addresses if addresses is not None else tuple(_addresses(status)),
        node=spec.nodeName or "",
        ports=tuple(_named_ports(spec)),
    )


def _addresses(status: Any) -> Iterator[str]:
    told = [entry.ip for entry in status.podIPs or ()] or [status.podIP] if status else []
    for text in told:
        try:
            yield str(ipaddress.ip_address(text or ""))
        except ValueError:
            continue


def _named_ports(spec: Any) -> Iterator[tuple[str, str, int]]:
    for container in spec.containers or ():
        for port in container.ports or ():
            protocol = port.protocol or "TCP"
            if port.name and protocol in PROTOCOLS:
                yield port.name, protocol, int(port.containerPort)
