"""`sampan controllers`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("controllers", "Run the controllers and the scheduler in one process.")
