"""Writing a set of files so that a reader sees the old set or the new one, never a mixture.

The files lie in a folder of their own; `..data` is a link to it, and every visible name is a
link through `..data`. Changing the set means writing another folder and renaming a new link over `..data`, which is
one step for the kernel. It is the layout of upstream's AtomicWriter, so programs that watch `..data` for changes work:

    config.yaml -> ..data/config.yaml
    ..data      -> ..set-k3v0x2aq
    ..set-k3v0x2aq/config.yaml

Containers see such a volume read-only, always: one that could write there could lead us to files of the node by its
links (CVE-2017-1002102). What links say is not believed all the same.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sampan.aio.removal import remove_tree
from sampan.volumes.errors import VolumeError

DATA = "..data"
NEXT = "..data_tmp"
PREFIX = "..set-"
"""How the folders begin that hold files; anything else in dots is not ours to delete."""


@dataclass(frozen=True, slots=True)
class Projected:
    """One file: its bytes, its permission bits and, when not root's, its owner."""

    content: bytes
    mode: int = 0o644
    owner: int | None = None

    def bits(self, group: int | None) -> int:
        """The permission bits it has on disk: a group that owns the volume must be able to read it."""
        return self.mode | 0o440 if group is not None else self.mode


Payload = Mapping[str, Projected]


def write(directory: Path, payload: Payload, group: int | None = None) -> bool:
    """Makes `directory` show exactly `payload` (relative path -> file); returns whether anything changed.

    Raises VolumeError for a path that leads out of the folder or into its dots.
    """
    for path in payload:
        verify(path)
    directory.mkdir(parents=True, exist_ok=True)
    if is_current(directory, payload, group):
        return False
    fresh = Path(tempfile.mkdtemp(prefix=PREFIX, dir=directory))
    fresh.chmod(0o755)
    for path, file in payload.items():
        write_file(fresh / path, file, fresh, group)
    following = directory / NEXT
    following.unlink(missing_ok=True)
    following.symlink_to(fresh.name)
    following.rename(directory / DATA)
    link_names(directory, {path.split("/", 1)[0] for path in payload})
    remove_former(directory, fresh.name)
    return True


def verify(path: str) -> None:
    """A path as `items` may name: relative, without `..`, and not beginning with two dots."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise VolumeError(f'invalid path "{path}": must be relative, without "..", and not begin with ".."')


def is_current(directory: Path, payload: Payload, group: int | None) -> bool:
    """Whether the files shown now are these, byte for byte and mode for mode."""
    data = directory / DATA
    if not data.is_symlink():
        return False
    shown = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file() and not path.is_symlink()}
    if shown.keys() != payload.keys() or not all((directory / path.split("/", 1)[0]).is_symlink() for path in payload):
        return False
    return all(is_written(path, payload[name], group) for name, path in shown.items())


def is_written(path: Path, file: Projected, group: int | None) -> bool:
    status = path.stat()
    if stat.S_IMODE(status.st_mode) != file.bits(group) or status.st_size != len(file.content):
        return False
    if file.owner is not None and status.st_uid != file.owner:
        return False
    return path.read_bytes() == file.content


def write_file(path: Path, file: Projected, root: Path, group: int | None) -> None:
    for parent in reversed([p for p in path.parents if p.is_relative_to(root) and p != root]):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o755)
    path.write_bytes(file.content)
    if group is not None or file.owner is not None:
        os.chown(path, -1 if file.owner is None else file.owner, -1 if group is None else group)
    path.chmod(file.bits(group))


def link_names(directory: Path, names: set[str]) -> None:
    """Makes the visible links those of `names` and no others."""
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in names and entry.is_symlink():
            entry.unlink()
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")


def remove_former(directory: Path, current: str) -> None:
    """Deletes the folders of earlier sets, those of a kubelet that was killed between two steps included."""
    for entry in directory.iterdir():
        if entry.name.startswith(PREFIX) and entry.name != current and not entry.is_symlink():
            remove_tree(entry)
