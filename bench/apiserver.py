"""The API server's rows of the targets, measured from outside with wrk over TLS on a server of its own.

usage: bench/apiserver.py [--seconds N] [--pods N] [--rows ready,memory,create,get,list,listall,watch]
                          [--store sqlite|etcd|etcd=http://HOST:PORT] [--access masters|roles]

`--store etcd` starts one etcd for the run, its data in the same folder. `--access roles` asks as a user whom a role
binding lets work in the namespace, with every admission plugin on that is on by default (a pod then gets its service
account's token volume); without it the user is an administrator, as where upstream was measured.

CPU figures are of the server's processes alone (user and system time): they mean something on a busy machine, too. As
root `chrt -f 1 python bench/apiserver.py` gives the bench and its server the processors before everything else there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from calibrator import UPSTREAM_MACHINE, measure
from fanout import fan_out
from report import Row, show

from sampan.testing import etcd

TOKEN, SETUP = "bench", "setup"
HEADERS = ["-H", f"Authorization: Bearer {TOKEN}", "-H", "Accept: application/json"]
PODS = "/api/v1/namespaces/default/pods"
TICKS = os.sysconf("SC_CLK_TCK")

CREATE = """
counter = 0
function setup(thread) thread:set("id", counter); counter = counter + 1 end
local n = 0
local headers = {["Content-Type"]="application/json", ["Authorization"]="Bearer %s"}
function request()
  n = n + 1
  local name = "p-" .. PREFIX .. "-" .. id .. "-" .. n
  local body = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"' .. name ..
    '","labels":{"app":"bench","tier":"web"},"annotations":{"note":"benchmark"}},' ..
    '"spec":{"containers":[{"name":"app","image":"registry.example/app:1.0",' ..
    '"ports":[{"containerPort":8080}],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],' ..
    '"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}}}]}}'
  return wrk.format("POST", "%s", headers, body)
end
"""


CREATE_SECONDS = 3


class Server:
    """An API server of its own with an empty data directory: its process, and the one that writes for it."""

    token = TOKEN

    def __init__(self, data: Path, store: str = "sqlite", access: str = "masters") -> None:
        group = "system:masters" if access == "masters" else "benchmarks"
        (data / "tokens").write_text(f'{TOKEN},bench,1,"{group}"\n{SETUP},setup,2,"system:masters"\n')
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        command = [sys.executable, "-m", "sampan", "apiserver", "--data-dir", str(data), "--port", str(self.port)]
        command += ["--store", store]
        if access == "masters":
            # No controllers here to make service accounts.
            command += ["--disable-admission-plugins", "ServiceAccount"]
        began = time.monotonic()
        self._log = data / "log"
        # Not a pipe: a server that is slow says so, and would stand still when nobody reads that.
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--token-auth-file", str(data / "tokens")], stdout=log, stderr=log
            )
        self._await_ready()
        self.ready_seconds = time.monotonic() - began
        self.base = f"https://127.0.0.1:{self.port}"
        if access == "roles":
            self._give_roles()

    def _give_roles(self) -> None:
        """What a controller and an administrator would have made: the service account, and a binding."""
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "benchmarks"}
        binding = {"metadata": {"name": "bench"}, "roleRef": role, "subjects": [group]}
        self._make("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
        self._make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})

    def _make(self, path: str, body: object) -> None:
        headers = {"Authorization": f"Bearer {SETUP}", "Content-Type": "application/json"}
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=ssl._create_unverified_context())
        connection.request("POST", path, json.dumps(body), headers)
        assert connection.getresponse().status == 201, path

    def _await_ready(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/readyz")[0] == 200:
                    return
            time.sleep(0.01)
        raise RuntimeError("the server did not become ready: " + self._log.read_text(errors="replace"))

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=30, context=ssl._create_unverified_context()
        )
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def processes(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def memory(self) -> float:
        """RSS in MB, of both processes together."""
        texts = [Path(f"/proc/{process}/status").read_text() for process in self.processes()]
        return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in texts) / 1024  # type: ignore[index]

    def cpu(self) -> float:
        """Seconds of CPU used so far, by both processes."""
        stats = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in self.processes()]
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@contextlib.contextmanager
def serving(store: str = "sqlite", access: str = "masters") -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as data, opened(store, Path(data)) as name:
        server = Server(Path(data), name, access)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def opened(store: str, data: Path) -> Iterator[str]:
    """The store's name for the command line; "etcd" is started for the length of the block."""
    if store != "etcd":
        yield store
        return
    members = etcd.local(data / "etcd")
    members.start()
    try:
        asyncio.run(members.ready())
        yield f"etcd={members.endpoints[0]}"
    finally:
        members.close()


def wrk(server: Server, *arguments: str, path: str = "", seconds: int) -> tuple[float, float]:
    """Requests a second, and the server's CPU microseconds for each."""
    before = server.cpu()
    done = subprocess.run(
        ["wrk", f"-d{seconds}", *arguments, server.base + path], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in done:
        raise RuntimeError(done)
    count = int(re.search(r"(\d+) requests in", done)[1])  # type: ignore[index]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1]), (server.cpu() - before) / count * 1e6  # type: ignore[index]


def create(server: Server, prefix: str, seconds: int) -> tuple[float, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'PREFIX = "{prefix}"\n' + CREATE % (TOKEN, PODS))
        script.flush()
        return wrk(server, "-t2", "-c16", "-s", script.name, seconds=seconds)


def fill(server: Server, count: int) -> None:
    """Create pods until there are `count`."""
    number = 0
    while pods(server) < count:
        number += 1
        create(server, f"fill{number}", 1)


def pods(server: Server) -> int:
    listed = json.loads(server.get(f"{PODS}?limit=1")[1])
    return len(listed["items"]) + int(listed["metadata"].get("remainingItemCount", 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--pods", type=int, default=12_800)
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--rows", default="ready,memory,create,get,list,listall,watch")
    parser.add_argument("--access", choices=("masters", "roles"), default="masters")
    arguments = parser.parse_args()
    wanted = arguments.rows.split(",")
    rows, notes = [], []
    with serving(arguments.store, arguments.access) as server:
        time.sleep(0.5)
        rows.append(Row("API server ready", "2.5-2.9 s", 0.8, server.ready_seconds, "s"))
        rows.append(Row("idle memory (RSS)", "281 MB", 80, server.memory(), "MB", scaled=False))
        if "create" in wanted:
            # No longer: with more than 12,800 pods the other rows would not be upstream's.
            rate, cpu = create(server, "bench", min(arguments.seconds, CREATE_SECONDS))
            rows.append(Row("pod creates", "853/s", 4000, rate, "1/s"))
            notes.append(f"create: {cpu:.0f} us of CPU each")
        if {"get", "list", "listall"} & set(wanted):
            fill(server, arguments.pods)
            name = json.loads(server.get(f"{PODS}?limit=1")[1])["items"][0]["metadata"]["name"]
            rate, cpu = wrk(server, "-t2", "-c16", *HEADERS, path=f"{PODS}/{name}", seconds=arguments.seconds)
            rows.append(Row("GET one pod", "4,016/s", 14_000, rate, "1/s"))
            notes.append(f"get: {cpu:.0f} us of CPU each")
            rate, cpu = wrk(server, "-t1", "-c4", *HEADERS, path=f"{PODS}?limit=500", seconds=arguments.seconds)
            rows.append(Row("LIST, limit=500", "50/s", 400, rate, "1/s"))
            notes.append(f"list: {cpu:.0f} us of CPU each")
            began = time.monotonic()
            size = len(server.get(PODS)[1])
            rows.append(Row(f"LIST all ({size / 1e6:.0f} MB)", "0.9-1.4 s", 0.1, time.monotonic() - began, "s"))
            rows.append(Row(f"memory with {pods(server)} pods", "983 MB", 160, server.memory(), "MB", scaled=False))
        if "watch" in wanted:
            rate, cpu = fan_out(server, 1000, 100)
            rows.append(Row("watch fan-out, 1,000 watchers", "91,000/s", 150_000, rate, "1/s"))
            rows.append(Row("watch fan-out, CPU", "1.1 s", 0.8, cpu, "s"))
    show(rows, measure() / UPSTREAM_MACHINE)
    for note in notes:
        print(note)


if __name__ == "__main__":
    main()
