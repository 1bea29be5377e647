"""Lives of a component that can end wherever it waits, as SIGKILL ends a process.

The tasks that a `Life` starts, and all that those start, belong to it. Each time one of them hands control back to the
event loop (it waits for something, or has ended) is a *point* of that life: between two points nothing else can run, so
a process that dies at every point has died in every state that anybody can see it in. At the `Fatal` point the life
ends: of no task of it does another instruction run. Nothing is cancelled into its `except` and `finally` either, which
no killed process runs: the coroutines are kept as they stand until `bury`.

What a component waits for may be somebody else's work: the API server's, the container runtime's. `Outside` is such a
party as a component sees it: a call that was made goes on when its caller dies, and is not heard.

Points are known by their `Place`: the task, and the lines at which it stands, innermost last. A loop comes by the same
place again and again, so a run has many points and few places. `chosen` takes, of each place, the first times that
it is come by, which is where its surroundings still differ.

    first = Life()                          # told once, nobody dies
    task = first.start(component.run, name="component")
    ...
    for fatal in chosen(first.points, times=3):
        life = Life(fatal)                  # told again: dies there; `died` is then set
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any

NUMBER = re.compile(r"\d+")
Place = tuple[str, ...]
"""A task's name, without numbers, and `file:line` of each coroutine that waits for the next one."""


@dataclass(frozen=True)
class Fatal:
    """Death comes the `time`-th time (1 is the first) that a task gets to that place."""

    place: Place
    time: int

    def __str__(self) -> str:
        return f"{' > '.join(self.place)} (time {self.time})"


class Life:
    """One run of a component, from its start until its end at `fatal` (None: it lives on)."""

    def __init__(self, fatal: Fatal | None = None) -> None:
        self.points: list[Fatal] = []
        """Every point that was passed, in order."""
        self.died = asyncio.Event()
        self.fatal = fatal
        self._times: Counter[Place] = Counter()
        self._tasks: dict[asyncio.Task[Any], Coroutine[Any, Any, Any]] = {}
        self._bodies: list[Coroutine[Any, Any, Any]] = []

    def start(self, work: Callable[[], Coroutine[Any, Any, Any]], *, name: str) -> asyncio.Task[Any]:
        """Runs `work()` as the first task of this life."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_make_task)
        _Finalizer.install()
        context = copy_context()
        context.run(_LIFE.set, self)
        return loop.create_task(context.run(work), name=name, context=context)

    def kill(self) -> None:
        """Ends it where it stands. Its tasks count as cancelled."""
        self.died.set()
        self._bodies += self._tasks.values()
        for task in list(self._tasks):
            task.cancel()

    def bury(self) -> None:
        """Closes what stands still since the death; what its `finally` blocks then do must not matter any more."""
        _Finalizer.burying = True
        for body in self._bodies:
            with suppress(BaseException):
                body.close()
        self._bodies.clear()
        _Finalizer.burying = False

    def _passed(self, body: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.current_task()
        place = (NUMBER.sub("#", task.get_name()) if task else "", *_where(body))
        self._times[place] += 1
        point = Fatal(place, self._times[place])
        self.points.append(point)
        if point == self.fatal:
            self.kill()

    def _make_task(self, loop: asyncio.AbstractEventLoop, body: Any, context: Context | None) -> asyncio.Task[Any]:
        task = asyncio.Task(_Mortal(body, self), loop=loop, context=context)
        if self.died.is_set():
            body.close()
        self._tasks[task] = body
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None), context=Context())
        return task


_LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


def _make_task(loop: asyncio.AbstractEventLoop, body: Any, context: Context | None = None) -> asyncio.Task[Any]:
    """The loop's task factory: a task belongs to the life in whose context it is made."""
    life = _LIFE.get() if context is None else context.get(_LIFE)
    if life is None:
        return asyncio.Task(body, loop=loop, context=context)
    return life._make_task(loop, body, context)


class _Mortal(Coroutine[Any, Any, Any]):
    """A task's coroutine, whose steps are counted, and of which there are none after its life's end."""

    def __init__(self, body: Coroutine[Any, Any, Any], life: Life) -> None:
        self.__qualname__ = getattr(body, "__qualname__", type(body).__name__)
        self._body = body
        self._life = life

    def send(self, value: Any) -> Any:
        return self._step(self._body.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._body.throw, *error)

    def _step(self, step: Callable[..., Any], *value: Any) -> Any:
        life = self._life
        if life.died.is_set():
            raise asyncio.CancelledError
        try:
            awaited = step(*value)
        finally:
            if not life.died.is_set():
                life._passed(self._body)
        if life.died.is_set():
            raise asyncio.CancelledError
        return awaited

    def close(self) -> None:
        self._body.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._body.__await__()


class _Finalizer:
    """The event loop's hook for async generators that nobody iterates any more; those that are buried need no task."""

    burying = False

    def __init__(self, usual: Callable[[Any], None] | None) -> None:
        self._usual = usual

    @classmethod
    def install(cls) -> None:
        usual = sys.get_asyncgen_hooks().finalizer
        if not isinstance(usual, cls):
            sys.set_asyncgen_hooks(finalizer=cls(usual))

    def __call__(self, generator: Any) -> None:
        if not self.burying and self._usual is not None:
            self._usual(generator)


class Outside:
    """Someone who outlives the component: what was asked of it is done, whether the one who asked lives or not."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            return await outside(method(*arguments, **named))

        return call


async def outside(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`, done by nobody who can die. Cancelled, it is cancelled: that is no death."""
    context = copy_context()
    context.run(_LIFE.set, None)
    life = _LIFE.get()
    task = asyncio.get_running_loop().create_task(work, context=context)
    done = asyncio.Event()
    task.add_done_callback(lambda ended: done.set())
    try:
        await done.wait()
    finally:
        if life is None or not life.died.is_set():
            task.cancel()
    return task.result()


def chosen(points: Iterable[Fatal], *, times: int, most: int | None = None) -> list[Fatal]:
    """Those of a first run's points that are one of the first `times` at their place; evenly spread, at most `most`."""
    kept = [point for point in points if point.time <= times]
    step = -(-len(kept) // most) if most else 1
    return kept[:: max(step, 1)]


def _where(body: Any) -> list[str]:
    """Where a coroutine stands, and what it waits for, and so on."""
    found = []
    while body is not None:
        frame = getattr(body, "cr_frame", None) or getattr(body, "gi_frame", None)
        if frame is not None:
            file = frame.f_code.co_filename.rpartition("/src/")[2]
            found.append(f"{file}:{frame.f_lineno}")
        body = getattr(body, "cr_await", None) or getattr(body, "gi_yieldfrom", None)
    return found
