"""`/livez`, `/readyz` and `/healthz`: named checks, each a function that says what is wrong or nothing.

https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

TEXT = b"text/plain; charset=utf-8"
QUERY_CHARACTERS = 4096
Check = Callable[[], str]


class Health:
    """Which checks belong to which endpoint."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        always: dict[str, Check] = {"ping": lambda: "", "log": lambda: "", "etcd": self._store}
        hooks = {
            f"poststarthook/{name}": self._started
            for name in ("bootstrap-controller", "start-system-namespaces-controller")
        }
        self._checks: dict[str, dict[str, Check]] = {
            "livez": always | hooks,
            "healthz": always | hooks,
            "readyz": always
            | {"etcd-readiness": self._store, "informer-sync": self._started}
            | hooks
            | {"shutdown": self._stopping},
        }

    def _store(self) -> str:
        failure = self._server.cache.failure
        return f"store: {failure}" if failure else ""

    def _started(self) -> str:
        return "" if self._server.started else "not finished"

    def _stopping(self) -> str:
        return "process is shutting down" if self._server.stopping else ""

    def paths(self) -> list[str]:
        """All endpoints, for the index of paths."""
        return [
            p for root, checks in self._checks.items() for p in (f"/{root}", *(f"/{root}/{name}" for name in checks))
        ]

    def answer(self, request: Request) -> Response | None:
        """200 `ok`, or 500 naming the checks that fail; None for a path that is no health endpoint."""
        root, _, name = request.target.path.lstrip("/").partition("/")
        checks = self._checks.get(root)
        if checks is None:
            return None
        if name:
            if name not in checks:
                return Response(404, b"404 page not found\n", TEXT)
            wrong = checks[name]()
            return (
                Response(500, f"internal server error: {wrong}\n".encode(), TEXT)
                if wrong
                else Response(200, b"ok", TEXT)
            )
        excluded = _excluded(request)
        results = {name: "" if name in excluded else check() for name, check in checks.items()}
        if any(results.values()):
            return Response(500, _report(results, excluded, f"{root} check failed"), TEXT)
        if "verbose" in request.target.parameters:
            return Response(200, _report(results, excluded, f"{root} check passed"), TEXT)
        return Response(200, b"ok", TEXT)


def _excluded(request: Request) -> list[str]:
    """What `exclude=`, which may be there several times, names."""
    query = request.exchange.target.partition("?")[2]
    return sorted({value for name, value in parse_qsl(query[:QUERY_CHARACTERS]) if name == "exclude"})


def _report(results: dict[str, str], excluded: list[str], verdict: str) -> bytes:
    lines = []
    for name, wrong in results.items():
        how = "excluded: ok" if name in excluded else "failed: reason withheld" if wrong else "ok"
        lines.append(f"[{'-' if wrong else '+'}]{name} {how}")
    unknown = ", ".join(json.dumps(name) for name in excluded if name not in results)
    if unknown:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {unknown}")
    return ("\n".join([*lines, verdict]) + "\n").encode()
