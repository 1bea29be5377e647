"""A persistent volume as the kinds of volume see it: what a pod's volume has, and what its claim and its owner add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Persistent:
    """`name` is the PersistentVolume's; of the sources one is given. `options` are its mountOptions, `block` whether
    containers get it as a device."""

    name: str
    local: Any = None
    nfs: Any = None
    hostPath: Any = None
    options: tuple[str, ...] = ()
    read_only: bool = False
    block: bool = False
