"""A block device with a file system for a pod: made when the device is empty, checked when it is not, then mounted.

A device may be mounted for several pods of the node: it is one file system however often it is mounted. Nothing is ever
formatted that holds anything: what `blkid` recognizes, partitions included, is mounted or refused.
(The order is upstream's: SafeFormatAndMount.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from sampan.volumes.errors import VolumeError
from sampan.volumes.mounter import Mounter

DEFAULT = "ext4"
MAKE = {"ext3": ("-F", "-m0"), "ext4": ("-F", "-m0"), "xfs": ("-f",)}
"""Options of mkfs: asked nothing, and no blocks kept for root."""
NOTHING_FOUND = 2
"""blkid's exit status for a device on which it recognizes nothing."""
UNCORRECTED = 4
"""fsck's for errors that it left."""
PARTITIONS = "unknown data, probably partitions"
_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


async def mount(device: Path, target: Path, filesystem: str, options: Sequence[str], mounter: Mounter) -> None:
    """Mounts it at the folder `target`; one pod after the other, so that it is formatted once. Raises VolumeError."""
    turn = _turns.setdefault(str(device), asyncio.Lock())
    async with turn:
        wanted = filesystem or DEFAULT
        found = await content(device, mounter)
        if not found:
            await make(device, wanted, options, mounter)
        elif "ro" not in options:
            await check(device, mounter)
        try:
            await mounter.mount(wanted, str(device), target, options)
        except VolumeError as error:
            if found in ("", wanted):
                raise
            text = f'failed to mount the volume as "{wanted}", it already contains {found}'
            raise VolumeError(f"{text}. Mount error: {error}") from None


async def content(device: Path, mounter: Mounter) -> str:
    """The file system on the device; "" when there is nothing on it."""
    status, said = await mounter.run("blkid", "-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", str(device))
    if status == NOTHING_FOUND:
        return ""
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    if status or not {"TYPE", "PTTYPE"} & found.keys():
        raise VolumeError(f"what is on {device} cannot be found out: blkid ended with {status}: {said}")
    return found.get("TYPE") or PARTITIONS


async def make(device: Path, filesystem: str, options: Sequence[str], mounter: Mounter) -> None:
    if "ro" in options:
        raise VolumeError(f"cannot mount unformatted disk {device} as we are manipulating it in read-only mode")
    if filesystem not in MAKE:
        raise VolumeError(f"{device} is empty, and file systems to make are {', '.join(MAKE)}: not {filesystem!r}")
    status, said = await mounter.run(f"mkfs.{filesystem}", *MAKE[filesystem], str(device))
    if status:
        raise VolumeError(f"format of disk {device} failed: type:({filesystem!r}) errcode:({status}) output:({said})")


async def check(device: Path, mounter: Mounter) -> None:
    """Mends what can be mended without asking; a file system that is in use is left alone by fsck."""
    status, said = await mounter.run("fsck", "-a", str(device))
    if status == UNCORRECTED:
        raise VolumeError(f"'fsck' found errors on device {device} but could not correct them: {said}")
