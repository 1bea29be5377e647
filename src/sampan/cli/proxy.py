"""`sampan proxy`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("proxy", "Run a service proxy.")
