"""`sampan kubectl`: the machine's kubectl, pointed at this cluster."""

from __future__ import annotations

import os
import shutil

import click

from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import DEFAULT_DATA_DIR, Layout


class Verbatim(click.Command):
    """All words are kubectl's, `--` included, which click would keep."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params["arguments"] = tuple(args)
        return []


@click.command("kubectl", cls=Verbatim)
def command(arguments: tuple[str, ...]) -> None:
    """Run the kubectl found on this machine against this cluster.

    The cluster is the one in $SAMPAN_DATA_DIR, or in the default data directory.
    """
    from pathlib import Path

    layout = Layout(Path(os.environ.get("SAMPAN_DATA_DIR", DEFAULT_DATA_DIR)))
    program = shutil.which("kubectl")
    if program is None:
        raise ClusterError("there is no kubectl on this machine: `apt-get install kubernetes-client` brings one")
    if not layout.admin_kubeconfig.exists():
        raise ClusterError(f"{layout.admin_kubeconfig} does not exist: start a cluster with `sampan up`")
    os.execvpe(program, [program, *arguments], {**os.environ, "KUBECONFIG": str(layout.admin_kubeconfig)})
