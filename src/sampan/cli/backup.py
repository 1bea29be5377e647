"""`sampan backup`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from sampan.aio.clock import SystemClock
from sampan.cli.settings import DATA_DIR
from sampan.cli.stores import cluster_store_options, settled, sqlite_path, stored, told
from sampan.cluster.layout import Layout
from sampan.store.backup import Reader, save
from sampan.store.backup.snapshot import FileSource, StoreSource


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing: tell whether FILE is a sound backup.")
@DATA_DIR
@cluster_store_options
def command(file: Path, check: bool, data_dir: str, **storage: Any) -> None:
    """Save all objects of the cluster, as of one moment, to FILE; the cluster goes on serving.

    The file holds secrets (encrypted ones as they are stored) and is readable by its owner alone.

    \b
    Examples:
      sampan backup monday.backup
      sampan backup --check monday.backup
      sampan backup --store etcd=http://10.0.0.1:2379 monday.backup
    """
    layout = Layout(Path(data_dir).absolute())
    storage = settled(layout, storage)
    with told():
        made = checked(file) if check else asyncio.run(saved(file.absolute(), layout, storage))
    click.echo(described(made))


def checked(file: Path) -> Reader:
    reader = Reader(file)
    reader.check()
    return reader


def described(backup: Reader) -> str:
    header = backup.header
    size = backup.path.stat().st_size
    return f"{backup.path}: {backup.count} objects as of {header.taken} (revision {header.revision}, {size:,} bytes)"


async def saved(file: Path, layout: Layout, storage: dict[str, Any]) -> Reader:
    """The backup made; an SQLite file is read beside the server that has it open."""
    clock = SystemClock()
    path = sqlite_path(layout, storage["store"])
    if path is not None:
        return await save(FileSource(path), file, clock)
    store = stored(layout, clock, compacts=False, **storage)
    await store.start()
    try:
        return await save(StoreSource(store, storage["store"].partition("=")[0]), file, clock)
    finally:
        await store.close()
