"""What a request to the store is counted as."""

from __future__ import annotations

import pytest

from sampan.apiserver.measured import MeasuredStore
from sampan.store.errors import StoreError
from sampan.store.interface import Compare, Delete, Put
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock

POD, BINDING = "/registry/core/pods/default/a", "/registry/rbac.authorization.k8s.io/roles/default/r"
SERVER = "/registry/masterleases/10.0.0.1"


async def test_requests_are_counted_by_what_they_are_and_are_about() -> None:
    counted: list[tuple[str, str, str, bool]] = []
    clock = VirtualClock()

    def observe(group: str, operation: str, plural: str, seconds: float, failed: bool) -> None:
        counted.append((operation, group, plural, failed))

    store = MeasuredStore(MemoryStore(clock), clock, observe)
    await store.start()
    created = await store.commit([Compare(POD, 0)], [Put(POD, b"1"), Put(BINDING, b"1")])
    await store.commit([Compare(POD, created.revision)], [Put(POD, b"2")])
    await store.commit([], [Put(BINDING, b"2")])
    await store.commit([], [Put(SERVER, b"")])
    await store.get(POD)
    await store.range("/registry/core/pods/", "/registry/core/pods0")
    await store.range("/registry/", "/registry0")
    await store.commit([], [Delete(POD)])
    with pytest.raises(StoreError):
        await store.get(POD, revision=1 << 40)
    await store.latest()
    await store.close()
    roles = "rbac.authorization.k8s.io", "roles"
    assert counted == [
        ("create", "", "pods", False),
        ("update", "", "pods", False),
        ("update", *roles, False),
        ("update", "", "", False),
        ("get", "", "pods", False),
        ("list", "", "pods", False),
        ("list", "", "", False),
        ("delete", "", "pods", False),
        ("get", "", "pods", True),
    ]
