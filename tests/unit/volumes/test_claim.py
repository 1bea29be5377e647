"""Claims, and the persistent volumes behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError
from sampan.volumes.nfs import Nfs, source_of

from .harness import World

ON_N1 = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}


def affinity(**expression: Any) -> dict[str, Any]:
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [{**ON_N1, **expression}]}]}}


def claim(phase: str = "Bound", **spec: Any) -> Any:
    body = {"metadata": {"name": "c", "uid": "claim-uid"}, "spec": {"volumeName": "pv", **spec}}
    return msgspec.convert({**body, "status": {"phase": phase}}, core_v1.PersistentVolumeClaim)


def volume(**spec: Any) -> Any:
    body = {"metadata": {"name": "pv"}, "spec": {"claimRef": {"uid": "claim-uid"}, **spec}}
    return msgspec.convert(body, core_v1.PersistentVolume)


def world(folder: Path, bound: Any, persistent: Any, *, read_only: bool = False, **spec: Any) -> World:
    asked = {"claimName": "c", "readOnly": read_only}
    made = World(folder, [{"name": "v", "persistentVolumeClaim": asked}], **spec)
    made.objects.claims = {"c": bound} if bound else {}
    made.objects.volumes = {"pv": persistent} if persistent else {}
    return made


async def test_local(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    persistent = volume(local={"path": str(tmp_path / "disk")}, nodeAffinity=affinity())
    made = world(tmp_path, claim(), persistent, securityContext={"fsGroup": 7, "fsGroupChangePolicy": "OnRootMismatch"})
    paths = await made.set_up()
    assert paths["v"] == tmp_path / "pod/volumes/kubernetes.io~local-volume/pv"
    assert made.mounter.mounts == [("pv", tmp_path / "disk")]
    assert made.mounter.owned == [("disk", 7, "OnRootMismatch")]
    await made.set_up()
    assert len(made.mounter.owned) == 1, "a kubelet that starts again leaves a mounted volume alone"


async def test_nfs_with_options(tmp_path: Path) -> None:
    persistent = volume(nfs={"server": "10.0.0.9", "path": "/export"}, mountOptions=["nfsvers=4.2", "hard"])
    made = world(tmp_path, claim(), persistent, read_only=True)
    await made.set_up()
    target = tmp_path / "pod/volumes/kubernetes.io~nfs/pv"
    assert made.mounter.mounts == [("pv", f"-t nfs -o nfsvers=4.2,hard,ro 10.0.0.9:/export {target}")]
    assert (await kinds.set_up(made.volumes))["v"].read_only


async def test_nfs_in_the_pod_itself(tmp_path: Path) -> None:
    made = World(tmp_path, [{"name": "v", "nfs": {"server": "s", "path": "/p"}}])
    made.mounter.refusal = "mount failed: exit status 32"
    with pytest.raises(VolumeError, match=r'^MountVolume\.SetUp failed for volume "v" : mount failed: exit status 32'):
        await made.set_up()
    made.mounter.refusal = ""
    assert (await made.set_up())["v"] == tmp_path / "pod/volumes/kubernetes.io~nfs/v"


async def test_nfs_with_options_of_the_elder_form(tmp_path: Path) -> None:
    persistent = volume(nfs={"server": "10.0.0.9", "path": "/export"}, mountOptions=["hard"])
    persistent.metadata.annotations = {"volume.beta.kubernetes.io/mount-options": "nfsvers=3,nolock"}
    made = world(tmp_path, claim(), persistent)
    await made.set_up()
    assert made.mounter.mounts[0][1].startswith("-t nfs -o nfsvers=3,nolock 10.0.0.9:/export ")


def test_what_a_node_lacks_for_nfs_is_told_with_what_to_do(tmp_path: Path) -> None:
    program, filesystems = tmp_path / "mount.nfs", tmp_path / "filesystems"
    filesystems.write_text("\text4\nnodev\tnfsd\n")
    nfs = Nfs((program,), filesystems)
    assert nfs.missing() == "This node has no mount.nfs: install the package nfs-common there"
    program.touch()
    assert nfs.missing().startswith("This node's kernel has no NFS client")
    filesystems.write_text("\text4\nnodev\tnfs\n")
    assert nfs.missing() == ""


def test_an_ipv6_server_has_brackets() -> None:
    assert source_of(core_v1.NFSVolumeSource(server="fd00::1", path="/p")) == "[fd00::1]:/p"
    assert source_of(core_v1.NFSVolumeSource(server="[fd00::1]", path="/p")) == "[fd00::1]:/p"


HOST = {"hostPath": {"path": "/etc"}}


@pytest.mark.parametrize(
    ("bound", "persistent", "problem"),
    [
        (None, None, 'PVC ns/c: failed to fetch PVC from API server: persistentvolumeclaims "c" not found'),
        (claim("Pending"), None, "PVC ns/c: PVC is not bound"),
        (claim(volumeName=""), None, "PVC has empty pvc.Spec.VolumeName"),
        (claim(), volume(**HOST, volumeMode="Block"), "PV pv: no volume of the kind hostPath is a device"),
        (claim(), None, 'failed to fetch PV pv from API server: persistentvolumes "pv" not found'),
        (claim(), volume(**HOST, claimRef=None), "PV pv is bound to no claim, not to this one"),
        (claim(), volume(**HOST, claimRef={"uid": "other"}), "bound to the claim with the UID other"),
        (claim(), volume(**HOST, nodeAffinity=affinity(values=["n2"])), "MountVolume.NodeAffinity check failed"),
        (claim(), volume(**HOST, nodeAffinity={"required": {"nodeSelectorTerms": [{}]}}), "NodeAffinity check failed"),
        (claim(), volume(local={"path": "/none"}), 'path "/none" does not exist'),
        (claim(), volume(csi={"driver": "d", "volumeHandle": "h"}), "PV pv is of a kind that this node cannot mount"),
        (claim(), volume(**HOST), None),
    ],
)
async def test_what_is_wrong_is_told(tmp_path: Path, bound: Any, persistent: Any, problem: str | None) -> None:
    made = world(tmp_path, bound, persistent)
    if problem is None:
        assert (await made.set_up())["v"] == Path("/etc")
        return
    with pytest.raises(VolumeError) as failure:
        await made.set_up()
    assert problem in str(failure.value)


async def test_what_cannot_be_processed_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(VolumeError) as failure:
        await world(tmp_path, claim("Pending"), None).set_up()
    assert str(failure.value) == (
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process "
        "volumes=[v]: error processing PVC ns/c: PVC is not bound"
    )
