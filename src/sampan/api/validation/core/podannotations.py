"""Rules for annotations that once were, or stand for, fields of a pod.

Source: reference, "Well-Known Labels, Annotations and Taints"; KEP-24 (AppArmor), KEP-135 (seccomp).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.paths import local_descending
from sampan.api.validation.core.windows import CONTAINERS
from sampan.api.validation.problems import forbidden, invalid, quote

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
PROFILES = (APP_ARMOR, SECCOMP_POD, SECCOMP)
LOCALHOST = "localhost/"
Names = Mapping[str, tuple[str, ...]]
COST = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
SECCOMP_NAMES: Names = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
APP_ARMOR_NAMES: Names = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}


def judge(given: dict[str, str], spec: Any, errors: Errors, path: str) -> None:
    """The annotations of a pod; `path` is theirs."""
    if MIRROR in given and not spec.nodeName:
        text = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(f"{path}[{MIRROR}]", given[MIRROR], text))
    cost = given.get(DELETION_COST)
    if cost is not None and not (COST.fullmatch(cost) and -(2**31) <= int(cost) < 2**31):
        errors.append(invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for key, value in given.items():
        if key.startswith(APP_ARMOR):
            app_armor(key, value, spec, errors, path)
        elif key == SECCOMP_POD or key.startswith(SECCOMP):
            seccomp(value, errors, f"{path}.{key}")


def app_armor(key: str, value: str, spec: Any, errors: Errors, path: str) -> None:
    name = key.removeprefix(APP_ARMOR)
    if not any(c.name == name for field in CONTAINERS for c in getattr(spec, field) or ()):
        errors.append(invalid(f"{path}[{key}]", name, "container not found"))
    if value not in ("", "runtime/default", "unconfined") and not value.startswith(LOCALHOST):
        errors.append(invalid(f"{path}[{key}]", value, f"invalid AppArmor profile name: {quote(value)}"))


def seccomp(value: str, errors: Errors, path: str) -> None:
    if value.startswith(LOCALHOST):
        local_descending(value.removeprefix(LOCALHOST), errors, path)
    elif value not in ("runtime/default", "docker/default", "unconfined"):
        errors.append(invalid(path, value, "must be a valid seccomp profile"))


def agree(given: dict[str, str], spec: Any, errors: Errors, path: str) -> None:
    """Annotations and fields that say the same thing do not contradict each other; `path` is the spec's."""
    if not any(key.startswith(PROFILES) for key in given):
        return
    whole = spec.securityContext
    if SECCOMP_POD in given and whole is not None and whole.seccompProfile is not None:
        here = f"{path}.securityContext.seccompProfile"
        same(given[SECCOMP_POD], whole.seccompProfile, "seccomp", SECCOMP_NAMES, errors, here)
    for container, here in _containers(spec, path):
        context = container.securityContext
        key = f"{SECCOMP}{container.name}"
        if key in given and context is not None and context.seccompProfile is not None:
            same(given[key], context.seccompProfile, "seccomp", SECCOMP_NAMES, errors, f"{here}.seccompProfile")
    if spec.os is not None and spec.os.name == "windows":
        return
    for container, here in _containers(spec, path):
        own = container.securityContext.appArmorProfile if container.securityContext is not None else None
        profile = own if own is not None else whole.appArmorProfile if whole is not None else None
        key = f"{APP_ARMOR}{container.name}"
        if key in given and profile is not None:
            same(given[key], profile, "apparmor", APP_ARMOR_NAMES, errors, f"{here}.appArmorProfile")


def _containers(spec: Any, path: str) -> Iterator[tuple[Any, str]]:
    """All containers with the paths of their security contexts."""
    for field in CONTAINERS:
        for index, container in enumerate(getattr(spec, field) or ()):
            yield container, f"{path}.{field}[{index}].securityContext"


def same(text: str, profile: Any, what: str, names: Names, errors: Errors, path: str) -> None:
    if profile.type == "Localhost":
        if not text.startswith(LOCALHOST):
            errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
        elif text.removeprefix(LOCALHOST) != profile.localhostProfile:
            errors.append(forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match"))
    elif profile.type in names and text not in names[profile.type]:
        errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
