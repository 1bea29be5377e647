"""The README's commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from .harness import ROOT, Cluster


def blocks(heading: str) -> list[str]:
    """The code blocks below a heading of the README."""
    section = (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```\n(.*?)```", section, re.DOTALL)


def test_the_kubectl_commands_work(cluster: Cluster) -> None:
    cluster.up()
    commands = blocks("Reach it with kubectl")[0]
    assert "export KUBECONFIG=/var/lib/sampan/admin.kubeconfig" in commands
    script = commands.replace("/var/lib/sampan/", f"{cluster.data_dir}/").replace("logs -f", "logs --tail=1")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "successfully rolled out" in done.stdout and "hello-" in done.stdout
    cluster.kubectl("delete", "-n", "default", "deployment,service", "hello")


@pytest.mark.parametrize("script", ["scripts/up", "scripts/down", "scripts/test", ".ci/run"])
def test_the_scripts_it_names_are_there(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
