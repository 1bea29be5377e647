"""Writing a set of files so that a reader sees the old set or the new one, never a mixture.

The files lie in a folder of their own, named by a time stamp; `..data` is a link to it, and every visible name is a
link through `..data`. Changing the set means writing another folder and renaming a new link over `..data`, which is
one step for the kernel. It is the layout of upstream's AtomicWriter, so programs that watch `..data` for changes work:

    config.yaml -> ..data/config.yaml
    ..data      -> ..2026_11_21_09_53_12.000000001
    ..2026_11_21_09_53_12.000000001/config.yaml
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = "..data"
NEXT = "..data_tmp"


@dataclass(frozen=True, slots=True)
class Projected:
    """One file: its bytes, its permission bits and, when not root's, its owner."""

    content: bytes
    mode: int = 0o644
    owner: int | None = None


Payload = Mapping[str, Projected]


def write(directory: Path, payload: Payload, group: int | None = None) -> bool:
    """Makes `directory` show exactly `payload` (relative path -> file); returns whether anything changed."""
    directory.mkdir(parents=True, exist_ok=True)
    if is_current(directory, payload):
        return False
    former = directory / DATA
    former_name = former.readlink() if former.is_symlink() else None
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    fresh.chmod(0o755)
    for path, file in payload.items():
        write_file(fresh / path, file, fresh, group)
    following = directory / NEXT
    following.unlink(missing_ok=True)
    following.symlink_to(fresh.name)
    following.rename(former)
    link_names(directory, {path.split("/", 1)[0] for path in payload})
    if former_name is not None:
        shutil.rmtree(directory / former_name, ignore_errors=True)
    return True


def is_current(directory: Path, payload: Payload) -> bool:
    """Whether the files shown now are these, byte for byte and mode for mode."""
    data = directory / DATA
    if not data.is_symlink():
        return False
    shown = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    if shown.keys() != payload.keys():
        return False
    return all(
        path.read_bytes() == payload[name].content and path.stat().st_mode & 0o700 == payload[name].mode & 0o700
        for name, path in shown.items()
    )


def write_file(path: Path, file: Projected, root: Path, group: int | None) -> None:
    for parent in reversed([p for p in path.parents if p.is_relative_to(root) and p != root]):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o755)
    path.write_bytes(file.content)
    if group is not None or file.owner is not None:
        os.chown(path, -1 if file.owner is None else file.owner, -1 if group is None else group)
    # A group that owns the volume must be able to read it, whatever the mode says for others.
    path.chmod(file.mode | 0o440 if group is not None else file.mode)


def link_names(directory: Path, names: set[str]) -> None:
    """Makes the visible links those of `names` and no others."""
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
