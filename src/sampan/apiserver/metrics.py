"""Counters of what the server does, under upstream's names and labels (its metrics reference).

Counted in plain dictionaries, in the event loop: an observation costs a microsecond or two, and the exposition is made
when somebody asks. What stands in a label comes from the registry of kinds and never from the client alone, so the
number of series is bounded whatever is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.api.registry import Kind
from sampan.apiserver import exposition, version
from sampan.apiserver.auth import ownname
from sampan.apiserver.exposition import Histogram
from sampan.apiserver.http.exchange import Answer, Response
from sampan.apiserver.request import Request

if TYPE_CHECKING:
    from sampan.apiserver.auth.configuration.reloading import Reloader
    from sampan.apiserver.server import ApiServer

STORE_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
REQUEST_SECONDS = STORE_SECONDS
RESPONSE_BYTES = tuple(10**power for power in range(3, 10))
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
CONNECTING = frozenset({"attach", "exec", "portforward", "proxy"})
APPLY = b"application/apply-patch"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
READING = frozenset({"GET", "HEAD"})
SIZED = frozenset({"GET", "LIST"})
LABELS = ("component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version")
COMPONENT = "apiserver"
Key = tuple[str, str, str, str, str, str, str, str]


class _Series:
    """What is counted for one set of labels."""

    __slots__ = ("codes", "seconds", "sizes")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.seconds = Histogram(REQUEST_SECONDS)
        self.sizes = Histogram(RESPONSE_BYTES)


class Metrics:
    """One per server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.in_flight = {"mutating": 0, "readOnly": 0}
        self._requests: dict[Key, _Series] = {}
        self._long: dict[Key, int] = {}
        self._events: dict[Kind, list[int]] = {}
        self._store: dict[tuple[str, str, str], Histogram] = {}
        self._store_errors: dict[tuple[str, str, str], int] = {}

    def observe(self, request: Request, answer: Answer) -> float:
        """Count a request that has been answered (a watch: that has begun); gives the seconds it took."""
        key = key_of(request)
        series = self._requests.get(key)
        if series is None:
            series = self._requests[key] = _Series()
        codes, status = series.codes, answer.status
        codes[status] = codes.get(status, 0) + 1
        seconds = self._server.clock.monotonic() - request.started
        verb = key[6]
        if verb != "WATCH":
            series.seconds.observe(seconds)
        if verb in SIZED and type(answer) is Response:
            series.sizes.observe(answer.length())
        return seconds

    def begun(self, request: Request, count: int = 1) -> None:
        """A watch or another request without an end of its own (`longrunning`) has begun; -1: has ended."""
        key = key_of(request)
        self._long[key] = self._long.get(key, 0) + count

    def events(self, kind: Kind) -> list[int]:
        """The one-item list in which watches of a kind count the events they send."""
        return self._events.setdefault(kind, [0])

    def stored(self, group: str, operation: str, plural: str, seconds: float, failed: bool) -> None:
        """A request to the store that was answered, or failed, after `seconds`."""
        key = (group, operation, plural)
        durations = self._store.get(key)
        if durations is None:
            durations = self._store[key] = Histogram(STORE_SECONDS)
        durations.observe(seconds)
        if failed:
            self._store_errors[key] = self._store_errors.get(key, 0) + 1

    def exposition(self) -> bytes:
        """Everything as Prometheus text."""
        groups = (self._of_requests, self._of_watches, self._of_the_store, self._of_identity, self._of_the_build)
        lines = [line for group in groups for line in group()]
        return "\n".join(lines).encode() + b"\n" + _process()

    def _of_requests(self) -> list[str]:
        found = {exposition.labels(LABELS, key): series for key, series in self._requests.items()}
        requests = {f'code="{code}",{key}': n for key, series in found.items() for code, n in series.codes.items()}
        in_flight = {f'request_kind="{kind}"': count for kind, count in self.in_flight.items()}
        seconds = {key: series.seconds for key, series in found.items() if series.seconds.total}
        sizes = {key: series.sizes for key, series in found.items() if series.sizes.total}
        return [
            *exposition.counts("apiserver_request_total", "counter", "Requests by verb, resource and code.", requests),
            *exposition.histograms(
                "apiserver_request_duration_seconds", "Seconds from reading a request to its answer.", seconds
            ),
            *exposition.histograms("apiserver_response_sizes", "Bytes of the answers to reads.", sizes),
            *exposition.counts(
                "apiserver_current_inflight_requests", "gauge", "Requests being answered, by kind.", in_flight
            ),
        ]

    def _of_watches(self) -> list[str]:
        names = ("group", "kind", "resource", "version")
        running = {exposition.labels(LABELS, key): count for key, count in self._long.items()}
        sent = {
            exposition.labels(names, (kind.group, kind.kind, kind.plural, kind.version)): count[0]
            for kind, count in self._events.items()
        }
        return [
            *exposition.counts("apiserver_longrunning_requests", "gauge", "Watches and other streams.", running),
            *exposition.counts("apiserver_watch_events_total", "counter", "Events sent to watches.", sent),
        ]

    def _of_the_store(self) -> list[str]:
        server = self._server
        objects: dict[str, float] = {}
        for place, figures in server.cache.statistics()["resources"].items():
            group, _, plural = place.partition("/")
            name = plural if group == "core" else f"{plural}.{group}"
            objects[f'resource="{name}"'] = figures["objects"]
        names = ("group", "operation", "resource")
        seconds = {exposition.labels(names, key): found for key, found in self._store.items()}
        requests = {key: sum(found.buckets) for key, found in seconds.items()}
        errors = {exposition.labels(names, key): count for key, count in self._store_errors.items()}
        statistics = server.store.statistics()
        bytes_, asked = statistics.get("file_bytes"), statistics.get("revisions_asked")
        sizes = {"": bytes_} if bytes_ is not None else {}
        return [
            *exposition.counts("apiserver_storage_objects", "gauge", "Stored objects by resource.", objects),
            *exposition.histograms("etcd_request_duration_seconds", "Seconds a request to the store took.", seconds),
            *exposition.counts("etcd_requests_total", "counter", "Requests to the store.", requests),
            *exposition.counts("etcd_request_errors_total", "counter", "Those that failed.", errors),
            *exposition.counts(
                "apiserver_storage_revisions_asked_total",
                "counter",
                "Questions to etcd for its revision, each for all reads that wait.",
                {} if asked is None else {"": asked},
            ),
            *exposition.counts("apiserver_storage_size_bytes", "gauge", "Bytes of the store's file.", sizes),
            *exposition.counts(
                "apiserver_storage_revision", "gauge", "Newest revision the cache holds.", {"": server.cache.revision}
            ),
        ]

    def _of_identity(self) -> list[str]:
        server = self._server
        bound = server.authentication.bound
        lines = exposition.counts(
            "serviceaccount_stale_tokens_total",
            "counter",
            "Uses of accounts' tokens that should have been renewed.",
            {"": bound.stale if bound is not None else 0},
        )
        for part in (server.authentication, server.authorization):
            lines += [*part.tally.lines(), *(_of_reloads(part.reloader) if part.reloader is not None else ())]
        lines += server.auditor.lines() if server.auditor is not None else ()
        return lines

    def _of_the_build(self) -> list[str]:
        told = version.information()
        names = ("git_version", "major", "minor", "platform")
        build = exposition.labels(names, (told["gitVersion"], told["major"], told["minor"], told["platform"]))
        return exposition.counts("kubernetes_build_info", "gauge", "What runs here.", {build: 1})


def _of_reloads(reloader: Reloader) -> list[str]:
    controller, server = f"apiserver_{reloader.what}_config_controller", f'apiserver_id_hash="{ownname.digest()}"'
    taken = {"success": reloader.succeeded, "failure": reloader.failed}
    return [
        *exposition.counts(
            f"{controller}_automatic_reloads_total",
            "counter",
            "Changes of the configuration file that were taken up, or could not be.",
            {f'{server},status="{status}"': count for status, count in taken.items()},
        ),
        *exposition.counts(
            f"{controller}_automatic_reload_last_timestamp_seconds",
            "gauge",
            "When the last of them was.",
            {f'{server},status="{status}"': when for status, when in reloader.last.items()},
        ),
        *exposition.counts(
            f"{controller}_last_config_info",
            "gauge",
            "The configuration that is in force, by its digest.",
            {f'{server},hash="{reloader.taken}"': 1},
        ),
    ]


def key_of(request: Request) -> Key:
    """The labels of a request. What names nothing that is served is all one."""
    target, exchange = request.target, request.exchange
    kind = target.kind
    if kind is None:
        method = exchange.method
        return (COMPONENT, "", "", "", "", "", method if method in METHODS else "other", "")
    verb = NAMES.get(target.verb) or "other"
    if verb == "PATCH" and exchange.headers.get(b"content-type", b"").startswith(APPLY):
        verb = "APPLY"
    subresource = target.subresource
    if subresource and subresource not in kind.subresources:
        subresource = subresource.partition("/")[0]
        subresource = subresource if subresource in kind.subresources else ""
    if subresource in CONNECTING:
        verb = "CONNECT"
    scope = "resource" if target.name or verb == "POST" else "namespace" if target.namespace else "cluster"
    dry = "All" if target.parameters and target.parameters.get("dryRun") == "All" else ""
    return (COMPONENT, dry, target.group, target.plural, scope, subresource, verb, target.version)


def in_flight_kind(request: Request) -> str:
    """Which of the two sorts of requests it is that upstream limits separately."""
    return "readOnly" if request.exchange.method in READING else "mutating"


def _process() -> bytes:
    """`process_*`: what the kernel knows. Imported late: few are asked."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return generate_latest(registry)
