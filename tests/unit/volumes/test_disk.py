"""A block device for a pod: formatted when it is empty, and then only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampan.volumes import disk
from sampan.volumes.errors import VolumeError

from .harness import FakeMounter

DEVICE, TARGET = Path("/dev/d"), Path("/pod/d")
EMPTY = {"blkid": (2, "")}


def mounter(**answers: tuple[int, str]) -> FakeMounter:
    made = FakeMounter()
    made.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
    return made


async def mount(made: FakeMounter, filesystem: str = "", *options: str) -> list[str]:
    """The programs that ran, mounting last."""
    await disk.mount(DEVICE, TARGET, filesystem, options, made)
    return [command.split()[0] for command in made.ran] + [f"mount {given}" for _, given in made.mounts]


async def test_an_empty_one_is_formatted() -> None:
    made = mounter(**EMPTY)
    assert await mount(made) == ["blkid", "mkfs.ext4", "mount -t ext4 /dev/d /pod/d"]
    assert made.ran[1] == "mkfs.ext4 -F -m0 /dev/d"


async def test_one_with_a_file_system_is_checked() -> None:
    made = mounter(blkid=(0, "DEVNAME=/dev/d\nTYPE=xfs"))
    assert await mount(made, "xfs", "noatime") == ["blkid", "fsck", "mount -t xfs -o noatime /dev/d /pod/d"]
    made = mounter(blkid=(0, "TYPE=ext4"))
    assert await mount(made, "", "ro") == ["blkid", "mount -t ext4 -o ro /dev/d /pod/d"]


@pytest.mark.parametrize(
    ("answers", "filesystem", "options", "refusal", "told"),
    [
        (EMPTY, "", ("ro",), "", "cannot mount unformatted disk /dev/d as we are manipulating it in read-only mode"),
        (EMPTY, "zfs", (), "", "file systems to make are ext3, ext4, xfs: not 'zfs'"),
        ({**EMPTY, "mkfs_ext4": (1, "too small")}, "", (), "", "errcode:(1) output:(too small)"),
        ({"blkid": (0, "TYPE=ext4"), "fsck": (4, "bad")}, "", (), "", "errors on device /dev/d but could not correct"),
        ({"blkid": (0, "TYPE=ext4")}, "xfs", (), "no", 'as "xfs", it already contains ext4. Mount error: no'),
        ({"blkid": (0, "PTTYPE=gpt")}, "", (), "no", "it already contains unknown data, probably partitions"),
        ({"blkid": (0, "TYPE=ext4")}, "", (), "no", "no"),
        ({"blkid": (4, "usage")}, "", (), "", "blkid ended with 4: usage"),
    ],
)
async def test_what_is_refused(
    answers: dict[str, tuple[int, str]], filesystem: str, options: tuple[str, ...], refusal: str, told: str
) -> None:
    made = mounter(**answers)
    made.refusal = refusal
    with pytest.raises(VolumeError) as caught:
        await mount(made, filesystem, *options)
    assert told in str(caught.value)
    assert answers["blkid"] == EMPTY["blkid"] or not any(command.startswith("mkfs") for command in made.ran)


async def test_pods_that_come_together_format_it_once() -> None:
    made = mounter(**EMPTY)

    async def formatted(*command: str) -> tuple[int, str]:
        made.ran.append(command[0])
        await asyncio.sleep(0)
        if command[0].startswith("mkfs"):
            made.answers["blkid"] = (0, "TYPE=ext4")
        return made.answers.get(command[0], (0, ""))

    made.run = formatted  # type: ignore[method-assign]
    await asyncio.gather(*(disk.mount(DEVICE, Path(f"/pod/{n}"), "", (), made) for n in range(3)))
    assert made.ran.count("mkfs.ext4") == 1
