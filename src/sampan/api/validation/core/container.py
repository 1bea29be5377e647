"""Rules for containers: app, init and ephemeral. Source: API reference v1.36, Container, EphemeralContainer."""

from __future__ import annotations

from typing import Any

from sampan.api.names import label, port_name
from sampan.api.validation.core import lifecycle, mounts, security
from sampan.api.validation.core.context import Errors, PodContext
from sampan.api.validation.core.environment import environment, environment_sources
from sampan.api.validation.network import PROTOCOLS, port, protocol
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from sampan.api.validation.resources import requirements

MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"
EPHEMERAL_FORBIDDEN = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy")


def containers(given: Any, pod: PodContext, errors: Errors, path: str) -> None:
    """The app containers; at least one."""
    if not given:
        errors.append(required(path))
        return
    names: set[str] = set()
    for index, container in enumerate(given):
        here = f"{path}[{index}]"
        common(container, pod, errors, here)
        name = container.name or ""
        if name in names and name:
            errors.append(duplicate(f"{here}.name", name))
        names.add(name)
        if container.lifecycle is not None:
            lifecycle.lifecycle(container.lifecycle, pod.grace_period, errors, f"{here}.lifecycle")
        probes(container, pod, errors, here)
        if container.restartPolicy is not None:
            restart_policy(container, errors, here)
    if len(given) > 1 or given[0].ports:
        host_ports(given, errors, path)


def probes(container: Any, pod: PodContext, errors: Errors, path: str) -> None:
    if container.livenessProbe is not None:
        lifecycle.single_success_probe(container.livenessProbe, pod.grace_period, errors, f"{path}.livenessProbe")
    if container.readinessProbe is not None:
        lifecycle.readiness_probe(container.readinessProbe, pod.grace_period, errors, f"{path}.readinessProbe")
    if container.startupProbe is not None:
        lifecycle.single_success_probe(container.startupProbe, pod.grace_period, errors, f"{path}.startupProbe")


def common(container: Any, pod: PodContext, errors: Errors, path: str) -> None:
    """What holds for containers of every sort."""
    name = container.name or ""
    if not name:
        errors.append(required(f"{path}.name"))
    elif wrong := label(name):
        errors.extend(each_invalid(f"{path}.name", name, wrong))
    if not container.image:
        errors.append(required(f"{path}.image"))
    elif container.image != container.image.strip():
        errors.append(invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace"))
    if container.terminationMessagePolicy not in MESSAGE_POLICIES:
        errors.append(
            not_supported(f"{path}.terminationMessagePolicy", container.terminationMessagePolicy, MESSAGE_POLICIES)
        )
    if container.ports:
        ports(container.ports, errors, f"{path}.ports")
    if container.env:
        environment(container.env, pod, errors, f"{path}.env")
    if container.envFrom:
        environment_sources(container.envFrom, errors, f"{path}.envFrom")
    if container.volumeMounts:
        mounts.volume_mounts(container, pod.volumes, errors, f"{path}.volumeMounts")
    if container.volumeDevices:
        mounts.volume_devices(container, pod.volumes, errors, f"{path}.volumeDevices")
    if container.imagePullPolicy not in PULL_POLICIES:
        errors.append(not_supported(f"{path}.imagePullPolicy", container.imagePullPolicy or "", PULL_POLICIES))
    requirements(container.resources, pod.claims, errors, f"{path}.resources")
    if container.resizePolicy:
        resize_policies(container.resizePolicy, pod, errors, f"{path}.resizePolicy")
    if container.securityContext is not None:
        security.container(container.securityContext, pod, errors, f"{path}.securityContext")


def ports(given: Any, errors: Errors, path: str) -> None:
    names: set[str] = set()
    for index, each in enumerate(given):
        here = f"{path}[{index}]"
        if each.name:
            wrong = port_name(each.name)
            errors.extend(each_invalid(f"{here}.name", each.name, wrong))
            if not wrong and each.name in names:
                errors.append(duplicate(f"{here}.name", each.name))
            names.add(each.name)
        if not each.containerPort:
            errors.append(required(f"{here}.containerPort"))
        else:
            port(each.containerPort, errors, f"{here}.containerPort")
        if each.hostPort:
            port(each.hostPort, errors, f"{here}.hostPort")
        if each.protocol not in PROTOCOLS:
            protocol(each.protocol, errors, f"{here}.protocol")


def host_ports(given: Any, errors: Errors, path: str) -> None:
    """No two containers of a pod may want the same port of the host."""
    taken: set[str] = set()
    for index, container in enumerate(given):
        for number, each in enumerate(container.ports or ()):
            if not each.hostPort:
                continue
            key = f"{each.protocol}/{each.hostIP or ''}/{each.hostPort}"
            if key in taken:
                errors.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
            taken.add(key)


def resize_policies(given: Any, pod: PodContext, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(given):
        resource, restart = policy.resourceName or "", policy.restartPolicy or ""
        if resource in seen:
            errors.append(duplicate(f"{path}[{index}]", resource))
        seen.add(resource)
        if resource not in ("cpu", "memory"):
            errors.append(not_supported(path, resource, ("cpu", "memory")) if resource else required(path))
        if restart not in RESIZE_POLICIES:
            errors.append(not_supported(path, restart, RESIZE_POLICIES) if restart else required(path))
        if pod.restart_policy == "Never" and restart not in ("NotRequired", ""):
            text = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            errors.append(invalid(path, restart, text))


def restart_policy(container: Any, errors: Errors, path: str) -> None:
    if container.restartPolicy not in RESTART_POLICIES:
        errors.append(not_supported(f"{path}.restartPolicy", container.restartPolicy, RESTART_POLICIES))
    for index, rule in enumerate(container.restartPolicyRules or ()):
        restart_rule(rule, errors, f"{path}.restartPolicyRules[{index}]")


def restart_rule(rule: Any, errors: Errors, path: str) -> None:
    if rule.action not in ("Restart", "RestartAllContainers"):
        errors.append(not_supported(f"{path}.action", rule.action or "", ("Restart", "RestartAllContainers")))
    codes = rule.exitCodes
    if codes is None:
        errors.append(required(f"{path}.exitCodes", "must be specified"))
        return
    if codes.operator not in ("In", "NotIn"):
        errors.append(not_supported(f"{path}.exitCodes.operator", codes.operator or "", ("In", "NotIn")))
    if not codes.values:
        errors.append(required(f"{path}.exitCodes.values", "must specify one or more values"))


def init_containers(given: Any, regular: Any, pod: PodContext, errors: Errors, path: str) -> None:
    """Init containers, and the sidecars among them (restartPolicy Always), which may do what app containers do."""
    names = {c.name for c in regular or ()}
    seen: set[str] = set()
    for index, container in enumerate(given):
        here = f"{path}[{index}]"
        common(container, pod, errors, here)
        sidecar = container.restartPolicy == "Always"
        if container.restartPolicy is not None:
            restart_policy(container, errors, here)
        name = container.name or ""
        if name and (name in names or name in seen):
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)
        if sidecar:
            if container.lifecycle is not None:
                lifecycle.lifecycle(container.lifecycle, pod.grace_period, errors, f"{here}.lifecycle")
            probes(container, pod, errors, here)
        else:
            for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if getattr(container, field) is not None:
                    errors.append(forbidden(f"{here}.{field}", NOT_FOR_INIT))
        if container.ports:
            host_ports([container], errors, path)


def ephemeral_containers(given: Any, spec: Any, pod: PodContext, errors: Errors, path: str) -> None:
    others = {c.name for c in (*(spec.containers or ()), *(spec.initContainers or ()))}
    seen: set[str] = set()
    for index, container in enumerate(given):
        here = f"{path}[{index}]"
        common(container, pod, errors, here)
        name = container.name or ""
        if name in others or name in seen:
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)
        target = container.targetContainerName
        if target and target not in others:
            errors.append(not_found(f"{here}.targetContainerName", target))
        for field in EPHEMERAL_FORBIDDEN:
            if getattr(container, field):
                errors.append(forbidden(f"{here}.{field}", NOT_FOR_EPHEMERAL))
        if container.restartPolicy is not None:
            errors.append(forbidden(f"{here}.restartPolicy", NOT_FOR_EPHEMERAL))
        if container.resources.limits or container.resources.requests or container.resources.claims:
            errors.append(forbidden(f"{here}.resources", NOT_FOR_EPHEMERAL))
        for number, mount in enumerate(container.volumeMounts or ()):
            if mount.subPath:
                errors.append(forbidden(f"{here}.volumeMounts[{number}].subPath", NOT_FOR_EPHEMERAL))
            if mount.subPathExpr:
                errors.append(forbidden(f"{here}.volumeMounts[{number}].subPathExpr", NOT_FOR_EPHEMERAL))
