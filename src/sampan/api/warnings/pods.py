"""Warnings for pods, alone and as templates. Source: upstream's warnings for pod specs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from sampan.api.bycontent import by_content
from sampan.api.names import label
from sampan.api.quantity import parse
from sampan.api.validation.problems import quote

Warn = Callable[[Any], list[str]]

LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "seccomp.security.alpha.kubernetes.io/pod": 'non-functional in v1.27+; use the "seccompProfile" field instead',
}
ANNOTATION_PREFIXES = {
    "container.seccomp.security.alpha.kubernetes.io/": (
        'non-functional in v1.27+; use the "seccompProfile" field instead'
    ),
    "container.apparmor.security.beta.kubernetes.io/": (
        'deprecated since v1.30; use the "appArmorProfile" field instead'
    ),
}
WARNED = (*ANNOTATIONS, *ANNOTATION_PREFIXES)
VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
HOSTNAME = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
WHOLE_BYTES = ("memory", "ephemeral-storage")
POD_NAMES = (
    "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
)
NO_POD = "a null labelSelector results in matching no pod"


def label_warning(key: str | None, path: str) -> Iterator[str]:
    """For a path that ends in the key's place, not in the key."""
    if key in LABELS:
        yield f"{path}: {key} is {LABELS[key]}"


def fraction(amounts: Any, name: str, path: str) -> Iterator[str]:
    amount = (amounts or {}).get(name)
    if amount is not None and parse(amount).value % 1:
        yield f'{path}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def pod(o: Any) -> list[str]:
    found: list[str] = []
    if o.metadata.name and (wrong := label(o.metadata.name)):
        found.append(f"metadata.name: {HOSTNAME}: [{' '.join(wrong)}]")
    metadata(o.metadata, found, "metadata")
    found.extend(own_spec(o.spec))
    return found


@by_content
def own_spec(given: Any) -> list[str]:
    found: list[str] = []
    spec(given, found, "spec")
    return found


def template(given: Any, path: str) -> list[str]:
    """`path` is the template's."""
    found: list[str] = []
    if given is not None and given.spec is not None:
        metadata(given.metadata, found, f"{path}.metadata")
        spec(given.spec, found, f"{path}.spec")
    return found


def metadata(meta: Any, found: list[str], path: str) -> None:
    for key in (meta.annotations if meta is not None else None) or ():
        if not key.startswith(WARNED):
            continue
        text = ANNOTATIONS.get(key) or next((t for p, t in ANNOTATION_PREFIXES.items() if key.startswith(p)), None)
        if text:
            found.append(f"{path}.annotations[{key}]: {text}")


def spec(given: Any, found: list[str], path: str) -> None:
    """All of a pod's spec; a part that says nothing costs nothing."""
    for key in given.nodeSelector or ():
        if key in LABELS:
            found.append(f"{path}.nodeSelector[{key}]: {LABELS[key]}")
    if given.affinity is not None:
        found.extend(affinity(given.affinity, f"{path}.affinity"))
    for index, constraint in enumerate(given.topologySpreadConstraints or ()):
        here = f"{path}.topologySpreadConstraints[{index}]"
        found.extend(label_warning(constraint.topologyKey, f"{here}.topologyKey"))
        if constraint.labelSelector is None:
            found.append(f"{here}.labelSelector: {NO_POD}")
    if given.volumes:
        volumes(given.volumes, found, f"{path}.volumes")
    if given.imagePullSecrets:
        found.extend(repeated(given, path))
    ported = 0
    for field, listed in (("initContainers", given.initContainers), ("containers", given.containers)):
        for index, container in enumerate(listed or ()):
            containers(container, found, f"{path}.{field}[{index}]")
            ported += len(container.ports or ())
    if ported > 1:
        found.extend(ports(given, path))
    seconds = given.terminationGracePeriodSeconds
    if seconds is not None and seconds < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{path}.terminationGracePeriodSeconds: {text}")


def affinity(given: Any, path: str) -> Iterator[str]:
    if given.nodeAffinity is not None:
        yield from node_affinity(given.nodeAffinity, f"{path}.nodeAffinity")
    for field in ("podAffinity", "podAntiAffinity"):
        side = getattr(given, field)
        for when in (
            "requiredDuringSchedulingIgnoredDuringExecution",
            "preferredDuringSchedulingIgnoredDuringExecution",
        ):
            for index, term in enumerate((getattr(side, when) if side is not None else None) or ()):
                here = f"{path}.{field}.{when}[{index}]"
                inner = getattr(term, "podAffinityTerm", None)
                if inner is not None:
                    term, here = inner, f"{here}.podAffinityTerm"
                if term.labelSelector is None:
                    yield f"{here}.labelSelector: {NO_POD}"


def node_affinity(given: Any, path: str) -> Iterator[str]:
    needed = given.requiredDuringSchedulingIgnoredDuringExecution
    for index, term in enumerate((needed.nodeSelectorTerms if needed is not None else None) or ()):
        here = f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
        yield from node_term(term, here)
    for index, weighted in enumerate(given.preferredDuringSchedulingIgnoredDuringExecution or ()):
        here = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        if weighted.preference is not None:
            yield from node_term(weighted.preference, here)


def node_term(term: Any, path: str) -> Iterator[str]:
    for index, requirement in enumerate(term.matchExpressions or ()):
        yield from label_warning(requirement.key, f"{path}.matchExpressions[{index}].key")


old_sources = attrgetter(*VOLUMES)


def volumes(given: Any, found: list[str], path: str) -> None:
    for index, volume in enumerate(given):
        for source, value in zip(VOLUMES, old_sources(volume), strict=True):
            if value is not None:
                found.append(f"{path}[{index}].{source}: {VOLUMES[source]}")
        directory = volume.emptyDir
        if directory is not None and directory.sizeLimit is not None and parse(directory.sizeLimit).value % 1:
            text = f'fractional byte value "{directory.sizeLimit}" is invalid, must be an integer'
            found.append(f"{path}[{index}].emptyDir.sizeLimit: {text}")


def repeated(given: Any, path: str) -> Iterator[str]:
    """What is given twice and may be lost when applied."""
    seen: set[str] = set()
    for index, secret in enumerate(given.imagePullSecrets or ()):
        name = secret.name or ""
        if not name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
        elif name in seen:
            yield f"{path}.imagePullSecrets[{index}].name: duplicates imagePullSecret name {quote(name)}"
        seen.add(name)


def containers(container: Any, found: list[str], path: str) -> None:
    environment = container.env
    if environment is not None and len({v.name for v in environment}) < len(environment):
        names: set[str] = set()
        for index, variable in enumerate(environment):
            name = variable.name or ""
            if name in names:
                text = f"hides previous definition of {quote(name)}, which may be dropped when using apply"
                found.append(f"{path}.env[{index}]: {text}")
            names.add(name)
    resources = container.resources
    for field, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for resource in WHOLE_BYTES if amounts else ():
            if resource in amounts:
                found.extend(fraction(amounts, resource, f"{path}.resources.{field}"))


def ports(given: Any, path: str) -> Iterator[str]:
    """Ports of a pod's containers that are the same."""
    known: list[tuple[Any, str]] = []
    for field in ("initContainers", "containers"):
        for index, container in enumerate(getattr(given, field) or ()):
            for number, port in enumerate(container.ports or ()):
                here = f"{path}.{field}[{index}].ports[{number}]"
                yield from clash(port, here, known)
                known.append((port, here))


def clash(port: Any, path: str, known: list[tuple[Any, str]]) -> Iterator[str]:
    for other, where in known:
        if port.protocol != other.protocol:
            continue
        same = port.containerPort == other.containerPort
        hosts = (port.hostPort or 0, port.hostIP or "", other.hostPort or 0, other.hostIP or "")
        if same and hosts[:2] == hosts[2:]:
            yield f"{path}: duplicate port definition with {where}"
            return
        if same and (not hosts[0] or not hosts[2]) and hosts[0] != hosts[2]:
            yield f"{path}: overlapping port definition with {where}"
            return


def pod_names(o: Any, at: str) -> list[str]:
    """For kinds whose pods are named after them."""
    found = template(o.spec.template, at)
    if o.metadata.name and (wrong := label(o.metadata.name)):
        found.insert(0, f"metadata.name: {POD_NAMES}: [{' '.join(wrong)}]")
    return found


def controller(o: Any) -> list[str]:
    return pod_names(o, "spec.template")


def templated(o: Any) -> list[str]:
    return template(o.spec.template, "spec.template")


def stateful_set(o: Any) -> list[str]:
    found = templated(o)
    if o.spec.revisionHistoryLimit is not None and o.spec.revisionHistoryLimit < 0:
        text = "a negative value retains all historical revisions; a value >= 0 is recommended"
        found.append(f"spec.revisionHistoryLimit: {text}")
    return found


def cron_job(o: Any) -> list[str]:
    found = template(o.spec.jobTemplate.spec.template, "spec.jobTemplate.spec.template")
    if o.metadata.name and (wrong := label(o.metadata.name)):
        found.insert(0, f"metadata.name: {POD_NAMES}: [{' '.join(wrong)}]")
    return found


def pod_template(o: Any) -> list[str]:
    return template(o.template, "template")


WARNINGS: dict[tuple[str, str], Warn] = {
    ("", "Pod"): pod,
    ("", "PodTemplate"): pod_template,
    ("", "ReplicationController"): controller,
    ("apps", "DaemonSet"): templated,
    ("apps", "Deployment"): controller,
    ("apps", "ReplicaSet"): controller,
    ("apps", "StatefulSet"): stateful_set,
    ("batch", "CronJob"): cron_job,
    ("batch", "Job"): controller,
}
