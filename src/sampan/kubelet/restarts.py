"""Whether a container that ended runs again, and when.

The rule is the pod's `restartPolicy`, which a container may override (`restartPolicy`, and `restartPolicyRules` by
exit code, KEP-5307). A container restarts at once after its first end, then after 10 s, 20 s, 40 s, ... up to 5
minutes; one that ran for 10 minutes begins anew ("Pod Lifecycle", how Pods handle problems with containers). The last
delay stands in the runtime beside the instance, so a new kubelet goes on where the old one was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.kubelet.observed import Container


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
    for rule in container.restartPolicyRules or ():
        if rule.action == "Restart" and matches(rule.exitCodes, ended.exit_code):
            return True
    policy = container.restartPolicy or pod.spec.restartPolicy or "Always"
    if init and not is_sidecar(container):
        return policy != "Never" and ended.exit_code != 0
    return policy == "Always" or (policy == "OnFailure" and ended.exit_code != 0)


def matches(exit_codes: Any, code: int) -> bool:
    if exit_codes is None:
        return False
    listed = code in (exit_codes.values or ())
    return listed if exit_codes.operator == "In" else not listed
