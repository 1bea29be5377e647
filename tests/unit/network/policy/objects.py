"""Policies, pods and namespaces, as short as tests need them."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.kinds import core_v1, networking_v1
from sampan.network.policy.groups import Pod


def policy(name: str, namespace: str = "default", **spec: Any) -> Any:
    document = {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}} | spec}
    return msgspec.convert(document, networking_v1.NetworkPolicy)


def pod(name: str, *addresses: str, namespace: str = "default", node: str = "n1", **labels: str) -> Pod:
    ports = (("http", "TCP", 8080), ("dns", "UDP", 53))
    return Pod(namespace=namespace, name=name, labels=labels, addresses=addresses, node=node, ports=ports)


def api_pod(name: str, address: str = "", node: str = "n1", **fields: Any) -> Any:
    document: dict[str, Any] = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 80}]}]},
        "status": {"podIP": address, "podIPs": [{"ip": address}] if address else []},
    }
    for path, value in fields.items():
        document[path.split("__")[0]][path.split("__")[1]] = value
    return msgspec.convert(document, core_v1.Pod)
