"""`sampan supervise`: what `up` starts in the background."""

from __future__ import annotations

import click

from sampan.cli.settings import DATA_DIR, existing


@click.command("supervise", hidden=True)
@DATA_DIR
def command(data_dir: str) -> None:
    """Keep a cluster's processes running until told to stop."""
    import setproctitle

    from sampan.cluster.supervise import supervise

    setproctitle.setproctitle("sampan: supervisor")
    supervise(existing(data_dir))
