"""`sampan kubelet`."""

from __future__ import annotations

from sampan.cli.component import make

command = make("kubelet", "Run a kubelet.")
for option in command.params:
    if option.name == "kubelet_config":
        # Upstream's kubelet calls it so.
        option.opts.append("--config")
