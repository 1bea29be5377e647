"""`/statusz` and `/flagz` in upstream's form (KEP-4827, KEP-4828): pure. People read them; no program should."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WARNING = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is "
    "for debugging purposes only.\n"
)
WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
STRUCTURES = frozenset(
    {"authentication", "anonymous", "webhook", "x509", "authorization", "memorySwap", "crashLoopBackOff"}
)
"""Fields with fields of their own."""


def statusz(*, version: str, started: float, now: float, paths: Iterable[str], statistics: Mapping[str, Any]) -> str:
    """Times in seconds since the epoch. What the parts tell of themselves follows, which upstream's has not."""
    seconds = int(max(now - started, 0.0))
    up = f"{seconds // 3600} hr {seconds // 60 % 60:02d} min {seconds % 60:02d} sec"
    rows = {
        "Started": time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(started)),
        "Up": up,
        "Python version": platform.python_version(),
        "Binary version": version.removeprefix("v"),
        "Paths": " ".join(sorted({f"/{path.strip('/').partition('/')[0]}" for path in paths})),
    }
    told = json.dumps(statistics, indent=1, default=str)
    return f"kubelet statusz\n{WARNING}\n" + "".join(f"{k}: {v}\n" for k, v in rows.items()) + f"\n{told}\n"


def flagz(configuration: Mapping[str, Any]) -> str:
    """A KubeletConfiguration as the flags that would say it."""
    lines = sorted(f"{flag(name)}={shown(value)}\n" for name, value in leaves(configuration))
    return f"kubelet flagz\n{WARNING}\n" + "".join(lines)


def leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Fields with what they hold, those of structures by their path; maps of texts are values."""
    for name, value in document.items():
        if name in STRUCTURES:
            yield from leaves(value, f"{prefix}{name}-")
        else:
            yield prefix + name, value


def flag(name: str) -> str:
    """`maxPods` is `max-pods`, `clusterDNS` `cluster-dns`."""
    return WORD.sub("-", name).lower()


def shown(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{','.join(shown(item) for item in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
