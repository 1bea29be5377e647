"""Volumes on a real kernel: mounts, changes, claims, and what a hostile pod tries with them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.aio.mounts import MOUNTINFO, points_below
from sampan.api.kinds import certificates_v1beta1, core_v1
from sampan.cri.oci import import_image

from .harness import IMAGE, Machine, Node, eventually
from .layered import LAYERED, layered_image
from .test_contents import output, shell
from .test_resources import ask_server


def mounted(node: Node) -> list[str]:
    return points_below(node.folder / "kubelet" / "pods", MOUNTINFO.read_bytes())


def change(node: Node, kind: Any, name: str, **data: str) -> None:
    node.api.change(kind, name, "default", lambda found: setattr(found, "data", data))


async def test_a_change_reaches_the_pod_soon_and_whole(node: Node) -> None:
    node.config_map("settings", {"color": "blue", "size": "1"})
    script = 'while :; do echo "$(cat /v/color)$(cat /v/size)"; sleep 0.05; done'
    node.pod(
        volumes=[{"name": "v", "configMap": {"name": "settings"}}],
        containers=[shell(script, volumeMounts=[{"name": "v", "mountPath": "/v"}])],
    )
    await node.running()
    change(node, core_v1.ConfigMap, "settings", color="red", size="2")

    async def seen() -> bool:
        return "red2" in await node.log()

    await eventually(seen)
    assert set((await node.log()).split()) <= {"blue1", "red2", "red1", "blue2"}


async def test_a_folder_named_by_a_variable_and_a_bundle_of_trust(node: Node) -> None:
    """subPathExpr; ClusterTrustBundles in a projected volume."""
    certificate = self_signed()
    spec = {"metadata": {"name": "roots"}, "spec": {"trustBundle": certificate}}
    node.api.add(msgspec.convert(spec, certificates_v1beta1.ClusterTrustBundle))
    source = {"clusterTrustBundle": {"name": "roots", "path": "roots.pem"}}
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "t", "projected": {"sources": [source]}}]
    mounts = [
        {"name": "e", "mountPath": "/whole"},
        {"name": "e", "mountPath": "/own", "subPathExpr": "$(POD)/logs"},
        {"name": "t", "mountPath": "/t"},
    ]
    name = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    script = "echo x > /own/f; ls /whole/p/logs; cat /t/roots.pem"
    text = await output(node, script, volumes=volumes, container={"volumeMounts": mounts, "env": [name]})
    assert text == f"f\n{certificate}"


def self_signed() -> str:
    """A certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


async def test_what_the_api_gives_cannot_be_written(node: Node) -> None:
    """CVE-2017-1002102: links that a container makes there would lead the kubelet astray."""
    node.config_map("settings", {"a": "b"})
    volumes = [
        {"name": "cm", "configMap": {"name": "settings"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "both", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/v/{volume['name']}"} for volume in volumes]
    script = (
        "for v in /v/*; do ln -s /etc $v/x 2>/dev/null && echo wrote; rm -f $v/..data 2>/dev/null && echo gone; done; :"
    )
    assert await output(node, script, volumes=volumes, container={"volumeMounts": mounts}) == ""
    shown = node.container().volumeMounts
    assert [(m.name, m.mountPath, m.recursiveReadOnly) for m in shown] == [
        (v["name"], f"/v/{v['name']}", None) for v in volumes
    ]


@pytest.mark.parametrize("policy", ["Always", "OnRootMismatch"])
async def test_the_group_of_what_a_volume_holds(node: Node, policy: str) -> None:
    """fsGroupChangePolicy: a volume whose root has the group already is looked through, or is not."""
    disk = node.folder / "disk"
    (disk / "deep").mkdir(parents=True)
    (disk / "deep" / "file").write_text("x")
    os.chown(disk, 0, 2000)
    disk.chmod(0o2775)
    context = {"runAsUser": 1000, "fsGroup": 2000, "fsGroupChangePolicy": policy}
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    script = "stat -c '%g %a' /v /v/deep /v/deep/file"
    volumes = [local_claim(node, "v", disk)]
    lines = (await output(node, script, volumes=volumes, securityContext=context, container=container)).splitlines()
    changed = ["2000 2775", "2000 2775", "2000 664"]
    assert lines == (changed if policy == "Always" else ["2000 2775", "0 755", "0 644"])


async def test_every_type_of_host_path(node: Node, device: Path) -> None:
    """What is there is checked, what may be made is made; what is something else is told and holds the pod."""
    folder = node.folder / "things"
    folder.mkdir()
    (folder / "file").write_text("text\n")
    (folder / "link").symlink_to("file")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        there = [
            ("", folder),
            ("Directory", folder),
            ("DirectoryOrCreate", folder / "new/deep"),
            ("File", folder / "link"),
            ("FileOrCreate", folder / "made"),
            ("Socket", folder / "s"),
            ("CharDevice", Path("/dev/null")),
            ("BlockDevice", device),
        ]
        names = [f"v{number}" for number in range(len(there))]
        volumes = [
            {"name": name, "hostPath": {"path": str(path), "type": kind}}
            for name, (kind, path) in zip(names, there, strict=True)
        ]
        mounts = [{"name": name, "mountPath": f"/{name}"} for name in names]
        script = "cat /v0/file; for n in 1 2 3 4 5 6 7; do stat -c '%F' /v$n; done"
        told = await output(node, script, volumes=volumes, container={"volumeMounts": mounts})
    assert told.splitlines() == SEEN
    assert [oct((folder / name).stat().st_mode & 0o777) for name in ("new/deep", "made")] == ["0o755", "0o644"]
    for number, (kind, said) in enumerate(WRONG.items()):
        wrong = {"name": "v", "hostPath": {"path": str(folder / ("file" if "Dir" in kind else "new")), "type": kind}}
        node.pod(
            f"w{number}", volumes=[wrong], containers=[shell("true", volumeMounts=[{"name": "v", "mountPath": "/v"}])]
        )
        await eventually(lambda said=said: f"/things/{said}" in str(node.events()), about=node.events)


SEEN = [
    "text",
    "directory",
    "directory",
    "regular file",
    "regular empty file",
    "socket",
    "character special file",
    "block special file",
]
WRONG = {
    "Directory": "file is not a directory",
    "DirectoryOrCreate": "file is not a directory",
    "File": "new is not a file",
    "FileOrCreate": "new is not a file",
    "Socket": "new is not a socket file",
    "CharDevice": "new is not a character device",
    "BlockDevice": "new is not a block device",
}


def local_claim(node: Node, name: str, path: Path, mode: str = "Filesystem", **local: str) -> dict[str, Any]:
    """A claim that is bound to a local volume; the pod's volume that names it."""
    meta, pv = {"name": name, "namespace": "default"}, f"pv-{name}"
    bound = {"metadata": meta, "spec": {"volumeName": pv, "volumeMode": mode}, "status": {"phase": "Bound"}}
    made = node.api.add(msgspec.convert(bound, core_v1.PersistentVolumeClaim))[0]
    spec = {"local": {"path": str(path), **local}, "claimRef": {**meta, "uid": made.metadata.uid}, "volumeMode": mode}
    node.api.add(msgspec.convert({"metadata": {"name": pv}, "spec": spec}, core_v1.PersistentVolume))
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


async def test_claims_of_local_volumes(node: Node) -> None:
    disk = node.folder / "disk"
    disk.mkdir()
    (disk / "old").write_text("kept")
    mount = {
        "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/s", "subPath": "made/here"}]
    }
    volumes = [local_claim(node, "v", disk)]
    text = await output(
        node,
        "cat /v/old; echo new > /v/new; echo deep > /s/deep",
        volumes=volumes,
        container=mount,
        securityContext={"fsGroup": 4321},
    )
    assert text == "kept"
    assert disk.stat().st_gid == 4321
    node.pod("q", volumes=volumes, containers=[{"name": "c", "command": ["sleep", "1000"]}])
    await node.running("q")
    summary = json.loads(await ask_server(node, "stats/summary"))
    (pod,) = [pod for pod in summary["pods"] if pod["podRef"]["name"] == "q"]
    (volume,) = pod["volume"]
    assert (volume["name"], volume["pvcRef"]) == ("v", {"name": "v", "namespace": "default"})
    assert volume["capacityBytes"] > volume["usedBytes"] > 0
    labels = '{namespace="default",persistentvolumeclaim="v"}'
    assert f"kubelet_volume_stats_available_bytes{labels} " in await ask_server(node, "metrics")
    await node.clear()
    assert mounted(node) == []
    assert sorted(str(p.relative_to(disk)) for p in disk.rglob("*")) == [
        "made",
        "made/here",
        "made/here/deep",
        "new",
        "old",
    ]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """An empty block device."""
    (tmp_path / "disk").touch()
    os.truncate(tmp_path / "disk", 32 << 20)
    made = subprocess.run(["losetup", "-f", "--show", tmp_path / "disk"], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop devices here: {made.stderr}")
    yield Path(made.stdout.strip())
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


async def test_a_disk_gets_a_file_system_once(node: Node, device: Path) -> None:
    volume = local_claim(node, "d", device, fsType="ext4")
    container = {"volumeMounts": [{"name": "d", "mountPath": "/d"}]}
    script = "cat /d/kept 2>/dev/null; stat -f -c %T /d; stat -c %g /d; echo kept > /d/kept"
    given: dict[str, Any] = {"volumes": [volume], "container": container, "securityContext": {"fsGroup": 4321}}
    assert (await output(node, script, **given)).split() == ["ext2/ext3", "4321"]
    await node.clear()
    assert mounted(node) == []
    assert (await output(node, script, **given)).split() == ["kept", "ext2/ext3", "4321"]
    await node.clear()
    wrong = local_claim(node, "w", device, fsType="xfs")
    node.pod(volumes=[wrong], containers=[shell("sleep 1", volumeMounts=[{"name": "w", "mountPath": "/w"}])])
    text = 'failed to mount the volume as "xfs", it already contains ext4. Mount error: mount failed: '
    await eventually(lambda: text in str(node.events()), about=node.events)


async def test_a_disk_as_a_device(node: Node, device: Path) -> None:
    volume = local_claim(node, "d", device, "Block")
    container = {"volumeDevices": [{"name": "d", "devicePath": "/dev/ours"}]}
    script = "echo written | dd of=/dev/ours conv=notrunc 2>/dev/null; head -c 8 /dev/ours"
    assert await output(node, script, volumes=[volume], container=container) == "written\n"
    with device.open("rb") as file:
        assert file.read(8) == b"written\n"
    await node.clear()
    volume["persistentVolumeClaim"]["readOnly"] = True
    script = "head -c 8 /dev/ours; (echo no | dd of=/dev/ours) 2>&1 | grep -o 'not permitted'"
    assert (await output(node, script, volumes=[volume], container=container)).split("\n")[:2] == [
        "written",
        "not permitted",
    ]
    await node.clear()
    node.pod(volumes=[volume], containers=[shell("sleep 1", volumeMounts=[{"name": "d", "mountPath": "/d"}])])
    text = "volume d has volumeMode Block, but is specified in volumeMounts"
    await eventually(lambda: text in str(node.events()), about=node.events)


async def test_nfs_says_what_mount_says(node: Node) -> None:
    """This kernel may have no NFS: then the pod waits and says why; and it can be deleted."""
    volumes = [{"name": "v", "nfs": {"server": "192.0.2.9", "path": "/none"}}]
    node.pod(volumes=volumes, containers=[shell("sleep 1", volumeMounts=[{"name": "v", "mountPath": "/v"}])])
    expected = 'FailedMount: MountVolume.SetUp failed for volume "v" : mount failed: '
    await eventually(lambda: any(event.startswith(expected) for event in node.events()))
    assert any("-t nfs 192.0.2.9:/none" in event for event in node.events())


async def test_memory_and_its_limits(node: Node) -> None:
    script = """
dd if=/dev/zero of=/m/x bs=1k count=3000 2>/dev/null || echo full; grep -c ' /m .*size=2048k' /proc/mounts
grep ' /h ' /proc/mounts | cut -d ' ' -f 3
"""
    volumes = [{"name": "m", "emptyDir": {"medium": "Memory"}}, {"name": "h", "emptyDir": {"medium": "HugePages"}}]
    container = {
        "volumeMounts": [{"name": "m", "mountPath": "/m"}, {"name": "h", "mountPath": "/h"}],
        "resources": {"limits": {"memory": "16Mi", "hugepages-2Mi": "0"}},
    }
    volumes[0]["emptyDir"]["sizeLimit"] = "2Mi"
    assert await output(node, script, volumes=volumes, container=container) == "full\n1\nhugetlbfs\n"


async def test_propagation(node: Node) -> None:
    """A privileged pod mounts something; one beside it and the node see it; it goes with the pod."""
    shared = node.folder / "kubelet" / "shared"
    volumes = [{"name": "v", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}]
    mounting = {"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}
    looking = {"name": "v", "mountPath": "/v", "mountPropagation": "HostToContainer"}
    node.pod(
        restartPolicy="Never",
        volumes=volumes,
        containers=[
            shell(
                "mkdir -p /v/m; mount -t tmpfs t /v/m; touch /v/m/file; "
                "until test -e /v/seen; do sleep 0.05; done; umount /v/m",
                volumeMounts=[mounting],
                securityContext={"privileged": True},
            ),
            {
                "name": "d",
                "command": ["sh", "-c", "until test -e /v/m/file; do sleep 0.05; done; touch /v/seen"],
                "volumeMounts": [looking],
            },
        ],
    )
    assert (await node.ended()).phase == "Succeeded"
    assert list((shared / "m").iterdir()) == []


async def test_recursive_read_only(node: Node) -> None:
    """What is mounted in the volume is read-only, too; told where the runtime cannot."""
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": "Enabled"}
    can = (await node.features())[0]
    if can is not None and can.recursiveReadOnlyMounts:
        volumes = [{"name": "v", "hostPath": {"path": "/run"}}]
        script = "grep ' /v' /proc/mounts | cut -d ' ' -f 4 | cut -c 1-2 | sort -u"
        assert (await output(node, script, volumes=volumes, container={"volumeMounts": [mount]})).split() == ["ro"]
        assert node.container().volumeMounts[0].recursiveReadOnly == "Enabled"
        return
    node.pod(volumes=[{"name": "v", "emptyDir": {}}], containers=[shell("sleep 1", volumeMounts=[mount])])
    text = 'volume "v" requested recursive read-only mode, but it is not supported by the runtime'
    await eventually(lambda: (s := node.container()) is not None and s.state.waiting.message == text)


async def test_a_sub_path_raced_by_its_own_pod(node: Node) -> None:
    """CVE-2017-1002101, CVE-2021-25741: a folder becomes a link to the node and back while containers start."""
    shared, secret = node.folder / "race", node.folder / "outside"
    (shared / "real").mkdir(parents=True)
    secret.mkdir()
    (secret / "target").write_text("the node's own")
    (shared / "real" / "target").write_text("the pod's own")
    (shared / "spare").symlink_to(secret)
    racing = (
        "cd /all; while :; do mv -T real x && mv -T spare real && mv -T real spare && mv -T x real; done 2>/dev/null"
    )
    volumes = [{"name": "v", "hostPath": {"path": str(shared)}}]
    node.pod("racer", volumes=volumes, containers=[shell(racing, volumeMounts=[{"name": "v", "mountPath": "/all"}])])
    await node.running("racer")
    mount = {"name": "v", "mountPath": "/sub", "subPath": "real/target"}
    for number in range(4):
        name = f"victim{number}"
        node.pod(name, restartPolicy="Never", volumes=volumes, containers=[shell("cat /sub", volumeMounts=[mount])])
    for number in range(4):
        await node.ended(f"victim{number}")
        assert "the node's own" not in await node.log(f"victim{number}")
    assert [path.name for path in secret.iterdir()] == ["target"]


async def test_a_kubelet_restarted_again_and_again_leaves_mounts_as_they_are(node: Node) -> None:
    node.config_map("settings", {"a": "b"})
    volumes = [{"name": "m", "emptyDir": {"medium": "Memory"}}, {"name": "cm", "configMap": {"name": "settings"}}]
    mounts = [{"name": "m", "mountPath": "/m"}, {"name": "cm", "mountPath": "/a", "subPath": "a"}]
    node.pod(volumes=volumes, containers=[shell("echo kept > /m/x; exec sleep 1000", volumeMounts=mounts)])
    await node.running()
    before = sorted(mounted(node))
    for _ in range(2):
        await node.stop()
        await node.start()
        await eventually(lambda: node.kubelet.pods.find("default", "p") is not None)
        await eventually(lambda: node.kubelet.pods.find("default", "p").memory.volumes_ready)
    assert sorted(mounted(node)) == before
    (memory,) = (node.folder / "kubelet/pods").glob("*/volumes/*/m")
    assert (memory / "x").read_text() == "kept\n"
    await node.clear()
    assert mounted(node) == []


async def test_whatever_a_pod_leaves_in_its_volume_goes_with_it_and_nothing_else(node: Node) -> None:
    script = """
cd /v; mkfifo pipe; ln -s / root; ln -s /v loop; touch "$(printf 'a\\nb')"; mknod null c 1 3; mkdir -p d
i=0; while [ $i -lt 300 ]; do mkdir deep && cd deep; i=$((i+1)); done
i=0; while [ $i -lt 2000 ]; do : > f$i; i=$((i+1)); done
"""
    await output(
        node,
        script,
        volumes=[{"name": "v", "emptyDir": {}}],
        container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
    )
    await node.clear()
    await eventually(lambda: not list((node.folder / "kubelet/pods").iterdir()))


async def test_files_are_not_deleted_through_a_mount_that_stays(node: Node) -> None:
    """Somebody mounted a disk into a pod's folder from elsewhere: the node gives up, and takes it up again later."""
    precious = node.folder / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    orphan = node.folder / "kubelet/pods/orphan/volumes/kubernetes.io~local-volume/pv"
    await node.stop()
    orphan.mkdir(parents=True)
    await run("mount", "--bind", str(precious), str(orphan))
    await node.start()
    await eventually(lambda: not (node.folder / "kubelet/pods/orphan").exists())
    assert (precious / "file").read_text() == "x"


async def run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def test_an_image_as_a_volume(node: Node, machine: Machine) -> None:
    """Two layers and one, whole and in part, read-only; nothing is left when the pod is gone."""
    await import_image(machine.containerd.socket, layered_image())
    volumes = [
        {"name": "one", "image": {"reference": IMAGE}},
        {"name": "two", "image": {"reference": LAYERED, "pullPolicy": "Never"}},
        {"name": "part", "image": {"reference": LAYERED, "pullPolicy": "IfNotPresent"}},
    ]
    mounts = [
        {"name": "one", "mountPath": "/one"},
        {"name": "two", "mountPath": "/two"},
        {"name": "part", "mountPath": "/part", "subPath": "data"},
    ]
    script = "cat /two/data/lower /part/upper; ls /one/bin/sh; touch /one/x /two/x /part/x 2>/dev/null; echo $?"
    # ctr imports it a moment before CRI knows of it: the volume is tried again.
    text = await output(node, script, volumes=volumes, container={"volumeMounts": mounts})
    assert text == "lower\nupper\n/one/bin/sh\n1\n"
    assert len(await views(machine)) == 3
    await node.clear()
    assert await views(machine) == []
    assert mounted(node) == []


async def views(machine: Machine) -> list[str]:
    """The views that containerd keeps for image volumes."""
    command = ["ctr", "--address", str(machine.containerd.socket), "--namespace", "k8s.io", "snapshots", "list"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    listed, _ = await process.communicate()
    return [line for line in listed.decode().splitlines() if line.startswith("sampan-view/")]


async def test_an_image_volume_without_its_image_says_why(node: Node) -> None:
    volumes = [{"name": "v", "image": {"reference": "sampan.dev/none:1", "pullPolicy": "Never"}}]
    node.pod(volumes=volumes, containers=[shell("sleep 1", volumeMounts=[{"name": "v", "mountPath": "/v"}])])
    why = 'ErrImageNeverPull: Container image "sampan.dev/none:1" is not present with pull policy of Never'
    expected = f'FailedMount: MountVolume.SetUp failed for volume "v" : {why}'
    await eventually(lambda: expected in node.events())
