"""`sampan token create`, `list` and `delete`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click

from sampan.aio.clock import SystemClock, timestamp
from sampan.aio.loglines import visible
from sampan.cli.settings import DATA_DIR, as_seconds, existing
from sampan.client.errors import ClientError
from sampan.client.rest import RestClient
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options

if TYPE_CHECKING:
    from sampan.cluster.tokens import Listed


@click.group("token")
def command() -> None:
    """Make, show and delete the tokens with which machines join.

    \b
    Examples:
      sampan token create
      sampan token list
      sampan token delete abcdef
    """


@command.command("create")
@click.option("--ttl", default="24h", show_default=True, callback=as_seconds, help="How long it is good; 0s: for ever.")
@click.option("--description", default="", help="Whom it is for.")
@click.option("--quiet", is_flag=True, help="Print the token alone.")
@DATA_DIR
def create(ttl: float, description: str, quiet: bool, data_dir: str) -> None:
    """Make a token, and print the command by which a machine joins with it.

    \b
    Examples:
      sampan token create
      sampan token create --ttl 1h --description "the two new machines"
    """
    from sampan.client import bootstrap
    from sampan.cluster import tokens

    token = bootstrap.generate(random.SystemRandom())

    async def make(client: RestClient, options: Options) -> None:
        await tokens.publish(client, options)
        await tokens.create(client, SystemClock(), token, ttl=ttl or None, description=description)

    options = existing(data_dir)
    run(options, make)
    click.echo(str(token) if quiet else joining(options, str(token)))


@command.command("list")
@DATA_DIR
def show(data_dir: str) -> None:
    """Show the tokens there are, without their secrets.

    \b
    Example:
      sampan token list
    """
    from sampan.cluster import tokens

    found: list[tokens.Listed] = []

    async def look(client: RestClient, options: Options) -> None:
        found.extend(await tokens.listed(client))

    run(existing(data_dir), look)
    click.echo(listing(found))


def listing(found: Sequence[Listed]) -> str:
    """A line each, as a terminal may show it: what is said of a token is somebody's text."""
    lines = [f"{'ID':<8}{'ENDS':<22}{'FOR':<26}DESCRIPTION"]
    for each in found:
        end = "never" if each.end is None else timestamp(each.end)
        lines.append(visible(f"{each.id:<8}{end:<22}{','.join(each.usages):<26}{each.description}".rstrip()))
    return "\n".join(lines)


@command.command("delete")
@click.argument("identifier")
@DATA_DIR
def remove(identifier: str, data_dir: str) -> None:
    """Delete a token; who has joined with it stays. IDENTIFIER is its first part (or the whole).

    \b
    Example:
      sampan token delete abcdef
    """
    from sampan.cluster import tokens

    name = identifier.partition(".")[0]
    run(existing(data_dir), lambda client, options: tokens.delete(client, name))
    click.echo(f"deleted: {name}")


def run(options: Options, act: Callable[[RestClient, Options], Awaitable[None]]) -> None:
    """Acts as the cluster's administrator. Raises ClusterError when the API server does not do it."""
    from sampan.api.errors import ApiError
    from sampan.client import kubeconfig

    async def main() -> None:
        async with RestClient(kubeconfig.load(options.layout.admin_kubeconfig), SystemClock()) as client:
            await act(client, options)

    try:
        asyncio.run(main())
    except (ApiError, ClientError) as error:
        raise ClusterError(f"{error}: see `sampan status`") from None


def joining(options: Options, token: str) -> str:
    """What to run on the machine that is to join."""
    from cryptography import x509

    from sampan.cluster import discovery

    authorities = x509.load_pem_x509_certificates((options.layout.pki / "ca.crt").read_bytes())
    pins = " ".join(f"--ca-cert-hash {discovery.digest(authority)}" for authority in authorities)
    return f"sampan join {options.public_server} --token {token} {pins}"
