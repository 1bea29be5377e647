"""What a container finds inside: environment, volumes, limits, users."""

from __future__ import annotations

import base64
from typing import Any

from sampan.api.kinds import core_v1, meta_v1
from sampan.kubelet.spec import full_name

from .harness import Node, eventually


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "command": ["sh", "-c", script], **more}


async def output(node: Node, script: str, **spec: Any) -> str:
    """What a pod prints that runs the script to its end."""
    container = spec.pop("container", {})
    node.pod(restartPolicy="Never", containers=[shell(script, **container)], **spec)
    status = await node.ended()
    assert status.phase == "Succeeded", await node.log()
    return await node.log()


async def test_environment(node: Node) -> None:
    node.config_map("settings", {"color": "blue", "size": "9"})
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)b $(NONE) $$(A)"},
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    container = {
        "env": env,
        "envFrom": [{"prefix": "S_", "configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    text = await output(node, 'echo "$A|$B|$COLOR|$NAME|$IP|$LIMIT|$S_size"', container=container)
    assert text == f"a|ab $(NONE) $(A)|blue|p|{node.get().status.podIP}|64|9\n"


async def test_environment_of_secrets_and_services(node: Node) -> None:
    """What the container says itself goes before all else; of services, those of the pod's namespace and the API's."""
    meta = meta_v1.ObjectMeta(name="keys", namespace="default")
    node.api.add(core_v1.Secret(metadata=meta, data={"KEY": base64.b64encode(b"hush").decode()}))
    for namespace, name, address in (("default", "web", "10.96.0.7"), ("other", "far", "10.96.0.8")):
        ports = [core_v1.ServicePort(name="http", port=80, protocol="TCP")]
        spec = core_v1.ServiceSpec(clusterIP=address, clusterIPs=[address], ports=ports, type="ClusterIP")
        node.api.add(core_v1.Service(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace), spec=spec))
    env = [
        {"name": "ONE", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "KEY"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "none", "key": "KEY", "optional": True}}},
        {"name": "ADDRESS", "value": "$(WEB_SERVICE_HOST):$(WEB_PORT_80_TCP_PORT)"},
        {"name": "WEB_PORT_80_TCP_PROTO", "value": "mine"},
    ]
    container = {"env": env, "envFrom": [{"secretRef": {"name": "keys"}}]}
    script = 'echo "$ONE|$KEY|${NONE-none}|$ADDRESS|$WEB_PORT|$WEB_PORT_80_TCP_PROTO|${FAR_SERVICE_HOST-none}"'
    told = await output(node, script, container=container)
    assert told == "hush|hush|none|10.96.0.7:80|tcp://10.96.0.7:80|mine|none\n"
    await node.clear()
    assert await output(node, "echo ${WEB_SERVICE_HOST-none}", enableServiceLinks=False) == "none\n"


async def test_a_volume_that_is_lent_to_be_read(node: Node) -> None:
    """One container may write to it, another may not, and sees what the other writes."""
    node.pod(
        restartPolicy="Never",
        volumes=[{"name": "v", "emptyDir": {}}],
        initContainers=[{**shell("echo x > /v/x", volumeMounts=[{"name": "v", "mountPath": "/v"}]), "name": "i"}],
        containers=[
            shell(
                "cat /v/x; (echo y > /v/y) 2>&1 | grep -o 'Read-only file system'",
                volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": True}],
            )
        ],
    )
    await node.ended()
    assert await node.log() == "x\nRead-only file system\n"


async def test_volumes(node: Node) -> None:
    node.config_map("settings", {"color": "blue", "size": "9"})
    meta = meta_v1.ObjectMeta(name="keys", namespace="default")
    node.api.add(core_v1.Secret(metadata=meta, data={"key": base64.b64encode(b"hush").decode()}))
    volumes = [
        {"name": "cm", "configMap": {"name": "settings", "items": [{"key": "color", "path": "deep/color"}]}},
        {"name": "secret", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "both", "projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}}]}},
        {"name": "host", "hostPath": {"path": str(node.folder / "shared"), "type": "DirectoryOrCreate"}},
        {"name": "none", "configMap": {"name": "not-there", "optional": True}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/v/{volume['name']}"} for volume in volumes]
    mounts.append({"name": "cm", "mountPath": "/v/file", "subPath": "deep/color"})
    script = """
cat /v/cm/deep/color; echo; stat -L -c %a /v/secret/key; cat /v/secret/key; echo
stat -f -c %T /v/memory; dd if=/dev/zero of=/v/memory/big bs=1k count=2048 2>/dev/null || echo full
cat /v/down/labels; echo; ls /v/both; echo from the pod > /v/host/note; ls /v/none; cat /v/file
"""
    text = await output(
        node, script, metadata={"labels": {"app": "x"}}, volumes=volumes, container={"volumeMounts": mounts}
    )
    assert text == 'blue\n400\nhush\ntmpfs\nfull\napp="x"\ncolor\nkey\nsize\nblue'
    assert (node.folder / "shared" / "note").read_text() == "from the pod\n"


async def test_a_sub_path_cannot_lead_out_of_its_volume(node: Node) -> None:
    shared = node.folder / "trap"
    shared.mkdir()
    (shared / "out").symlink_to("/etc")
    node.pod(
        volumes=[{"name": "v", "hostPath": {"path": str(shared)}}],
        containers=[shell("sleep 1", volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "out/passwd"}])],
    )

    def refused() -> bool:
        status = node.container()
        return (
            status is not None
            and status.state.waiting is not None
            and "leads out" in (status.state.waiting.message or "")
        )

    await eventually(refused)


async def test_a_missing_config_map_holds_the_pod_until_it_is_there(node: Node) -> None:
    node.pod(
        volumes=[{"name": "v", "configMap": {"name": "late"}}],
        containers=[shell("sleep 1000", volumeMounts=[{"name": "v", "mountPath": "/v"}])],
    )
    expected = 'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "late" not found'
    await eventually(lambda: expected in node.events())
    assert node.phase() == "Pending"
    node.config_map("late", {"a": "b"})
    await node.running()


async def test_limits_are_the_kernels(node: Node) -> None:
    script = """
cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d ' ' -f 1 /sys/fs/cgroup/cpu.max
cat /proc/self/oom_score_adj
cd /sys/fs/cgroup; cat memory/memory.memsw.limit_in_bytes 2>/dev/null || cat memory.swap.max 2>/dev/null || echo none
"""
    container = {"resources": {"limits": {"memory": "32Mi", "cpu": "500m"}, "requests": {"memory": "16Mi"}}}
    text = await output(node, script, container=container)
    memory, quota, score, swap = text.split()
    assert swap in (str(32 << 20), "0", "none"), "it may not swap, with v1, v2, and a kernel that does not"
    assert (memory, quota) == (str(32 << 20), "50000")
    assert 900 < int(score) < 1000
    assert node.get().status.qosClass == "Burstable"


async def test_a_container_that_takes_too_much_memory_is_killed(node: Node) -> None:
    script = "x=a; while :; do x=$x$x; done"
    container = {"resources": {"limits": {"memory": "16Mi"}}}
    node.pod(restartPolicy="Never", containers=[shell(script, **container)])
    await node.ended()
    ended = node.container().state.terminated
    assert (ended.reason, ended.exitCode) == ("OOMKilled", 137)


async def test_users_groups_and_rights(node: Node) -> None:
    container = {
        "securityContext": {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    script = """
id -u; id -G; touch /x 2>/dev/null || echo read only; touch /v/mine && stat -c %g /v/mine
grep CapBnd /proc/self/status
"""
    text = await output(
        node,
        script,
        volumes=[{"name": "v", "emptyDir": {}}],
        securityContext={"runAsUser": 1000, "runAsGroup": 1001, "fsGroup": 2000, "supplementalGroups": [3000]},
        container=container,
    )
    user, groups, read_only, owner, capabilities = text.splitlines()
    assert (user, read_only, owner) == ("1000", "read only", "2000")
    assert set(groups.split()) == {"1001", "2000", "3000"}
    assert capabilities.split()[1] == "0" * 16


async def test_root_is_refused_where_it_must_not_be(node: Node) -> None:
    node.pod(containers=[shell("id", securityContext={"runAsNonRoot": True})])

    def refused() -> bool:
        status = node.container()
        return (
            status is not None
            and status.state.waiting is not None
            and (status.state.waiting.reason == "CreateContainerConfigError")
        )

    await eventually(refused)
    told = f'container has runAsNonRoot and image will run as root (pod: "{full_name(node.get())}", container: c)'
    assert node.container().state.waiting.message == told


async def test_processes_are_shared_when_asked(node: Node) -> None:
    node.pod(
        restartPolicy="Never",
        shareProcessNamespace=True,
        containers=[
            shell("until ps | grep -c 'slee[p] 77'; do sleep 0.1; done"),
            {"name": "other", "command": ["sleep", "77"]},
        ],
    )
    await eventually(lambda: (s := node.container()) is not None and s.state.terminated is not None)
    assert (await node.log()).split()[-1] == "1"
