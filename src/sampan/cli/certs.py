"""`sampan certs check`, `renew`, `rotate-ca` and `rotate-token-key`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from sampan.aio.clock import SystemClock, timestamp
from sampan.aio.loglines import visible
from sampan.cli.settings import DATA_DIR, existing
from sampan.cli.status import age

if TYPE_CHECKING:
    from sampan.cluster.inspection import Row
    from sampan.cluster.options import Options

ETCD = "etcd-ca"
AUTHORITIES = ("ca", "kubelet-ca", "front-proxy-ca", ETCD)


@click.group("certs")
def command() -> None:
    """Look at this machine's certificates, renew them, replace an authority or the key of tokens.

    Certificates are renewed by themselves when 70 % of their life has passed; nothing is restarted. These commands are
    for looking, for renewing at once (after a key may have been seen), and for replacing an authority.

    \b
    Examples:
      sampan certs check
      sampan certs renew
      sampan certs rotate-ca
      sampan certs rotate-token-key
    """


@command.command("check")
@DATA_DIR
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(data_dir: str, output: str) -> None:
    """Tell until when each certificate is good and what is wrong; exit status 1 when something is.

    \b
    Examples:
      sampan certs check
      sampan certs check -o json
    """
    from pathlib import Path

    from sampan.cluster import inspection, tokenkeys
    from sampan.cluster.layout import Layout

    pki = Layout(Path(data_dir)).pki
    report = inspection.inspect(pki, SystemClock())
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        click.echo(table(report.authorities, "AUTHORITY"))
        click.echo()
        click.echo(table(report.certificates, "CERTIFICATE"))
        if tokenkeys.is_changing(pki):
            click.echo("\nthe key of tokens is being replaced; next: sampan certs rotate-token-key")
        for problem in report.problems:
            click.secho(f"problem: {problem}", err=True, fg="red")
    sys.exit(bool(report.problems))


def table(rows: list[Row], title: str) -> str:
    """Rows of `inspection.Row` in columns as wide as they need."""
    head = [title, "USER", "SIGNED BY", "ENDS", "LEFT", "STATE"]
    cells = [[r.name, r.user, r.signer, timestamp(r.end), age(r.left) if r.left > 0 else "-", r.state] for r in rows]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in [head, *cells])
    return "\n".join(visible(line.rstrip()) for line in lines)


@command.command("renew")
@click.argument("names", nargs=-1)
@DATA_DIR
def renew(names: tuple[str, ...], data_dir: str) -> None:
    """Make certificates anew at once: those named, or all. What runs takes them up by itself.

    \b
    Examples:
      sampan certs renew
      sampan certs renew apiserver admin
    """
    from sampan.cluster import identities

    renewed = identities.renew(existing(data_dir), SystemClock(), set(names))
    click.echo(f"renewed: {', '.join(renewed)}")


@command.command("rotate-ca")
@click.option("--authority", type=click.Choice(AUTHORITIES), default="ca", show_default=True)
@DATA_DIR
def rotate(authority: str, data_dir: str) -> None:
    """Replace an authority in three steps; each run takes one.

    First the new one is trusted beside the old, then it signs and every certificate is made anew, then the old one is
    dropped. Wait about two minutes between the steps, until pods and other machines have taken the last one up. For
    etcd-ca, the members are restarted with each step, one after another.

    \b
    Examples:
      sampan certs rotate-ca
      sampan certs rotate-ca --authority kubelet-ca
      sampan certs rotate-ca --authority etcd-ca
    """
    from sampan.cli import token
    from sampan.cluster import identities, rotation, tokens
    from sampan.cluster.errors import ClusterError

    options, clock = existing(data_dir), SystemClock()
    identities.ensure(options, clock)
    if authority == ETCD:
        _take_up(options, clock)
    told = rotation.advance(options.layout.pki, authority, clock)
    identities.ensure(options, clock)
    click.echo(f"{authority}, step {told}")
    if authority == ETCD:
        _take_up(options, clock)
    try:
        token.run(options, tokens.publish_again)
    except ClusterError as error:
        click.echo(f"what joining machines are told is as before, since the API server does not answer: {error}")
    if rotation.stage(options.layout.pki, authority) != rotation.STEADY:
        again = "" if authority == "ca" else f" --authority {authority}"
        click.echo(f"next, in two minutes: sampan certs rotate-ca{again}")


def _take_up(options: Options, clock: SystemClock) -> None:
    """etcd's members trust what the file of their authority says now."""
    from sampan.cluster.servers import members

    asyncio.run(members.take_up(options, clock))


@command.command("rotate-token-key")
@DATA_DIR
def rotate_token_key(data_dir: str) -> None:
    """Replace the key that signs service accounts' tokens, in three steps; each run takes one.

    First the new key is believed beside the old, then it signs, then tokens of the old one are refused. Nothing is
    restarted. Pods get new tokens by themselves within the hour; tokens made by hand and those kept in secrets last as
    long as they were made for, or until the third step.

    \b
    Examples:
      sampan certs rotate-token-key
    """
    from pathlib import Path

    from sampan.cluster import tokenkeys
    from sampan.cluster.layout import Layout

    told, wait = tokenkeys.advance(Layout(Path(data_dir)).pki)
    click.echo(f"service accounts' key, step {told}")
    if wait:
        click.echo(f"next, {wait}: sampan certs rotate-token-key")
