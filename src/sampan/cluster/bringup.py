"""`sampan up`: from nothing to a cluster that answers, each step told as it is done; run again, it changes nothing.

The order of steps stands in one list (`Bringup.steps`), so that what is shown and what is done cannot differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock
from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1
from sampan.client import kubeconfig
from sampan.client.errors import Unreachable
from sampan.client.rest import RestClient
from sampan.cluster import identities, names, options, preflight, sample, supervise
from sampan.cluster.errors import ClusterError
from sampan.cluster.looking import pause
from sampan.cluster.nodes import machines, namespaces
from sampan.cluster.nodes.plan import Place, Plan
from sampan.cluster.options import Options
from sampan.cluster.supervision.launch import executed
from sampan.cluster.supervision.processes import Records, record
from sampan.cri import builtin
from sampan.cri.client import CriClient
from sampan.cri.errors import RuntimeFailure
from sampan.cri.oci import import_image

WAIT_SECONDS = 90.0


Steps = tuple[tuple[str, Callable[[], Awaitable[str]]], ...]


class Reporter:
    """Where progress goes; the command line prints it."""

    def begin(self, step: str) -> None: ...

    def done(self, step: str, result: str, seconds: float) -> None: ...


@dataclass
class Bringup:
    """One run of `up`: what it was asked for, and what its steps have made so far."""

    options: Options
    clock: Clock
    reporter: Reporter
    with_sample: bool = True
    patience: float = WAIT_SECONDS
    """Seconds that each step may take."""
    service: Any = None
    text: str = ""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _client: RestClient | None = None

    async def run(self) -> None:
        """All steps; raises ClusterError with what to do."""
        async with self._stack:
            for title, step in self.steps():
                began = self.clock.monotonic()
                self.reporter.begin(title)
                try:
                    result = await step()
                except RuntimeFailure as error:
                    raise ClusterError(f"{title}: {error}") from None
                if result:
                    self.reporter.done(title, result, self.clock.monotonic() - began)

    def steps(self) -> Steps:
        """What is done, in order."""
        return (
            ("machine", self.check),
            ("certificates", self.certificates),
            ("processes", self.processes),
            ("container runtime", self.runtime),
            ("API server", self.api_server),
            ("node", self.node),
            ("further nodes", self.nodes),
            ("sample", self.sample_application),
        )

    @property
    def client(self) -> RestClient:
        assert self._client, "the API server step comes first"
        return self._client

    async def check(self) -> str:
        running = Records(self.options.layout.run).load(supervise.SUPERVISOR)
        preflight.check(self.options, running=bool(running and running.alive))
        return "root, programs, ports and data directory are fine"

    async def certificates(self) -> str:
        options.save(self.options)
        identities.ensure(self.options, self.clock)
        return str(self.options.layout.pki)

    async def processes(self) -> str:
        layout = self.options.layout
        running = Records(layout.run).load(supervise.SUPERVISOR)
        if running and running.alive:
            return f"supervisor already runs, pid {running.pid}"
        await namespaces.ensure(Plan(self.options))
        pid = executed(supervise.command(self.options), layout.log / "supervisor.log")()
        Records(layout.run).save(record(supervise.SUPERVISOR, pid, started=self.clock.now()))
        return f"supervisor started, pid {pid}"

    async def runtime(self) -> str:
        """Waits for CRI while the API server starts, and sees that the images made here are there."""
        socket = Path(self.options.runtime_socket)
        client = CriClient(str(socket))
        try:
            await self._until("the container runtime answers", partial(runtime_answers, client))
            version = await client.version()
            made = [await self._image(client, socket, reference, make) for reference, make in IMAGES]
        finally:
            await client.close()
        new = f", {sum(made)} images built" if any(made) else ""
        return f"{version.runtime_name} {version.runtime_version}{new}"

    async def _image(self, client: CriClient, socket: Path, reference: str, make: Callable[[], bytes]) -> bool:
        if await client.image_status(reference):
            return False
        await import_image(socket, await asyncio.to_thread(make))
        return True

    async def api_server(self) -> str:
        config = kubeconfig.load(self.options.layout.admin_kubeconfig)
        self._client = await self._stack.enter_async_context(RestClient(config, self.clock))
        await self._until("the API server is ready", self._api_ready)
        return self.options.server

    async def _api_ready(self) -> bool:
        return (await self.client.raw("GET", "/readyz")) == b"ok"

    async def node(self) -> str:
        await self._until(f"node {self.options.node_name} is Ready", self._node_ready)
        await names.publish(self.client, self.options)
        return f"{self.options.node_name} ({self.options.node_ip}) is Ready"

    async def _node_ready(self) -> bool:
        node = await self.client.get(core_v1.Node, self.options.node_name)
        conditions = (node.status.conditions or []) if node.status else []
        return any(c.type == "Ready" and c.status == "True" for c in conditions)

    async def nodes(self) -> str:
        """Joins those that do not run, and takes those out of the cluster that are no longer wanted."""
        plan = Plan(self.options)
        await namespaces.ensure(plan)
        idle = [place for place in plan if not machines.runs(place)]
        if idle:
            async with machines.token(self.client, self.clock, self.options) as token:
                await self._until("the token is signed", partial(machines.vouched_for, self.client, token))
                await machines.join(self.options, token, idle)
        gone = plan.superfluous()
        for place in gone:
            await machines.forget(self.client, place)
        return changes(plan, idle, gone)

    async def sample_application(self) -> str:
        if not self.with_sample:
            return ""
        await sample.deploy(self.client)
        try:
            self.service, self.text = await sample.answer(self.client, self.clock, self.patience)
        except TimeoutError as error:
            raise ClusterError(f"{error}: see `sampan status` and the logs in {self.options.layout.log}") from None
        return f"http://{self.service.spec.clusterIP}/ says: {self.text}"

    async def _until(self, what: str, ready: Callable[[], Awaitable[bool]]) -> None:
        """Polls until `ready`; raises ClusterError that names the log to read."""
        deadline = self.clock.monotonic() + self.patience
        last = "no answer yet"
        while True:
            begun = self.clock.monotonic()
            try:
                if await ready():
                    return
            except (ApiError, Unreachable, RuntimeFailure) as error:
                last = str(error)
            self._check_supervisor()
            if self.clock.monotonic() > deadline:
                log = self.options.layout.log
                raise ClusterError(f"after {self.patience:.0f} s not yet: {what} (last: {last}); the logs are in {log}")
            await self.clock.sleep(pause(self.clock.monotonic() - begun))

    def _check_supervisor(self) -> None:
        """Raises ClusterError with the end of its log when nobody keeps the processes running."""
        layout = self.options.layout
        entry = Records(layout.run).load(supervise.SUPERVISOR)
        if entry is not None and not entry.alive:
            log = layout.log / f"{supervise.SUPERVISOR}.log"
            raise ClusterError(f"the supervisor has ended; the end of its log, {log}:\n{tail(log)}")


def changes(plan: Plan, joined: Sequence[Place], gone: Sequence[Place]) -> str:
    """What became of the further nodes, in a line."""
    kept = [place for place in plan if place not in joined]
    words = {"joined": joined, "runs already" if len(kept) == 1 else "run already": kept, "removed": gone}
    return "; ".join(f"{', '.join(place.name for place in places)} {word}" for word, places in words.items() if places)


async def runtime_answers(client: CriClient) -> bool:
    await client.version()
    return True


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log file."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(there is none)"


IMAGES: tuple[tuple[str, Callable[[], bytes]], ...] = (
    (builtin.PAUSE_IMAGE, builtin.pause_image),
    (f"{builtin.SAMPLE_IMAGE}:1", lambda: builtin.sample_image("1")),
    (f"{builtin.SAMPLE_IMAGE}:2", lambda: builtin.sample_image("2")),
)
