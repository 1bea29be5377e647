"""`sampan kubelet`."""

from __future__ import annotations

import click

from sampan.cli.component import make

STATIC_PODS = (
    click.option("--pod-manifest-path", type=click.Path(resolve_path=True), help="Folder, or file, of static pods."),
    click.option("--manifest-url", help="URL that answers with static pods: a Pod, or a list of them."),
    click.option(
        "--manifest-url-header",
        multiple=True,
        callback=lambda ctx, option, given: given or None,
        help="Headers to ask it with: NAME:VALUE,... (more than once, too).",
    ),
)
"""As upstream's kubelet has them beside its configuration."""

command = make("kubelet", "Run a kubelet.", *STATIC_PODS)
for option in command.params:
    if option.name == "kubelet_config":
        # Upstream's kubelet calls it so.
        option.opts.append("--config")
