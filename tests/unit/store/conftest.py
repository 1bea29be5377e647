"""Every test that takes `store` runs on each implementation. To add one, add its opener to `OPENERS`.

etcd is a real one, one process for each worker; its tests are skipped where the machine has no etcd. An opener gives
stores on fresh key spaces; tests make no assumption about the revision a store begins at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from sampan.aio.clock import Clock, SystemClock
from sampan.store.encryption import Configuration, EncryptedStore
from sampan.store.encryption.chain import Chain
from sampan.store.encryption.ciphers import AesGcm
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Store
from sampan.store.memory import MemoryStore
from sampan.store.sqlite import SqliteStore
from sampan.testing import etcd
from sampan.testing.clock import VirtualClock

Opener = Callable[[Path, Clock], Store]


class Encrypting(Configuration):
    """Encrypts whatever there is."""

    def __init__(self) -> None:
        super().__init__([], {})
        self.everything = Chain([AesGcm("test", bytes(32))])

    def chain(self, key: str) -> Chain:
        return self.everything


OPENERS: dict[str, Opener] = {
    "memory": lambda folder, clock: MemoryStore(clock),
    "sqlite": lambda folder, clock: SqliteStore(folder / "store.db", clock),
    "sqlite-process": lambda folder, clock: SqliteStore(folder / "store.db", clock, process=True),
    "encrypted": lambda folder, clock: EncryptedStore(MemoryStore(clock), Encrypting(), clock),
}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def etcd_url() -> Iterator[str]:
    if not etcd.available():
        pytest.skip("no etcd on this machine: install the package etcd-server")
    with etcd.cluster() as cluster:
        etcd.wipe(cluster.endpoints[0])
        yield cluster.endpoints[0]


@pytest.fixture(params=[*OPENERS, "etcd", "etcd-prefix"])
def opener(request: pytest.FixtureRequest) -> Opener:
    if request.param in OPENERS:
        return OPENERS[request.param]
    url = request.getfixturevalue("etcd_url")
    etcd.wipe(url)
    prefix = "/tenant" if request.param == "etcd-prefix" else ""
    return lambda folder, clock: EtcdStore([url], SystemClock(), prefix=prefix, patience=10)


@pytest.fixture
def virtual_time(opener: Opener) -> None:
    """For tests that let time pass, which a store in another process does not know of."""
    if opener not in OPENERS.values():
        pytest.skip("etcd's leases end by its own clock: see etcd/test_lease.py")


@pytest.fixture
async def store(opener: Opener, tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    opened = opener(tmp_path, clock)
    await opened.start()
    async with asyncio.timeout(60):
        yield opened
    await opened.close()
