"""Whether a container that ended runs again, and when.

The rule is the pod's `restartPolicy`, which a container may override (`restartPolicy`, and `restartPolicyRules` by
exit code, of which the first that matches counts, KEP-5307). A rule may also restart all containers of the pod, init
containers included, in the sandbox they have (KEP-5532): the instances that follow belong to the next round.

A container restarts at once after its first end, then after 10 s, 20 s, 40 s, ... up to 5 minutes; one that ran for 10
minutes begins anew ("Pod Lifecycle", how Pods handle problems with containers). The last delay stands in the runtime
beside the instance, so a new kubelet goes on where the old one was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.kubelet.observed import Container, Observed
from sampan.kubelet.spec import all_containers


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashBackoff:
    """Seconds."""

    base: float = 10.0
    cap: float = 300.0
    reset: float = 600.0

    def next_delay(self, ended: Container) -> float:
        """The delay before the instance that follows `ended`."""
        ran = ended.finished - (ended.started or ended.finished)
        if ended.delay is None or ran >= self.reset:
            return 0.0
        return self.base if ended.delay < self.base else min(ended.delay * 2, self.cap)


def is_sidecar(container: Any) -> bool:
    """A restartable init container (KEP-753)."""
    return container.restartPolicy == "Always"


def restarts(pod: Any, container: Any, ended: Container, *, init: bool = False) -> bool:
    """Whether `container` is to run again after `ended`; a plain init container that succeeded is not."""
    if matching_rule(container, ended) is not None:
        return True
    policy = container.restartPolicy or pod.spec.restartPolicy or "Always"
    if init and not is_sidecar(container):
        return policy != "Never" and ended.exit_code != 0
    return policy == "Always" or (policy == "OnFailure" and ended.exit_code != 0)


def matching_rule(container: Any, ended: Container) -> Any | None:
    """The container's first rule for this exit code, if there is one."""
    rules = container.restartPolicyRules or ()
    return next((rule for rule in rules if matches(rule.exitCodes, ended.exit_code)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Which round of the pod's containers is to run, and the instance whose end began it until that round has begun."""

    number: int = 0
    cause: Container | None = None

    def includes(self, container: Container | None) -> bool:
        """Whether the instance counts: what ran in former rounds is only history."""
        return container is not None and container.round == self.number


def wanted_round(pod: Any, seen: Observed) -> Round:
    """The newest round that has instances, or the next one when one of them has ended with a rule to restart all."""
    newest = {spec.name: seen.latest[spec.name] for spec in all_containers(pod) if spec.name in seen.latest}
    number = max((container.round for container in newest.values()), default=0)
    causes = [
        newest[spec.name]
        for spec in all_containers(pod)
        if spec.name in newest and newest[spec.name].round == number and restarts_all(spec, newest[spec.name])
    ]
    if not causes:
        return Round(number=number)
    return Round(number=number + 1, cause=min(causes, key=lambda container: container.finished))


def restarts_all(spec: Any, container: Container) -> bool:
    rule = matching_rule(spec, container) if container.state == "exited" else None
    return rule is not None and rule.action == "RestartAllContainers"


def matches(exit_codes: Any, code: int) -> bool:
    if exit_codes is None:
        return False
    listed = code in (exit_codes.values or ())
    return listed if exit_codes.operator == "In" else not listed
