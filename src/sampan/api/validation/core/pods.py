"""Rules for pods and pod templates. Source: API reference v1.36, Pod, PodSpec, PodTemplateSpec."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sampan.api.bycontent import by_content
from sampan.api.names import label, subdomain
from sampan.api.quantity import parse
from sampan.api.validation.core import dns, podannotations, scheduling, security, windows
from sampan.api.validation.core.container import containers, ephemeral_containers, init_containers
from sampan.api.validation.core.context import Errors, PodContext
from sampan.api.validation.core.volumes import volumes
from sampan.api.validation.metadata import annotation_map, labels
from sampan.api.validation.numbers import LARGEST, between
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.resources import container_resource_name, quantity, requirements
from sampan.api.validation.violations import Enough, Violations

HOSTNAME_LENGTH = 64
POD_RESOURCES = ("cpu", "hugepages-", "memory")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
PREEMPTION = ("Never", "PreemptLowerPriority")
NOT_WITHOUT_ACCOUNT = "must not be specified when serviceAccountName is not set"


def create(pod: Any, errors: Errors) -> None:
    spec, given = pod.spec, pod.metadata.annotations
    if given:
        podannotations.judge(given, spec, errors, "metadata.annotations")
    if not faultless(spec):
        new_spec(spec, pod.metadata.name or "", errors)
    if given:
        podannotations.agree(given, spec, errors, "spec")


@by_content
def faultless(spec: Any) -> bool:
    """Whether nothing is wrong with a new pod's spec, whatever the pod is called: claims are named after their pod."""
    if any(volume.ephemeral is not None for volume in spec.volumes or ()):
        return False
    wrong = Violations()
    with suppress(Enough):
        new_spec(spec, "", wrong)
    return not wrong


def new_spec(spec: Any, name: str, errors: Errors) -> None:
    pod_spec(spec, name, errors, "spec")
    tokens_need_account(spec, errors)
    if spec.ephemeralContainers:
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.nodeName and spec.schedulingGates:
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))


def tokens_need_account(spec: Any, errors: Errors) -> None:
    """A token is some service account's; only a pod, not a template, must already name it."""
    if spec.serviceAccountName or not spec.volumes:
        return
    for index, volume in enumerate(spec.volumes):
        for number, source in enumerate((volume.projected.sources if volume.projected else None) or ()):
            if source.serviceAccountToken is not None:
                path = f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken"
                errors.append(forbidden(path, NOT_WITHOUT_ACCOUNT))


def pod_spec(spec: Any, name: str, errors: Errors, path: str) -> None:
    """`name`: the pod's, where it is known."""
    context = PodContext(
        grace_period=spec.terminationGracePeriodSeconds,
        restart_policy=spec.restartPolicy or "",
        host_users=spec.hostUsers is not False,
        host_network=bool(spec.hostNetwork),
    )
    if spec.volumes:
        context.volumes = volumes(spec.volumes, name, errors, f"{path}.volumes")
    if spec.resourceClaims:
        context.claims = resource_claims(spec.resourceClaims, errors, f"{path}.resourceClaims")
    containers(spec.containers, context, errors, f"{path}.containers")
    if spec.initContainers:
        init_containers(spec.initContainers, spec.containers, context, errors, f"{path}.initContainers")
    if spec.ephemeralContainers:
        ephemeral_containers(spec.ephemeralContainers, spec, context, errors, f"{path}.ephemeralContainers")
    if spec.resources is not None:
        pod_resources(spec, context, errors, f"{path}.resources")
    if spec.hostNetwork:
        host_network_ports(spec, errors, path)
    if spec.restartPolicy not in RESTART_POLICIES:
        value = spec.restartPolicy
        errors.append(
            not_supported(f"{path}.restartPolicy", value, RESTART_POLICIES)
            if value
            else required(f"{path}.restartPolicy")
        )
    if spec.dnsPolicy not in dns.POLICIES:
        dns.policy(spec.dnsPolicy, errors, f"{path}.dnsPolicy")
    if spec.nodeSelector:
        labels(spec.nodeSelector, errors, f"{path}.nodeSelector")
    if spec.securityContext is not None:
        security.pod(spec.securityContext, spec, context, errors, f"{path}.securityContext")
    placement(spec, context, errors, path)
    identity(spec, errors, path)


def placement(spec: Any, context: PodContext, errors: Errors, path: str) -> None:
    """Where it may run and how it resolves names."""
    if spec.affinity is not None:
        scheduling.affinity(spec.affinity, errors, f"{path}.affinity")
    if spec.dnsConfig is not None or spec.dnsPolicy == "None":
        dns.config(spec.dnsConfig, spec.dnsPolicy, errors, f"{path}.dnsConfig")
    if spec.readinessGates:
        scheduling.readiness_gates(spec.readinessGates, errors, f"{path}.readinessGates")
    if spec.schedulingGates:
        scheduling.scheduling_gates(spec.schedulingGates, errors, f"{path}.schedulingGates")
    if spec.topologySpreadConstraints:
        scheduling.spread_constraints(spec.topologySpreadConstraints, errors, f"{path}.topologySpreadConstraints")
    if context.windows:
        windows.host_process(spec, errors, path)
    if spec.hostUsers is False:
        security.host_users(spec, errors, path)


def identity(spec: Any, errors: Errors, path: str) -> None:
    """Names of what it belongs to, runs on and is called."""
    if spec.serviceAccountName:
        named(spec, "serviceAccountName", subdomain, errors, path)
    if spec.nodeName:
        named(spec, "nodeName", subdomain, errors, path)
    seconds = spec.activeDeadlineSeconds
    if seconds is not None and not 1 <= seconds <= LARGEST:
        errors.append(invalid(f"{path}.activeDeadlineSeconds", seconds, between(1, LARGEST)))
    if spec.hostname:
        named(spec, "hostname", label, errors, path)
    if spec.subdomain:
        named(spec, "subdomain", label, errors, path)
    if spec.hostnameOverride is not None:
        overridden_name(spec, errors, path)
    if spec.tolerations:
        scheduling.tolerations(spec.tolerations, errors, f"{path}.tolerations")
    if spec.hostAliases:
        dns.host_aliases(spec.hostAliases, errors, f"{path}.hostAliases")
    if spec.priorityClassName:
        named(spec, "priorityClassName", subdomain, errors, path)
    if spec.runtimeClassName is not None:
        wrong = subdomain(spec.runtimeClassName)
        errors.extend(each_invalid(f"{path}.runtimeClassName", spec.runtimeClassName, wrong))
    if spec.preemptionPolicy is not None and spec.preemptionPolicy not in PREEMPTION:
        errors.append(not_supported(f"{path}.preemptionPolicy", spec.preemptionPolicy, PREEMPTION))
    if spec.overhead:
        overhead(spec.overhead, errors, f"{path}.overhead")
    if spec.os is not None:
        windows.operating_system(spec, errors, path)


def named(spec: Any, field: str, check: Any, errors: Errors, path: str) -> None:
    value = getattr(spec, field)
    if wrong := check(value):
        errors.extend(each_invalid(f"{path}.{field}", value, wrong))


def overridden_name(spec: Any, errors: Errors, path: str) -> None:
    """A name that is used as it is, whatever else would make one (KEP-4762)."""
    here, name = f"{path}.hostnameOverride", spec.hostnameOverride
    errors.extend(each_invalid(here, name, subdomain(name)))
    if len(name) > HOSTNAME_LENGTH:
        errors.append(invalid(here, name, f"must be no more than {HOSTNAME_LENGTH} characters"))
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if getattr(spec, field):
            errors.append(forbidden(here, f"may not be specified when `{field}` is true"))


def overhead(amounts: dict[str, str], errors: Errors, path: str) -> None:
    for name, amount in amounts.items():
        container_resource_name(name, errors, f"{path}.limits[{name}]")
        quantity(name, amount, errors, f"{path}.limits[{name}]")


def resource_claims(given: Any, errors: Errors, path: str) -> set[str]:
    """The names of the pod's resource claims."""
    from sampan.api.validation.problems import duplicate

    names: set[str] = set()
    for index, claim in enumerate(given):
        here, name = f"{path}[{index}]", claim.name or ""
        if not name:
            errors.append(required(f"{here}.name"))
        elif name in names:
            errors.append(duplicate(f"{here}.name", name))
        else:
            errors.extend(each_invalid(f"{here}.name", name, label(name)))
            names.add(name)
        if claim.resourceClaimName is not None and claim.resourceClaimTemplateName is not None:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid(here, claim, text))
        if claim.resourceClaimName is None and claim.resourceClaimTemplateName is None:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid(here, claim, text))
        for field in ("resourceClaimName", "resourceClaimTemplateName"):
            value = getattr(claim, field)
            if value is not None:
                errors.extend(each_invalid(f"{here}.{field}", value, subdomain(value)))
    return names


def pod_resources(spec: Any, context: PodContext, errors: Errors, path: str) -> None:
    """Resources of the pod as a whole: not less than its containers request together (KEP-2837)."""
    from sampan.api.defaults.podresources import aggregated_requests

    if spec.resources.claims:
        errors.append(forbidden(f"{path}.claims", "claims are not supported for Resources at pod-level"))
    requirements(spec.resources, context.claims, errors, path)
    for field in ("limits", "requests"):
        for name in getattr(spec.resources, field) or ():
            if not name.startswith(POD_RESOURCES):
                errors.append(not_supported(f"{path}.{field}[{name}]", name, POD_RESOURCES))
    requests = spec.resources.requests or {}
    for name, total in aggregated_requests(spec).items():
        if name in requests and parse(requests[name]) < parse(total):
            text = f"must be greater than or equal to aggregate container requests of {total}"
            errors.append(invalid(f"{path}.requests[{name}]", requests[name], text))
    limits = spec.resources.limits or {}
    for field in ("containers", "initContainers"):
        for index, container in enumerate(getattr(spec, field) or ()):
            for name, amount in (container.resources.limits or {}).items():
                if name in limits and parse(limits[name]) < parse(amount):
                    here = f"{path.removesuffix('.resources')}.{field}[{index}].resources.limits[{name}]"
                    errors.append(invalid(here, amount, f"must be less than or equal to pod limits of {limits[name]}"))


def host_network_ports(spec: Any, errors: Errors, path: str) -> None:
    """A port of a pod in the host's network is a port of the host."""
    for index, container in enumerate(spec.containers or ()):
        for number, port in enumerate(container.ports or ()):
            if port.hostPort != port.containerPort:
                here = f"{path}.containers[{index}].ports[{number}].hostPort"
                text = "must match `containerPort` when `hostNetwork` is true"
                errors.append(invalid(here, port.hostPort or 0, text))


def template(given: Any, errors: Errors, path: str) -> None:
    """A pod template; its labels are told without `metadata`, as upstream does."""
    meta = given.metadata
    if meta is not None:
        if meta.labels:
            labels(meta.labels, errors, f"{path}.labels")
        if meta.annotations:
            annotation_map(meta.annotations, errors, f"{path}.annotations")
            podannotations.judge(meta.annotations, given.spec, errors, f"{path}.annotations")
    pod_spec(given.spec, "", errors, f"{path}.spec")
    if given.spec.ephemeralContainers:
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))


def create_template(obj: Any, errors: Errors) -> None:
    template(obj.template, errors, "template")


def update_template(new: Any, old: Any, errors: Errors) -> None:
    template(new.template, errors, "template")
