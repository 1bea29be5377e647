"""`sampan ingress`."""

from __future__ import annotations

import click

from sampan.cli.component import make

command = make(
    "ingress",
    "Run an ingress controller: haproxy on this machine answers Ingresses.",
    click.option("--ingress-ports", help="Ports for HTTP and for TLS.  [default: 80,443]"),
)
