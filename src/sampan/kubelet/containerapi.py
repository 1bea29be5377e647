"""What the node's server does to a container when it is asked: run a command to its end, write down what it is.

Sources: upstream's kubelet API, `/run`; "Kubelet Checkpoint API" and KEP-2008 for `/checkpoint`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from sampan.aio.clock import Clock, timestamp
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet.pods import PodWorkers

CHECKPOINTS = "checkpoints"
"""The folder below the kubelet's own."""


class Wrong(Exception):
    """An answer with this status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class ContainerApi:
    def __init__(self, runtime: Runtime, clock: Clock, pods: PodWorkers, root: Path) -> None:
        self._runtime = runtime
        self._clock = clock
        self._pods = pods
        self._folder = root / CHECKPOINTS
        self.routes: list[tuple[str, str, Any]] = [
            ("POST", "/run/{namespace}/{pod}/{container}", self._run),
            ("POST", "/run/{namespace}/{pod}/{uid}/{container}", self._run),
            ("POST", "/checkpoint/{namespace}/{pod}/{container}", self._checkpoint),
        ]

    async def _run(self, request: web.Request) -> web.Response:
        """The command is the words of `cmd`; what it wrote is the answer."""
        try:
            container = self._container(request, missing='container not found ("{}")')
            form = await request.post()
            command = str(request.query.get("cmd") or form.get("cmd", "")).split(" ")
            done = await self._runtime.exec_sync(container.id, command, 0.0)
        except Wrong as wrong:
            return plain(wrong.status, wrong.text)
        except RuntimeFailure as failure:
            return plain(500, failure.message)
        output = bytes(done.stdout + done.stderr)
        if done.exit_code:
            words = f"command '{' '.join(command)}' exited with {done.exit_code}: "
            return plain(500, words + output.decode(errors="replace"))
        return web.Response(body=output, content_type="application/json")

    async def _checkpoint(self, request: web.Request) -> web.Response:
        """Into a file of the node's, whose path is the answer."""
        try:
            container = self._container(request, missing="container {} does not exist")
            timeout = seconds(request.query.get("timeout", "0"))
            path = self._file(request)
            await self._runtime.checkpoint(container.id, str(path), timeout)
        except Wrong as wrong:
            return plain(wrong.status, wrong.text)
        except RuntimeFailure as failure:
            which = "/".join(request.match_info[name] for name in ("namespace", "pod", "container"))
            return plain(500, f"checkpointing of {which} failed ({failure.told})")
        return web.json_response({"items": [str(path)]})

    def _file(self, request: web.Request) -> Path:
        """A new one, in a folder that is root's alone: it will hold the container's memory."""
        named = request.match_info
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        what = f"{named['pod']}_{named['namespace']}-{named['container']}"
        return self._folder / f"checkpoint-{what}-{timestamp(self._clock.now())}.tar"

    def _container(self, request: web.Request, *, missing: str) -> Any:
        """The one that runs. Raises Wrong."""
        named = request.match_info
        worker = self._pods.find(named["namespace"], named["pod"])
        if worker is None or named.get("uid", worker.uid) != worker.uid:
            raise Wrong(404, "pod does not exist")
        container = worker.seen.current(named["container"])
        if container is None or not container.alive:
            raise Wrong(404, missing.format(named["container"]))
        return container


def seconds(text: str) -> int:
    """Raises Wrong."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Wrong(404, "cannot parse value of timeout parameter")
    return int(text)


def plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")
