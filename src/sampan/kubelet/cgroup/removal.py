"""Removing the cgroups of pods that are gone.

The runtime makes a pod's cgroup with its first container and removes those of the containers; the pod's own stays. On
cgroup v1 it exists once in each hierarchy, on v2 once. Systemd removes empty slices by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def hierarchies(mount: Path) -> list[Path]:
    """The roots of all cgroup hierarchies: one on v2, one for each controller on v1."""
    if (mount / "cgroup.controllers").exists():
        return [mount]
    return [entry for entry in mount.iterdir() if entry.is_dir() and not entry.is_symlink()] if mount.is_dir() else []


def remove_tree(mount: Path, parent: str) -> None:
    """Removes the cgroup `parent` ("/kubepods/besteffort/pod<uid>") with all below it, as far as they are empty."""
    for root in hierarchies(mount):
        top = root / parent.strip("/")
        for folder in [*deepest_first(top), top]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def deepest_first(top: Path) -> Iterator[Path]:
    if not top.is_dir():
        return
    for entry in top.iterdir():
        if entry.is_dir():
            yield from deepest_first(entry)
            yield entry
