"""The store of a cluster, from its options: the one its API servers open, and whoever makes backups of it."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.aio.clock import Clock
from sampan.aio.files import Watched
from sampan.cluster.options import Options
from sampan.cluster.servers.plan import ETCD_AUTHORITY, ETCD_CLIENT, Plan, Server
from sampan.store.interface import Store
from sampan.store.opening import open_store

if TYPE_CHECKING:
    from sampan.store.backup import Snapshots
    from sampan.store.etcd import Credentials

log = logging.getLogger(__name__)
LOOK_SECONDS, TURN_SECONDS = 10.0, 20.0
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


async def outlived(store: Store, options: Options, clock: Clock, place: Server | None = None) -> None:
    """Returns when the process that has the store open has to end, so that its successor opens it anew."""
    reasons = [asyncio.ensure_future(store.broken()), asyncio.ensure_future(credentials_change(options, clock, place))]
    try:
        await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for reason in reasons:
            reason.cancel()


async def credentials_change(options: Options, clock: Clock, place: Server | None = None) -> None:
    """Returns when the certificate shown to etcd has changed on disk: gRPC reads it once, so the process has to end.

    Servers take turns, so that never all of them are away.
    """
    known = credentials(options)
    named = (known.authority, known.certificate, known.key) if known else ()
    watched = Watched([path for path in named if path is not None])
    while not watched.changed():
        await clock.sleep(LOOK_SECONDS)
    wait = TURN_SECONDS * (place.number if place else 0)
    log.warning("the certificate for etcd has changed: this server starts anew in %.0f s", wait)
    await clock.sleep(wait)


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
