"""`sampan network check`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from sampan.aio.clock import SystemClock
from sampan.aio.loglines import visible
from sampan.cli.settings import DATA_DIR, existing
from sampan.client.errors import ClientError
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options


@click.group("network")
def command() -> None:
    """Look at the cluster's network.

    \b
    Example:
      sampan network check
    """


@command.command("check")
@click.option("--node", "nodes", multiple=True, help="A node to look at; may be repeated.  [default: all, up to 20]")
@click.option(
    "--outside", default="1.1.1.1:443", show_default=True, help="HOST:PORT outside the cluster; empty for none."
)
@click.option("--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="How to reach the API server.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@DATA_DIR
def check(nodes: tuple[str, ...], outside: str, kubeconfig: Path | None, output: str, data_dir: str) -> None:
    """Show who reaches whom: pods, nodes, a Service, the cluster's DNS, the outside; and what is in the way.

    Pods that ask and answer are made on every node in the namespace sampan-network-check, and removed afterwards. Exit
    status 1 when somebody does not reach somebody.

    \b
    Examples:
      sampan network check
      sampan network check --node here-2 --node here-3 --outside ''
      sampan network check -o json | jq .findings
    """
    from sampan.network.check import judge, page

    if outside and not outside.rpartition(":")[2].isdigit():
        raise ClusterError(f"--outside {outside}: write it as HOST:PORT")
    options = existing(data_dir)
    outcome = asyncio.run(run(options, nodes, outside, kubeconfig))
    cidrs = {6 if ":" in cidr else 4: cidr.strip() for cidr in options.cluster_cidr.split(",")}
    findings = (judge.findings(asked, told, cidrs.get(asked.version, "")) for asked, told in outcome.views)
    found = list(dict.fromkeys([*outcome.absent, *(each for some in findings for each in some)]))
    if output == "json":
        shown = msgspec.json.format(msgspec.json.encode(page.document(outcome.views, found))).decode()
    else:
        shown = page.text(outcome.views, found)
    click.echo("\n".join(map(visible, shown.split("\n"))))
    sys.exit(bool(found))


async def run(options: Options, nodes: tuple[str, ...], outside: str, file: Path | None) -> Any:
    """The check's outcome. Raises ClusterError where the API server does not do it."""
    from sampan.api.errors import ApiError
    from sampan.client import kubeconfig
    from sampan.client.rest import RestClient
    from sampan.network.check.runner import Check

    clock = SystemClock()
    try:
        async with RestClient(kubeconfig.load(file or options.layout.admin_kubeconfig), clock) as client:
            domain, servers = options.cluster_domain, options.dns_ips
            return await Check(client, clock, nodes=nodes, outside=outside, domain=domain, servers=servers).run()
    except (ApiError, ClientError) as error:
        raise ClusterError(f"{error}: see `sampan status`") from None
