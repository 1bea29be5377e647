"""`sampan scheduler`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("scheduler", "Run the scheduler.")
