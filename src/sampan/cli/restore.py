"""`sampan restore`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import click

from sampan.aio.clock import SystemClock
from sampan.cli.backup import checked, described
from sampan.cli.settings import DATA_DIR
from sampan.cli.stores import cluster_store_options, settled, sqlite_path, stored, told
from sampan.cluster.layout import Layout
from sampan.store.backup import Changes, Reader, restore
from sampan.store.backup.restoring import begin
from sampan.store.errors import Unavailable
from sampan.store.sqlite import SqliteStore
from sampan.store.sqlite.lock import holder

WAIT_SECONDS = 30.0


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@DATA_DIR
@cluster_store_options
def command(file: Path, data_dir: str, **storage: Any) -> None:
    """Make the cluster's objects those of FILE: what was changed or made since is lost.

    On etcd the API servers go on serving. On SQLite the API server is ended for the time it takes, and its supervisor
    starts it again; one started by hand must be started by hand.

    \b
    Examples:
      sampan restore monday.backup
      sampan restore --store etcd=http://10.0.0.1:2379 monday.backup
    """
    layout = Layout(Path(data_dir).absolute())
    storage = settled(layout, storage)
    with told():
        backup = checked(file)
        click.echo(described(backup))
        changes = asyncio.run(restored(backup, layout, storage))
    click.echo(f"restored: {changes.written} objects written, {changes.deleted} deleted, {changes.kept} were the same")


async def restored(backup: Reader, layout: Layout, storage: dict[str, Any]) -> Changes:
    path = sqlite_path(layout, storage["store"])
    store = stored(layout, SystemClock(), compacts=False, **storage)
    if path is not None:
        await taken_over(path, store, backup.header.revision)
    else:
        await store.start()
    try:
        return await restore(store, backup)
    finally:
        await store.close()


async def taken_over(path: Path, store: Any, revision: int) -> None:
    """Opens the store at `path`, beyond `revision`, ending the server that has it."""
    assert isinstance(store, SqliteStore), "only SQLite's files are taken over"
    clock = SystemClock()
    deadline = clock.monotonic() + WAIT_SECONDS
    told_pid = 0
    while True:
        try:
            begin(path, revision)
            await store.start()
            return
        except Unavailable:
            pid = holder(path)
            if not pid or clock.monotonic() > deadline:
                raise
            if pid != told_pid:
                click.echo(f"ending the API server (process {pid}), which has {path} open")
                told_pid = pid
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        await clock.sleep(0.02)
