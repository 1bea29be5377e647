"""How many events may come in: a bucket of tokens for the server, per namespace, per user, or per source and object.

Each bucket holds at most `burst` tokens and gains `qps` a second; an event takes one of each kind or is refused (429).
https://kubernetes.io/docs/reference/config-api/apiserver-eventratelimit.v1alpha1/
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from sampan.api.errors import TooManyRequests
from sampan.apiserver.admission.configuration import check_type, convert
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

VERSIONS = ("eventratelimit.admission.k8s.io/v1alpha1",)
DEFAULT_BUCKETS = 4096


class _Limit(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    qps: int = 0
    burst: int = 0
    cacheSize: int = 0


class _Configuration(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    limits: list[_Limit] = []


def _object(write: Write) -> str:
    event = write.new
    source, about = getattr(event, "source", None), getattr(event, "involvedObject", None)
    if source is None and about is None:
        source, about = getattr(event, "deprecatedSource", None), getattr(event, "regarding", None)
    parts = [getattr(source, name, None) for name in ("component", "host")]
    parts += [getattr(about, name, None) for name in ("kind", "namespace", "name", "uid", "apiVersion")]
    return "".join(part or "" for part in parts)


KEYS: dict[str, Callable[[Write], str]] = {
    "Server": lambda write: "",
    "Namespace": lambda write: write.namespace,
    "User": lambda write: write.request.user.name,
    "SourceAndObject": _object,
}


class EventRateLimit(Plugin):
    """Off by default, as upstream; it needs its configuration."""

    name = "EventRateLimit"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "events"), ("events.k8s.io", "events")})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._limits: list[Buckets] = []

    def configure(self, settings: Any) -> None:
        check_type(settings, VERSIONS, "Configuration")
        read = convert(settings, _Configuration, where=self.name)
        for number, limit in enumerate(read.limits):
            _check(limit, f"limits[{number}]")
        self._limits = [Buckets(limit.type, limit.qps, limit.burst, limit.cacheSize) for limit in read.limits]

    def require(self) -> None:
        if not self._limits:
            raise ValueError("limits: must not be empty: name the limits in --admission-control-config-file")

    def validate(self, write: Write) -> None:
        now = self.server.clock.monotonic()
        # Each limit takes its token even when another has refused: a flood of one kind does not spare the others.
        refused = [limit for limit in self._limits if not limit.take(write, now)]
        if refused:
            last = refused[-1]
            message = f"limit reached on type {last.type} for key {last.key(write)}"
            raise TooManyRequests(message, details={"retryAfterSeconds": 1})


class Buckets:
    """The buckets of one limit; those not used for longest are forgotten first, which fills them."""

    def __init__(self, type_: str, rate: float, burst: int, most: int) -> None:
        self.type = type_
        self.key = KEYS[type_]
        self._rate, self._burst = rate, burst
        self._most = most or DEFAULT_BUCKETS
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, write: Write, now: float) -> bool:
        """Take a token at `now` (seconds, monotonic) if there is one."""
        key = self.key(write)
        left, when = self._left.pop(key, (float(self._burst), now))
        left = min(float(self._burst), left + (now - when) * self._rate)
        taken = left >= 1
        self._left[key] = (left - 1 if taken else left, now)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return taken


def _check(limit: _Limit, where: str) -> None:
    """Raises ValueError for a limit that limits nothing or everything."""
    if limit.type not in KEYS:
        raise ValueError(f'{where}.type: "{limit.type}" is none of {", ".join(KEYS)}')
    for name in ("burst", "qps"):
        if getattr(limit, name) <= 0:
            raise ValueError(f"{where}.{name}: {getattr(limit, name)}: must be positive")
    if limit.cacheSize < 0:
        raise ValueError(f"{where}.cacheSize: {limit.cacheSize}: must not be negative")
