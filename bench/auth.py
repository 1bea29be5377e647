"""What it costs to know who asks and whether they may, each figure beside its goal, in this process without sockets.

usage: bench/auth.py [--count N]

Needs no root. Tokens are of a service account, signed with ES256; the user is bound by a role among 10,000.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
from report import Row, show

from sampan.aio.clock import SystemClock
from sampan.apiserver import stages
from sampan.apiserver.auth.rbac.index import Index
from sampan.apiserver.config import Config
from sampan.apiserver.http.exchange import Exchange
from sampan.apiserver.request import Request
from sampan.apiserver.server import ApiServer
from sampan.cluster import tokenkeys
from sampan.store.memory import MemoryStore

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
PODS = "/api/v1/namespaces/default/pods"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts"
BINDINGS = 10_000
ROUNDS = 5
MOST_TRIES = 100_000


class Bench:
    """A server without a listener, and the administrator's way to it."""

    def __init__(self, folder: Path) -> None:
        (folder / "tokens").write_text('admin,admin,1,"system:masters"\n')
        tokenkeys.ensure(folder)
        config = Config(token_file=folder / "tokens", service_account_key=folder / "sa.key")
        clock = SystemClock()
        self.server = ApiServer(config, MemoryStore(clock), clock, random.Random(1))

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.ask(self.exchange("POST", path, "admin", json.dumps(body).encode()))
        assert answer.status == 201, answer.whole()
        return json.loads(answer.whole())

    async def ask(self, exchange: Exchange) -> Any:
        answer: Any = self.server.handle(exchange)
        return await answer if hasattr(answer, "__await__") else answer

    @staticmethod
    def exchange(method: str, path: str, token: str, body: bytes = b"") -> Exchange:
        headers = {b"authorization": f"Bearer {token}".encode(), b"content-type": b"application/json"}
        return Exchange(method=method, target=path, headers=headers, body=body)

    async def account(self) -> str:
        """A token of an account that may read pods."""
        await self.post(ACCOUNT, {"metadata": {"name": "bot"}})
        await self.post(f"{RBAC}/roles", role("reader"))
        await self.post(f"{RBAC}/rolebindings", binding("reader", "bot"))
        made = await self.post(f"{ACCOUNT}/bot/token", {"spec": {}})
        return str(made["status"]["token"])


def role(name: str) -> dict[str, Any]:
    rule = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
    return {"metadata": {"name": name}, "rules": [rule]}


def binding(name: str, account: str) -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": "default"}]
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}


def best(measure: Callable[[], float]) -> float:
    """The median of a few rounds."""
    return statistics.median(measure() for _ in range(ROUNDS))


def cached(bench: Bench, token: str, count: int) -> float:
    """Seconds for authenticating and authorizing one request whose answer is known."""
    server, exchange = bench.server, Bench.exchange("GET", f"{PODS}/p", token)
    target = server.routes.identify("GET", exchange.target)
    request = Request(server, exchange, target, 0.0)

    def round_() -> float:
        began = time.perf_counter()
        for _ in range(count):
            stages.authenticate(request)
            stages.authorize(request)
        return (time.perf_counter() - began) / count

    return best(round_)


async def reviews(bench: Bench, token: str, count: int) -> float:
    """Token reviews a second, whole requests with their JSON, of tokens known and each new one in eight."""
    fresh = [(await bench.post(f"{ACCOUNT}/bot/token", {"spec": {}}))["status"]["token"] for _ in range(count // 8)]
    tokens: Iterator[str] = iter([t for new in fresh for t in (new, *[token] * 7)])
    exchanges = [
        Bench.exchange("POST", REVIEWS, "admin", json.dumps({"spec": {"token": one}}).encode()) for one in tokens
    ]
    began = time.perf_counter()
    for exchange in exchanges:
        answer = await bench.ask(exchange)
        assert b'"authenticated":true' in answer.whole()
    return len(exchanges) / (time.perf_counter() - began)


async def visible(bench: Bench, token: str) -> float:
    """Seconds from the answer to a role's deletion until the account is refused."""
    spent = []
    for _ in range(20):
        answer = await bench.ask(Bench.exchange("DELETE", f"{RBAC}/rolebindings/reader", "admin"))
        assert answer.status == 200
        began = time.perf_counter()
        for _ in range(MOST_TRIES):
            if (await bench.ask(Bench.exchange("GET", f"{PODS}/p", token))).status == 403:
                break
            await asyncio.sleep(0)
        else:
            raise AssertionError("the change was never seen")
        spent.append(time.perf_counter() - began)
        await bench.post(f"{RBAC}/rolebindings", binding("reader", "bot"))
        assert (await bench.ask(Bench.exchange("GET", f"{PODS}/p", token))).status == 404
    return max(spent)


async def fill(bench: Bench) -> None:
    for at in range(0, BINDINGS, 200):
        await asyncio.gather(
            *(bench.post(f"{RBAC}/rolebindings", binding(f"b{n}", f"a{n}")) for n in range(at, at + 200))
        )


def loaded(bench: Bench) -> float:
    """Seconds to take up all roles and bindings of a started watch cache."""

    def round_() -> float:
        began = time.perf_counter()
        Index().follow(bench.server)
        return time.perf_counter() - began

    return best(round_)


async def measure(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as folder:
        bench = Bench(Path(folder))
        await bench.server.start(listen=False)
        token = await bench.account()
        await fill(bench)
        each = cached(bench, token, count)
        rows = [
            Row("authenticate and authorize, cached (us)", "-", 15.0, each * 1e6, "s"),
            Row("token reviews", "-", 5000.0, await reviews(bench, token, count), "1/s"),
            Row("a role's change is seen after (s)", "-", 1.0, await visible(bench, token), "s", scaled=False),
            Row("10,000 bindings taken up (s)", "-", 1.0, loaded(bench), "s"),
        ]
        await bench.server.close()
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--calibration", type=float, default=1.0, help="this machine's speed beside the reference's")
    arguments = parser.parse_args()
    show(uvloop.run(measure(arguments.count)), arguments.calibration)


if __name__ == "__main__":
    main()
