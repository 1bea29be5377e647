"""Of two controller managers in processes of their own, one stopped past its lease and woken: never do both act."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sampan.testing import Cluster, cluster

PROGRAM = """
import asyncio, random, sys
from sampan.aio.clock import SystemClock
from sampan.client import kubeconfig
from sampan.client.leader import Fenced, LeaderElector, LeaseTimes
from sampan.client.rest import RestClient
from sampan.controllers.context import Config
from sampan.controllers.manager import ControllerManager

async def main(path, identity):
    clock, rng = SystemClock(), random.Random()
    times = LeaseTimes(lease=2.0, renew=1.2, retry=0.3)
    async with RestClient(kubeconfig.load(path), clock) as client:
        elector = LeaderElector(client, clock, rng, name="managers", identity=identity, times=times)
        fenced = Fenced(client, elector.leadership)
        manager = ControllerManager(fenced, clock, rng, Config(enabled=frozenset({"replicaset"})))
        await elector.run(manager.run)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""
SET = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "x:1"}]}
"""


@pytest.fixture
def running() -> Iterator[Cluster]:
    with cluster(controllers=False, scheduler=False) as made:
        yield made


def manager(running: Cluster, identity: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(running.kubeconfig), identity]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def holder(running: Cluster) -> str:
    found = running.kubectl("get", "lease", "managers", "-n", "kube-system", "-o", "json", check=False)
    return str(json.loads(found.stdout)["spec"].get("holderIdentity", "")) if found.returncode == 0 else ""


def until(holds: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)


def pods(running: Cluster) -> list[Any]:
    return list(json.loads(running.kubectl("get", "pods", "-o", "json").stdout)["items"])


def created(running: Cluster) -> int:
    """Pods made, as their makers have told by now."""
    events = json.loads(running.kubectl("get", "events", "-o", "json").stdout)["items"]
    return sum(one.get("count") or 1 for one in events if one["reason"] == "SuccessfulCreate")


def test_a_stopped_leader_is_replaced_and_never_acts_again(running: Cluster) -> None:
    first = manager(running, "first")
    second = None
    try:
        until(lambda: holder(running) == "first")
        running.kubectl("apply", "-f", "-", stdin=SET)
        until(lambda: created(running) == 3)
        second = manager(running, "second")
        os.kill(first.pid, signal.SIGSTOP)
        until(lambda: holder(running) == "second")
        running.kubectl("scale", "replicaset/web", "--replicas=8")
        until(lambda: len(pods(running)) == 8)
        running.kubectl("scale", "replicaset/web", "--replicas=2")
        os.kill(first.pid, signal.SIGCONT)
        assert first.wait(60) != 0
        assert first.stderr is not None and "NotLeader" in first.stderr.read()
        until(lambda: len(pods(running)) == 2)
        until(lambda: created(running) >= 8)
        assert created(running) == 8, "each pod was made once"
        assert holder(running) == "second"
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()
