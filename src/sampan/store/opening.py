"""A store by its name, as the command line gives it: `sqlite`, `sqlite=PATH`, `memory`, or `etcd=URL,URL,...`.

Implementations are imported when they are named: gRPC is large, and most servers do without.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sampan.aio.clock import Clock
from sampan.store.interface import Store
from sampan.store.retention import Policy

if TYPE_CHECKING:
    from sampan.store.etcd import Credentials


def open_store(
    name: str,
    clock: Clock,
    *,
    path: Path,
    prefix: str = "",
    credentials: Credentials | None = None,
    compacts: bool = True,
) -> Store:
    """The store named, not yet started; `path` is where `sqlite` without a path is.

    `prefix`, `credentials`, and whether this process discards old history (`compacts`) are for etcd. Raises ValueError,
    with what can be said, for a name that is none.
    """
    kind, _, place = name.partition("=")
    if kind == "memory" and not place:
        from sampan.store.memory import MemoryStore

        return MemoryStore(clock)
    if kind == "sqlite":
        from sampan.store.sqlite import SqliteStore

        file = Path(place) if place else path
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteStore(file, clock, process=True)
    if kind == "etcd" and place:
        from sampan.store.etcd import EtcdStore

        endpoints = [endpoint.strip() for endpoint in place.split(",") if endpoint.strip()]
        retention = Policy() if compacts else None
        return EtcdStore(endpoints, clock, prefix=prefix, credentials=credentials, retention=retention)
    raise ValueError(f"{name!r} is no store: say sqlite, sqlite=PATH, memory, or etcd=http://HOST:PORT,...")
