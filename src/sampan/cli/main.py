"""The `sampan` command: one file per verb, loaded only when that verb is used, so that each starts fast."""

from __future__ import annotations

import importlib
import sys

import click

from sampan import KUBERNETES_VERSION, __version__
from sampan.aio.loglines import visible

# verb -> what `sampan --help` says of it; the command is `command` in `sampan.cli.<verb>`
VERBS = {
    "up": "Start a cluster on this machine and wait until it answers.",
    "down": "Stop the cluster and remove what it left.",
    "join": "Make this machine a node of another machine's cluster.",
    "token": "Make, show and delete the tokens with which machines join.",
    "status": "Tell what runs, where, and what is wrong.",
    "kubectl": "Run kubectl against this cluster.",
    "image": "Build a container image from files, or import one.",
    "certs": "Look at certificates, renew them, replace an authority.",
    "network": "Show who reaches whom, and what is in the way.",
    "nodes": "Simulate nodes, by the thousand, against any API server.",
    "backup": "Save all objects to a file, while serving.",
    "restore": "Make the objects those of a backup.",
    "store": "Move the objects to another store, or encrypt them anew.",
    "apiserver": "Run an API server alone.",
    "controllers": "Run the controllers and the scheduler in one process.",
    "controller-manager": "Run the controllers.",
    "scheduler": "Run the scheduler.",
    "agent": "Run a node's kubelet, service proxy and DNS in one process.",
    "kubelet": "Run a kubelet.",
    "proxy": "Run a service proxy.",
    "dns": "Run a DNS server for the cluster's names.",
    "ingress": "Run an ingress controller.",
    "supervise": "Keep a cluster's processes running (what `up` starts).",
}
HIDDEN = {"supervise"}


class Verbs(click.Group):
    """Commands found by name, without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"sampan.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, text in VERBS.items() if name not in HIDDEN])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message=f"sampan %(version)s (Kubernetes v{KUBERNETES_VERSION})")
def sampan() -> None:
    """A container orchestrator that speaks the Kubernetes API.

    \b
    Examples:
      sampan up                       a one-node cluster, with a sample application
      sampan kubectl get pods -A      what runs in it
      sampan status                   whether all is well
      sampan down                     and nothing is left
    """


def main() -> None:
    """The console script: errors meant for people are shown without a traceback, with exit status 1."""
    from sampan.cluster.errors import ClusterError

    try:
        sampan.main(prog_name="sampan", standalone_mode=True)
    except ClusterError as error:
        click.secho("error: " + "\n".join(map(visible, str(error).split("\n"))), err=True, fg="red")
        sys.exit(1)
