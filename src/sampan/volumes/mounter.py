"""What volumes ask of the kernel. Tests that have no privileges give a mounter that only notes what it was asked.

What may take long runs beside the event loop: mounting is a program of its own, which can be ended however a file
server hangs; deleting and changing ownership are threads, which stop when nobody waits for them any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from sampan.aio import children, mounts
from sampan.aio.clock import Clock
from sampan.aio.removal import remove_tree
from sampan.aio.threads import in_thread
from sampan.volumes.errors import VolumeError
from sampan.volumes.ownership import give_to_group

T = TypeVar("T")
log = logging.getLogger(__name__)
UNMOUNT_SECONDS = 10.0
"""How long unmounting may take; what is detached by then goes on without us."""
PACKAGES = {"blkid": "util-linux", "fsck": "util-linux", "mkfs.ext": "e2fsprogs", "mkfs.xfs": "xfsprogs"}
"""Beginnings of programs' names, and where they are from."""


class Mounter(Protocol):
    """Errors are OSError, and VolumeError where a program was asked."""

    def tmpfs(self, target: Path, size: int | None, *, swap: bool = True) -> None:
        """Mounts memory at `target`, at most `size` bytes; does nothing when something is mounted there already."""
        ...

    def hugepages(self, target: Path, page: int) -> None:
        """Likewise memory in pages of `page` bytes."""
        ...

    def bind(self, source: Path, target: Path) -> None:
        """Shows `source`, a file or a folder, at `target`, which exists."""
        ...

    async def mount(
        self, filesystem: str, source: str, target: Path, options: Sequence[str], *, folder: Path = Path("/")
    ) -> None:
        """Mounts anything else; names in `options` may be relative to `folder`."""
        ...

    async def run(self, *command: str) -> tuple[int, str]:
        """The exit status of one of the system's programs for disks, and what it says."""
        ...

    def mounted(self, target: Path) -> bool:
        """Whether something is mounted exactly there; asks no file system."""
        ...

    def share(self, directory: Path) -> None:
        """Makes what is mounted below `directory` seen where it is shown, and the other way round."""
        ...

    def unmount_below(self, directory: Path) -> list[str]:
        """Unmounts everything at and under the folder; returns what could not be."""
        ...

    async def take_down(self, directory: Path) -> list[str]:
        """Likewise, but beside the event loop: the last one that lets go of a file server may wait for it."""
        ...

    async def aside(self, work: Callable[[], T]) -> T:
        """The result of work that may hang on a file server, for as long as such a call may take."""
        ...

    async def remove(self, directory: Path) -> None:
        """Deletes the folder with all in it, but never through a mount or a link."""
        ...

    async def own(self, directory: Path, group: int, *, policy: str | None) -> None:
        """Gives the folder with all in it to the group (see `ownership`)."""
        ...


class KernelMounter:
    """`program` is mount(8); it gets `patience` seconds."""

    def __init__(
        self,
        clock: Clock,
        *,
        program: str = "mount",
        patience: float = 120.0,
        unmount: Callable[[Path], list[str]] = mounts.unmount_below,
    ) -> None:
        self._clock = clock
        self._program = program
        self._patience = patience
        self._unmount = unmount

    def tmpfs(self, target: Path, size: int | None, *, swap: bool = True) -> None:
        if self.mounted(target):
            return
        options = ["mode=0777", *([] if size is None else [f"size={size}"])]
        flags = mounts.MS_NOSUID | mounts.MS_NODEV
        if not swap:
            with contextlib.suppress(OSError):
                # Linux 6.4 and newer keep it out of swap; an older one refuses the word.
                mounts.mount("tmpfs", target, "tmpfs", flags, ",".join([*options, "noswap"]))
                return
        mounts.mount("tmpfs", target, "tmpfs", flags, ",".join(options))

    def hugepages(self, target: Path, page: int) -> None:
        if not self.mounted(target):
            flags = mounts.MS_NOSUID | mounts.MS_NODEV
            mounts.mount("nodev", target, "hugetlbfs", flags, f"mode=0777,pagesize={page}")

    def bind(self, source: Path, target: Path) -> None:
        mounts.mount(str(source), target, "", mounts.MS_BIND)

    async def mount(
        self, filesystem: str, source: str, target: Path, options: Sequence[str], *, folder: Path = Path("/")
    ) -> None:
        arguments = mount_arguments(filesystem, source, target, options)
        try:
            status, said = await self._run((self._program, *arguments), folder)
        except TimeoutError:
            raise VolumeError(mount_failure(arguments, "timed out", "")) from None
        if status:
            raise VolumeError(mount_failure(arguments, f"exit status {status}", said))

    async def run(self, *command: str) -> tuple[int, str]:
        try:
            return await self._run(command, Path("/"))
        except TimeoutError:
            raise VolumeError(f"{' '.join(command)} did not end within {self._patience:g} seconds") from None

    async def _run(self, command: Sequence[str], folder: Path) -> tuple[int, str]:
        """Raises TimeoutError, and VolumeError where there is no such program."""
        try:
            process = await children.start(
                *command,
                clock=self._clock,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except FileNotFoundError:
            raise VolumeError(f"{command[0]} was not found: install the package {package_of(command[0])}") from None
        try:
            output, _ = await self._clock.wait_for(process.communicate(), self._patience)
        finally:
            await children.end(process, self._clock)
        return process.returncode or 0, output.decode(errors="replace").strip()

    def mounted(self, target: Path) -> bool:
        return mounts.mounted_at(target) is not None

    def share(self, directory: Path) -> None:
        if mounts.around(directory, mounts.MOUNTINFO.read_bytes()).shared:
            return
        try:
            if not self.mounted(directory):
                mounts.mount(str(directory), directory, "", mounts.MS_BIND | mounts.MS_REC)
            mounts.mount("", directory, "", mounts.MS_SHARED | mounts.MS_REC)
        except OSError as error:
            log.warning("mounts made in pods are not seen outside of them directory=%s error=%s", directory, error)

    def unmount_below(self, directory: Path) -> list[str]:
        return self._unmount(directory)

    async def take_down(self, directory: Path) -> list[str]:
        """A mount leaves the table before the kernel writes back what is left for its server: so the table tells."""
        try:
            return await self._clock.wait_for(in_thread(lambda: self._unmount(directory)), UNMOUNT_SECONDS)
        except TimeoutError:
            left = mounts.points_below(directory, mounts.MOUNTINFO.read_bytes())
            return [f"{point}: the file system does not answer" for point in left]

    async def aside(self, work: Callable[[], T]) -> T:
        try:
            return await self._clock.wait_for(in_thread(work), self._patience)
        except TimeoutError:
            raise VolumeError("the volume's file system does not answer") from None

    async def remove(self, directory: Path) -> None:
        try:
            await in_thread(lambda: remove_tree(directory))
        except OSError as error:
            if error.errno in (errno.EBUSY, errno.EXDEV):
                raise VolumeError(f"{directory} is left alone: something is still mounted in it") from None
            raise

    async def own(self, directory: Path, group: int, *, policy: str | None) -> None:
        unwanted = threading.Event()
        try:
            await in_thread(lambda: give_to_group(directory, group, policy, unwanted.is_set))
        finally:
            unwanted.set()


def mount_arguments(filesystem: str, source: str, target: Path, options: Sequence[str]) -> list[str]:
    return ["-t", filesystem, *(["-o", ",".join(options)] if options else []), source, str(target)]


def package_of(program: str) -> str:
    """Debian's, of a program for disks."""
    return next((package for start, package in PACKAGES.items() if program.startswith(start)), "mount")


def mount_failure(arguments: Sequence[str], end: str, said: str) -> str:
    return f"mount failed: {end}\nMounting command: mount\nMounting arguments: {' '.join(arguments)}\nOutput: {said}"
