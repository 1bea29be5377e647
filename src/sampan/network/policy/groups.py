"""Whom a policy speaks of: pods by their labels and namespaces, and ports by their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sampan.api.selectors import EVERYTHING, Selector, from_label_selector

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One that has addresses of its own. `ports`: (name, protocol, number) of its containers' named ports."""

    namespace: str
    name: str
    labels: Labels
    addresses: tuple[str, ...]
    node: str = ""
    ports: tuple[tuple[str, str, int], ...] = field(default=())

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Group(NamedTuple):
    """Pods that match, of one `namespace`, or of those that `namespaces` matches where that is given."""

    namespace: str
    namespaces: Selector | None
    pods: Selector

    def has(self, pod: Pod, namespace_labels: Labels) -> bool:
        if self.namespaces is None:
            return pod.namespace == self.namespace and self.pods.matches(pod.labels)
        return self.namespaces.matches(namespace_labels) and self.pods.matches(pod.labels)

    @property
    def set_name(self) -> str:
        return f"pods-{digest(self)}"

    def elements(self, pod: Pod) -> Iterator[tuple[str, str]]:
        """(set, element) for a pod that it has."""
        for address in pod.addresses:
            yield f"{self.set_name}-{version(address)}", address


class NamedPort(NamedTuple):
    """The ports of that name and protocol at a group's pods."""

    group: Group
    protocol: str
    port: str

    def has(self, pod: Pod, namespace_labels: Labels) -> bool:
        return self.group.has(pod, namespace_labels)

    @property
    def set_name(self) -> str:
        return f"ports-{digest(self)}"

    def elements(self, pod: Pod) -> Iterator[tuple[str, str]]:
        for name, protocol, number in pod.ports:
            if (name, protocol) == (self.port, self.protocol):
                for address in pod.addresses:
                    yield f"{self.set_name}-{version(address)}", f"{address} . {protocol.lower()} . {number}"


Members = Group | NamedPort
EVERYBODY = Group("", EVERYTHING, EVERYTHING)


def group(peer: Any, namespace: str) -> Group:
    """Of a NetworkPolicyPeer in a policy of that namespace (what is not given selects all, or the policy's own)."""
    pods = EVERYTHING if peer.podSelector is None else from_label_selector(peer.podSelector)
    if peer.namespaceSelector is None:
        return Group(namespace, None, pods)
    return Group("", from_label_selector(peer.namespaceSelector), pods)


def digest(what: object) -> str:
    """A short name for a value, the same in every process."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def version(address: str) -> str:
    return "6" if ":" in address else "4"
