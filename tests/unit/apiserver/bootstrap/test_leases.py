"""Which servers live, by their leases, in virtual time."""

from __future__ import annotations

from sampan.apiserver.bootstrap.leases import ServerLeases
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock


async def test_a_dead_server_goes_with_its_lease_and_one_that_stops_at_once() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    one, two, three = (ServerLeases(store, seconds=15) for _ in range(3))
    for leases, address in ((one, "10.0.0.1"), (two, "10.0.0.2"), (three, "10.0.0.3")):
        await leases.hold(address)
    assert await one.addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    await three.release()
    assert await one.addresses() == ["10.0.0.1", "10.0.0.2"]
    for _ in range(2):
        await clock.advance(10)
        await one.hold("10.0.0.1")
    assert await one.addresses() == ["10.0.0.1"]
    await store.close()


async def test_a_server_that_was_away_for_longer_than_its_lease_is_there_again() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    leases = ServerLeases(store, seconds=15)
    await leases.hold("10.0.0.1")
    await clock.advance(60)
    assert await leases.addresses() == []
    await leases.hold("10.0.0.1")
    assert await leases.addresses() == ["10.0.0.1"]
    await store.close()


async def test_the_successor_at_an_address_is_not_taken_away_by_its_predecessors_lease() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    await ServerLeases(store, seconds=15).hold("10.0.0.1")
    await clock.advance(10)
    await ServerLeases(store, seconds=15).hold("10.0.0.1")
    await clock.advance(10)
    assert await ServerLeases(store).addresses() == ["10.0.0.1"]
    await store.close()


async def test_renewing_writes_nothing() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    leases = ServerLeases(store, seconds=15)
    await leases.hold("10.0.0.1")
    before = store.revision
    await leases.hold("10.0.0.1")
    assert store.revision == before
    await store.close()
