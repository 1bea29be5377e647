"""Tables of networking.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, age, at, selector
from sampan.api.tables.core import load_balancer

MAXIMUM_HOSTS = 3


def ingress(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        at(obj, "spec.ingressClassName", NONE),
        hosts(at(obj, "spec.rules", [])),
        ",".join(load_balancer(obj)),
        "80, 443" if at(obj, "spec.tls") else "80",
        age(obj, now),
    ]


def hosts(rules: list[Any]) -> str:
    found: list[str] = []
    for rule in rules:
        if len(found) == MAXIMUM_HOSTS:
            return f"{','.join(found)} + {len(rules) - MAXIMUM_HOSTS} more..."
        if rule.host:
            found.append(rule.host)
    return ",".join(found) or "*"


def ingress_class(obj: Any, now: float) -> Cells:
    parameters = at(obj, "spec.parameters")
    text = NONE
    if parameters is not None:
        group = "" if parameters.apiGroup is None else f".{parameters.apiGroup}"
        text = f"{parameters.kind}{group}/{parameters.name}"
    return [obj.metadata.name, at(obj, "spec.controller", ""), text, age(obj, now)]


def network_policy(obj: Any, now: float) -> Cells:
    matching = at(obj, "spec.podSelector")
    return [obj.metadata.name, NONE if matching is None else selector(matching), age(obj, now)]


def service_cidr(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, ",".join(at(obj, "spec.cidrs", [])), age(obj, now)]


def ip_address(obj: Any, now: float) -> Cells:
    """One cell more than there are columns, the age: so it is upstream."""
    parent = at(obj, "spec.parentRef")
    text = NONE
    if parent is not None:
        resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
        text = "/".join(filter(None, ((resource or "").lower(), parent.namespace, parent.name)))
    return [obj.metadata.name, text, age(obj, now)]


INGRESS = (
    NAME,
    Column("Class", text="The name of the IngressClass resource that should be used for additional configuration"),
    Column("Hosts", text="Hosts that incoming requests are matched against before the ingress rule"),
    Column("Address", text="Address is a list containing ingress points for the load-balancer"),
    Column("Ports", text="Ports of TLS configurations that open"),
    AGE,
)
INGRESS_CLASS = (
    NAME,
    Column("Controller", text="Controller that is responsible for handling this class"),
    Column("Parameters", text="A reference to a resource with additional parameters"),
    AGE,
)

TABLES = {
    "IPAddress": Table((NAME, Column("ParentRef", "networking.v1.IPAddressSpec.parentRef")), ip_address),
    "Ingress": Table(INGRESS, ingress),
    "IngressClass": Table(INGRESS_CLASS, ingress_class),
    "NetworkPolicy": Table(
        (NAME, Column("Pod-Selector", "networking.v1.NetworkPolicySpec.podSelector"), AGE), network_policy
    ),
    "ServiceCIDR": Table((NAME, Column("CIDRs", "networking.v1.ServiceCIDRSpec.cidrs"), AGE), service_cidr),
}
