"""`sampan kubelet`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("kubelet", "Run a kubelet.")
