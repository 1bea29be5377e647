"""What of a pod's security context this node cannot give or does not allow: pure, with upstream's reasons and words.

Sysctls that are namespaced and isolated are safe and always allowed; others must be allowed by the node's
administrator, and then only if the kernel keeps them for each namespace ("Using sysctls in a Kubernetes Cluster").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sampan.kubelet.podadmission import Rejection
from sampan.kubelet.spec import all_containers

SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)
NAMESPACED = {"kernel.shm": "ipc", "kernel.msg": "ipc", "kernel.sem": "ipc", "fs.mqueue.": "ipc", "net.": "net"}
"""Beginnings of sysctls of which each namespace has its own, and the namespace."""
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
UNCONFINED = ("Unconfined", "unconfined")


def refused(pod: Any, *, unsafe_sysctls: Sequence[str], apparmor: bool, groups_policy: bool) -> Rejection | None:
    """Why the node does not take the pod; None when it does.

    `unsafe_sysctls` are those allowed besides the safe ones, `apparmor` and `groups_policy` whether there is AppArmor
    and a runtime that knows supplementalGroupsPolicy.
    """
    return (
        forbidden_sysctl(pod, unsafe_sysctls)
        or (None if apparmor else needs_apparmor(pod))
        or (None if groups_policy else needs_groups_policy(pod))
    )


def forbidden_sysctl(pod: Any, unsafe: Sequence[str]) -> Rejection | None:
    context = pod.spec.securityContext
    for sysctl in (context.sysctls if context else None) or ():
        problem = sysctl_problem(sysctl.name.replace("/", "."), pod, unsafe)
        if problem:
            return Rejection("SysctlForbidden", f'forbidden sysctl: "{sysctl.name}" {problem}')
    return None


def sysctl_problem(name: str, pod: Any, unsafe: Sequence[str]) -> str:
    namespace = next((found for start, found in NAMESPACED.items() if name.startswith(start)), "")
    if not namespace or not (name in SAFE_SYSCTLS or any(fits(name, pattern) for pattern in unsafe)):
        return "not allowlisted"
    if namespace == "net" and pod.spec.hostNetwork:
        return "not allowed with host net enabled"
    if namespace == "ipc" and pod.spec.hostIPC:
        return "not allowed with host ipc enabled"
    return ""


def fits(name: str, pattern: str) -> bool:
    """`pattern` is a name, or the beginning of one with `*`."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def needs_apparmor(pod: Any) -> Rejection | None:
    if any(profile not in UNCONFINED for profile in apparmor_profiles(pod)):
        return Rejection("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    return None


def apparmor_profiles(pod: Any) -> Iterator[str]:
    """The profiles that a pod asks for, in fields or in the annotations that came before them."""
    for context in (pod.spec.securityContext, *(container.securityContext for container in all_containers(pod))):
        if context is not None and context.appArmorProfile is not None:
            yield context.appArmorProfile.type
    for name, value in (pod.metadata.annotations or {}).items():
        if name.startswith(APPARMOR_ANNOTATION):
            yield value


def needs_groups_policy(pod: Any) -> Rejection | None:
    context = pod.spec.securityContext
    if context is None or context.supplementalGroupsPolicy != "Strict":
        return None
    text = "SupplementalGroupsPolicy=Strict is not supported in this node"
    return Rejection("SupplementalGroupsPolicyNotSupported", text)
