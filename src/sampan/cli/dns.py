"""`sampan dns`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("dns", "Run a DNS server for the cluster's names.")
