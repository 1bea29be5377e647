"""The levels and their versions: which checks a pod must pass.

A policy is a level and a version of Kubernetes ("latest" or v1.x), as in `restricted:v1.24`: the checks as they were in
that version, so that an upgrade does not refuse what was allowed before.
https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sampan.apiserver.podsecurity import baseline, restricted
from sampan.apiserver.podsecurity.view import Told

LEVELS = ("privileged", "baseline", "restricted")
LATEST = "latest"
NEWEST_MINOR = 36
Check = Callable[[Any, int], Told | None]

BASELINE: tuple[Check, ...] = (
    baseline.apparmor,
    baseline.capabilities,
    baseline.host_namespaces,
    baseline.host_paths,
    baseline.host_ports,
    baseline.probe_hosts,
    baseline.privileged,
    baseline.proc_mount,
    baseline.seccomp,
    baseline.selinux,
    baseline.sysctls,
    baseline.host_process,
)
RESTRICTED: tuple[Check, ...] = (
    restricted.allow_privilege_escalation,
    restricted.capabilities,
    baseline.default_proc_mount,
    restricted.volumes,
    restricted.run_as_non_root,
    restricted.run_as_user,
    restricted.seccomp,
)
OVERRIDDEN = {
    baseline.capabilities: (restricted.capabilities, 22),
    baseline.seccomp: (restricted.seccomp, 19),
    baseline.proc_mount: (baseline.default_proc_mount, 0),
}
"""Checks of the baseline that a stricter one of the restricted level takes the place of, and since which version."""


class Policy(NamedTuple):
    """`version` as it is written; `minor` as the checks see it."""

    level: str = "privileged"
    version: str = LATEST

    @property
    def minor(self) -> int:
        return NEWEST_MINOR if self.version == LATEST else min(int(self.version.split(".")[1]), NEWEST_MINOR)

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"


def valid_version(text: str) -> bool:
    return text == LATEST or re.fullmatch(r"v1\.(0|[1-9][0-9]{0,2})", text) is not None


def violations(pod: Any, policy: Policy) -> list[Told]:
    """What a pod does against the policy, in the order of the checks."""
    if policy.level == "privileged":
        return []
    minor, strict = policy.minor, policy.level == "restricted"
    checks = [check for check in BASELINE if not (strict and check in OVERRIDDEN and minor >= OVERRIDDEN[check][1])]
    if strict:
        checks += RESTRICTED
    return [told for check in checks if (told := check(pod, minor)) is not None]


def words(told: list[Told]) -> str:
    """Violations in one line."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in told)
