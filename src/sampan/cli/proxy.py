"""`sampan proxy`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click

from sampan.cli import proxyflags
from sampan.cli.component import make
from sampan.cli.settings import ABSOLUTE

MODES = ("nftables", "iptables", "ipvs", "ebpf")


def _instead(options: Any, **wished: Any) -> Callable[[], Awaitable[None]] | None:
    from sampan.cluster import proxyonce

    return proxyonce.chosen(options, **wished)


command = make(
    "proxy",
    "Run a service proxy.",
    click.option(
        "--mode",
        "--proxy-mode",
        "proxy_mode",
        type=click.Choice(MODES),
        help="Packet filter to use.  [default: nftables]",
    ),
    click.option("--config", "proxy_config", type=ABSOLUTE, help="File with a KubeProxyConfiguration."),
    click.option("--cleanup", is_flag=True, help="Take away all service rules, of every mode, and end."),
    click.option("--init-only", is_flag=True, help="Prepare the machine, which needs root, and end."),
    click.option(
        "--write-config-to",
        type=click.Path(dir_okay=False, resolve_path=True),
        help="Write the settings to this file, as a KubeProxyConfiguration, and end.",
    ),
    *proxyflags.options(),
    once=("cleanup", "init_only", "write_config_to"),
    instead=_instead,
)
