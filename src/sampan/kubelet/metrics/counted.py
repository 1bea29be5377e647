"""The runtime and the API's client, with every call counted and timed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sampan.api.errors import ApiError
from sampan.kubelet.metrics.instruments import Instruments

OPERATIONS = {
    "run_sandbox": "run_podsandbox",
    "stop_sandbox": "stop_podsandbox",
    "remove_sandbox": "remove_podsandbox",
    "sandbox_status": "podsandbox_status",
    "list_sandboxes": "list_podsandbox",
    "update_resources": "update_container",
    "reopen_log": "reopen_container_log",
    "exec_url": "exec",
    "attach_url": "attach",
    "port_forward_url": "port_forward",
    "container_stats": "list_container_stats",
    "image_filesystem": "image_fs_info",
    "container_filesystem": "image_fs_info",
}
"""What upstream calls an operation, where that is not our name."""
UNCOUNTED = ("events", "close")
"""A stream of events has no end to be timed."""


class CountedRuntime:
    """A runtime whose calls are counted and timed."""

    def __init__(self, runtime: Any, instruments: Instruments) -> None:
        self._runtime = runtime
        self._instruments = instruments

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._runtime, name)
        counted = method if name in UNCOUNTED else self._counted(OPERATIONS.get(name, name), method)
        setattr(self, name, counted)
        return counted

    def _counted(self, name: str, method: Any) -> Any:
        made = self._instruments
        operations, errors = made.operations.labels(name), made.operation_errors.labels(name)
        seconds = made.operation_seconds.labels(name)

        async def call(*arguments: Any, **named: Any) -> Any:
            operations.inc()
            with made.timed(seconds):
                try:
                    return await method(*arguments, **named)
                except Exception:
                    errors.inc()
                    raise

        return call


METHODS = {
    "get": "GET",
    "list": "GET",
    "create": "POST",
    "create_subresource": "POST",
    "update": "PUT",
    "update_status": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "delete_collection": "DELETE",
}
"""The HTTP methods behind a client's verbs."""
CODES = {"POST": "201"}
"""What success is called, where that is not 200."""
UNANSWERED = "<error>"


class CountedClient:
    """A client of the API whose requests to `host` are counted as client-go counts them."""

    def __init__(self, client: Any, instruments: Instruments, host: str) -> None:
        self._client = client
        self._instruments = instruments
        self._host = host

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        counted = self._counted(METHODS[name], method) if name in METHODS else method
        setattr(self, name, counted)
        return counted

    async def watch(self, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        """One request, however many events come of it."""
        answered = False
        try:
            async for event in self._client.watch(*arguments, **named):
                if not answered:
                    answered = True
                    self._count("GET", "200")
                yield event
        except Exception as error:
            if not answered:
                self._count("GET", code_of(error))
            raise

    def _counted(self, verb: str, method: Any) -> Any:
        seconds = self._instruments.request_seconds.labels(self._host, verb)

        async def call(*arguments: Any, **named: Any) -> Any:
            with self._instruments.timed(seconds):
                try:
                    result = await method(*arguments, **named)
                except Exception as error:
                    self._count(verb, code_of(error))
                    raise
            self._count(verb, CODES.get(verb, "200"))
            return result

        return call

    def _count(self, verb: str, code: str) -> None:
        self._instruments.client_requests.labels(code, self._host, verb).inc()


def code_of(error: Exception) -> str:
    return str(error.code) if isinstance(error, ApiError) else UNANSWERED
