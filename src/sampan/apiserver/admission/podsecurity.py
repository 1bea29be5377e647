"""Pod Security: a namespace's labels say which level its pods must keep to, and what happens to those that do not.

`enforce` refuses pods; `warn` answers with a warning and `audit` is recorded, for pods and for what makes pods.
https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from sampan.api import errors, names
from sampan.api.errors import FieldError
from sampan.api.kinds import core_v1, meta_v1
from sampan.apiserver.admission.configuration import check_type, convert
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.podsecurity.levels import LEVELS, Policy, valid_version, violations, words
from sampan.apiserver.podsecurity.view import containers
from sampan.apiserver.write import CREATE, Write

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
TEMPLATES = {
    ("", "podtemplates"): "template",
    ("", "replicationcontrollers"): "spec.template",
    ("apps", "daemonsets"): "spec.template",
    ("apps", "deployments"): "spec.template",
    ("apps", "replicasets"): "spec.template",
    ("apps", "statefulsets"): "spec.template",
    ("batch", "jobs"): "spec.template",
    ("batch", "cronjobs"): "spec.jobTemplate.spec.template",
}
VERSIONS = tuple(f"pod-security.admission.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
FREE = {name: value for mode in MODES for name, value in ((mode, "privileged"), (f"{mode}-version", "latest"))}
"""What holds where neither the namespace nor the configuration says anything."""
SECCOMP = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")
SHOWN_PODS = 3000
_decode = msgspec.json.Decoder(core_v1.Pod).decode


class _Exemptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    usernames: tuple[str, ...] = ()
    runtimeClasses: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


class _Configuration(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    defaults: dict[str, str] = {}
    exemptions: _Exemptions = _Exemptions()


class PodSecurity(Plugin):
    """Without labels, what the configuration's defaults say; without those, everything is allowed."""

    name = "PodSecurity"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods"), ("", "namespaces"), *TEMPLATES})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "ephemeralcontainers", "resize"})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._defaults: dict[str, str] = {}
        self._exemptions = _Exemptions()

    def configure(self, settings: Any) -> None:
        check_type(settings, VERSIONS, "PodSecurityConfiguration")
        found = convert(settings, _Configuration, where=self.name)
        self._defaults = checked_defaults(found.defaults)
        _check_exemptions(found.exemptions)
        self._exemptions = found.exemptions

    def validate(self, write: Write) -> None:
        place = (write.kind.group, write.kind.plural)
        if place == ("", "namespaces"):
            self._namespace(write)
        elif place == ("", "pods"):
            if write.operation == CREATE or relevant(write.new) != relevant(write.old):
                self._evaluate(write, write.new, enforce=True)
        elif not write.subresource:
            template = _at(write.new, TEMPLATES[place])
            if template is not None and template.spec is not None:
                self._evaluate(write, _pod(template), enforce=False)

    def _evaluate(self, write: Write, pod: Any, *, enforce: bool) -> None:
        entry = self.server.namespaces.get(None, write.namespace)
        labels = dict(entry.labels) if entry is not None else {}
        if not self._defaults and not any(name.startswith(PREFIX) for name in labels):
            return
        exempt = self._exempt(write, pod)
        if exempt:
            _record(write, "exempt", exempt)
            return
        policies, _ = read(labels, self._defaults)
        enforced, wanted = policies["enforce"], policies["warn"]
        wrong = violations(pod, enforced) if enforce else []
        if enforce:
            _record(write, "enforce-policy", str(enforced))
        if write.request.record is not None and (noted := violations(pod, policies["audit"])):
            text = f'would violate PodSecurity "{policies["audit"]}": {words(noted)}'
            _record(write, "audit-violations", text)
        if wrong:
            raise forbid(write, f'violates PodSecurity "{enforced}": {words(wrong)}')
        unwise = violations(pod, wanted)
        if unwise:
            write.request.warnings.append(f'would violate PodSecurity "{wanted}": {words(unwise)}')

    def _exempt(self, write: Write, pod: Any) -> str:
        """By what a pod is left alone; "" when it is not. The order is upstream's."""
        exempt = self._exemptions
        ways = {
            "namespace": write.namespace in exempt.namespaces,
            "user": write.request.user.name in exempt.usernames,
            "runtimeClass": (pod.spec.runtimeClassName or "") in exempt.runtimeClasses,
        }
        return next((way for way, holds in ways.items() if holds), "")

    def _namespace(self, write: Write) -> None:
        labels = write.new.metadata.labels or {}
        policies, wrong = read(labels, self._defaults)
        before = (write.old.metadata.labels if write.old is not None else None) or {}
        old, old_wrong = read(before, self._defaults)
        if wrong and wrong != old_wrong:
            raise errors.invalid("", "Namespace", write.name, wrong)
        new = policies["enforce"]
        if write.old is None or new == old["enforce"] or new.level == "privileged":
            return
        if LEVELS.index(new.level) < LEVELS.index(old["enforce"].level) and new.version == old["enforce"].version:
            return
        if write.name in self._exemptions.namespaces:
            return
        write.request.warnings.extend(self._left_behind(write.name, new))

    def _left_behind(self, namespace: str, policy: Policy) -> list[str]:
        """Warnings about pods that are there already and would not be let in any more."""
        grouped: dict[str, list[str]] = {}
        entries = self.server.cache.resource("", "pods").list(namespace)
        for entry in entries[:SHOWN_PODS]:
            pod = _decode(entry.data)
            if pod.spec is None or (pod.spec.runtimeClassName or "") in self._exemptions.runtimeClasses:
                continue
            if told := violations(pod, policy):
                grouped.setdefault(", ".join(reason for reason, _ in told), []).append(entry.name)
        some = []
        if len(entries) > SHOWN_PODS:
            of = f"the first {SHOWN_PODS} of {len(entries)} existing pods"
            some = [f"new PodSecurity enforce level only checked against {of}"]
        if not grouped:
            return some
        head = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{policy}"'
        return [*some, head, *(f"{_counted(names)}: {reasons}" for reasons, names in sorted(grouped.items()))]


def read(
    labels: Mapping[str, str], defaults: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, Policy], list[FieldError]]:
    """The policy of each mode, and what is wrong with the labels; a level that cannot be read is the strictest when it
    is to be enforced, and none otherwise.
    """
    policies, wrong = {}, []
    for mode in MODES:
        said = (mode, f"{mode}-version")
        level, version = (labels.get(PREFIX + name, defaults.get(name, FREE[name])) for name in said)
        if level not in LEVELS:
            wrong.append(_invalid(mode, level, f"must be one of {', '.join(LEVELS)}"))
            level = "restricted" if mode == "enforce" else "privileged"
        if not valid_version(version):
            wrong.append(_invalid(f"{mode}-version", version, 'must be "latest" or "v1.x"'))
            version = "latest"
        policies[mode] = Policy(level, version)
    if PREFIX + "warn" not in labels and labels.get(PREFIX + "enforce") in LEVELS:
        policies["warn"] = _stricter(policies, labels)
    return policies, wrong


def _stricter(policies: dict[str, Policy], labels: Mapping[str, str]) -> Policy:
    """What is to be warned of where the namespace only says what it enforces: that, if it is more than the default."""
    enforced, wanted = policies["enforce"], policies["warn"]
    if LEVELS.index(enforced.level) <= LEVELS.index(wanted.level):
        return wanted
    return Policy(enforced.level, wanted.version if f"{PREFIX}warn-version" in labels else enforced.version)


def checked_defaults(defaults: Mapping[str, str]) -> dict[str, str]:
    """The configuration's defaults. Raises ValueError for a mode, level or version that is none."""
    for name, value in defaults.items():
        if name not in FREE:
            raise ValueError(f"defaults: unknown field {name}: known are {', '.join(FREE)}")
        level = name in MODES
        if value and not (value in LEVELS if level else valid_version(value)):
            want = f"one of {', '.join(LEVELS)}" if level else '"latest" or "v1.x"'
            raise ValueError(f'defaults.{name}: Invalid value: "{value}": must be {want}')
    return {name: value for name, value in defaults.items() if value}


def _check_exemptions(exemptions: _Exemptions) -> None:
    """Raises ValueError for a name that can be nobody's, or is there twice."""
    checks = (("namespaces", names.label), ("runtimeClasses", names.subdomain), ("usernames", lambda name: not name))
    for field, wrong in checks:
        listed = getattr(exemptions, field)
        for number, name in enumerate(listed):
            where = f'exemptions.{field}[{number}]: "{name}"'
            if wrong(name):
                raise ValueError(f"{where} is no valid name")
            if name in listed[:number]:
                raise ValueError(f"{where} is there twice")


def _record(write: Write, name: str, value: str) -> None:
    if write.request.record is not None:
        write.request.record.annotate(PREFIX + name, value)


def _invalid(label: str, value: str, why: str) -> FieldError:
    return FieldError(errors.INVALID, f"metadata.labels[{PREFIX}{label}]", f'Invalid value: "{value}": {why}')


def _counted(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    others = len(names) - 1
    return f"{names[0]} (and {others} other pod{'s' if others > 1 else ''})"


def relevant(pod: Any) -> Any:
    """What an update may change that the checks could mind: images, containers made later, profiles by annotation."""
    annotations = pod.metadata.annotations or {}
    images = [(one.name, one.image) for one in containers(pod)]
    return images, {n: v for n, v in annotations.items() if n.startswith(SECCOMP)}


def _at(obj: Any, path: str) -> Any:
    for name in path.split("."):
        obj = getattr(obj, name) if obj is not None else None
    return obj


def _pod(template: Any) -> Any:
    return core_v1.Pod(metadata=template.metadata or meta_v1.ObjectMeta(), spec=template.spec)
