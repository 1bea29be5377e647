"""The store and the watch cache by themselves: `python bench/store.py [--seconds S] [--directory D] [--churn N]`.

Every write is a create of a 1 kB pod with compare-and-swap, acknowledged when it is on disk (SQLite) and in the cache.
"busy" rows spend 150 µs of Python per write on the event loop first, as the API server around it does. etcd rows are of
one member on the same disk, which does its own fsyncs, loaded by this one process; "plain etcd" rows are the same
values put and got without Sampan.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from sampan.aio.clock import SystemClock
from sampan.store import keys
from sampan.store.cache import ResourceCache, WatchCache, Watcher
from sampan.store.etcd import Credentials, EtcdStore
from sampan.store.etcd.member import Member
from sampan.store.etcd.messages import Keyspace, pb
from sampan.store.interface import Compare, Put, Store
from sampan.store.memory import MemoryStore
from sampan.store.sqlite import SqliteStore
from sampan.testing import etcd

PODS = 12_800
FILLER = "x" * 800
KINDS = ("memory", "sqlite", "etcd") if etcd.available() else ("memory", "sqlite")
Rows = list[tuple[str, str, str]]


def pod(name: str, node: str = "") -> bytes:
    text = (
        '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"%s","namespace":"default","labels":{"app":"bench"}},'
        '"spec":{"containers":[{"name":"c","image":"%s"}],"nodeName":"%s"}}'
    )
    return (text % (name, FILLER, node)).encode()


@asynccontextmanager
async def opened(kind: str, directory: Path) -> AsyncIterator[tuple[Store, WatchCache, ResourceCache]]:
    async with AsyncExitStack() as stack:
        store: Store = MemoryStore()
        if kind == "sqlite":
            store = SqliteStore(Path(tempfile.mkdtemp(dir=directory)) / "store.db", SystemClock(), process=True)
        elif kind == "etcd":
            store = EtcdStore([await served(stack, directory)], SystemClock())
        await store.start()
        stack.push_async_callback(store.close)
        cache = WatchCache(store)
        pods = cache.resource("", "pods", fields=["spec.nodeName"])
        await cache.start()
        stack.push_async_callback(cache.close)
        yield store, cache, pods


async def served(stack: AsyncExitStack, directory: Path) -> str:
    """The address of an etcd of one member, with its files in the directory."""
    cluster = etcd.local(Path(tempfile.mkdtemp(dir=directory)))
    cluster.start()
    stack.callback(cluster.close)
    await cluster.ready()
    return cluster.endpoints[0]


async def create(store: Store, name: str, node: str = "") -> int:
    key = keys.key("", "pods", "default", name)
    return (await store.commit((Compare(key, 0),), (Put(key, pod(name, node)),))).revision


async def fill(store: Store, pods: int, writers: int) -> None:
    numbers = iter(range(pods))

    async def writer() -> None:
        for number in numbers:
            await create(store, f"pod-{number}", f"node-{number % 100}")

    await asyncio.gather(*(writer() for _ in range(writers)))


def spend(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def writes(store: Store, writers: int, seconds: float, work: float = 0.0) -> tuple[float, float, list[float]]:
    """Writes per second, CPU microseconds per write (of which `work`), and latencies in ms, sorted."""
    numbers, latencies, until = count(), [], time.perf_counter() + seconds
    run = os.urandom(4).hex()

    async def writer() -> None:
        while (begun := time.perf_counter()) < until:
            spend(work)
            await create(store, f"{run}-{next(numbers)}")
            latencies.append((time.perf_counter() - begun) * 1e3)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(writer() for _ in range(writers)))
    elapsed, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return len(latencies) / elapsed, cpu / len(latencies) * 1e6, sorted(latencies)


async def write_rows(directory: Path, seconds: float) -> Rows:
    rows = []
    for kind in KINDS:
        for writers, work in ((1, 0.0), (16, 0.0), (256, 0.0), (1, 150e-6), (16, 150e-6)):
            async with opened(kind, directory) as (store, _, _):
                rate, cpu, latencies = await writes(store, writers, seconds, work)
            name = f"{kind}: {writers} writers{', busy' if work else ''}"
            rows.append((name, f"{rate:,.0f} writes/s", f"{quantiles(latencies)}, {cpu:.0f} µs CPU each"))
    return rows


async def repeated(call: Callable[[int], Awaitable[Any]], workers: int, seconds: float) -> tuple[float, list[float]]:
    """Calls per second, side by side, and what each took in ms, sorted."""
    numbers, latencies, until = count(), [], time.perf_counter() + seconds

    async def worker() -> None:
        while (begun := time.perf_counter()) < until:
            await call(next(numbers))
            latencies.append((time.perf_counter() - begun) * 1e3)

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(workers)))
    return len(latencies) / (time.perf_counter() - begun), sorted(latencies)


async def plain_rows(directory: Path, seconds: float) -> Rows:
    """etcd without Sampan: creates as Sampan makes them, the puts and ranges of etcd's own `benchmark` program."""
    rows: Rows = []
    if not etcd.available():
        return rows
    async with AsyncExitStack() as stack:
        member = Member(await served(stack, directory), Credentials(), SystemClock())
        stack.push_async_callback(member.close)
        assert await member.connect(5), member.reason
        put, txn, get = (partial(member.calls[name], timeout=10) for name in ("put", "txn", "range"))
        value, everything, run = pod("x"), Keyspace(""), os.urandom(4).hex()

        def created() -> Any:
            key = f"/plain/{run}/{next(numbers)}"
            return everything.transaction((Compare(key, 0),), (Put(key, value),))

        numbers = count()
        for name, call in (
            ("create", lambda n: txn(created())),
            ("put", lambda n: put(pb.PutRequest(key=b"/plain/%d" % (n % PODS), value=value))),
            ("range", lambda n: get(pb.RangeRequest(key=b"/plain/%d" % (n % 100)))),
        ):
            for workers in (1, 16, 256):
                speed, latencies = await repeated(call, workers, seconds)
                rows.append((f"plain etcd: {name}, {workers} clients", f"{speed:,.0f}/s", quantiles(latencies)))
    return rows


async def get_rows(directory: Path, seconds: float) -> Rows:
    """Single keys from the store itself, past the watch cache."""
    rows: Rows = []
    for kind in KINDS:
        async with opened(kind, directory) as (store, _, _):
            await fill(store, 1000, 16)
            names = [keys.key("", "pods", "default", f"pod-{number}") for number in range(1000)]
            for readers in (1, 16, 256):
                speed, latencies = await repeated(partial(got, store, names), readers, seconds)
                rows.append((f"{kind}: get, {readers} readers", f"{speed:,.0f} reads/s", quantiles(latencies)))
    return rows


async def got(store: Store, names: list[str], number: int) -> None:
    assert await store.get(names[number % len(names)]) is not None


def quantiles(latencies: list[float]) -> str:
    return f"p50 {latencies[len(latencies) // 2]:.2f} ms, p99 {latencies[len(latencies) * 99 // 100]:.2f} ms"


def rate(function: Callable[[], Any], seconds: float = 0.3) -> float:
    """Calls per second."""
    calls, begun = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        function()
        calls += 1
    return calls / elapsed


async def read_rows(directory: Path) -> Rows:
    before = rss()
    async with opened("sqlite", directory) as (store, _, pods):
        await fill(store, PODS, 16)
        after = rss()
        size = sum(len(entry.data) for entry in pods.list())
        joined = rate(lambda: b",".join([entry.data for entry in pods.page(limit=500).entries]))
        whole = rate(lambda: b",".join([entry.data for entry in pods.list()]))
        selected = rate(lambda: [entry for entry in pods.list() if entry.field("spec.nodeName") == "node-7"])
        second = WatchCache(store)
        begun = time.perf_counter()
        await second.start()
        load = time.perf_counter() - begun
        return [
            ("cache: GET", f"{rate(lambda: pods.get('default', 'pod-77')):,.0f}/s", ""),
            (f"cache: LIST 500 of {PODS:,}, joined", f"{joined:,.0f}/s", ""),
            (f"cache: LIST {PODS:,}, joined", f"{1e3 / whole:.1f} ms", ""),
            (f"cache: LIST {PODS:,} by field", f"{1e3 / selected:.1f} ms", "decoded once"),
            (f"cache: load {PODS:,} from SQLite", f"{load * 1e3:.0f} ms", ""),
            (f"memory of {PODS:,} pods", f"{(after - before) / 1e6:.0f} MB", f"of which {size / 1e6:.0f} MB are JSON"),
        ]


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def fan_out(store: Store, pods: ResourceCache, watchers: int, creates: int, writers: int) -> tuple[float, float]:
    """Seconds and CPU seconds until every watcher has every event's bytes."""
    expected, seen, done = watchers * creates, 0, asyncio.Event()

    async def read(watcher: Watcher) -> None:
        async for batch in watcher:
            nonlocal seen
            seen += len(batch)
            assert batch.wire
            if seen == expected:
                done.set()

    opened = [pods.watch(from_revision=pods.revision) for _ in range(watchers)]
    tasks = [asyncio.create_task(read(watcher)) for watcher in opened]
    await asyncio.sleep(0.1)
    run, names = os.urandom(4).hex(), iter(range(creates))

    async def writer() -> None:
        for name in names:
            await create(store, f"{run}-{name}")

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(writer() for _ in range(writers)))
    await done.wait()
    elapsed, cpu = time.perf_counter() - begun, time.process_time() - cpu
    for watcher in opened:
        watcher.close()
    await asyncio.gather(*tasks)
    return elapsed, cpu


async def watch_rows(directory: Path) -> Rows:
    rows = []
    for watchers, creates, writers in ((1000, 100, 16), (1000, 100, 1), (10_000, 1, 1), (10_000, 10, 1)):
        async with opened("sqlite", directory) as (store, _, pods):
            elapsed, cpu = await fan_out(store, pods, watchers, creates, writers)
        events = watchers * creates
        name = f"watch: {watchers:,} watchers, {creates} creates, {writers} writers"
        rows.append((name, f"{events / elapsed:,.0f} events/s", f"{elapsed * 1e3:.0f} ms, {cpu:.3f} CPU-s"))
    return rows


async def latency_rows(directory: Path, seconds: float) -> Rows:
    """How long after a write began its event is with a watcher, and what a consistent read costs."""
    rows: Rows = []
    for kind in KINDS:
        async with opened(kind, directory) as (store, cache, pods):
            seen, watcher = [], pods.watch(from_revision=pods.revision)
            until = time.perf_counter() + seconds
            while (begun := time.perf_counter()) < until:
                write = asyncio.ensure_future(create(store, f"{len(seen)}"))
                await watcher.__anext__()
                seen.append((time.perf_counter() - begun) * 1e3)
                await write
            watcher.close()
            seen.sort()
            rows.append((f"{kind}: write until a watcher has it", quantiles(seen), f"{len(seen)} writes one by one"))
            for readers in (1, 16, 256):
                speed, cpu = await consistent(cache, readers, seconds)
                name = f"{kind}: consistent reads, {readers} readers"
                rows.append((name, f"{speed:,.0f} reads/s", f"{cpu:.0f} µs CPU each"))
    return rows


async def consistent(cache: WatchCache, readers: int, seconds: float) -> tuple[float, float]:
    """Reads per second, each after all that was acknowledged before it, and CPU microseconds of one."""
    done, until = 0, time.perf_counter() + seconds

    async def reader() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await cache.fresh()
            done += 1
            if done % 100 == 0:
                await asyncio.sleep(0)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(reader() for _ in range(readers)))
    return done / (time.perf_counter() - begun), (time.process_time() - cpu) / done * 1e6


async def churn_rows(directory: Path, writes: int) -> Rows:
    """The file's size while 5,000 keys are overwritten again and again."""
    if not writes:
        return []
    sizes, begun = [], time.perf_counter()
    async with opened("sqlite", directory) as (store, _, _):
        for start in range(0, writes, 1000):
            numbers = range(start, start + 1000)
            await asyncio.gather(*(store.commit((), (Put(f"/x/{n % 5000}", pod("x")),)) for n in numbers))
            figures = store.statistics()
            sizes.append(figures["file_bytes"] + figures["wal_bytes"])
    speed = writes / (time.perf_counter() - begun)
    notes = f"file at most {max(sizes) / 1e6:.0f} MB, at the end {sizes[-1] / 1e6:.0f} MB"
    return [(f"sqlite: {writes:,} overwrites of 5,000 keys", f"{speed:,.0f} writes/s", notes)]


async def main(seconds: float, directory: Path, churn: int) -> None:
    table = Table("what", "figure", "notes", title="store and watch cache")
    rows = [*await write_rows(directory, seconds), *await get_rows(directory, seconds)]
    rows += [*await plain_rows(directory, seconds), *await latency_rows(directory, seconds)]
    rows += [*await read_rows(directory), *await watch_rows(directory)]
    for row in [*rows, *await churn_rows(directory, churn)]:
        table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each write run")
    parser.add_argument("--directory", type=Path, help="where the files are written: the disk to measure")
    parser.add_argument("--churn", type=int, default=0, metavar="N", help="also overwrite N times and watch the file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
        uvloop.run(main(arguments.seconds, Path(scratch), arguments.churn))
