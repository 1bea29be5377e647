"""Where the time of one create and one get goes, in microseconds a stage, without sockets.

usage: bench/stages.py [--count N] [--access masters|roles]

Each stage is wrapped with a clock in this process; what the wrapping itself costs (a microsecond) is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from scale import pod

from sampan.aio.clock import SystemClock
from sampan.apiserver import decode, stages, stored
from sampan.apiserver.config import Config
from sampan.apiserver.http.exchange import Exchange
from sampan.apiserver.server import ApiServer
from sampan.store.sqlite import SqliteStore

HEADERS = {b"authorization": b"Bearer t", b"content-type": b"application/json", b"user-agent": b"bench/1"}
MASTER = HEADERS | {b"authorization": b"Bearer m"}
PLACE = "/api/v1/namespaces/default"
PODS = f"{PLACE}/pods"
GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1/namespaces/default"
AT_ONCE = 16


class Times:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + time.thread_time() - began

        return timed


def instrument(server: ApiServer, times: Times) -> None:
    """Puts clocks around the stages of every request and every write."""
    stages.REQUEST = tuple(times.wrap(stage.__name__, stage) for stage in stages.REQUEST)  # type: ignore[misc]
    stages.WRITE = tuple(times.wrap(stage.__name__, stage) for stage in stages.WRITE)  # type: ignore[misc]
    server.routes.identify = times.wrap("identify", server.routes.identify)  # type: ignore[method-assign]
    server.metrics.observe = times.wrap("count", server.metrics.observe)  # type: ignore[method-assign]
    decode.body = times.wrap("decode, default", decode.body)
    stored.to_bytes = times.wrap("encode", stored.to_bytes)
    server.cache._apply = times.wrap("apply to the cache", server.cache._apply)  # type: ignore[method-assign]


async def made(folder: Path, access: str) -> ApiServer:
    """A server that knows the benchmark: as one who may do everything, or by a role and with service accounts on."""
    tokens = folder / "tokens"
    tokens.write_text('t,bench,1,"benchmarks"\nm,master,2,"system:masters"\n')
    off = () if access == "roles" else ("ServiceAccount",)
    clock = SystemClock()
    store = SqliteStore(folder / "store.db", clock, process=True)
    server = ApiServer(Config(token_file=tokens, disable_plugins=off), store, clock, random.Random(1))
    await server.start(listen=False)
    role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"apiGroup": GROUP, "kind": "Group", "name": "benchmarks"}
    binding = {"metadata": {"name": "bench"}, "roleRef": role, "subjects": [subject]}
    account = {"metadata": {"name": "default"}}
    for target, body in ((f"{RBAC}/rolebindings", binding), (f"{PLACE}/serviceaccounts", account)):
        await create(server, target, json.dumps(body).encode(), MASTER)
    return server


async def create(server: ApiServer, target: str, body: bytes, headers: dict[bytes, bytes]) -> None:
    answer = await server.handle(Exchange(method="POST", target=target, headers=headers, body=body))  # type: ignore[misc]
    assert answer.status == 201


async def measure(count: int, access: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as folder:
        server = await made(Path(folder), access)
        headers = HEADERS if access == "roles" else MASTER
        times = Times()
        instrument(server, times)
        bodies = [json.dumps(pod(f"p{number}")).encode() for number in range(count)]
        began, used = time.perf_counter(), time.process_time()
        for at in range(0, count, AT_ONCE):
            await asyncio.gather(*(create(server, PODS, body, headers) for body in bodies[at : at + AT_ONCE]))
        show("create", count, time.perf_counter() - began, time.process_time() - used, times)
        times.spent.clear()
        began, used = time.perf_counter(), time.process_time()
        for number in range(count):
            server.handle(Exchange(method="GET", target=f"{PODS}/p{number}", headers=headers))
        show("get", count, time.perf_counter() - began, time.process_time() - used, times)
        await server.close()


def show(what: str, count: int, elapsed: float, used: float, times: Times) -> None:
    print(f"{what}: {elapsed / count * 1e6:.1f} us each, {used / count * 1e6:.1f} us of CPU")
    for name, seconds in times.spent.items():
        print(f"  {name:22} {seconds / count * 1e6:7.1f}")
    print(f"  {'everything else':22} {(used - sum(times.spent.values())) / count * 1e6:7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--access", choices=("masters", "roles"), default="masters")
    options = parser.parse_args()
    uvloop.run(measure(options.count, options.access))


if __name__ == "__main__":
    main()
