"""Real servers and etcd members on machines of their own: every fault once. More: `--target cluster --seeds N`.

Each run is a process of its own, because it enters namespaces.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from sampan.testing import etcd, netns
from sampan.testing.faults import injection
from sampan.testing.faults.run import TARGETS

WITHOUT = netns.missing() or injection.missing() or ("" if etcd.available() else "no etcd: install etcd-server")
pytestmark = pytest.mark.skipif(bool(WITHOUT), reason=WITHOUT or "-")


def groups(target: str) -> list[tuple[str, list[str]]]:
    faults = sorted(TARGETS[target](0).faults)
    return [(target, faults[start::3]) for start in range(3)] if target == "cluster" else [(target, faults)]


@pytest.mark.parametrize(("target", "faults"), groups("cluster") + groups("server"))
def test_every_fault_once(target: str, faults: list[str]) -> None:
    named = [part for fault in faults for part in ("--fault", fault)]
    command = [sys.executable, "-m", "sampan.testing.faults", "--target", target, "--seed", "1", *named]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "1 seeds" in done.stdout


def test_no_machine_is_left_behind() -> None:
    """Namespaces without a name end with their last process."""
    script = "from sampan.testing import netns; netns.enter(); m = netns.Machine(99); print(m._holder.pid, flush=True)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    subprocess.run(["tail", f"--pid={done.stdout.strip()}", "-f", "/dev/null"], timeout=30, check=True)
