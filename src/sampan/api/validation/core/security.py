"""Rules for security contexts of pods and containers.

Source: API reference v1.36, PodSecurityContext, SecurityContext.
"""

from __future__ import annotations

import re
from typing import Any

from sampan.api.validation.core import windows
from sampan.api.validation.core.context import Errors, PodContext
from sampan.api.validation.core.paths import local_descending
from sampan.api.validation.numbers import identity
from sampan.api.validation.problems import duplicate, forbidden, invalid, not_supported, required, too_long

SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
APP_ARMOR = ("Localhost", "RuntimeDefault", "Unconfined")
PATH_LENGTH = 4095
FS_GROUP_CHANGES = ("Always", "OnRootMismatch")
SELINUX_CHANGES = ("MountOption", "Recursive")
GROUP_POLICIES = ("Merge", "Strict")
PROC_MOUNTS = ("Default", "Unmasked")
SYSCTL_LENGTH = 253
SYSCTL_FORM = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_SYSCTL = re.compile(SYSCTL_FORM.strip("^$"))
NAMESPACED_SYSCTLS = {
    "kernel.shm": "hostIPC",
    "kernel.msg": "hostIPC",
    "kernel.sem": "hostIPC",
    "fs.mqueue.": "hostIPC",
    "net.": "hostNetwork",
}


def pod(context: Any, spec: Any, pod_context: PodContext, errors: Errors, path: str) -> None:
    identity(context.fsGroup, errors, f"{path}.fsGroup")
    identity(context.runAsUser, errors, f"{path}.runAsUser")
    identity(context.runAsGroup, errors, f"{path}.runAsGroup")
    for index, group in enumerate(context.supplementalGroups or ()):
        identity(group, errors, f"{path}.supplementalGroups[{index}]")
    if spec.shareProcessNamespace and spec.hostPID:
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(path.replace("securityContext", "shareProcessNamespace"), True, text))
    if context.sysctls:
        sysctls(context.sysctls, spec, errors, f"{path}.sysctls")
    for name, supported in (
        ("fsGroupChangePolicy", FS_GROUP_CHANGES),
        ("seLinuxChangePolicy", SELINUX_CHANGES),
        ("supplementalGroupsPolicy", GROUP_POLICIES),
    ):
        value = getattr(context, name)
        if value is not None and value not in supported:
            errors.append(not_supported(f"{path}.{name}", value, supported))
    shared(context, pod_context, errors, path)


def container(context: Any, pod_context: PodContext, errors: Errors, path: str) -> None:
    identity(context.runAsUser, errors, f"{path}.runAsUser")
    identity(context.runAsGroup, errors, f"{path}.runAsGroup")
    if context.procMount is not None:
        if context.procMount not in PROC_MOUNTS:
            errors.append(not_supported(f"{path}.procMount", context.procMount, PROC_MOUNTS))
        elif pod_context.host_users and context.procMount == "Unmasked":
            text = "`hostUsers` must be false to use `Unmasked`"
            errors.append(invalid(f"{path}.procMount", context.procMount, text))
    if context.allowPrivilegeEscalation is False:
        added = (context.capabilities.add if context.capabilities else None) or ()
        if context.privileged:
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(invalid(path, context, text))
        if "CAP_SYS_ADMIN" in added or "SYS_ADMIN" in added:
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            if "CAP_SYS_ADMIN" in added:
                errors.append(invalid(path, context, text))
    shared(context, pod_context, errors, path)


def shared(context: Any, pod_context: PodContext, errors: Errors, path: str) -> None:
    """What a pod and a container both may say."""
    if context.seccompProfile is not None:
        seccomp(context.seccompProfile, errors, f"{path}.seccompProfile")
    if context.windowsOptions is not None:
        pod_context.windows = True
        windows.options(context.windowsOptions, errors, f"{path}.windowsOptions")
    if context.appArmorProfile is not None:
        app_armor(context.appArmorProfile, errors, f"{path}.appArmorProfile")


def seccomp(given: Any, errors: Errors, path: str) -> None:
    known_profile(given.type or "", SECCOMP, "seccompProfile", errors, path)
    local = given.localhostProfile
    if given.type != "Localhost":
        if local is not None:
            text = "can only be set when seccomp type is Localhost"
            errors.append(invalid(f"{path}.localhostProfile", given, text))
    elif local is None:
        errors.append(required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
    else:
        local_descending(local, errors, f"{path}.localhostProfile")


def app_armor(given: Any, errors: Errors, path: str) -> None:
    known_profile(given.type or "", APP_ARMOR, "appArmorProfile", errors, path)
    here, local = f"{path}.localhostProfile", given.localhostProfile
    if given.type == "Localhost":
        if not local:
            errors.append(required(here, "must be set when AppArmor type is Localhost"))
        elif local != local.strip():
            errors.append(invalid(here, local, "must not be padded with whitespace"))
        if local and len(local) > PATH_LENGTH:
            errors.append(too_long(here, PATH_LENGTH))
    elif given.type in APP_ARMOR and local is not None:
        errors.append(invalid(here, local, "can only be set when AppArmor type is Localhost"))


def known_profile(kind: str, supported: tuple[str, ...], name: str, errors: Errors, path: str) -> None:
    if not kind:
        errors.append(required(f"{path}.type", f"type is required when {name} is set"))
    elif kind not in supported:
        errors.append(not_supported(f"{path}.type", kind, supported))


def sysctls(given: Any, spec: Any, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(given):
        here, name = f"{path}[{index}].name", sysctl.name or ""
        if not name:
            errors.append(required(here))
        elif len(name) > SYSCTL_LENGTH or not _SYSCTL.fullmatch(name):
            text = f"must have at most {SYSCTL_LENGTH} characters and match regex {SYSCTL_FORM}"
            errors.append(invalid(here, name, text))
        elif name in seen:
            errors.append(duplicate(here, name))
        host_namespace(name.replace("/", "."), spec, errors, here)
        seen.add(name)


def host_namespace(name: str, spec: Any, errors: Errors, path: str) -> None:
    """A parameter of a namespace that the pod shares with the host is the host's."""
    for prefix, field in NAMESPACED_SYSCTLS.items():
        if name.startswith(prefix) and getattr(spec, field):
            errors.append(invalid(path, name, f"may not be specified when '{field}' is true"))


def host_users(spec: Any, errors: Errors, path: str) -> None:
    """A pod in a user namespace of its own shares none of the host's (KEP-127)."""
    if spec.hostUsers is not False:
        return
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if getattr(spec, name):
            errors.append(forbidden(f"{path}.{name}", "when `hostUsers` is false"))
