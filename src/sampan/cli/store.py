"""`sampan store migrate`, `sampan store rewrite` and `sampan store replace-member`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from sampan.aio.clock import SystemClock
from sampan.cli.settings import DATA_DIR
from sampan.cli.stores import ENCRYPTION, cluster_store_options, encrypted, etcd_options, settled, stored, told
from sampan.cluster.layout import Layout
from sampan.store.backup import Changes, migrate


@click.group("store")
def command() -> None:
    """Move the objects from one store to another, encrypt them anew, or replace an etcd member."""


@command.command("migrate")
@click.option("--from", "source", required=True, help="sqlite, sqlite=PATH, or etcd=http://HOST:PORT,...")
@click.option("--to", "target", required=True, help="The same, for where the objects go.")
@click.option("--overwrite", is_flag=True, help="Lose what the target holds.")
@DATA_DIR
@etcd_options
def migration(source: str, target: str, overwrite: bool, data_dir: str, **etcd: Any) -> None:
    """Copy all objects from one store to another; stop the API servers first, and start them with the new one after.

    A cluster of `sampan up` whose data directory this is has the new store from then on: `sampan down --keep-data`
    before, `sampan up` after.

    \b
    Example:
      sampan store migrate --from sqlite --to etcd=http://10.0.0.1:2379,http://10.0.0.2:2379
    """
    layout = Layout(Path(data_dir).absolute())
    with told():
        changes = asyncio.run(migrated(layout, source, target, overwrite, etcd))
    moved = adopt(layout, target, etcd)
    after = "`sampan up` starts the cluster on it" if moved else f"start the API server with --store {target}"
    click.echo(f"migrated: {changes.written + changes.kept} objects; {after}")


def adopt(layout: Layout, target: str, etcd: dict[str, Any]) -> bool:
    """Makes `target` the store of the cluster in the data directory; False when there is none."""
    import msgspec

    from sampan.cluster import options

    known = options.load(layout)
    if known is None or known.servers > 1:
        return False
    files = {name: str(value.absolute()) if isinstance(value, Path) else value or "" for name, value in etcd.items()}
    options.save(msgspec.structs.replace(known, store=target, **files))
    return True


async def migrated(layout: Layout, source: str, target: str, overwrite: bool, etcd: dict[str, Any]) -> Changes:
    clock = SystemClock()
    origin, goal = (stored(layout, clock, compacts=False, store=name, **etcd) for name in (source, target))
    layout.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    await origin.start()
    try:
        await goal.start()
        try:
            return await migrate(origin, goal, clock, folder=layout.data_dir, overwrite=overwrite)
        finally:
            await goal.close()
    finally:
        await origin.close()


@command.command("rewrite")
@DATA_DIR
@cluster_store_options
@ENCRYPTION
def rewriting(data_dir: str, encryption: Path | None, **storage: Any) -> None:
    """Encrypt every object by the first provider of its rule, after a key was added or encryption turned on or off.

    Every API server must have the new EncryptionConfiguration before. On etcd they go on serving; with SQLite, stop the
    API server first.

    \b
    Example:
      sampan store rewrite --encryption-provider-config encryption.yaml
    """
    if encryption is None:
        raise click.UsageError("name the file: --encryption-provider-config FILE")
    layout = Layout(Path(data_dir).absolute())
    with told():
        written = asyncio.run(rewritten(layout, encryption, settled(layout, storage)))
    click.echo(f"{written} objects were encrypted anew, the others already were as the file says")


async def rewritten(layout: Layout, encryption: Path, storage: dict[str, Any]) -> int:
    from sampan.store.encryption import rewrite

    clock = SystemClock()
    store = encrypted(stored(layout, clock, compacts=False, **storage), encryption, clock)
    await store.start()
    try:
        return await rewrite(store)
    finally:
        await store.close()


@command.command("replace-member")
@click.argument("name")
@DATA_DIR
def replacement(name: str, data_dir: str) -> None:
    """Give an etcd member of `sampan up --servers N` a new beginning: its data come from the others.

    For one whose data are damaged, which its log tells. One whose data are gone is replaced by itself. The others have
    to be a majority; what the member had is put aside, to be deleted when all is well.

    \b
    Example:
      sampan store replace-member etcd-2
    """
    from sampan.cli.settings import existing
    from sampan.cluster.servers import members

    aside = members.replace(existing(data_dir), name, SystemClock())
    click.echo(f"{name} starts anew with the others' data; what it had is in {aside}")
