"""Pod Security: a namespace's labels say which level its pods must keep to, and what happens to those that do not.

`enforce` refuses pods; `warn` answers with a warning and `audit` is recorded, for pods and for what makes pods.
https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.api.kinds import core_v1, meta_v1
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.podsecurity.levels import LEVELS, Policy, valid_version, violations, words
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
SHOWN_PODS = 3000


class PodSecurity(Plugin):
    """Without labels, everything is allowed."""

    name = "PodSecurity"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods"), ("", "namespaces"), *TEMPLATES})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "ephemeralcontainers"})

    def validate(self, write: Write) -> None:
        place = (write.kind.group, write.kind.plural)
        if place == ("", "namespaces"):
            self._namespace(write)
        elif place == ("", "pods"):
            if write.operation == CREATE or write.subresource or relevant(write.new) != relevant(write.old):
                self._evaluate(write, write.new, enforce=True)
        else:
            template = _at(write.new, TEMPLATES[place])
            if template is not None and template.spec is not None:
                self._evaluate(write, _pod(template), enforce=False)

    def _evaluate(self, write: Write, pod: Any, *, enforce: bool) -> None:
        entry = self.server.namespaces.get(None, write.namespace)
        labels = dict(entry.labels) if entry is not None else {}
        if not any(name.startswith(PREFIX) for name in labels):
            return
        policies, _ = read(labels)
        enforced, wanted = policies["enforce"], policies["warn"]
        wrong = violations(pod, enforced) if enforce else []
        if wrong:
            raise forbid(write, f'violates PodSecurity "{enforced}": {words(wrong)}')
        unwise = violations(pod, wanted)
        if unwise:
            write.request.warnings.append(f'would violate PodSecurity "{wanted}": {words(unwise)}')

    def _namespace(self, write: Write) -> None:
        labels = write.new.metadata.labels or {}
        policies, wrong = read(labels)
        old, old_wrong = read((write.old.metadata.labels if write.old is not None else None) or {})
        if wrong and wrong != old_wrong:
            raise errors.invalid("", "Namespace", write.name, wrong)
        new = policies["enforce"]
        if write.old is None or new == old["enforce"] or new.level == "privileged":
            return
        if LEVELS.index(new.level) < LEVELS.index(old["enforce"].level) and new.version == old["enforce"].version:
            return
        write.request.warnings.extend(self._left_behind(write.name, new))

    def _left_behind(self, namespace: str, policy: Policy) -> list[str]:
        """Warnings about pods that are there already and would not be let in any more."""
        grouped: dict[str, list[str]] = {}
        for entry in self.server.cache.resource("", "pods").list(namespace)[:SHOWN_PODS]:
            told = violations(self.server.decoded(entry), policy)
            if told:
                grouped.setdefault(", ".join(reason for reason, _ in told), []).append(entry.name)
        if not grouped:
            return []
        head = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{policy}"'
        return [head, *(f"{_counted(names)}: {reasons}" for reasons, names in sorted(grouped.items()))]


def read(labels: dict[str, str]) -> tuple[dict[str, Policy], list[FieldError]]:
    """The policy of each mode, and what is wrong with the labels; a level that cannot be read is the strictest when it
    is to be enforced, and none otherwise.
    """
    policies, wrong = {}, []
    for mode in MODES:
        level, version = labels.get(PREFIX + mode, "privileged"), labels.get(f"{PREFIX}{mode}-version", "latest")
        if level not in LEVELS:
            wrong.append(_invalid(mode, level, f"must be one of {', '.join(LEVELS)}"))
            level = "restricted" if mode == "enforce" else "privileged"
        if not valid_version(version):
            wrong.append(_invalid(f"{mode}-version", version, 'must be "latest" or "v1.x"'))
            version = "latest"
        policies[mode] = Policy(level, version)
    return policies, wrong


def _invalid(label: str, value: str, why: str) -> FieldError:
    return FieldError(errors.INVALID, f"metadata.labels[{PREFIX}{label}]", f'Invalid value: "{value}": {why}')


def _counted(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    others = len(names) - 1
    return f"{names[0]} (and {others} other pod{'s' if others > 1 else ''})"


def relevant(pod: Any) -> Any:
    """What an update may change that the checks could mind: containers made later, and profiles by annotation."""
    annotations = pod.metadata.annotations or {}
    return pod.spec.ephemeralContainers, {n: v for n, v in annotations.items() if "apparmor" in n or "seccomp" in n}


def _at(obj: Any, path: str) -> Any:
    for name in path.split("."):
        obj = getattr(obj, name) if obj is not None else None
    return obj


def _pod(template: Any) -> Any:
    return core_v1.Pod(metadata=template.metadata or meta_v1.ObjectMeta(), spec=template.spec)
