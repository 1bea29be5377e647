"""Stores on a simulated etcd: the client of etcd, its failover and its watches, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sampan.store.interface import Store
from sampan.testing.faults.targets.networked import Networked
from sampan.testing.faults.targets.place import Place
from sampan.testing.faults.workload import Served


class Distant(Networked):
    """`Target`: three `EtcdStore`s beside each other."""

    async def open(self, place: Place) -> tuple[Served, Callable[[], Coroutine[Any, Any, None]]]:
        await place.store.start()
        return place.store, place.store.close

    def journal(self) -> Store:
        return self.engine()
