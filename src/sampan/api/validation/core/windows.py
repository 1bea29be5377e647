"""Rules for pods that are of one operating system, above all for Windows' own options.

Source: API reference v1.36, PodOS, WindowsSecurityContextOptions; concepts, "Create a Windows HostProcess Pod".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sampan.api.names import subdomain
from sampan.api.validation.core.context import Errors
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required

SYSTEMS = ("linux", "windows")
NOT_FOR_LINUX = "windows options cannot be set for a linux pod"
NOT_FOR_WINDOWS = "cannot be set for a windows pod"
# What a pod of Windows may not say, in the order in which it is told: of its context, and of itself (marked by "/").
POD_FORBIDDEN = (
    *("appArmorProfile", "seLinuxOptions", "/hostUsers", "/hostPID", "/hostIPC", "seccompProfile", "fsGroup"),
    *("fsGroupChangePolicy", "sysctls", "/shareProcessNamespace", "runAsUser", "runAsGroup", "supplementalGroups"),
    *("supplementalGroupsPolicy", "seLinuxChangePolicy"),
)
CONTAINER_FORBIDDEN = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged"),
    *("allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
)
FALSE_IS_ABSENT = ("hostPID", "hostIPC")
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")

SPECIFICATION_KIB = 64
DOMAIN_LENGTH, USER_LENGTH = 256, 104
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
DOMAIN = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")
NOT_IN_USERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
DOTS = re.compile(r"[. ]+")


def operating_system(spec: Any, errors: Errors, path: str) -> None:
    """A pod says nothing that its system does not know."""
    name = spec.os.name or ""
    if not name:
        errors.append(required(f"{path}.os.name", "cannot be empty"))
    elif name not in SYSTEMS:
        errors.append(not_supported(f"{path}.os.name", name, SYSTEMS))
    elif name == "linux":
        linux(spec, errors, path)
    else:
        windows(spec, errors, path)


def contexts(spec: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The security contexts of all containers, with their paths."""
    for field in CONTAINERS:
        for index, container in enumerate(getattr(spec, field) or ()):
            if container.securityContext is not None:
                yield container.securityContext, f"{path}.{field}[{index}].securityContext"


def linux(spec: Any, errors: Errors, path: str) -> None:
    if spec.securityContext is not None and spec.securityContext.windowsOptions is not None:
        errors.append(forbidden(f"{path}.securityContext.windowsOptions", NOT_FOR_LINUX))
    for context, here in contexts(spec, path):
        if context.windowsOptions is not None:
            errors.append(forbidden(f"{here}.windowsOptions", NOT_FOR_LINUX))


def windows(spec: Any, errors: Errors, path: str) -> None:
    for field in POD_FORBIDDEN:
        name = field.removeprefix("/")
        value = getattr(spec if field != name else spec.securityContext, name, None)
        if value is not None and not (value is False and name in FALSE_IS_ABSENT):
            here = path if field != name else f"{path}.securityContext"
            errors.append(forbidden(f"{here}.{name}", NOT_FOR_WINDOWS))
    for context, here in contexts(spec, path):
        for name in CONTAINER_FORBIDDEN:
            if getattr(context, name) is not None:
                errors.append(forbidden(f"{here}.{name}", NOT_FOR_WINDOWS))


def host_process(spec: Any, errors: Errors, path: str) -> None:
    """Containers that run as processes of the host do so together, and in its network."""
    whole = _asks(spec.securityContext)
    inherited = count = 0
    for field in CONTAINERS:
        for index, container in enumerate(getattr(spec, field) or ()):
            own = _asks(container.securityContext)
            if whole is not None and own is not None and whole != own:
                here = f"{path}.{field}[{index}].securityContext.windowsOptions.hostProcess"
                text = f"pod hostProcess value must be identical if both are specified, was {str(whole).lower()}"
                errors.append(invalid(here, own, text))
            count += 1
            inherited += bool(whole if own is None else own)
    if not inherited:
        return
    if inherited != count:
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        errors.append(invalid(path, "", text))
    if not spec.hostNetwork:
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(invalid(f"{path}.hostNetwork", False, text))


def _asks(context: Any) -> bool | None:
    options = context.windowsOptions if context is not None else None
    return options.hostProcess if options is not None else None


def options(given: Any, errors: Errors, path: str) -> None:
    name, specification = given.gmsaCredentialSpecName, given.gmsaCredentialSpec
    if name is not None:
        errors.extend(each_invalid(f"{path}.gmsaCredentialSpecName", name, subdomain(name)))
    if specification is not None and not specification:
        errors.append(invalid(f"{path}.gmsaCredentialSpec", "", "gmsaCredentialSpec cannot be an empty string"))
    elif specification is not None and len(specification) > SPECIFICATION_KIB * 1024:
        text = f"gmsaCredentialSpec size must be under {SPECIFICATION_KIB} KiB"
        errors.append(invalid(f"{path}.gmsaCredentialSpec", specification, text))
    if given.runAsUserName is not None:
        wrong = user_name(given.runAsUserName)
        errors.extend(each_invalid(f"{path}.runAsUserName", given.runAsUserName, wrong))


def user_name(text: str) -> list[str]:
    """What is wrong with `[domain\\]user`."""
    if not text:
        return ["runAsUserName cannot be an empty string"]
    if CONTROL.search(text):
        return ["runAsUserName cannot contain control characters"]
    if text.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, backslash, user = text.rpartition("\\")
    wrong = []
    if len(domain) >= DOMAIN_LENGTH:
        wrong.append(f"runAsUserName's Domain length must be under {DOMAIN_LENGTH} characters")
    if backslash and not (NETBIOS.fullmatch(domain) or DOMAIN.fullmatch(domain)):
        wrong.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        wrong.append("runAsUserName's User cannot be empty")
    elif len(user) > USER_LENGTH:
        wrong.append(f"runAsUserName's User length must not be longer than {USER_LENGTH} characters")
    if NOT_IN_USERS.search(user):
        wrong.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    if DOTS.fullmatch(user):
        wrong.append("runAsUserName's User cannot contain only periods or spaces")
    return wrong
