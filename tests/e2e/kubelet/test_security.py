"""Security contexts as the kernel sees them, and pods that this node refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.api.kinds import meta_v1, node_v1
from sampan.cri.containerd import Host
from sampan.kubelet.machine import machine as this_machine

from .harness import Machine, Node, eventually, import_busybox
from .test_contents import output, shell

STATUS = "grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status | cut -f 2 | tr '\\n' ' '"
NET_RAW = 1 << 13


@pytest.mark.parametrize(
    ("context", "no_new_privileges", "seccomp", "capabilities"),
    [
        ({}, "0", "0", None),
        ({"seccompProfile": {"type": "RuntimeDefault"}, "allowPrivilegeEscalation": False}, "1", "2", None),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}, "0", "0", NET_RAW),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}, "runAsUser": 7}, "0", "0", 0),
        ({"capabilities": {"add": ["ALL"]}, "allowPrivilegeEscalation": True}, "0", "0", "all"),
        ({"privileged": True, "seccompProfile": {"type": "Unconfined"}}, "0", "0", "all"),
    ],
    ids=["plain", "strict", "one", "one without root", "all", "privileged"],
)
async def test_what_a_process_may(
    node: Node, context: dict[str, Any], no_new_privileges: str, seccomp: str, capabilities: Any
) -> None:
    effective, privileges, filters = (await output(node, STATUS, container={"securityContext": context})).split()
    assert (privileges, filters) == (no_new_privileges, seccomp)
    wanted = bounding_set() if capabilities == "all" else capabilities
    if wanted is not None:
        assert int(effective, 16) == wanted


def bounding_set() -> int:
    """The capabilities that anything on this machine can have."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapBnd"))


async def test_a_profile_of_the_nodes_own(node: Node) -> None:
    folder = node.folder / "kubelet" / "seccomp" / "mine"
    folder.mkdir(parents=True)
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    (folder / "no-mkdir.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    profile = {"type": "Localhost", "localhostProfile": "mine/no-mkdir.json"}
    script = "mkdir /tmp/x 2>&1; :"
    text = await output(node, script, container={"securityContext": {"seccompProfile": profile}})
    assert "Operation not permitted" in text


async def test_safe_sysctls_are_the_pods_own(node: Node) -> None:
    wanted = [{"name": "net.ipv4.ip_local_port_range", "value": "2000 3000"}]
    text = await output(node, "cat /proc/sys/net/ipv4/ip_local_port_range", securityContext={"sysctls": wanted})
    assert text.split() == ["2000", "3000"]


@pytest.mark.parametrize(
    ("context", "reason", "message"),
    [
        (
            {"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]},
            "SysctlForbidden",
            'forbidden sysctl: "net.core.somaxconn" not allowlisted',
        ),
        (
            {"appArmorProfile": {"type": "RuntimeDefault"}},
            "AppArmor",
            "Cannot enforce AppArmor: AppArmor is not enabled on the host",
        ),
    ],
    ids=["sysctl", "AppArmor"],
)
async def test_pods_that_are_refused(node: Node, context: dict[str, Any], reason: str, message: str) -> None:
    """None of them where this machine can do what they ask."""
    node.pod(containers=[shell("exit 0")], restartPolicy="Never", securityContext=context)
    status = await node.ended()
    if reason == "AppArmor" and this_machine().apparmor:
        assert status.phase == "Succeeded"
    else:
        assert (status.phase, status.reason) == ("Failed", reason)
        assert message in status.message


async def test_a_pod_for_another_node_is_refused(node: Node) -> None:
    """Bound by hand to a node that has not what it asks for; and one that wants a port which is taken."""
    port = {"ports": [{"containerPort": 80, "hostPort": 18081}]}
    node.pod("first", containers=[shell("sleep 1000", **port)])
    await node.running("first")
    node.pod(nodeSelector={"disk": "none"}, containers=[shell("true")])
    node.pod("second", containers=[shell("true", **port)])
    for name, reason in (("p", "NodeAffinity"), ("second", "NodePorts")):
        status = await node.ended(name)
        assert (status.phase, status.reason, status.containerStatuses) == ("Failed", reason, None)
        assert status.message.startswith(f"Pod was rejected: Predicate {reason} failed: ")


async def test_only_the_groups_that_the_pod_names(node: Node) -> None:
    """supplementalGroupsPolicy Strict: none of the image's groups; refused where the runtime knows no policy."""
    context = {"runAsUser": 0, "runAsGroup": 7, "supplementalGroups": [4242], "supplementalGroupsPolicy": "Strict"}
    if (await node.features())[1].supplementalGroupsPolicy:
        assert (await output(node, "id -G", securityContext=context)).split() == ["7", "4242"]
        assert node.container().user.linux.supplementalGroups == [7, 4242]
        return
    node.pod(containers=[shell("exit 0")], restartPolicy="Never", securityContext=context)
    status = await node.ended()
    assert (status.phase, status.reason) == ("Failed", "SupplementalGroupsPolicyNotSupported")
    assert "SupplementalGroupsPolicy=Strict is not supported in this node" in status.message


async def test_users_of_the_pods_own(node: Node) -> None:
    """hostUsers: false: root inside is nobody outside, and volumes are the pod's; told where the runtime cannot."""
    node.config_map("settings", {"color": "blue"})
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "settings"}}]
    mounts = [{"name": "e", "mountPath": "/e"}, {"name": "c", "mountPath": "/c"}]
    script = "cat /c/color; touch /e/x; stat -c ' %u' /e/x /c/color; cat /proc/self/uid_map"
    container = {"volumeMounts": mounts}
    can = (await node.features())[0]
    if can is not None and can.userNamespaces:
        words = (await output(node, script, hostUsers=False, volumes=volumes, container=container)).split()
        assert words[:3] == ["blue", "0", "0"]
        assert (words[3], words[5]) == ("0", "65536")
        assert int(words[4]) >= 65536
        return
    node.pod(containers=[shell("sleep 1")], hostUsers=False)
    text = (
        'FailedCreatePodSandBox: Failed to create pod sandbox: RuntimeClass handler "" does not support user namespaces'
    )
    await eventually(lambda: text in node.events())


async def test_a_runtime_class_names_what_runs_the_pod(node: Node, machine: Machine) -> None:
    """crun where it starts; a handler that there is not is told."""
    for name in ("crun", "none"):
        made = meta_v1.ObjectMeta(name=name)
        node.api.add(node_v1.RuntimeClass(metadata=made, handler=name))
    node.pod("lost", containers=[shell("sleep 1")], runtimeClassName="none")
    await eventually(lambda: any('no runtime for "none" is configured' in event for event in node.events()))
    if not Host.detect().crun:
        pytest.skip("crun is not installed, or refuses to start: some controllers here are on cgroup v1, some on v2")
    node.pod(containers=[shell("sleep 1000")], runtimeClassName="crun")
    await eventually(lambda: node.phase() == "Running" or "unknown version specified" in str(node.events()))
    if node.phase() != "Running":
        pytest.skip("this crun is older than the containers' specification that this containerd writes")
    assert list((machine.containerd.directory / "state" / "crun").iterdir())


async def test_not_root_by_the_image(node: Node, machine: Machine) -> None:
    """runAsNonRoot looks at whom the image runs as: a number will do, a name says nothing, and root is refused."""
    for name, user in (("number", "65534"), ("name", "nobody"), ("root", "")):
        image = await import_busybox(machine, f"sampan.dev/user-{name}:1", user=user)
        container = shell("id -u", image=image, securityContext={"runAsNonRoot": True})
        node.pod(name, restartPolicy="Never", containers=[container])
    await node.ended("number")
    assert await node.log("number") == "65534\n"

    def told(name: str) -> str:
        status = node.container(pod=name)
        waiting = status.state.waiting if status is not None else None
        return (waiting.message or "") if waiting is not None else ""

    await eventually(lambda: "image has non-numeric user (nobody), cannot verify user is non-root" in told("name"))
    await eventually(lambda: "image will run as root" in told("root"))


async def test_what_is_masked(node: Node) -> None:
    script = "cat /proc/timer_list /proc/keys 2>/dev/null | wc -c; (echo 0 > /proc/sys/kernel/panic) 2>&1"
    masked, told = (await output(node, f"{script} | tail -n 1; :")).split("\n", 1)
    assert masked == "0"
    assert "Read-only" in told or "read-only" in told


async def test_nothing_is_masked_when_asked(node: Node) -> None:
    container = {"securityContext": {"procMount": "Unmasked"}}
    assert (await output(node, "grep -c ' /proc/' /proc/mounts; :", container=container)).split() == ["0"]


async def test_the_group_of_a_volume_that_has_it_already(node: Node) -> None:
    """fsGroupChangePolicy: OnRootMismatch leaves alone what is right at its root."""
    context = {"runAsUser": 1000, "fsGroup": 2000, "fsGroupChangePolicy": "OnRootMismatch"}
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    script = "stat -c %g /v; touch /v/x && stat -c %g /v/x; id -G"
    text = await output(
        node, script, volumes=[{"name": "v", "emptyDir": {}}], securityContext=context, container=container
    )
    assert text.splitlines()[:2] == ["2000", "2000"]
    assert "2000" in text.splitlines()[2].split()
