"""The store of a cluster, from its options: the one its API servers open, and whoever makes backups of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.aio.clock import Clock
from sampan.cluster.options import Options
from sampan.cluster.servers.plan import ETCD_AUTHORITY, ETCD_CLIENT, Plan, Server
from sampan.store.interface import Store
from sampan.store.opening import open_store

if TYPE_CHECKING:
    from sampan.store.backup import Snapshots
    from sampan.store.etcd import Credentials

PASSWORD = "SAMPAN_ETCD_PASSWORD"


def store_name(options: Options, nearest: Server | None = None) -> str:
    """As `--store` would name it; with servers, their members, beginning with that of `nearest`."""
    plan = Plan(options)
    return f"etcd={','.join(plan.endpoints(nearest))}" if plan.servers else options.store


def open_storage(options: Options, clock: Clock, *, nearest: Server | None = None, compacts: bool = True) -> Store:
    """The store as it is on disk, values encrypted as they may be; not yet started. Raises ValueError."""
    return open_store(
        store_name(options, nearest),
        clock,
        path=options.layout.store,
        prefix=options.etcd_prefix,
        credentials=credentials(options),
        compacts=compacts,
    )


def credentials(options: Options) -> Credentials | None:
    """How this cluster's processes show themselves to etcd; None for another store."""
    if not store_name(options).startswith("etcd"):
        return None
    from sampan.store.etcd import Credentials

    if options.servers > 1:
        pki = options.layout.pki
        certificate, key = pki / f"{ETCD_CLIENT}.crt", pki / f"{ETCD_CLIENT}.key"
        return Credentials(authority=pki / f"{ETCD_AUTHORITY}.crt", certificate=certificate, key=key)
    return Credentials(
        authority=_path(options.etcd_cafile),
        certificate=_path(options.etcd_certfile),
        key=_path(options.etcd_keyfile),
        user=options.etcd_user,
        password=os.environ.get(PASSWORD, ""),
    )


def encrypted(options: Options, store: Store, clock: Clock) -> Store:
    """The store with values encrypted as the cluster's EncryptionConfiguration says, if it has one."""
    if not options.encryption_provider_config:
        return store
    from sampan.store.encryption import EncryptedStore, load

    file = Path(options.encryption_provider_config)
    return EncryptedStore(store, load(file), clock, file=file)


def snapshots(options: Options, store: Store, clock: Clock) -> Snapshots | None:
    """The scheduled backups of `store`, which is open and as it is on disk; None when there are none to be taken."""
    if not options.snapshot_seconds:
        return None
    from sampan.store.backup import Snapshots
    from sampan.store.backup.snapshot import FileSource, Source, StoreSource

    kind, _, place = store_name(options).partition("=")
    file = Path(place) if place else options.layout.store
    source: Source = FileSource(file) if kind == "sqlite" else StoreSource(store, kind)
    seconds, keep = options.snapshot_seconds, options.snapshot_retention
    return Snapshots(source, options.snapshots, clock, seconds=seconds, keep=keep)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
