"""Every example does what its own comments say: `# $` a command, `# >` a text in what it prints."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .harness import ROOT, Cluster

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def steps(example: Path) -> list[tuple[str, str]]:
    """(command, expected text) pairs of an example."""
    lines = [line[2:] for line in example.read_text().splitlines() if line.startswith(("# $ ", "# > "))]
    return [(command[2:], expected[2:]) for command, expected in zip(lines[::2], lines[1::2], strict=True)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(cluster: Cluster, namespace: str, example: Path) -> None:
    for command, expected in steps(example):
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=False
        )
        assert done.returncode == 0 and expected in done.stdout, f"{command}\n{done.stdout}{done.stderr}"
