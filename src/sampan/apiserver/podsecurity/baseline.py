"""The checks of the baseline level: known ways from a pod to its node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.apiserver.podsecurity.view import Told, at, containers, named, own_users, quoted, set_to, several

CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
    ]
)
MORE_SYSCTLS = (
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem net.ipv4.tcp_wmem"),
)
SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")


def apparmor(pod: Any, minor: int) -> Told | None:
    forbidden = sorted(
        f'{name}="{value}"'
        for name, value in (pod.metadata.annotations or {}).items()
        if name.startswith(APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    where = set_to(pod, "appArmorProfile.type", lambda t: t not in (None, "", "RuntimeDefault", "Localhost"))
    if not forbidden and not where:
        return None
    parts = [f'{where} must not set AppArmor profile type to "Unconfined"'] if where else []
    parts += [f"annotation{'s' if len(forbidden) > 1 else ''} {', '.join(forbidden)}"] if forbidden else []
    return f"forbidden AppArmor profile{'s' if len(forbidden) + bool(where) > 1 else ''}", " and ".join(parts)


def capabilities(pod: Any, minor: int) -> Told | None:
    def extra(container: Any) -> set[str]:
        return set(at(container, "securityContext.capabilities.add") or ()) - CAPABILITIES

    where = named(pod, lambda c: bool(extra(c)))
    wrong = quoted(name for container in containers(pod) for name in extra(container))
    if not where:
        return None
    return "non-default capabilities", f"{where} must not include {wrong} in securityContext.capabilities.add"


def host_namespaces(pod: Any, minor: int) -> Told | None:
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if getattr(pod.spec, name)]
    return ("host namespaces", ", ".join(f"{name}=true" for name in shared)) if shared else None


def host_paths(pod: Any, minor: int) -> Told | None:
    where = several("volume", [volume.name for volume in pod.spec.volumes or () if volume.hostPath is not None])
    return ("hostPath volumes", where) if where else None


def host_ports(pod: Any, minor: int) -> Told | None:
    def ports(container: Any) -> list[int]:
        return [port.hostPort for port in container.ports or () if port.hostPort]

    where = named(pod, lambda c: bool(ports(c)))
    used = sorted({port for container in containers(pod) for port in ports(container)})
    word = f"hostPort{'s' if len(used) > 1 else ''} {', '.join(map(str, used))}"
    several_users = where.startswith("containers ")
    return ("hostPort", f"{where} use{'' if several_users else 's'} {word}") if where else None


def probe_hosts(pod: Any, minor: int) -> Told | None:
    """From v1.34: probes and hooks must not make the kubelet call other hosts than the pod."""
    if minor < 34:
        return None
    where = named(pod, lambda c: any(_hosts(c)))
    hosts = [host for container in containers(pod) for host in _hosts(container)]
    several_users = where.startswith("containers ")
    text = f"{where} use{'' if several_users else 's'} probe or lifecycle host{'s' if len(set(hosts)) > 1 else ''}"
    return ("probe or lifecycle host", f"{text} {quoted(hosts)}") if where else None


def _hosts(container: Any) -> Iterator[str]:
    for probe in PROBES:
        for action in ("httpGet", "tcpSocket"):
            host = at(container, f"{probe}.{action}.host")
            if host:
                yield host


def privileged(pod: Any, minor: int) -> Told | None:
    where = named(pod, lambda c: at(c, "securityContext.privileged") is True)
    return ("privileged", f"{where} must not set securityContext.privileged=true") if where else None


def proc_mount(pod: Any, minor: int) -> Told | None:
    """A pod with users of its own may see more of /proc."""
    return None if own_users(pod) and minor >= 35 else default_proc_mount(pod, minor)


def default_proc_mount(pod: Any, minor: int) -> Told | None:
    def wrong(container: Any) -> bool:
        return at(container, "securityContext.procMount") not in (None, "", "Default")

    where = named(pod, wrong)
    kinds = quoted(at(c, "securityContext.procMount") for c in containers(pod) if wrong(c))
    return ("procMount", f"{where} must not set securityContext.procMount to {kinds}") if where else None


def seccomp(pod: Any, minor: int) -> Told | None:
    if minor < 19:
        annotations = (pod.metadata.annotations or {}).items()
        forbidden = sorted(
            f'{name}="{value}"'
            for name, value in annotations
            if (name == SECCOMP or name.startswith(SECCOMP_CONTAINER)) and value == "unconfined"
        )
        return ("seccompProfile", f"forbidden annotations {', '.join(forbidden)}") if forbidden else None
    where = set_to(pod, "seccompProfile.type", lambda t: t not in (None, "", "RuntimeDefault", "Localhost"))
    text = f'{where} must not set securityContext.seccompProfile.type to "Unconfined"'
    return ("seccompProfile", text) if where else None


def selinux(pod: Any, minor: int) -> Told | None:
    types = SELINUX_TYPES | ({"container_engine_t"} if minor >= 31 else set())

    def wrong(options: Any) -> bool:
        return options is not None and ((options.type or "") not in types or bool(options.user or options.role))

    where = set_to(pod, "seLinuxOptions", wrong)
    if not where:
        return None
    found = [at(c, "securityContext.seLinuxOptions") for c in (pod.spec, *containers(pod))]
    bad = [options for options in found if wrong(options)]
    kinds = quoted(options.type for options in bad if (options.type or "") not in types)
    told = [f"type{'s' if ', ' in kinds else ''} {kinds}"] if kinds else []
    told += [f"{field} may not be set" for field in ("user", "role") if any(getattr(o, field) for o in bad)]
    return "seLinuxOptions", f"{where} set forbidden securityContext.seLinuxOptions: {'; '.join(told)}"


def sysctls(pod: Any, minor: int) -> Told | None:
    allowed = SYSCTLS | {name for since, names in MORE_SYSCTLS if minor >= since for name in names.split()}
    wrong = [one.name for one in at(pod, "spec.securityContext.sysctls") or () if one.name not in allowed]
    return ("forbidden sysctls", ", ".join(wrong)) if wrong else None


def host_process(pod: Any, minor: int) -> Told | None:
    where = set_to(pod, "windowsOptions.hostProcess", lambda value: value is True)
    return ("hostProcess", f"{where} must not set securityContext.windowsOptions.hostProcess=true") if where else None
