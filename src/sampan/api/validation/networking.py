"""Rules of the networking.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label, path_segment, port_name, subdomain
from sampan.api.validation.metadata import immutable
from sampan.api.validation.network import IP_FORM, cidr, ip, parse_address, parse_network, port, port_or_name
from sampan.api.validation.problems import (
    IMMUTABLE,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "networking.k8s.io"
Errors = list[FieldError]

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
POLICY_TYPES = ("Ingress", "Egress")
PROTOCOLS = ("TCP", "UDP", "SCTP")
SCOPES = ("Cluster", "Namespace")
FORBIDDEN_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
FORBIDDEN_ENDS = ("/..", "/.")
CONTROLLER_LENGTH = 250
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
NEEDS_PORT = "port name or number is required"


@dataclass(frozen=True, kw_only=True)
class Tolerated:
    """What an Ingress may keep because it had it: wrong names of secrets, wrong rules for wildcard hosts."""

    secrets: bool = False
    wildcard_rules: bool = False


def create_ingress(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    ingress_spec(spec, Tolerated(), errors)
    annotated = (obj.metadata.annotations or {}).get(CLASS_ANNOTATION)
    if annotated is not None and spec.ingressClassName not in (None, annotated):
        text = "must match `ingressClassName` when both are specified"
        errors.append(invalid(f"annotations.{CLASS_ANNOTATION}", annotated, text))


def update_ingress(new: Any, old: Any, errors: Errors) -> None:
    wildcards = [rule for rule in old.spec.rules or () if "*" in (rule.host or "")]
    tolerated = Tolerated(
        secrets=any(tls.secretName and subdomain(tls.secretName) for tls in old.spec.tls or ()),
        wildcard_rules=any(wrong_value(rule) for rule in wildcards),
    )
    ingress_spec(new.spec, tolerated, errors)


def ingress_spec(spec: Any, tolerated: Tolerated, errors: Errors) -> None:
    if not spec.rules and spec.defaultBackend is None:
        text = "either `defaultBackend` or `rules` must be specified"
        errors.append(invalid("spec", spec.rules, text))
    if spec.defaultBackend is not None:
        backend(spec.defaultBackend, errors, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules or ()):
        ingress_rule(rule, tolerated, errors, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.tls or ()):
        for number, host in enumerate(tls.hosts or ()):
            errors.extend(each_invalid(f"spec.tls[{index}].hosts[{number}]", host, host_name(host)))
        if tls.secretName and not tolerated.secrets:
            errors.extend(each_invalid(f"spec.tls[{index}].secretName", tls.secretName, subdomain(tls.secretName)))
    if spec.ingressClassName is not None:
        errors.extend(each_invalid("spec.ingressClassName", spec.ingressClassName, subdomain(spec.ingressClassName)))


def host_name(host: str) -> tuple[str, ...]:
    """A name, or one whose first label is `*`."""
    if "*" not in host:
        return subdomain(host)
    if host.startswith("*.") and not subdomain(host[2:]):
        return ()
    return (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
        "regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )


def ingress_rule(rule: Any, tolerated: Tolerated, errors: Errors, path: str) -> None:
    host = rule.host or ""
    if host:
        if parse_address(host) is not None:
            errors.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        errors.extend(each_invalid(f"{path}.host", host, host_name(host)))
    if not (tolerated.wildcard_rules and "*" in host):
        rule_value(rule, errors, path)


def wrong_value(rule: Any) -> bool:
    errors: Errors = []
    rule_value(rule, errors, "")
    return bool(errors)


def rule_value(rule: Any, errors: Errors, path: str) -> None:
    if rule.http is None:
        return
    if not rule.http.paths:
        errors.append(required(f"{path}.http.paths"))
    for index, each in enumerate(rule.http.paths or ()):
        http_path(each, errors, f"{path}.http.paths[{index}]")


def http_path(each: Any, errors: Errors, path: str) -> None:
    kind, text = each.pathType, each.path or ""
    if kind is None:
        errors.append(required(f"{path}.pathType", "pathType must be specified"))
        return
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            errors.append(invalid(f"{path}.path", text, "must be an absolute path"))
        if text:
            for sequence in FORBIDDEN_SEQUENCES:
                if sequence in text:
                    errors.append(invalid(f"{path}.path", text, f"must not contain '{sequence}'"))
            for end in FORBIDDEN_ENDS:
                if text.endswith(end):
                    errors.append(invalid(f"{path}.path", text, f"cannot end with '{end}'"))
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            errors.append(invalid(f"{path}.path", text, "must be an absolute path"))
    else:
        errors.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    backend(each.backend, errors, f"{path}.backend")


def backend(given: Any, errors: Errors, path: str) -> None:
    if given.resource is not None and given.service is not None:
        errors.append(invalid(path, "", "cannot set both resource and service backends"))
    elif given.resource is not None:
        local_reference(given.resource, errors, f"{path}.resource")
    elif given.service is not None:
        service_backend(given.service, errors, path)
    else:
        errors.append(invalid(path, "", "resource or service backend is required"))


def service_backend(service: Any, errors: Errors, path: str) -> None:
    if not service.name:
        errors.append(required(f"{path}.service.name"))
    else:
        errors.extend(each_invalid(f"{path}.service.name", service.name, label(service.name)))
    name, number = service.port.name, service.port.number
    if name and number:
        errors.append(invalid(path, "", "cannot set both port name & port number"))
    elif name:
        errors.extend(each_invalid(f"{path}.service.port.name", name, port_name(name)))
    elif number:
        port(number, errors, f"{path}.service.port.number")
    else:
        errors.append(required(path, NEEDS_PORT))


def update_ingress_status(new: Any, old: Any, errors: Errors) -> None:
    balancer = new.status.loadBalancer if new.status is not None else None
    for index, each in enumerate((balancer.ingress if balancer is not None else None) or ()):
        here = f"status.loadBalancer.ingress[{index}]"
        if each.ip:
            ip(each.ip, errors, f"{here}.ip")
        if each.hostname:
            if parse_address(each.hostname) is not None:
                errors.append(invalid(f"{here}.hostname", each.hostname, "must be a DNS name, not an IP address"))
            errors.extend(each_invalid(f"{here}.hostname", each.hostname, subdomain(each.hostname)))


def create_class(obj: Any, errors: Errors) -> None:
    controller = obj.spec.controller or ""
    if not controller:
        errors.append(required("spec.controller"))
    else:
        if len(controller) > CONTROLLER_LENGTH:
            errors.append(too_long("spec.controller", CONTROLLER_LENGTH))
        domain_prefixed(controller, errors, "spec.controller")
    if obj.spec.parameters is not None:
        class_parameters(obj.spec.parameters, errors, "spec.parameters")


def domain_prefixed(text: str, errors: Errors, path: str) -> None:
    """`domain/path`."""
    domain, slash, rest = text.partition("/")
    if not slash or not domain or not rest:
        errors.append(invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")'))
        return
    errors.extend(each_invalid(path, domain, subdomain(domain)))
    if not all(c.isascii() and (c.isalnum() or c in "-._~!$&'()*+,;=:/%") for c in rest):
        errors.append(
            invalid(path, rest, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')")
        )


def local_reference(given: Any, errors: Errors, path: str) -> None:
    """A reference to an object of any kind."""
    if given.apiGroup is not None:
        errors.extend(each_invalid(f"{path}.apiGroup", given.apiGroup, subdomain(given.apiGroup)))
    for field in ("kind", "name"):
        value = getattr(given, field) or ""
        if not value:
            errors.append(required(f"{path}.{field}"))
        else:
            errors.extend(each_invalid(f"{path}.{field}", value, path_segment(value)))


def class_parameters(given: Any, errors: Errors, path: str) -> None:
    local_reference(given, errors, path)
    scope = given.scope
    if scope is None:
        errors.append(required(f"{path}.scope"))
    elif scope not in SCOPES:
        errors.append(not_supported(f"{path}.scope", scope, SCOPES))
    elif scope == "Namespace":
        if given.namespace is None:
            text = "`parameters.scope` is set to 'Namespace'"
            errors.append(required(f"{path}.namespace", text))
        else:
            errors.extend(each_invalid(f"{path}.namespace", given.namespace, label(given.namespace)))
    elif given.namespace is not None:
        errors.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))


def update_class(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec.controller, old.spec.controller, errors, "spec.controller")
    create_class(new, errors)


def create_policy(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    label_selector(spec.podSelector, errors, "spec.podSelector")
    for index, rule in enumerate(spec.ingress or ()):
        policy_rule(rule.ports, rule.from_, "from", errors, f"spec.ingress[{index}]")
    for index, rule in enumerate(spec.egress or ()):
        policy_rule(rule.ports, rule.to, "to", errors, f"spec.egress[{index}]")
    types = spec.policyTypes or ()
    if len(types) > len(POLICY_TYPES):
        errors.append(invalid("spec.policyTypes", list(types), "may not specify more than two policyTypes"))
        return
    for index, kind in enumerate(types):
        if kind not in POLICY_TYPES:
            errors.append(not_supported(f"spec.policyTypes[{index}]", kind, POLICY_TYPES))


def update_policy(new: Any, old: Any, errors: Errors) -> None:
    create_policy(new, errors)


def policy_rule(ports: Any, peers: Any, side: str, errors: Errors, path: str) -> None:
    for index, each in enumerate(ports or ()):
        policy_port(each, errors, f"{path}.ports[{index}]")
    for index, each in enumerate(peers or ()):
        policy_peer(each, errors, f"{path}.{side}[{index}]")


def policy_port(each: Any, errors: Errors, path: str) -> None:
    if each.protocol is not None and each.protocol not in PROTOCOLS:
        errors.append(not_supported(f"{path}.protocol", each.protocol, PROTOCOLS))
    if each.port is not None:
        port_or_name(each.port, errors, f"{path}.port")
        if isinstance(each.port, int):
            if each.endPort is not None:
                if each.endPort < each.port:
                    text = "must be greater than or equal to `port`"
                    errors.append(invalid(f"{path}.endPort", each.port, text))
                port(each.endPort, errors, f"{path}.endPort")
        elif each.endPort is not None:
            text = "may not be specified when `port` is non-numeric"
            errors.append(invalid(f"{path}.endPort", each.endPort, text))
    elif each.endPort is not None:
        errors.append(invalid(f"{path}.endPort", each.endPort, "may not be specified when `port` is not specified"))


def policy_peer(each: Any, errors: Errors, path: str) -> None:
    given = 0
    for field in ("podSelector", "namespaceSelector"):
        if getattr(each, field) is not None:
            given += 1
            label_selector(getattr(each, field), errors, f"{path}.{field}")
    if each.ipBlock is not None:
        ip_block(each.ipBlock, errors, f"{path}.ipBlock")
        if given:
            errors.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not given:
        errors.append(required(path, "must specify a peer"))


def ip_block(block: Any, errors: Errors, path: str) -> None:
    if not block.cidr:
        errors.append(required(f"{path}.cidr"))
        return
    cidr(block.cidr, errors, f"{path}.cidr")
    parsed = parse_network(block.cidr)
    if parsed is None:
        return
    whole = parsed.network
    for index, text in enumerate(block.except_ or ()):
        part = parse_network(text)
        here = f"{path}.except[{index}]"
        cidr(text, errors, here)
        if part is None:
            continue
        if part.version != whole.version or not part.network.subnet_of(whole) or part.network == whole:
            errors.append(invalid(here, text, "must be a strict subset of `cidr`"))


def create_service_cidr(obj: Any, errors: Errors) -> None:
    given = obj.spec.cidrs or []
    if not given:
        errors.append(required("spec.cidrs", "at least one CIDR required"))
        return
    if len(given) > 2:
        errors.append(invalid("spec.cidrs", given, "may only hold up to 2 values"))
        return
    families = {parsed.version for parsed in map(parse_network, given) if parsed is not None}
    if len(families) < len(given) == 2:
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errors.append(invalid("spec.cidrs", given, text))
        return
    for index, text in enumerate(given):
        cidr(text, errors, f"spec.cidrs[{index}]")


def update_service_cidr(new: Any, old: Any, errors: Errors) -> None:
    """A second family may be added; what is there stays."""
    now, before = new.spec.cidrs or [], old.spec.cidrs or []
    if len(now) != len(before) and (len(now), len(before)) != (2, 1):
        errors.append(invalid("spec.cidrs", now, IMMUTABLE))
        return
    for index, text in enumerate(before):
        immutable(now[index], text, errors, f"spec.cidrs[{index}]")
    if len(now) > len(before):
        create_service_cidr(new, errors)


def address_name(text: str) -> tuple[str, ...]:
    """An IPAddress is named by its address in canonical form."""
    parsed = parse_address(text)
    if parsed is None:
        return (IP_FORM,)
    return () if str(parsed) == text else ("must be in canonical form (" + f'"{parsed}")',)


def create_address(obj: Any, errors: Errors) -> None:
    parent = obj.spec.parentRef
    if parent is None:
        errors.append(required("spec.parentRef"))
        return
    if parent.group:
        errors.extend(each_invalid("spec.parentRef.group", parent.group, subdomain(parent.group)))
    for field in ("resource", "name"):
        value = getattr(parent, field) or ""
        if not value:
            errors.append(required(f"spec.parentRef.{field}"))
        else:
            errors.extend(each_invalid(f"spec.parentRef.{field}", value, path_segment(value)))
    if parent.namespace:
        errors.extend(each_invalid("spec.parentRef.namespace", parent.namespace, path_segment(parent.namespace)))


def update_address(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec.parentRef, old.spec.parentRef, errors, "spec.parentRef")


RULES: dict[str, Rule] = {
    "IPAddress": Rule(name=address_name, create=create_address, update=update_address, any_version=True),
    "Ingress": Rule(create=create_ingress, update=update_ingress, subresources={"status": update_ingress_status}),
    "IngressClass": Rule(create=create_class, update=update_class),
    "NetworkPolicy": Rule(create=create_policy, update=update_policy),
    "ServiceCIDR": Rule(create=create_service_cidr, update=update_service_cidr, any_version=True),
}
