"""Quality of service, cgroups and security contexts in the runtime's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.cri.messages import pb
from sampan.kubelet.cgroup.names import cgroup_parent
from sampan.kubelet.cgroup.removal import remove_tree
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.qos import oom_score, qos_class
from sampan.kubelet.resources import container_resources
from sampan.kubelet.security import container_security, sandbox_security

GIB = 1 << 30
IMAGE = pb.Image(id="sha256:i")


def pod(*containers: dict[str, Any], **spec: Any) -> Any:
    named = [{"name": f"c{index}", **container} for index, container in enumerate(containers or ({},))]
    body = {"metadata": {"name": "p", "uid": "a-b"}, "spec": {"containers": named, **spec}}
    return msgspec.convert(body, core_v1.Pod)


def limits(requests: dict[str, str] | None = None, **limits: str) -> dict[str, Any]:
    return {"resources": {"limits": limits, "requests": requests or {}}}


@pytest.mark.parametrize(
    ("containers", "quality"),
    [
        ([{}], "BestEffort"),
        ([limits({"ephemeral-storage": "1Gi"})], "BestEffort"),
        ([limits({"cpu": "1"})], "Burstable"),
        ([limits(cpu="1")], "Burstable"),
        ([limits(cpu="1", memory="1Gi")], "Guaranteed"),
        ([limits({"cpu": "1000m", "memory": "1024Mi"}, cpu="1", memory="1Gi")], "Guaranteed"),
        ([limits({"cpu": "500m"}, cpu="1", memory="1Gi")], "Burstable"),
        ([limits(cpu="1", memory="1Gi"), {}], "Burstable"),
        ([limits(cpu="0", memory="0")], "BestEffort"),
    ],
)
def test_classes(containers: list[dict[str, Any]], quality: str) -> None:
    assert qos_class(pod(*containers)) == quality


@pytest.mark.parametrize(
    ("container", "score"),
    [
        ({}, 1000),
        (limits(cpu="1", memory="1Gi"), -997),
        (limits({"memory": "4Gi"}), 500),
        (limits({"memory": "1Ki"}), 999),
        (limits({"memory": "8Gi"}), 3),
        (limits({"cpu": "1"}), 999),
    ],
)
def test_oom_scores(container: dict[str, Any], score: int) -> None:
    made = pod(container)
    assert oom_score(made, made.spec.containers[0], 8 * GIB) == score


def test_limits_in_the_runtimes_words() -> None:
    made = pod(limits({"cpu": "250m", "memory": "1Gi"}, **{"cpu": "1500m", "memory": "2Gi", "hugepages-2Mi": "4Mi"}))
    found = container_resources(made, made.spec.containers[0], 8 * GIB)
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period) == (256, 150_000, 100_000)
    assert found.memory_limit_in_bytes == 2 * GIB
    assert [(page.page_size, page.limit) for page in found.hugepage_limits] == [("2MB", 4 << 20)]
    nothing = container_resources(pod(), pod().spec.containers[0], 8 * GIB)
    assert (nothing.cpu_shares, nothing.cpu_quota, nothing.memory_limit_in_bytes) == (2, 0, 0)


@pytest.mark.parametrize(
    ("container", "driver", "parent"),
    [
        ({}, "cgroupfs", "/kubepods/besteffort/poda-b"),
        (limits(cpu="1"), "cgroupfs", "/kubepods/burstable/poda-b"),
        (limits(cpu="1", memory="1Gi"), "cgroupfs", "/kubepods/poda-b"),
        ({}, "systemd", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-poda_b.slice"),
        (limits(cpu="1", memory="1Gi"), "systemd", "/kubepods.slice/kubepods-poda_b.slice"),
    ],
)
def test_cgroup_names(container: dict[str, Any], driver: str, parent: str) -> None:
    assert cgroup_parent(pod(container), driver=driver) == parent


def test_removing_a_pods_cgroup(tmp_path: Path) -> None:
    for hierarchy in ("cpu", "memory"):
        (tmp_path / hierarchy / "kubepods" / "besteffort" / "poda" / "container").mkdir(parents=True)
    remove_tree(tmp_path, "/kubepods/besteffort/poda")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if "besteffort" in path.name) == [
        "cpu/kubepods/besteffort",
        "memory/kubepods/besteffort",
    ]
    assert not list(tmp_path.rglob("poda"))


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
    assert sandbox_security(made).namespace_options.pid == pb.NODE


def test_seccomp() -> None:
    profile = pb.SecurityProfile
    assert security().seccomp.profile_type == profile.Unconfined
    assert security(seccompProfile={"type": "RuntimeDefault"}).seccomp.profile_type == profile.RuntimeDefault
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
