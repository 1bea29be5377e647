"""Counters of what the server does, under upstream's names.

Counted in plain dictionaries, in the event loop: an observation costs a microsecond, and the exposition text is made
when somebody asks (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from sampan.apiserver.request import Request

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
NAMES = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Durations:
    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class Metrics:
    """One per server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.in_flight = 0
        self._requests: dict[tuple[str, str, str, str, str, str, int], int] = {}
        self._durations: dict[tuple[str, str, str, str, str, str], _Durations] = {}

    def observe(self, request: Request, code: int) -> None:
        """Count a request that has been answered (a watch: that has begun)."""
        target = request.target
        verb = NAMES.get(target.verb) or request.exchange.method
        scope = (
            "" if not target.plural else "resource" if target.name else "namespace" if target.namespace else "cluster"
        )
        key = (verb, target.group, target.version, target.plural, target.subresource, scope)
        if target.plural and target.kind is None:
            key = (verb, "", "", "", "", "")
        counted = (*key, code)
        self._requests[counted] = self._requests.get(counted, 0) + 1
        if verb == "WATCH":
            return
        durations = self._durations.get(key)
        if durations is None:
            durations = self._durations[key] = _Durations()
        seconds = self._server.clock.monotonic() - request.started
        durations.buckets[bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds

    def exposition(self) -> bytes:
        """Everything as Prometheus text."""
        lines: list[str] = []
        _head(lines, "apiserver_request_total", "counter", "Requests by verb, resource and code.")
        for (*labels, code), count in self._requests.items():
            lines.append(f'apiserver_request_total{{{_labels(labels)},code="{code}"}} {count}')
        _head(
            lines,
            "apiserver_request_duration_seconds",
            "histogram",
            "Time from reading a request to its answer, in seconds.",
        )
        for key, durations in self._durations.items():
            self._histogram(lines, _labels(key), durations)
        _head(lines, "apiserver_current_inflight_requests", "gauge", "Requests being answered.")
        lines.append(f'apiserver_current_inflight_requests{{request_kind="all"}} {self.in_flight}')
        self._state(lines)
        return ("\n".join(lines) + "\n").encode()

    @staticmethod
    def _histogram(lines: list[str], labels: str, durations: _Durations) -> None:
        name, running = "apiserver_request_duration_seconds", 0
        for bound, count in zip((*BUCKETS, "+Inf"), durations.buckets, strict=True):
            running += count
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {running}')
        lines.append(f"{name}_sum{{{labels}}} {durations.total:.6f}")
        lines.append(f"{name}_count{{{labels}}} {running}")

    def _state(self, lines: list[str]) -> None:
        server = self._server
        resources = server.cache.statistics()["resources"]
        _head(lines, "apiserver_storage_objects", "gauge", "Stored objects by resource.")
        for place, figures in resources.items():
            group, _, plural = place.partition("/")
            name = plural if group == "core" else f"{plural}.{group}"
            lines.append(f'apiserver_storage_objects{{resource="{name}"}} {figures.get("entries", 0)}')
        _head(lines, "apiserver_longrunning_requests", "gauge", "Open watches by resource.")
        for place, figures in resources.items():
            group, _, plural = place.partition("/")
            group = "" if group == "core" else group
            count = figures.get("watchers", 0)
            if count:
                lines.append(
                    f'apiserver_longrunning_requests{{verb="WATCH",group="{group}",resource="{plural}"}} {count}'
                )
        _head(lines, "apiserver_storage_revision", "gauge", "Newest revision the watch cache has applied.")
        lines.append(f"apiserver_storage_revision {server.cache.revision}")


def _head(lines: list[str], name: str, kind: str, text: str) -> None:
    lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _labels(key: object) -> str:
    names = ("verb", "group", "version", "resource", "subresource", "scope")
    return ",".join(f'{n}="{_escape(v)}"' for n, v in zip(names, key, strict=True))  # type: ignore[call-overload]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
