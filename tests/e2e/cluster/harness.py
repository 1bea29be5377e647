"""A real cluster on this machine, and what tests ask of it: kubectl, HTTP through Services, processes to kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sampan.cluster.supervision.processes import Record, Records
from sampan.testing.ports import free_port

from ..patience import FACTOR

ROOT = Path(__file__).parents[3]
SAMPAN = [sys.executable, "-m", "sampan"]
PATIENCE = 60.0
INTERVAL = 0.1
T = TypeVar("T")


class Cluster:
    """A running cluster in a data directory of its own."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.port = port
        self.kubeconfig = data_dir / "admin.kubeconfig"
        self.records = Records(data_dir / "run")
        self.http_port, self.https_port = free_port(), free_port()

    def up(self, *arguments: str) -> str:
        return self.sampan("up", "--port", str(self.port), *arguments).stdout

    def down(self, *arguments: str) -> str:
        return self.sampan("down", *arguments).stdout

    def clear(self) -> None:
        """Take down what an interrupted run has left."""
        if self.data_dir.exists():
            self.sampan("down", check=False)

    def sampan(self, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run([*SAMPAN, *verb.split(), "--data-dir", str(self.data_dir), *arguments], check=check)

    def kubectl(
        self, *arguments: str, check: bool = True, stdin: str | None = None, program: str = "kubectl", **env: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), **env}
        return run([program, *arguments], check=check, stdin=stdin, env=environment)

    def get(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`, decoded."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def apply(self, *manifests: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Those that are not being deleted."""
        found = self.get("pods", "-l", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, selector: str, count: int, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Exactly that many pods, all Ready."""

        def look() -> list[dict[str, Any]] | None:
            pods = self.pods(selector)
            return pods if len(pods) == count and all(map(is_ready, pods)) else None

        return until(look, f"{count} ready pods of {selector}", seconds)

    def process(self, name: str) -> Record:
        """The running process of that name."""

        def look() -> Record | None:
            entry = self.records.load(name)
            return entry if entry and entry.alive else None

        return until(look, f"process {name} runs")

    def kill(self, name: str) -> Record:
        """SIGKILL to that process; returns its successor once that runs."""
        victim = self.process(name)
        victim.signal(signal.SIGKILL)

        def look() -> Record | None:
            entry = self.records.load(name)
            return entry if entry and entry.alive and entry.pid != victim.pid else None

        return until(look, f"process {name} is started again")


def run(
    command: list[str],
    *,
    check: bool = True,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    seconds: float = 180,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; a failure shows what it printed."""
    limit = seconds * FACTOR
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, timeout=limit, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first true value of `look()`; AssertionError naming `what` after `seconds`. A failed look is looked again."""
    seconds *= FACTOR
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            found = look()
            if found:
                return found
            last = found
        except (AssertionError, OSError) as error:
            last = error
        time.sleep(INTERVAL)
    raise AssertionError(f"after {seconds:.0f} s not yet: {what} (last: {last})")


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def fetch(url: str, seconds: float = 2.0) -> str:
    """The body of a GET on a new connection; OSError when there is none."""
    with urllib.request.urlopen(url, timeout=seconds) as response:
        return str(response.read().decode())


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry on a loopback port; yields host:port."""
    port = free_port()
    config = folder / "registry.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "version": 0.1,
                "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
                "http": {"addr": f"127.0.0.1:{port}"},
                "log": {"level": "error"},
            }
        )
    )
    program = shutil.which("docker-registry")
    assert program, "docker-registry is missing: scripts/test installs it"
    process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: fetch(f"http://127.0.0.1:{port}/v2/") is not None, "the registry answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
