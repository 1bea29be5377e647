"""Where static pods come from: a folder of manifests, and a URL. Each look gives all the pods there are.

A manifest that will not do is told once for each of its contents, and the others go on. A URL that does not answer
leaves its pods as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from sampan.aio.clock import Clock
from sampan.kubelet.static.read import MOST_BYTES, BadManifest, pods_of

log = logging.getLogger(__name__)
MOST_FILES = 1000
PATIENCE = 10.0


class Source(Protocol):
    """`seconds` is how often to look."""

    seconds: float

    async def look(self) -> list[Any] | None:
        """All its pods; None when it cannot be known now."""
        ...

    async def close(self) -> None: ...


class Folder:
    """A folder, or one file. Hidden files and what is no file are left out; a missing folder has no pods."""

    def __init__(self, path: Path, node: str, clock: Clock, seconds: float) -> None:
        self.seconds = seconds
        self._path = path
        self._node = node
        self._clock = clock
        self._known: dict[Path, tuple[tuple[int, int, int], list[Any]]] = {}

    async def look(self) -> list[Any] | None:
        found = {}
        for path in self._files():
            try:
                stat = path.stat()
                signature = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                known = self._known.get(path)
                found[path] = known if known is not None and known[0] == signature else (signature, self._read(path))
            except OSError as error:
                log.warning("a manifest cannot be read file=%s error=%s", path, error)
        self._known = found
        return [pod for _, pods in found.values() for pod in pods]

    async def close(self) -> None:
        return None

    def _files(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        if not self._path.is_dir():
            return []
        return sorted(p for p in self._path.iterdir() if p.is_file() and not p.name.startswith("."))[:MOST_FILES]

    def _read(self, path: Path) -> list[Any]:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        try:
            return pods_of(data, source="file", place=str(path), node=self._node, now=self._clock.now())
        except BadManifest as error:
            log.error("a static pod is not run file=%s error=%s", path, error)
            return []


class Url:
    """A URL that answers with a Pod or a PodList; `headers` are sent with each request."""

    def __init__(
        self, url: str, node: str, clock: Clock, seconds: float, *, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.seconds = seconds
        self._url = url
        self._headers = headers
        self._node = node
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._known: tuple[bytes, list[Any]] | None = None

    async def look(self) -> list[Any] | None:
        try:
            data = await self._clock.wait_for(self._get(), PATIENCE)
            if self._known is None or self._known[0] != data:
                pods = pods_of(data, source="http", place=self._url, node=self._node, now=self._clock.now())
                self._known = (data, pods)
        except (TimeoutError, aiohttp.ClientError, OSError, BadManifest) as error:
            log.warning("static pods cannot be read url=%s error=%s", self._url, error or "no answer in time")
        return self._known[1] if self._known is not None else None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _get(self) -> bytes:
        """Raises BadManifest for an answer that is none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
        async with self._session.get(self._url) as response:
            if response.status != 200:
                raise BadManifest(f"the answer is {response.status}")
            data = bytearray()
            async for piece in response.content.iter_any():
                data += piece
                if len(data) > MOST_BYTES:
                    break
            return bytes(data)
