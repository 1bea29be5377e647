"""`sampan up`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from sampan.aio.clock import SystemClock
from sampan.cli.settings import cluster_options, resolved, server_options
from sampan.cluster.bringup import WAIT_SECONDS, Bringup, Reporter


class Terminal(Reporter):
    """A line for each step: on a terminal first what is being done, then what came of it."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()

    def begin(self, step: str) -> None:
        if self._live:
            click.echo(f"  … {step}", nl=False)

    def done(self, step: str, result: str, seconds: float) -> None:
        clear = "\r\033[K" if self._live else ""
        click.echo(f"{clear}  {click.style('✓', fg='green')} {step:<18} {result} ({seconds:.1f} s)")


@click.command("up")
@cluster_options
@server_options
@click.option("--sample/--no-sample", "with_sample", default=True, help="Deploy the sample application.")
@click.option("--wait", default=WAIT_SECONDS, show_default=True, metavar="SECONDS", help="How long each step may take.")
def command(data_dir: str, with_sample: bool, wait: float, **given: Any) -> None:
    """Start a cluster on this machine and wait until it answers.

    Run again, it starts what is missing and changes nothing else.

    \b
    Examples:
      sampan up
      sampan up --port 7443 --data-dir /srv/sampan --no-sample
      sampan up --nodes 3
      sampan up --ingress
      sampan up --servers 3 --snapshot-interval 6h
      sampan up --store etcd=https://10.0.0.1:2379 --etcd-cafile ca.crt --etcd-certfile c.crt --etcd-keyfile c.key
    """
    options = resolved(data_dir, given)
    clock = SystemClock()
    run = Bringup(options=options, clock=clock, reporter=Terminal(), with_sample=with_sample, patience=wait)
    began = clock.monotonic()
    asyncio.run(run.run())
    click.echo(
        f"\nThe cluster is up ({clock.monotonic() - began:.1f} s). Its kubeconfig: {options.layout.admin_kubeconfig}"
    )
    click.echo(next_commands(run))


def next_commands(run: Bringup) -> str:
    """What to try now, ready to paste."""
    lines = [
        "Try:",
        f"  export KUBECONFIG={run.options.layout.admin_kubeconfig}",
        "  kubectl get pods -o wide",
    ]
    if run.service is not None:
        lines += [
            f"  curl http://{run.service.spec.clusterIP}/",
            f"  curl http://{run.options.node_ip}:{run.service.spec.ports[0].nodePort}/",
            "  kubectl scale deployment hello --replicas 5",
            "  kubectl set image deployment/hello hello=sampan.dev/sample:2",
        ]
    return "\n".join([*lines, "  scripts/down"])
