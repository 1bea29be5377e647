"""`sampan agent`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("agent", "Run a node's kubelet, service proxy and DNS in one process.")
