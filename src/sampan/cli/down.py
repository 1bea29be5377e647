"""`sampan down`."""

from __future__ import annotations

import asyncio

import click

from sampan.aio.clock import SystemClock
from sampan.cli.settings import DATA_DIR
from sampan.cluster import options as stored
from sampan.cluster import preflight
from sampan.cluster.layout import Layout
from sampan.cluster.options import Options, completed
from sampan.cluster.teardown import tear_down


@click.command("down")
@DATA_DIR
@click.option("--keep-data", is_flag=True, help="Keep the store and the certificates for the next `up`.")
def command(data_dir: str, keep_data: bool) -> None:
    """Stop the cluster and remove what it left: processes, pods, interfaces, rules and files.

    \b
    Examples:
      sampan down
      sampan down --keep-data
    """
    from pathlib import Path

    preflight.check_root()
    layout = Layout(Path(data_dir))
    if not layout.data_dir.exists():
        click.echo(f"  nothing to do: there is no cluster in {data_dir}")
        return
    options = stored.load(layout) or completed(Options(data_dir=data_dir))

    def tell(line: str) -> None:
        click.echo(f"  {click.style('✓', fg='green')} {line}")

    asyncio.run(tear_down(options, SystemClock(), keep_data=keep_data, tell=tell))
