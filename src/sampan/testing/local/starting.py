"""`cluster()`: the way in."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sampan.testing.local.running import Cluster
from sampan.testing.local.setup import Setup

if TYPE_CHECKING:
    from sampan.testing.local.child import Child
    from sampan.testing.local.inloop import InLoop
    from sampan.testing.local.thread import Thread


def cluster(**options: Any) -> Starting:
    """A control plane for a test: `with cluster(...) as running` or `async with cluster(...) as running`.

    The options are the fields of `setup.Setup`: `controllers`, `scheduler`, `nodes`, `behaviour`, `machine`, `store`,
    `users`, `process`, ... With `with`, it runs in a thread; with `async with`, in the event loop that runs; with
    `process=True`, in a child process. Raises BadSetup or TypeError for options that are none.
    """
    return Starting(Setup(**options))


class Starting:
    """A cluster that begins and ends with a `with` block, of either kind."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._home: Thread | Child | None = None
        self._in_loop: InLoop | None = None

    def __enter__(self) -> Cluster:
        folder = self._made()
        self._home = _home(self._setup, folder)
        try:
            return Cluster(self._setup, folder, self._home, self._home.start())
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._home is not None:
            self._home.stop()
        self._cleaned()

    async def __aenter__(self) -> Cluster:
        if self._setup.process:
            return await asyncio.to_thread(self.__enter__)
        from sampan.testing.local.inloop import InLoop

        folder = self._made()
        self._in_loop = InLoop(self._setup, folder)
        try:
            address = await asyncio.wait_for(self._in_loop.start(), self._setup.start_seconds)
        except BaseException:
            self._cleaned()
            raise
        return Cluster(self._setup, folder, self._in_loop, address)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._in_loop is None:
            await asyncio.to_thread(self.__exit__, None, None, None)
            return
        await self._in_loop.stop()
        self._cleaned()

    def _made(self) -> Path:
        if self._setup.data_dir is not None:
            folder = Path(self._setup.data_dir)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return folder
        self._folder = tempfile.TemporaryDirectory(prefix="sampan-test-")
        return Path(self._folder.name)

    def _cleaned(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _home(setup: Setup, folder: Path) -> Thread | Child:
    """Where it runs. Only what is needed is loaded: a child loads the server itself, while this process goes on."""
    if setup.process:
        from sampan.testing.local.child import Child

        return Child(setup, folder)
    from sampan.testing.local.thread import Thread

    return Thread(setup, folder)
