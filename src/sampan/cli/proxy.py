"""`sampan proxy`."""

from __future__ import annotations

import click

from sampan.cli import proxyflags
from sampan.cli.component import make
from sampan.cli.settings import ABSOLUTE

MODES = ("nftables", "iptables", "ipvs", "ebpf")

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
    *proxyflags.options(),
)
