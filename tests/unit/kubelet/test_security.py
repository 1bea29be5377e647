"""Security contexts in the runtime's words, and what a node refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.cri.messages import pb
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.features import RuntimeFeatures
from sampan.kubelet.podsecurity import refused
from sampan.kubelet.security import container_security, sandbox_security
from sampan.kubelet.userids import FIRST, LENGTH, UserIds, UserIdsError

IMAGE = pb.Image(id="sha256:x")
PROFILE = pb.SecurityProfile


def pod(container: dict[str, Any] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Any:
    containers = [{"name": "c", **(container or {})}]
    metadata = {"name": "p", "namespace": "ns", "uid": "u", "annotations": annotations or {}}
    return msgspec.convert({"metadata": metadata, "spec": {"containers": containers, **spec}}, core_v1.Pod)


def security(container: dict[str, Any] | None = None, image: Any = IMAGE, **context: Any) -> Any:
    made = pod({"securityContext": container or {}}, securityContext=context)
    return container_security(made, made.spec.containers[0], image, Path("/seccomp"))


def test_the_containers_word_wins_over_the_pods() -> None:
    found = security({"runAsUser": 5, "allowPrivilegeEscalation": False}, runAsUser=1, runAsGroup=2, fsGroup=7)
    assert (found.run_as_user.value, found.run_as_group.value) == (5, 2)
    assert list(found.supplemental_groups) == [7]
    assert found.no_new_privs
    assert "/proc/kcore" in found.masked_paths


def test_privileged_hides_nothing() -> None:
    found = security({"privileged": True})
    assert found.privileged
    assert not found.masked_paths
    made = pod({"securityContext": {"privileged": True}}, hostPID=True, shareProcessNamespace=True)
    assert sandbox_security(made).privileged
    debugged = pod({}, ephemeralContainers=[{"name": "d", "securityContext": {"privileged": True}}])
    assert sandbox_security(debugged).privileged
    assert sandbox_security(made).namespace_options.pid == pb.NODE


def test_seccomp() -> None:
    profile = pb.SecurityProfile
    assert security().seccomp.profile_type == profile.Unconfined
    assert security(seccompProfile={"type": "RuntimeDefault"}).seccomp.profile_type == profile.RuntimeDefault
    made = pod()
    confined = container_security(made, made.spec.containers[0], IMAGE, Path("/seccomp"), confined=True)
    assert confined.seccomp.profile_type == profile.RuntimeDefault
    local = security({"seccompProfile": {"type": "Localhost", "localhostProfile": "a/b.json"}}).seccomp
    assert (local.profile_type, local.localhost_ref) == (profile.Localhost, "/seccomp/a/b.json")


@pytest.mark.parametrize(
    ("image", "context", "problem"),
    [
        (pb.Image(), {}, "container has runAsNonRoot and image will run as root"),
        (pb.Image(uid=pb.Int64Value(value=0)), {}, "container has runAsNonRoot and image will run as root"),
        (pb.Image(username="app"), {}, r"image has non-numeric user \(app\), cannot verify user is non-root"),
        (pb.Image(), {"runAsUser": 0}, "container's runAsUser breaks non-root policy"),
        (pb.Image(uid=pb.Int64Value(value=9)), {}, ""),
        (pb.Image(username="app"), {"runAsUser": 9}, ""),
    ],
)
def test_run_as_non_root(image: Any, context: dict[str, Any], problem: str) -> None:
    if problem:
        with pytest.raises(ConfigError, match=problem):
            security({"runAsNonRoot": True}, image, **context)
    else:
        security({"runAsNonRoot": True}, image, **context)


def test_the_images_user() -> None:
    assert security(image=pb.Image(uid=pb.Int64Value(value=9))).run_as_user.value == 9
    assert security(image=pb.Image(username="app")).run_as_username == "app"
    assert security(runAsGroup=3).run_as_user.value == 0, "a group needs a user, and root is who it would be"


@pytest.mark.parametrize("name", ["../../etc/x.json", "/etc/x.json", "a/../b", ""])
def test_seccomp_profiles_lie_below_their_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="must be a path below /seccomp"):
        security({"seccompProfile": {"type": "Localhost", "localhostProfile": name}})


@pytest.mark.parametrize(
    ("fields", "annotation", "expected"),
    [
        ({}, "", None),
        ({"type": "RuntimeDefault"}, "unconfined", (PROFILE.RuntimeDefault, "")),
        ({"type": "Localhost", "localhostProfile": "mine"}, "", (PROFILE.Localhost, "mine")),
        ({}, "runtime/default", (PROFILE.RuntimeDefault, "")),
        ({}, "unconfined", (PROFILE.Unconfined, "")),
        ({}, "localhost/a/b", (PROFILE.Localhost, "a/b")),
    ],
)
def test_apparmor_by_field_and_by_annotation(fields: dict[str, str], annotation: str, expected: Any) -> None:
    notes = {"container.apparmor.security.beta.kubernetes.io/c": annotation} if annotation else {}
    made = pod({"securityContext": {"appArmorProfile": fields} if fields else {}}, notes)
    found = container_security(made, made.spec.containers[0], IMAGE, Path("/seccomp"))
    profile = (found.apparmor.profile_type, found.apparmor.localhost_ref) if found.HasField("apparmor") else None
    assert profile == expected


def test_what_else_is_passed_on() -> None:
    context = {
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "procMount": "Unmasked",
        "seLinuxOptions": {"type": "t", "level": "s0:c1"},
    }
    found = security(context, supplementalGroups=[5], fsGroup=7, supplementalGroupsPolicy="Strict")
    assert list(found.capabilities.add_capabilities) == ["NET_ADMIN"]
    assert list(found.capabilities.drop_capabilities) == ["ALL"]
    assert found.readonly_rootfs
    assert (list(found.masked_paths), list(found.readonly_paths)) == ([], [])
    assert (found.selinux_options.type, found.selinux_options.level) == ("t", "s0:c1")
    assert list(found.supplemental_groups) == [5, 7]
    assert found.supplemental_groups_policy == pb.SupplementalGroupsPolicy.Strict


def test_a_user_namespace_of_its_own() -> None:
    made = pod()
    for found in (
        sandbox_security(made, 65536),
        container_security(made, made.spec.containers[0], IMAGE, Path(), "", 65536),
    ):
        options = found.namespace_options.userns_options
        (mapping,) = options.uids
        assert (options.mode, mapping.host_id, mapping.container_id, mapping.length) == (pb.POD, 65536, 0, 65536)
    assert not sandbox_security(made).namespace_options.HasField("userns_options")


def sysctls(*names: str, **spec: Any) -> Any:
    return pod(securityContext={"sysctls": [{"name": name, "value": "1"} for name in names]}, **spec)


FORBIDDEN = 'SysctlForbidden: forbidden sysctl: "{}" {}'
NO_APPARMOR = "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"
NOTE = "container.apparmor.security.beta.kubernetes.io/c"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (pod(), ""),
        (sysctls("kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net/ipv4/ping_group_range"), ""),
        (sysctls("kernel.msgmax", "net.core.somaxconn"), ""),
        (sysctls("net.core.rmem_max"), FORBIDDEN.format("net.core.rmem_max", "not allowlisted")),
        (sysctls("vm.swappiness"), FORBIDDEN.format("vm.swappiness", "not allowlisted")),
        (sysctls("kernel.panic"), FORBIDDEN.format("kernel.panic", "not allowlisted")),
        (
            sysctls("net.ipv4.tcp_syncookies", hostNetwork=True),
            FORBIDDEN.format("net.ipv4.tcp_syncookies", "not allowed with host net enabled"),
        ),
        (
            sysctls("kernel.shm_rmid_forced", hostIPC=True),
            FORBIDDEN.format("kernel.shm_rmid_forced", "not allowed with host ipc enabled"),
        ),
        (sysctls("kernel.shm_rmid_forced", hostNetwork=True), ""),
        (pod({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}), NO_APPARMOR),
        (pod(securityContext={"appArmorProfile": {"type": "Unconfined"}}), ""),
        (pod(annotations={NOTE: "localhost/x"}), NO_APPARMOR),
        (pod(annotations={NOTE: "unconfined"}), ""),
        (
            pod(securityContext={"supplementalGroupsPolicy": "Strict"}),
            "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node",
        ),
        (pod(securityContext={"supplementalGroupsPolicy": "Merge"}), ""),
    ],
)
def test_what_a_node_refuses(made: Any, expected: str) -> None:
    unsafe = ("kernel.msg*", "net.core.somaxconn", "kernel.panic", "vm.*")
    found = refused(made, unsafe_sysctls=unsafe, apparmor=False, groups_policy=False)
    assert (f"{found.reason}: {found.message}" if found else "") == expected
    if not expected.startswith("Sysctl"):
        assert refused(made, unsafe_sysctls=unsafe, apparmor=True, groups_policy=True) is None


def test_what_a_runtime_can_do() -> None:
    features = RuntimeFeatures()
    assert not features.user_namespaces() and not features.recursive_read_only()
    able = pb.RuntimeHandlerFeatures(recursive_read_only_mounts=True, user_namespaces=True)
    handlers = [pb.RuntimeHandler(name="", features=able), pb.RuntimeHandler(name="crun")]
    features.learn(
        pb.StatusResponse(runtime_handlers=handlers, features=pb.RuntimeFeatures(supplemental_groups_policy=True))
    )
    assert features.user_namespaces() and features.recursive_read_only() and features.supplemental_groups_policy()
    assert not features.user_namespaces("crun") and not features.user_namespaces("none")
    told, of_node = features.of_node()
    assert [(h.name, h.features.userNamespaces) for h in told] == [("", True), ("crun", False)]
    assert of_node.supplementalGroupsPolicy


def test_user_ids_are_a_pods_own_and_stay(tmp_path: Path) -> None:
    for uid in ("a", "b", "c"):
        (tmp_path / uid).mkdir()
    ids = UserIds(tmp_path)
    assert [ids.block(uid) for uid in ("a", "b", "a")] == [FIRST, FIRST + LENGTH, FIRST]
    assert UserIds(tmp_path).block("b") == FIRST + LENGTH
    (tmp_path / "a" / "userns").unlink()
    assert UserIds(tmp_path).block("c") == FIRST, "what nobody has is free"
    (tmp_path / "b" / "userns").write_text("{}")
    with pytest.raises(UserIdsError, match="cannot be read"):
        UserIds(tmp_path).block("a")
