"""The commands that run components alone: one shape for all, one small file each that names its part."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from sampan.aio import loglines
from sampan.cli.settings import cluster_options, resolved

Once = Callable[..., Callable[[], Awaitable[None]] | None]


def make(
    name: str, text: str, *options: Callable[..., Any], once: tuple[str, ...] = (), instead: Once | None = None
) -> click.Command:
    """The command `sampan NAME`; `text` says what it runs, `options` what it takes besides those of all; `once`: the
    options, by name, for which `instead` gives what is done instead of running, None for nothing."""

    @click.command(name, help=f"{text}\n\n\b\nExample:\n  sampan {name} --kubeconfig {name}.kubeconfig")
    @cluster_options
    @click.option(
        "--kubeconfig",
        type=click.Path(dir_okay=False, path_type=Path),
        help="How to reach the API server.  [default: the component's own, below the data directory]",
    )
    @click.option("--leader-elect", is_flag=True, help="Act only while holding a Lease, so that several may run.")
    @click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
    def command(data_dir: str, kubeconfig: Path | None, leader_elect: bool, log_level: str, **given: Any) -> None:
        from sampan.client.errors import BadConfig
        from sampan.cluster import components, process
        from sampan.cluster.errors import ClusterError

        loglines.to_stderr(log_level)
        wished = {option: given.pop(option) for option in once}
        chosen = resolved(data_dir, given)
        if instead is not None and (work := instead(chosen, **wished)) is not None:
            process.run(work)
            return
        parts = components.STANDALONE[name]
        try:
            process.run(lambda: components.run_parts(parts, chosen, kubeconfig=kubeconfig, elect=leader_elect))
        except BadConfig as error:
            raise ClusterError(f"{error}; name one with --kubeconfig, or make a cluster with `sampan up`") from None

    for option in reversed(options):
        command = option(command)
    return command
