"""Each kind of volume."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from sampan.api.kinds import core_v1
from sampan.volumes import kinds
from sampan.volumes.errors import UnsupportedVolume, VolumeError

from .harness import World, shown


async def test_config_map_with_items_and_modes(tmp_path: Path) -> None:
    items = [{"key": "color", "path": "deep/color", "mode": 0o600}]
    world = World(tmp_path, [{"name": "v", "configMap": {"name": "cm", "items": items}}])
    world.config_map("cm", color="blue", size="9")
    paths = await world.set_up()
    assert paths["v"] == tmp_path / "pod/volumes/kubernetes.io~configmap/v"
    assert shown(paths["v"]) == {"deep/color": "blue"}
    assert (paths["v"] / "deep/color").stat().st_mode & 0o777 == 0o600


async def test_config_map_missing_or_optional(tmp_path: Path) -> None:
    world = World(tmp_path, [{"name": "v", "configMap": {"name": "cm"}}])
    with pytest.raises(VolumeError, match=r'^MountVolume.SetUp failed for volume "v" : configmap "cm" not found$'):
        await world.set_up()
    world = World(tmp_path, [{"name": "v", "configMap": {"name": "cm", "optional": True}}])
    assert shown((await world.set_up())["v"]) == {}


async def test_a_missing_key(tmp_path: Path) -> None:
    items = [{"key": "none", "path": "x"}]
    world = World(tmp_path, [{"name": "v", "configMap": {"name": "cm", "items": items}}])
    world.config_map("cm", color="blue")
    with pytest.raises(VolumeError, match="references non-existent config key: none"):
        await world.set_up()


async def test_secret_lies_in_memory(tmp_path: Path) -> None:
    world = World(tmp_path, [{"name": "v", "secret": {"secretName": "s", "defaultMode": 0o400}}])
    world.objects.secrets["s"] = core_v1.Secret(data={"key": base64.b64encode(b"hush").decode()})
    path = (await world.set_up())["v"]
    assert world.mounter.mounts == [("v", None)]
    assert shown(path) == {"key": "hush"}
    assert (path / "key").stat().st_mode & 0o777 == 0o400


async def test_downward_api(tmp_path: Path) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "one", "fieldRef": {"fieldPath": "metadata.labels['b']"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu", "divisor": "1m"}},
    ]
    world = World(tmp_path, [{"name": "v", "downwardAPI": {"items": items}}])
    path = (await world.set_up())["v"]
    assert shown(path) == {"labels": 'a="say \\"hi\\""\nb="2"', "one": "2", "cpu": "4000"}


async def test_projected_puts_sources_together(tmp_path: Path) -> None:
    sources = [
        {"configMap": {"name": "cm"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "me"}},
        {"secret": {"name": "none", "optional": True}},
    ]
    world = World(tmp_path, [{"name": "v", "projected": {"sources": sources}}])
    world.config_map("cm", color="blue")
    path = (await world.set_up())["v"]
    assert shown(path) == {"color": "blue", "name": "p", "token": "token for me"}


def mark(folder: Path) -> None:
    (folder / "kept").write_text("x")


async def test_empty_dir_on_disk_and_in_memory(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
    )
    paths = await world.set_up()
    assert paths["disk"].stat().st_mode & 0o777 == 0o777
    assert world.mounter.mounts == [("memory", 1 << 20)]
    mark(paths["disk"])
    await world.set_up()
    assert shown(paths["disk"]) == {"kept": "x"}, "setting up again keeps what is there"


@pytest.mark.parametrize(
    ("type_", "name", "problem"),
    [
        ("", "none", ""),
        ("Directory", "folder", ""),
        ("Directory", "file", "is not a directory"),
        ("Directory", "none", "is not a directory"),
        ("File", "file", ""),
        ("File", "folder", "is not a file"),
        ("Socket", "file", "is not a socket file"),
        ("CharDevice", "file", "is not a character device"),
        ("BlockDevice", "file", "is not a block device"),
        ("DirectoryOrCreate", "new/deep", ""),
        ("FileOrCreate", "new-file", ""),
        ("FileOrCreate", "folder", "is not a file"),
        ("FileOrCreate", "no/folder/file", "could not be made"),
    ],
)
async def test_host_path(tmp_path: Path, type_: str, name: str, problem: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    world = World(tmp_path, [{"name": "v", "hostPath": {"path": str(tmp_path / name), "type": type_}}])
    if problem:
        with pytest.raises(VolumeError, match=problem):
            await world.set_up()
    else:
        assert (await world.set_up())["v"] == tmp_path / name


async def test_refresh_shows_the_change(tmp_path: Path) -> None:
    world = World(tmp_path, [{"name": "v", "configMap": {"name": "cm"}}, {"name": "e", "emptyDir": {}}])
    world.config_map("cm", a="1")
    paths = await world.set_up()
    assert kinds.has_changing(world.pod)
    world.config_map("cm", a="2")
    await kinds.refresh(world.volumes)
    assert shown(paths["v"]) == {"a": "2"}


async def test_an_unknown_kind_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, [{"name": "v", "iscsi": {"targetPortal": "t", "iqn": "i", "lun": 0}}])
    with pytest.raises(UnsupportedVolume, match="iscsi"):
        kinds.kind_of(world.pod.spec.volumes[0])


async def test_tear_down_deletes_unless_something_is_mounted(tmp_path: Path) -> None:
    world = World(tmp_path, [{"name": "e", "emptyDir": {}}])
    await world.set_up()
    world.mounter.stuck = "volumes/x: busy"
    with pytest.raises(VolumeError, match="busy"):
        await kinds.tear_down(world.volumes.directory, world.mounter)
    assert world.volumes.directory.exists()
    world.mounter.stuck = ""
    await kinds.tear_down(world.volumes.directory, world.mounter)
    assert not world.volumes.directory.exists()
    await kinds.tear_down(world.volumes.directory, world.mounter)
