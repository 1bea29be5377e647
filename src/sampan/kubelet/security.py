"""Security contexts in the runtime's words: pod's and container's, the container's winning."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from sampan.cri.messages import pb
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.podsecurity import APPARMOR_ANNOTATION
from sampan.kubelet.spec import all_containers, ephemeral_containers, full_name
from sampan.kubelet.userids import LENGTH

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
LOCALHOST = pb.SecurityProfile.Localhost
ANNOTATED = {"runtime": pb.SecurityProfile.RuntimeDefault, "unconfined": pb.SecurityProfile.Unconfined}
ANNOTATED["localhost"] = LOCALHOST
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def namespaces(pod: Any, target: str = "", users: int | None = None) -> Any:
    """Which namespaces are the pod's, the container's own, or the node's.

    `target` is the id of the container whose processes a debugging container is to see; `users` the first of the
    node's user ids that are the pod's in a user namespace of its own.
    """
    spec = pod.spec
    process = pb.CONTAINER
    if spec.hostPID:
        process = pb.NODE
    elif spec.shareProcessNamespace:
        process = pb.POD
    elif target:
        process = pb.TARGET
    return pb.NamespaceOption(
        network=pb.NODE if spec.hostNetwork else pb.POD,
        ipc=pb.NODE if spec.hostIPC else pb.POD,
        pid=process,
        target_id=target if process == pb.TARGET else "",
        userns_options=user_namespace(users),
    )


def user_namespace(users: int | None) -> Any:
    if users is None:
        return None
    return pb.UserNamespace(mode=pb.POD, uids=id_mapping(users), gids=id_mapping(users))


def id_mapping(users: int | None) -> list[Any]:
    """The pod's ids from 0 on are the node's from `users` on; [] when they are the same."""
    return [] if users is None else [pb.IDMapping(host_id=users, container_id=0, length=LENGTH)]


def sandbox_security(pod: Any, users: int | None = None) -> Any:
    """What a container is made with has to say anew: a debugging one may be privileged where no other was."""
    context = pod.spec.securityContext
    return pb.LinuxSandboxSecurityContext(
        namespace_options=namespaces(pod, users=users),
        privileged=any(is_privileged(c) for c in [*all_containers(pod), *ephemeral_containers(pod)]),
        run_as_user=number(context.runAsUser if context else None),
        run_as_group=number(context.runAsGroup if context and context.runAsUser is not None else None),
        supplemental_groups=groups(pod),
        supplemental_groups_policy=groups_policy(context),
        seccomp=pb.SecurityProfile(profile_type=pb.SecurityProfile.RuntimeDefault),
        selinux_options=selinux(context.seLinuxOptions if context else None),
    )


def container_security(
    pod: Any,
    container: Any,
    image: Any,
    seccomp_root: Path,
    target: str = "",
    users: int | None = None,
    *,
    confined: bool = False,
) -> Any:
    """The container's LinuxContainerSecurityContext; `image` is the runtime's Image message, `target` and `users` as
    in `namespaces`; `confined`: with the runtime's seccomp profile where none is named. Raises ConfigError."""
    privileged = is_privileged(container)
    own = container.securityContext
    user = effective(pod, container, "runAsUser")
    verify_not_root(pod, container, image, user)
    named = user is None and image is not None and not image.HasField("uid") and image.username
    if user is None and not named:
        # Said outright, because the runtime refuses a group without a user.
        user = image.uid.value if image is not None else 0
    group = effective(pod, container, "runAsGroup")
    unmasked = privileged or (own is not None and own.procMount == "Unmasked")
    return pb.LinuxContainerSecurityContext(
        namespace_options=namespaces(pod, target, users),
        privileged=privileged,
        capabilities=capabilities(own.capabilities if own else None),
        run_as_user=number(user),
        run_as_username=image.username if named else "",
        run_as_group=number(group),
        readonly_rootfs=bool(own and own.readOnlyRootFilesystem),
        supplemental_groups=groups(pod),
        supplemental_groups_policy=groups_policy(pod.spec.securityContext),
        no_new_privs=own is not None and own.allowPrivilegeEscalation is False,
        masked_paths=() if unmasked else MASKED_PATHS,
        readonly_paths=() if unmasked else READONLY_PATHS,
        seccomp=seccomp(pod, container, seccomp_root, confined and not privileged),
        apparmor=apparmor(pod, container),
        selinux_options=selinux(effective(pod, container, "seLinuxOptions")),
    )


def verify_not_root(pod: Any, container: Any, image: Any, user: int | None) -> None:
    """runAsNonRoot, in upstream's words."""
    if not effective(pod, container, "runAsNonRoot"):
        return
    where = f'(pod: "{full_name(pod)}", container: {container.name})'
    if user is None and image is not None:
        if image.HasField("uid"):
            user = image.uid.value
        elif image.username:
            named = f"image has non-numeric user ({image.username})"
            raise ConfigError(f"container has runAsNonRoot and {named}, cannot verify user is non-root {where}")
        else:
            user = 0
        if user == 0:
            raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if user == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")


def effective(pod: Any, container: Any, field: str) -> Any:
    """A field that pod and container both have; the container's value wins where it has one."""
    for context in (container.securityContext, pod.spec.securityContext):
        value = getattr(context, field, None) if context is not None else None
        if value is not None:
            return value
    return None


def is_privileged(container: Any) -> bool:
    return bool(container.securityContext and container.securityContext.privileged)


def groups(pod: Any) -> list[int]:
    context = pod.spec.securityContext
    if context is None:
        return []
    found = list(context.supplementalGroups or ())
    return found if context.fsGroup is None else [*found, context.fsGroup]


def groups_policy(context: Any) -> int:
    strict = context is not None and context.supplementalGroupsPolicy == "Strict"
    return int(pb.SupplementalGroupsPolicy.Strict if strict else pb.SupplementalGroupsPolicy.Merge)


def capabilities(given: Any) -> Any:
    if given is None:
        return None
    return pb.Capability(add_capabilities=given.add or (), drop_capabilities=given.drop or ())


def seccomp(pod: Any, container: Any, root: Path, confined: bool) -> Any:
    profile = effective(pod, container, "seccompProfile")
    default = pb.SecurityProfile.RuntimeDefault if confined else pb.SecurityProfile.Unconfined
    return security_profile(profile, root, default=default)


def apparmor(pod: Any, container: Any) -> Any:
    """The profile of the fields, or else of the annotation that came before them; None leaves it to the runtime."""
    profile = effective(pod, container, "appArmorProfile")
    if profile is not None:
        kind = getattr(pb.SecurityProfile, profile.type)
        return pb.SecurityProfile(profile_type=kind, localhost_ref=profile.localhostProfile or "")
    noted = (pod.metadata.annotations or {}).get(f"{APPARMOR_ANNOTATION}{container.name}", "")
    kind = ANNOTATED.get(noted.partition("/")[0])
    if kind is None:
        return None
    return pb.SecurityProfile(profile_type=kind, localhost_ref=noted.partition("/")[2] if kind == LOCALHOST else "")


def security_profile(profile: Any, root: Path, default: int) -> Any:
    """A seccomp profile; one of the node's own is a file under `root` (`<kubelet>/seccomp`)."""
    if profile is None:
        return pb.SecurityProfile(profile_type=default)
    kind = getattr(pb.SecurityProfile, profile.type)
    reference = str(profile_path(profile.localhostProfile or "", root)) if kind == LOCALHOST else ""
    return pb.SecurityProfile(profile_type=kind, localhost_ref=reference)


def profile_path(name: str, root: Path) -> Path:
    """Where a profile of the node's own lies; raises ConfigError for one that is not below `root`."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise ConfigError(f'localhost seccomp profile "{name}" must be a path below {root}, without ".."')
    return root / path


def selinux(options: Any) -> Any:
    if options is None:
        return None
    return pb.SELinuxOption(
        user=options.user or "", role=options.role or "", type=options.type or "", level=options.level or ""
    )


def number(value: int | None) -> Any:
    return pb.Int64Value(value=value) if value is not None else None
