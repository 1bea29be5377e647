"""`sampan controller-manager`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("controller-manager", "Run the controllers.")
