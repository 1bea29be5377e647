"""Rules for services. Source: API reference v1.36, Service; KEP-563 (dual stack), KEP-2086, KEP-4444."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.api.names import label, qualified, subdomain
from sampan.api.validation.core.context import Errors
from sampan.api.validation.metadata import labels
from sampan.api.validation.network import (
    PORT_RANGE,
    PROTOCOLS,
    address_problem,
    cidr,
    ip,
    network_problem,
    parse_address,
    port,
    port_or_name,
    protocol,
    routable,
)
from sampan.api.validation.problems import (
    Shown,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
)

AFFINITIES = ("ClientIP", "None")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
TRAFFIC = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
LONGEST_AFFINITY_SECONDS = 86400
ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
UNCHANGED = "may not change once set"
UNSPECIFIED = "must be empty when `clusterIP` is not specified"
NOT_EXTERNAL_NAME = "may not be set for ExternalName services"
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


def create(service: Any, errors: Errors) -> None:
    judge(service, errors)


def update(new: Any, old: Any, errors: Errors) -> None:
    spec, before = new.spec, old.spec
    if "ExternalName" not in (spec.type, before.type):
        immutable_addresses(spec, before, errors)
        immutable_families(spec, before, errors)
    class_change(spec, before, errors)
    judge(new, errors)


def headless(spec: Any) -> bool:
    return spec.clusterIP == "None" or bool(spec.clusterIPs and spec.clusterIPs[0] == "None")


def judge(service: Any, errors: Errors) -> None:
    spec = service.spec
    if service.metadata.annotations:
        annotated(service.metadata.annotations, spec, errors)
    if not spec.ports and not headless(spec) and spec.type != "ExternalName":
        errors.append(required("spec.ports"))
    by_type(spec, errors)
    ports(spec, errors)
    if spec.selector:
        labels(spec.selector, errors, "spec.selector")
    affinity(spec, errors)
    addresses(spec, errors)
    for index, address in enumerate(spec.externalIPs or ()):
        if problem := address_problem(address):
            errors.append(invalid(f"spec.externalIPs[{index}]", address, problem))
        else:
            routable(address, errors, f"spec.externalIPs[{index}]")
    if spec.type not in TYPES:
        errors.append(not_supported("spec.type", spec.type, TYPES) if spec.type else required("spec.type"))
    port_conflicts(spec, errors)
    load_balancer(spec, errors)
    traffic(spec, errors)


TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def annotated(annotations: dict[str, str], spec: Any, errors: Errors) -> None:
    """Annotations that once were, or stand for, fields."""
    mode, hints = annotations.get(TOPOLOGY_MODE), annotations.get(TOPOLOGY_HINTS)
    if mode is not None and hints is not None and mode != hints:
        text = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        errors.append(invalid(f"metadata.annotations[{TOPOLOGY_MODE}]", mode, text))
    ranges = annotations.get(SOURCE_RANGES)
    if ranges is None or spec.loadBalancerSourceRanges:
        return
    path = f"metadata.annotations[{SOURCE_RANGES}]"
    if spec.type != "LoadBalancer":
        errors.append(forbidden(path, ONLY_LOAD_BALANCER))
    for each in ranges.strip().split(",") if ranges.strip() else ():
        if problem := network_problem(each.strip()):
            errors.append(invalid(path, each.strip(), problem))


def by_type(spec: Any, errors: Errors) -> None:
    if spec.type in WITH_NODE_PORTS and headless(spec):
        errors.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {spec.type} services"))
    if spec.type == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if getattr(spec, field):
                errors.append(forbidden(f"spec.{field}", NOT_EXTERNAL_NAME))
        name = (spec.externalName or "").removesuffix(".")
        if not name:
            errors.append(required("spec.externalName"))
        else:
            errors.extend(each_invalid("spec.externalName", name, subdomain(name)))


def ports(spec: Any, errors: Errors) -> None:
    names: set[str] = set()
    many = len(spec.ports or ()) > 1
    for index, each in enumerate(spec.ports or ()):
        here = f"spec.ports[{index}]"
        if each.name:
            errors.extend(each_invalid(f"{here}.name", each.name, label(each.name)))
            if each.name in names:
                errors.append(duplicate(f"{here}.name", each.name))
            names.add(each.name)
        elif many:
            errors.append(required(f"{here}.name"))
        port(each.port, errors, f"{here}.port")
        if each.protocol not in PROTOCOLS:
            protocol(each.protocol, errors, f"{here}.protocol")
        port_or_name(each.targetPort, errors, f"{here}.targetPort")
        if each.appProtocol is not None:
            errors.extend(each_invalid(f"{here}.appProtocol", each.appProtocol, qualified(each.appProtocol)))


def affinity(spec: Any, errors: Errors) -> None:
    value, config = spec.sessionAffinity, spec.sessionAffinityConfig
    if value not in AFFINITIES:
        errors.append(
            not_supported("spec.sessionAffinity", value, AFFINITIES) if value else required("spec.sessionAffinity")
        )
    if value == "ClientIP":
        client = config.clientIP if config is not None else None
        path = "spec.sessionAffinityConfig.clientIP"
        if client is None or client.timeoutSeconds is None:
            errors.append(required(f"{path}.timeoutSeconds"))
        elif not 1 <= client.timeoutSeconds <= LONGEST_AFFINITY_SECONDS:
            text = f"must be greater than 0 and less than {LONGEST_AFFINITY_SECONDS}"
            errors.append(invalid(f"{path}.timeoutSeconds", client.timeoutSeconds, text))
    elif config is not None:
        errors.append(forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"))


def addresses(spec: Any, errors: Errors) -> None:
    """Families, their policy, and addresses that the request names."""
    if spec.type == "ExternalName":
        return
    given = spec.clusterIPs or []
    if spec.clusterIP and not given:
        errors.append(required("spec.clusterIPs"))
    elif given and spec.clusterIP != given[0]:
        text = "first value must match `clusterIP`" if spec.clusterIP else UNSPECIFIED
        errors.append(invalid("spec.clusterIPs", given, text))
    if spec.ipFamilyPolicy is not None and spec.ipFamilyPolicy not in FAMILY_POLICIES:
        errors.append(not_supported("spec.ipFamilyPolicy", spec.ipFamilyPolicy, FAMILY_POLICIES))
    seen: set[str] = set()
    for index, family in enumerate(spec.ipFamilies or ()):
        if family not in FAMILIES:
            errors.append(not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES))
        elif family in seen:
            errors.append(duplicate(f"spec.ipFamilies[{index}]", family))
        seen.add(family)
    if named_addresses(given, errors):
        address_families(given, spec.ipFamilies or (), errors)


def named_addresses(given: list[str], errors: Errors) -> bool:
    """Whether each is an address, or the only one "None"; two at the most are allowed."""
    before = len(errors)
    if len(given) > 1 and given[0] == "None":
        errors.append(invalid("spec.clusterIPs", given, "'None' must be the first and only value"))
    for index, text in enumerate(given):
        if (index or text != "None") and (problem := address_problem(text)):
            errors.append(invalid(f"spec.clusterIPs[{index}]", text, problem))
    readable = len(errors) == before
    if len(given) > 2:
        errors.append(invalid("spec.clusterIPs", given, "may only hold up to 2 values"))
    return readable


def address_families(given: list[str], families: Sequence[str], errors: Errors) -> None:
    """One address of each family, in the families' order where they are named."""
    found = [f"IPv{parse_address(text).version}" for text in given if text != "None"]
    if len(set(found)) < 2 <= len(found):
        errors.append(invalid("spec.clusterIPs", given, "may specify no more than one IP for each IP family"))
    for index, (family, wanted) in enumerate(zip(found, families, strict=False)):
        if wanted in FAMILIES and family != wanted:
            text = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            errors.append(invalid(f"spec.clusterIPs[{index}]", given[index], text))


def port_conflicts(spec: Any, errors: Errors) -> None:
    if spec.type == "ClusterIP":
        for index, each in enumerate(spec.ports or ()):
            if each.nodePort:
                errors.append(forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'"))
    node_ports: set[tuple[Any, Any]] = set()
    for index, each in enumerate(spec.ports or ()):
        if not each.nodePort:
            continue
        key = (each.protocol, each.nodePort)
        if key in node_ports:
            errors.append(duplicate(f"spec.ports[{index}].nodePort", each.nodePort))
        node_ports.add(key)
    known: set[tuple[Any, Any]] = set()
    for index, each in enumerate(spec.ports or ()):
        pair = (each.protocol, each.port)
        if pair in known:
            errors.append(duplicate(f"spec.ports[{index}]", internal_port(each)))
        known.add(pair)


def internal_port(each: Any) -> Shown:
    """A port as upstream's message shows it: by protocol and number alone, in its internal form."""
    return Shown(
        f'{{"Name":"","Protocol":"{each.protocol}","AppProtocol":null,"Port":{each.port},"TargetPort":0,"NodePort":0}}'
    )


def load_balancer(spec: Any, errors: Errors) -> None:
    balanced = spec.type == "LoadBalancer"
    for index, text in enumerate(spec.loadBalancerSourceRanges or ()):
        if not balanced:
            errors.append(forbidden("spec.LoadBalancerSourceRanges", ONLY_LOAD_BALANCER))
            break
        cidr(text.strip(), errors, f"spec.LoadBalancerSourceRanges[{index}]")
    if spec.allocateLoadBalancerNodePorts is not None and not balanced:
        errors.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER))
    if balanced and spec.allocateLoadBalancerNodePorts is None:
        errors.append(required("spec.allocateLoadBalancerNodePorts"))
    if spec.loadBalancerClass is not None:
        if not balanced:
            errors.append(forbidden("spec.loadBalancerClass", ONLY_LOAD_BALANCER))
        else:
            errors.extend(
                each_invalid("spec.loadBalancerClass", spec.loadBalancerClass, qualified(spec.loadBalancerClass))
            )


def traffic(spec: Any, errors: Errors) -> None:
    external = spec.externalTrafficPolicy
    reachable = spec.type in WITH_NODE_PORTS or (spec.type == "ClusterIP" and bool(spec.externalIPs))
    if reachable:
        if not external:
            if spec.type in WITH_NODE_PORTS:
                errors.append(required("spec.externalTrafficPolicy"))
        elif external not in TRAFFIC:
            errors.append(not_supported("spec.externalTrafficPolicy", external, TRAFFIC))
    elif external:
        errors.append(
            invalid("spec.externalTrafficPolicy", external, "may only be set for externally-accessible services")
        )
    health(spec, errors)
    internal = spec.internalTrafficPolicy
    if internal is None:
        if spec.type != "ExternalName":
            errors.append(required("spec.internalTrafficPolicy"))
    elif internal not in TRAFFIC:
        errors.append(not_supported("spec.internalTrafficPolicy", internal, TRAFFIC))
    if spec.trafficDistribution is not None and spec.trafficDistribution not in DISTRIBUTIONS:
        errors.append(not_supported("spec.trafficDistribution", spec.trafficDistribution, DISTRIBUTIONS))


def health(spec: Any, errors: Errors) -> None:
    number = spec.healthCheckNodePort or 0
    if spec.type == "LoadBalancer" and spec.externalTrafficPolicy == "Local":
        if number and not 1 <= number <= 65535:
            errors.append(invalid("spec.healthCheckNodePort", number, PORT_RANGE))
    elif number:
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid("spec.healthCheckNodePort", number, text))


def immutable_addresses(new: Any, old: Any, errors: Errors) -> None:
    """The first address never changes; a second may come, and go by the policy `SingleStack`."""
    before, now = old.clusterIPs or [], new.clusterIPs or []
    if before == now == ["None"]:
        return
    if len(now) == len(before):
        for index, (address, known) in enumerate(zip(now, before, strict=True)):
            if address != known:
                errors.append(invalid(f"spec.clusterIPs[{index}]", now, UNCHANGED))
    elif not now:
        errors.append(invalid("spec.clusterIPs[0]", now, "primary clusterIP can not be unset"))
    elif before and now[0] != before[0]:
        errors.append(invalid("spec.clusterIPs[0]", now, UNCHANGED))
    if len(before) > len(now) == 1:
        released(new, "clusterIP", errors)


def immutable_families(new: Any, old: Any, errors: Errors) -> None:
    """As for addresses; headless services may change theirs."""
    before, now = old.ipFamilies or [], new.ipFamilies or []
    if "None" in (*(new.clusterIPs or ())[:1], *(old.clusterIPs or ())[:1]):
        return
    if len(now) == len(before):
        wrong = sum(family != known for family, known in zip(now, before, strict=True))
        errors.extend(invalid("spec.ipFamilies[0]", now, UNCHANGED) for _ in range(wrong))
    elif len(before) > len(now) and not new.clusterIPs:
        errors.append(invalid("spec.ipFamilies[0]", now, "primary ipFamily can not be unset"))
    elif before and now and now[0] != before[0]:
        errors.append(invalid("spec.ipFamilies[0]", new.clusterIPs, UNCHANGED))
    if len(before) > len(now) == 1:
        released(new, "ipFamily", errors)


def released(new: Any, noun: str, errors: Errors) -> None:
    """The second one is gone, which the policy has to say."""
    if new.ipFamilyPolicy != "SingleStack":
        text = f"must be set to 'SingleStack' when releasing the secondary {noun}"
        errors.append(invalid("spec.ipFamilyPolicy", new.ipFamilyPolicy, text))


def class_change(new: Any, old: Any, errors: Errors) -> None:
    if old.type == new.type == "LoadBalancer" and new.loadBalancerClass != old.loadBalancerClass:
        errors.append(invalid("spec.loadBalancerClass", new.loadBalancerClass, UNCHANGED))


def update_status(new: Any, old: Any, errors: Errors) -> None:
    balancer = new.status.loadBalancer if new.status is not None else None
    ingress = (balancer.ingress if balancer is not None else None) or ()
    if ingress and new.spec.type != "LoadBalancer":
        errors.append(forbidden("status.loadBalancer.ingress", ONLY_LOAD_BALANCER))
    for index, each in enumerate(ingress):
        here = f"status.loadBalancer.ingress[{index}]"
        if each.ip:
            ip(each.ip, errors, f"{here}.ip")
        if each.ip and each.ipMode not in (None, "Proxy", "VIP"):
            errors.append(not_supported(f"{here}.ipMode", each.ipMode, ("Proxy", "VIP")))
        if not each.ip and each.ipMode is not None:
            errors.append(forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set"))
        if each.hostname:
            errors.extend(each_invalid(f"{here}.hostname", each.hostname, subdomain(each.hostname)))
