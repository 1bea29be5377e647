"""`sampan nodes simulate`."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import Any

import click

from sampan.aio import loglines
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import DEFAULT_DATA_DIR, Layout

STATUS_SECONDS = 1.0
SECONDS = click.FloatRange(min=0)
LEASE = click.FloatRange(1, 39)
SHARE = click.FloatRange(0, 1)


@click.group("nodes")
def command() -> None:
    """Simulate nodes."""


@command.command("simulate")
@click.argument("count", type=click.IntRange(1, 20_000))
@click.option(
    "--kubeconfig",
    envvar="KUBECONFIG",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"How to reach the API server.  [default: $KUBECONFIG, else {Layout(DEFAULT_DATA_DIR).admin_kubeconfig}]",
)
@click.option("--prefix", default="simulated-", show_default=True, help="What the nodes' names begin with.")
@click.option("--start-seconds", default=0.5, show_default=True, type=SECONDS, help="From binding until ready.")
@click.option("--stop-seconds", default=0.5, show_default=True, type=SECONDS, help="From deletion until gone.")
@click.option("--run-seconds", type=SECONDS, help="Until the containers exit.  [default: never]")
@click.option("--exit-code", default=0, show_default=True, type=click.IntRange(0, 255), help="How they exit.")
@click.option("--fail-share", default=0.0, type=SHARE, help="Share of pods that exit with 1 instead, from 0 to 1.")
@click.option("--jitter", default=0.0, type=SHARE, help="Most that is added to each time, as a share of it.")
@click.option("--cpu", default="16", show_default=True, help="Each node's.")
@click.option("--memory", default="64Gi", show_default=True, help="Each node's.")
@click.option(
    "--pods", default=110, show_default=True, type=click.IntRange(1, 10_000), help="Each node's room for pods."
)
@click.option("--zones", default="", help="Zones given out in turn, with commas.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="On each node; may be repeated.")
@click.option("--taint", "taints", multiple=True, metavar="KEY=VALUE:EFFECT", help="On each node.")
@click.option("--lease-seconds", default=10.0, show_default=True, type=LEASE, help="Between renewals.")
@click.option("--keep", is_flag=True, help="Leave the nodes behind at the end, where they become NotReady.")
@click.option("--log-level", default="error", type=click.Choice(["debug", "info", "warning", "error"]))
def simulate(**given: Any) -> None:
    """Run COUNT nodes that are not there, until interrupted: they register, renew their leases, take pods and run them
    in name only.

    How a pod fares can be set for it alone, by annotations: simulation.sampan.dev/start-seconds, stop-seconds,
    run-seconds, exit-code, ready, waiting-reason.

    \b
    Examples:
      sampan nodes simulate 100
      sampan nodes simulate 5000 --kubeconfig admin.kubeconfig --zones a,b,c
      sampan nodes simulate 10 --run-seconds 60 --fail-share 0.1     a tenth of the pods fails after a minute
      kubectl annotate pod web simulation.sampan.dev/exit-code=137
    """
    from sampan.cluster import process

    loglines.to_stderr(given.pop("log_level"))
    process.run(lambda: run(given))


async def run(given: dict[str, Any]) -> None:
    """Until cancelled; then the nodes are taken away."""
    from sampan.aio.clock import SystemClock
    from sampan.client.rest import RestClient
    from sampan.testing.nodes import SimulatedNodes

    clock, count = SystemClock(), given["count"]
    config = reached(given["kubeconfig"])
    names = [f"{given['prefix']}{number}" for number in range(count)]
    behaviour, machine = asked(given)
    async with RestClient(config, clock) as client:
        await answered(client, config.server)
        nodes = SimulatedNodes(
            client,
            clock,
            random.Random(),
            names,
            behaviour=behaviour,
            machine=machine,
            lease_seconds=given["lease_seconds"],
        )
        work = asyncio.ensure_future(nodes.run())
        try:
            await asyncio.gather(work, shown(nodes, count, clock, sys.stderr.isatty()))
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            if not given["keep"]:
                await asyncio.shield(nodes.remove())
                click.echo(f"\nthe {count} nodes are removed", err=True)


def reached(path: Path | None) -> Any:
    """The kubeconfig's cluster. Raises ClusterError, saying what to do."""
    from sampan.client import kubeconfig
    from sampan.client.errors import BadConfig

    chosen = path or Layout(DEFAULT_DATA_DIR).admin_kubeconfig
    try:
        return kubeconfig.load(chosen)
    except BadConfig as error:
        raise ClusterError(f"{error}; name one with --kubeconfig, or start a cluster with `sampan up`") from None


def asked(given: dict[str, Any]) -> tuple[Any, Any]:
    """Behaviour and machine of the options. Raises ClusterError for those that cannot be meant."""
    from sampan.testing.nodes import Behaviour, Machine, machines

    times = ("start_seconds", "stop_seconds", "run_seconds", "exit_code", "fail_share", "jitter")
    labels = dict(text.partition("=")[::2] for text in given["labels"])
    zones = tuple(zone.strip() for zone in given["zones"].split(",") if zone.strip())
    machine = Machine(
        cpu=given["cpu"],
        memory=given["memory"],
        pods=given["pods"],
        zones=zones,
        labels=labels,
        taints=tuple(given["taints"]),
    )
    try:
        machines.node(machine, "any", 0)
    except ValueError as error:
        raise ClusterError(f"--taint: {error}") from None
    return Behaviour(**{name: given[name] for name in times}), machine


async def answered(client: Any, server: str) -> None:
    """One question before all others, so that a wrong address or user is said at once."""
    from sampan.api.errors import ApiError
    from sampan.api.kinds import core_v1
    from sampan.client.errors import ClientError

    try:
        await client.list(core_v1.Node, limit=1)
    except (ApiError, ClientError) as error:
        raise ClusterError(f"{server} does not let us see its nodes: {error}") from None


async def shown(nodes: Any, count: int, clock: Any, live: bool) -> None:
    """The status line: rewritten in place on a terminal, one line when all nodes are there otherwise."""
    said, renewals = False, 0
    while True:
        await clock.sleep(STATUS_SECONDS)
        now = nodes.statistics()
        rate, renewals = (now["renewals"] - renewals) / STATUS_SECONDS, now["renewals"]
        line = status_line(now, count, rate)
        if live:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
        elif now["nodes"] >= count and not said:
            click.echo(line, err=True)
            said = True


def status_line(now: dict[str, Any], count: int, rate: float) -> str:
    """One line that says how it goes."""
    line = f"nodes {now['nodes']}/{count}  pods {now['pods']}  renewals {rate:.0f}/s  pod writes {now['writes']}"
    if now["failures"]:
        line += f"  failures {now['failures']}"
    if now["late_seconds"] > 1:
        line += f"  late by {now['late_seconds']:.1f} s: the API server or this machine is too busy"
    return line
