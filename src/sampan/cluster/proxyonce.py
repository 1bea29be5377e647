"""What `sampan proxy` does instead of running, as kube-proxy does: clean up, prepare the machine, show its settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sampan.cluster.errors import ClusterError
from sampan.cluster.node import proxy_config
from sampan.cluster.options import Options
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.proxy import configfile, machine, modes, tracking
from sampan.network.proxy.config import ProxyConfig

BOTH_FAMILIES = ("0.0.0.0/0", "::/0")


def chosen(
    options: Options, *, cleanup: bool, init_only: bool, write_config_to: str | None
) -> Callable[[], Awaitable[None]] | None:
    """The one that was asked for, the least first; None to run. Raises ClusterError."""
    config = proxy_config(options)
    if write_config_to:
        return partial(_write, config, Path(write_config_to))
    if cleanup:
        return partial(_clean_up, replace(config, cluster_cidrs=BOTH_FAMILIES, service_cidrs=()))
    return partial(_prepare, config) if init_only else None


async def _write(config: ProxyConfig, file: Path) -> None:
    try:
        await asyncio.to_thread(file.write_text, configfile.written(config))
    except OSError as error:
        raise ClusterError(f"cannot write {file}: {error.strerror}") from None


async def _clean_up(config: ProxyConfig) -> None:
    """Whatever mode left it, of both families."""
    try:
        for part in modes.all_parts(config):
            await part.remove()
        for family in config.families:
            await machine.restore(config.settings(family))
    except (RefusedByKernel, Unusable, OSError) as error:
        raise ClusterError(f"service rules are not all gone: {error}") from None


async def _prepare(config: ProxyConfig) -> None:
    """All that needs more than CAP_NET_ADMIN."""
    tracking.apply(config.tracking)
    try:
        for family in config.families:
            await machine.prepare(config.settings(family))
    except OSError as error:
        raise ClusterError(str(error)) from None
