"""`sampan supervise`: what `up` starts in the background."""

from __future__ import annotations

import os

import click

from sampan.cli.settings import DATA_DIR, existing


@click.command("supervise", hidden=True)
@DATA_DIR
def command(data_dir: str) -> None:
    """Keep a cluster's processes running until told to stop."""
    import setproctitle

    # Processes that speak gRPC start programs all the time; gRPC's hooks around that only fill the log.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from sampan.cluster.supervise import supervise

    setproctitle.setproctitle("sampan: supervisor")
    supervise(existing(data_dir))
