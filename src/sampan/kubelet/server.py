"""The node's HTTP server: what the API server asks a kubelet for. Its routes stand in one table.

It speaks TLS only. Who asks is told by a client certificate or a bearer token, and the API server says whether they may
(`sampan.kubelet.access`): nobody is anonymous, nothing is open, there is no read-only port. A certificate that nobody
vouches for is nobody's (`aio.shown`). Streams (exec, attach, port-forward) are in `front`, which sees every connection
first.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from sampan.aio import shown
from sampan.aio.clock import Clock, parse_timestamp
from sampan.aio.tls import reloading, serving
from sampan.kubelet import healthz
from sampan.kubelet.access.delegated import Access, Refused
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.containerconfig import log_path, pod_log_folder
from sampan.kubelet.front import Front, Serving
from sampan.kubelet.logs import LogOptions, read
from sampan.kubelet.nodeapi import NodeApi
from sampan.kubelet.observed import Container
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.spec import container_by_name
from sampan.kubelet.streaming import Streaming

log = logging.getLogger(__name__)
PULL_FAILURES = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
DEBUGGING = frozenset({"run", "exec", "attach", "portForward", "containerLogs", "runningpods", "logs"})
"""What enableDebuggingHandlers is about."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KubeletServer:
    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        pods: PodWorkers,
        *,
        access: Access | None,
        streaming: Streaming,
        api: NodeApi,
        routes: Sequence[tuple[str, str, Any]] = (),
    ) -> None:
        """`access` None lets everybody in, which is for tests without TLS alone. `routes` come after those of `api`."""
        if access is None and config.server_cert is not None:
            raise ValueError("a server that others reach needs somebody to say who may use it")
        self._access = access
        self._config = config
        self._clock = clock
        self._pods = pods
        self._instruments = api.instruments
        self._streaming = streaming
        self._streams: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self._healthz_server: asyncio.Server | None = None
        self.port = config.port or 0
        self._routes: list[tuple[str, str, Handler]] = [
            ("GET", "/healthz", self._healthz),
            ("GET", "/healthz/{check}", self._healthz),
            ("GET", "/containerLogs/{namespace}/{pod}/{container}", self._container_logs),
            ("*", "/exec/{namespace}/{pod}/{container}", self._upgrade_required),
            ("*", "/attach/{namespace}/{pod}/{container}", self._upgrade_required),
            ("*", "/portForward/{namespace}/{pod}", self._upgrade_required),
            *api.routes,
            *routes,
        ]

    async def start(self) -> int:
        """Listens; returns the port (the configured one, or a free one when that is 0), 0 when it is not to listen."""
        self._healthz_server = await healthz.serve(self._config.healthz_address, self._config.healthz_port)
        if self._config.port is None:
            return 0
        application = web.Application(middlewares=[self._authorize])
        for method, path, handler in self._routes:
            application.router.add_route(method, path, handler)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await self._runner.setup()
        assert self._runner.server is not None
        serving = Serving(self._streaming, self._access, self._clock, self._runner.server, self._streams)
        self._listening = await asyncio.get_running_loop().create_server(
            lambda: Front(serving), self._config.bind_address, self._config.port, ssl=tls(self._config)
        )
        self.port = self._listening.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        for server in (self._listening, self._healthz_server):
            if server is not None:
                server.close()
        for task in tuple(self._streams):
            task.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.resource
        path = (route.canonical if route is not None else "").strip("/").partition("/{")[0]
        self._instruments.requests.labels(request.method, path, "readwrite", "false").inc()
        if self._access is not None:
            header = request.headers.get("Authorization", "")
            try:
                await self._access.check(shown.certificate(request.transport), header, request.method, request.path)
            except Refused as refused:
                return web.Response(status=refused.status, text=refused.text)
        if path in DEBUGGING and not self._config.debugging_handlers:
            return web.Response(status=405, text="Debug endpoints are disabled.\n")
        return await handler(request)

    async def _healthz(self, request: web.Request) -> web.Response:
        """Of everything, or of the one check that is named."""
        check = request.match_info.get("check")
        if check is not None and check not in healthz.CHECKS:
            return web.Response(status=404, text="404 page not found\n")
        self._instruments.healthy(healthz.CHECKS if check is None else (check,))
        return web.Response(text=healthz.VERBOSE if check is None and "verbose" in request.query else "ok")

    async def _upgrade_required(self, _: web.Request) -> web.Response:
        """For what asks for a stream without asking for the protocol of one."""
        return web.Response(status=400, text="Upgrade request required\n")

    async def _container_logs(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["container"]
        worker = self._pods.find(request.match_info["namespace"], request.match_info["pod"])
        if worker is None:
            return web.Response(status=404, text=f'pod "{request.match_info["pod"]}" does not exist\n')
        pod = worker.pod
        if container_by_name(pod, name) is None:
            return web.Response(status=404, text=f'container "{name}" not found in pod "{pod.metadata.name}"\n')
        try:
            options = log_options(request, self._clock.now())
        except ValueError as error:
            return web.Response(status=400, text=f"{error}\n")
        instances = [c for c in worker.seen.instances(name) if c.state != "created"]
        index = 1 if is_true(request.query.get("previous")) else 0
        if len(instances) <= index:
            return web.Response(status=400, text=missing(pod, name, previous=bool(index)))
        chosen = instances[index]
        path = pod_log_folder(pod, self._config.log_root) / log_path(name, chosen.restarts)

        def ended() -> bool:
            # A worker that is gone has taken its pod with it.
            return self._pods.get(worker.uid) is None or not is_alive(worker.seen.instances(name), chosen.id)

        return await self._send_log(request, path, options, ended)

    async def _send_log(
        self, request: web.Request, path: Path, options: LogOptions, ended: Callable[[], bool]
    ) -> web.StreamResponse:
        pieces = read(path, options, clock=self._clock, ended=ended)
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            async for piece in pieces:
                await response.write(piece)
            await response.write_eof()
        except OSError as error:
            log.info("a log could not be read path=%s error=%s", path, error)
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]
        return response


def log_options(request: web.Request, now: float) -> LogOptions:
    """From the query, with the names of PodLogOptions; raises ValueError."""
    query = request.query
    since = None
    if "sinceTime" in query:
        since = parse_timestamp(query["sinceTime"])
    elif "sinceSeconds" in query:
        since = now - int(query["sinceSeconds"])
    return LogOptions(
        follow=is_true(query.get("follow")),
        tail=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        timestamps=is_true(query.get("timestamps")),
        limit=int(query["limitBytes"]) if "limitBytes" in query else None,
        stream=query.get("stream", "All"),
    )


def is_true(text: str | None) -> bool:
    return text is not None and text.lower() in ("1", "t", "true")


def is_alive(instances: Iterable[Container], container_id: str) -> bool:
    return any(container.id == container_id and container.alive for container in instances)


def missing(pod: Any, name: str, *, previous: bool) -> str:
    """Why there is no log, in upstream's words."""
    if previous:
        return f'previous terminated container "{name}" in pod "{pod.metadata.name}" not found\n'
    statuses = [*((pod.status.initContainerStatuses if pod.status else None) or ())]
    statuses += (pod.status.containerStatuses if pod.status else None) or ()
    waiting = next((s.state.waiting for s in statuses if s.name == name and s.state and s.state.waiting), None)
    reason = (waiting.reason if waiting else "") or "ContainerCreating"
    why = PULL_FAILURES.get(reason, reason)
    return f'container "{name}" in pod "{pod.metadata.name}" is waiting to start: {why}\n'


def tls(config: KubeletConfig) -> ssl.SSLContext | None:
    """None without certificates, for tests alone. Changed files are taken up with the next connection.

    A node that has just joined has no serving certificate yet: until it has, connections fail in their handshake.
    """
    if config.server_cert is None or config.server_key is None:
        return None
    files = [config.server_cert, config.server_key, *([config.client_ca] if config.client_ca is not None else [])]
    return reloading(partial(_context, config.server_cert, config.server_key, config.client_ca), files, server=True)


def _context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    context = serving()
    if certificate.exists():
        context.load_cert_chain(certificate, key)
    else:
        log.warning("there is no serving certificate yet file=%s", certificate)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        shown.take_any(context)
    return context
