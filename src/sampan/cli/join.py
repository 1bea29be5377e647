"""`sampan join`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from sampan.aio.clock import SystemClock
from sampan.cli.settings import DATA_DIR, node_options, resolved
from sampan.cluster.errors import ClusterError


@click.command("join")
@click.argument("server")
@click.option("--token", help="A bootstrap token. Other users of this machine may see it: --token-file is better.")
@click.option(
    "--token-file",
    type=click.Path(allow_dash=True, dir_okay=False),
    help="File with the token; - for stdin.",
)
@click.option(
    "--ca-cert-hash",
    "pins",
    multiple=True,
    help="Digest of an authority's public key (sha256:...); the cluster must have one of them.",
)
@DATA_DIR
@node_options
def command(
    server: str, token: str | None, token_file: str | None, pins: tuple[str, ...], data_dir: str, **given: str | None
) -> None:
    """Make this machine a node of the cluster whose API server is at SERVER.

    `sampan token create`, where the cluster runs, prints the command to run here. Run again, it starts what is missing,
    with the options given then.

    \b
    Examples:
      sampan join https://192.0.2.7:6443 --token-file token --ca-cert-hash sha256:5c2f...
      ssh master sampan token create --quiet | sampan join https://192.0.2.7:6443 --token-file -
    """
    import setproctitle

    setproctitle.setproctitle("sampan: join")  # the token goes out of what `ps` shows
    from sampan.cli.up import Terminal
    from sampan.client import bootstrap
    from sampan.cluster import discovery
    from sampan.cluster.joining import Joining

    if token and token_file:
        raise ClusterError("--token and --token-file both name the token: leave one out")
    text = read(token_file) if token_file else token
    try:
        parsed = bootstrap.parse(text) if text else None
    except ValueError as error:
        raise ClusterError(str(error)) from None
    if not server.startswith("https://"):
        raise ClusterError(f"{server}: an API server's address begins with https://")
    options, clock = resolved(data_dir, given), SystemClock()
    run = Joining(
        options=options,
        clock=clock,
        reporter=Terminal(),
        server=server,
        token=parsed,
        pins=discovery.checked_pins(pins),
    )
    asyncio.run(run.run())
    click.echo(f"\nThis machine is node {run.options.node_name} of the cluster at {run.options.server}.")


def read(file: str) -> str:
    try:
        return sys.stdin.readline() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise ClusterError(f"--token-file {file}: {error.strerror}") from None
