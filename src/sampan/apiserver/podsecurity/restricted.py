"""The checks of the restricted level: hardening beyond the baseline."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.podsecurity.view import Told, at, containers, named, quoted, set_to, windows

VOLUMES = frozenset(
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"]
)
NET_BIND = "NET_BIND_SERVICE"
PROFILES = ("RuntimeDefault", "Localhost")


def allow_privilege_escalation(pod: Any, minor: int) -> Told | None:
    if windows(pod) and minor >= 25:
        return None
    where = named(pod, lambda c: at(c, "securityContext.allowPrivilegeEscalation") is not False)
    text = f"{where} must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", text) if where else None


def capabilities(pod: Any, minor: int) -> Told | None:
    if minor < 22 or (windows(pod) and minor >= 25):
        return None
    kept = named(pod, lambda c: "ALL" not in (at(c, "securityContext.capabilities.drop") or ()))

    def added(container: Any) -> set[str]:
        return set(at(container, "securityContext.capabilities.add") or ()) - {NET_BIND}

    adding = named(pod, lambda c: bool(added(c)))
    told = [f'{kept} must set securityContext.capabilities.drop=["ALL"]'] if kept else []
    if adding:
        names = quoted(name for container in containers(pod) for name in added(container))
        told.append(f"{adding} must not include {names} in securityContext.capabilities.add")
    return ("unrestricted capabilities", "; ".join(told)) if told else None


def volumes(pod: Any, minor: int) -> Told | None:
    wrong = {}
    for volume in pod.spec.volumes or ():
        kinds = [f for f in volume.__struct_fields__ if f != "name" and getattr(volume, f) is not None]
        if not set(kinds) & VOLUMES:
            wrong[volume.name] = kinds[0] if kinds else "unknown"
    if not wrong:
        return None
    names = ", ".join(f'"{name}"' for name in wrong)
    many, types = len(wrong) > 1, quoted(wrong.values())
    verb = "s " + names + " use" if many else " " + names + " uses"
    word = f"restricted volume type{'s' if ', ' in types else ''}"
    return "restricted volume types", f"volume{verb} {word} {types}"


def run_as_non_root(pod: Any, minor: int) -> Told | None:
    where = set_to(pod, "runAsNonRoot", lambda value: value is False)
    if at(pod, "spec.securityContext.runAsNonRoot") is False:
        # A container that says true for itself is good whatever the pod says; the pod's word counts for the others.
        silent = named(pod, lambda c: at(c, "securityContext.runAsNonRoot") is None)
        inner = named(pod, lambda c: at(c, "securityContext.runAsNonRoot") is False)
        where = " and ".join(filter(None, ("pod" if silent or not inner else "", inner)))
        where = where if silent or inner else ""
    if where:
        return "runAsNonRoot != true", f"{where} must not set securityContext.runAsNonRoot=false"
    if at(pod, "spec.securityContext.runAsNonRoot") is True:
        return None
    silent = named(pod, lambda c: at(c, "securityContext.runAsNonRoot") is None)
    return ("runAsNonRoot != true", f"pod or {silent} must set securityContext.runAsNonRoot=true") if silent else None


def run_as_user(pod: Any, minor: int) -> Told | None:
    if minor < 23:
        return None
    where = set_to(pod, "runAsUser", lambda value: value == 0)
    return ("runAsUser=0", f"{where} must not set runAsUser=0") if where else None


def seccomp(pod: Any, minor: int) -> Told | None:
    if minor < 19 or (windows(pod) and minor >= 25):
        return None
    path = "securityContext.seccompProfile.type"
    where = set_to(pod, "seccompProfile.type", lambda value: value not in (None, "", *PROFILES))
    if where:
        return "seccompProfile", f'{where} must not set {path} to "Unconfined"'
    if at(pod, f"spec.{path}") in PROFILES:
        return None
    silent = named(pod, lambda c: not at(c, path))
    text = f'pod or {silent} must set {path} to "RuntimeDefault" or "Localhost"'
    return ("seccompProfile", text) if silent else None
