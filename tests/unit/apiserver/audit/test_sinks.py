"""Events that go in batches: when they go, how many wait, what becomes of large ones and of those nobody takes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from sampan.apiserver.audit import sinks
from sampan.apiserver.audit.options import OF_WEBHOOKS, Delivery, named
from sampan.apiserver.audit.sinks import Batches, Event
from sampan.apiserver.audit.webhook import Webhook
from sampan.apiserver.outgoing import Unreachable
from sampan.testing.clock import VirtualClock

DELIVERY = Delivery(mode="batch", most=3, buffered=5)


class Taker:
    """Where batches go; `failing` is what it raises."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.lost: list[tuple[str, int, str]] = []
        self.failing: OSError | None = None

    async def deliver(self, events: Sequence[Event]) -> None:
        if self.failing is not None:
            raise self.failing
        self.batches.append([event.told["n"] for event in events])

    async def close(self) -> None: ...

    def lose(self, name: str, count: int, error: OSError) -> None:
        self.lost.append((name, count, str(error)))


def event(n: int, **more: Any) -> Event:
    return sinks.event({"n": n, **more})


@asynccontextmanager
async def running(clock: VirtualClock, taker: Taker, delivery: Delivery = DELIVERY) -> AsyncIterator[Batches]:
    batches = Batches("webhook", taker, delivery, clock, taker.lose)
    task = asyncio.create_task(batches.run())
    yield batches
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_batch_goes_when_it_is_full_or_has_waited() -> None:
    clock, taker = VirtualClock(), Taker()
    async with running(clock, taker) as batches:
        for n in range(4):
            batches.write(event(n))
        await clock.advance(0)
        assert taker.batches == [[0, 1, 2]]
        await clock.advance(29)
        assert taker.batches == [[0, 1, 2]]
        await clock.advance(2)
        assert taker.batches == [[0, 1, 2], [3]]


async def test_what_waits_is_bounded_and_delivered_at_the_end() -> None:
    clock, taker = VirtualClock(), Taker()
    batches = Batches("webhook", taker, DELIVERY, clock, taker.lose)
    for n in range(5):
        batches.write(event(n))
    with pytest.raises(OSError, match="audit buffer queue blocked"):
        batches.write(event(5))
    await batches.close()
    assert taker.batches == [[0, 1, 2], [3, 4]]


async def test_no_more_batches_than_are_wanted_go_each_second() -> None:
    clock, taker = VirtualClock(), Taker()
    delivery = replace(DELIVERY, most=1, buffered=100, throttle=True, qps=2.0, burst=3)
    async with running(clock, taker, delivery) as batches:
        for n in range(10):
            batches.write(event(n))
        await clock.advance(0)
        assert len(taker.batches) == 3
        await clock.advance(1)
        assert len(taker.batches) == 5


async def test_what_nobody_takes_is_counted_and_what_comes_next_goes_on() -> None:
    clock, taker = VirtualClock(), Taker()
    async with running(clock, taker) as batches:
        taker.failing = OSError("no")
        for n in range(3):
            batches.write(event(n))
        await clock.advance(0)
        taker.failing = None
        batches.write(event(3))
        await clock.advance(31)
    assert taker.lost == [("webhook", 3, "no")]
    assert taker.batches == [[3]]


def test_large_events_lose_their_objects_or_are_lost() -> None:
    delivery = Delivery(truncate=True, event_bytes=200)
    large = event(1, requestObject={"data": "x" * 500}, annotations={"a": "b"})
    assert sinks.fitting(large, Delivery()) is large
    assert sinks.fitting(large, delivery).told == {"n": 1, "annotations": {"a": "b", "audit.k8s.io/truncated": "true"}}
    assert sinks.fitting(event(1), delivery) == event(1)
    with pytest.raises(OSError, match="too large"):
        sinks.fitting(event(1, requestURI="x" * 500), delivery)


def test_a_large_batch_goes_in_parts() -> None:
    events = [event(n, x="y" * 80) for n in range(4)]
    assert sinks.parts(events, Delivery(truncate=True, batch_bytes=220)) == [events[:2], events[2:]]
    assert sinks.parts(events, Delivery(batch_bytes=220)) == [events]


class Answers:
    """A webhook that answers in this order: a status, or nothing (0)."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.sent: list[Any] = []

    async def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        self.sent.append(json.loads(body))
        if not (code := self.codes.pop(0)):
            raise Unreachable("nobody there")
        return code, b""

    async def close(self) -> None: ...


async def posted(clock: VirtualClock, answers: Answers) -> asyncio.Task[None]:
    hook = Webhook(answers, "https://x", clock=clock, rng=random.Random(1), first_pause=10.0)
    task = asyncio.create_task(hook.deliver([event(1), event(2)]))
    await clock.advance(0)
    return task


async def test_events_are_posted_as_a_list_and_again_where_that_may_help() -> None:
    clock, answers = VirtualClock(), Answers(503, 0, 200)
    task = await posted(clock, answers)
    await clock.advance(9)
    assert len(answers.sent) == 1
    await clock.advance(40)
    assert await task is None
    whole = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": [{"n": 1}, {"n": 2}]}
    assert answers.sent == [whole] * 3


async def test_a_webhook_that_fails_for_good_is_not_asked_for_ever() -> None:
    clock = VirtualClock()
    task = await posted(clock, answers := Answers(*[500] * 9))
    await clock.advance(300)
    with pytest.raises(OSError, match="webhook https://x: HTTP 500"):
        await task
    assert len(answers.sent) == 5
    with pytest.raises(OSError, match="HTTP 403"):
        await (await posted(clock, Answers(403)))


def test_flags_have_upstreams_defaults() -> None:
    options = named({"audit_webhook_batch_max_size": 7, "audit_log_mode": "batch"})
    assert options.webhook_delivery == replace(OF_WEBHOOKS, most=7)
    assert options.log == Delivery(mode="batch")
    assert (OF_WEBHOOKS.mode, OF_WEBHOOKS.most, OF_WEBHOOKS.qps, OF_WEBHOOKS.burst) == ("batch", 400, 10.0, 15)
    assert (Delivery().mode, Delivery().most, Delivery().throttle, Delivery().buffered) == (
        "blocking",
        1,
        False,
        10_000,
    )
