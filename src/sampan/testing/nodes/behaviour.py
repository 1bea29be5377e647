"""How simulated pods fare: for all of a fleet, and by annotations for one pod.

A pod's annotations `simulation.sampan.dev/<field>` override the fleet's settings, the field's name with hyphens:

    simulation.sampan.dev/start-seconds: "2.5"
    simulation.sampan.dev/run-seconds: "60"
    simulation.sampan.dev/exit-code: "1"
    simulation.sampan.dev/waiting-reason: ImagePullBackOff
"""

from __future__ import annotations

import dataclasses
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "simulation.sampan.dev/"
MOST_SECONDS = 10 * 365 * 86400.0
REASON = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")


class BadAnnotation(ValueError):
    """An annotation that says nothing we understand; the text says what would."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """`start_seconds` from binding until ready, `stop_seconds` from deletion until gone (never longer than the grace
    period), `run_seconds` until the containers exit with `exit_code` (None: never). A `fail_share` of pods exits with
    code 1 instead. `jitter` is the most that is added to each time, as a share of it. `ready` False: pods run without
    ever being ready. A `waiting_reason` keeps containers from starting (say ImagePullBackOff).

    Chance is drawn from each pod's uid, so that a decision about a pod is the same whenever it is made.
    """

    start_seconds: float = 0.5
    stop_seconds: float = 0.5
    run_seconds: float | None = None
    exit_code: int = 0
    fail_share: float = 0.0
    jitter: float = 0.0
    ready: bool = True
    waiting_reason: str = ""

    def of(self, pod: Any) -> Behaviour:
        """The behaviour of one pod. Raises BadAnnotation."""
        given = _asked(pod.metadata.annotations or {})
        mine = dataclasses.replace(self, **given) if given else self
        code = mine.exit_code
        if "exit_code" not in given and chance(pod, "fail") < mine.fail_share:
            code = code or 1
        stretch = 1 + mine.jitter * chance(pod, "jitter") if mine.jitter else 1.0
        if code == mine.exit_code and stretch == 1.0:
            return mine
        return dataclasses.replace(
            mine,
            exit_code=code,
            start_seconds=mine.start_seconds * stretch,
            stop_seconds=mine.stop_seconds * stretch,
            run_seconds=None if mine.run_seconds is None else mine.run_seconds * stretch,
        )


def chance(pod: Any, what: str) -> float:
    """A number from 0 to 1 that is the pod's own."""
    return zlib.crc32(f"{what} {pod.metadata.uid}".encode()) / 2**32


def _asked(annotations: Mapping[str, str]) -> dict[str, Any]:
    """What the annotations set, by field."""
    given = {}
    for name, text in annotations.items():
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).replace("-", "_")
        reader = READERS.get(field)
        if reader is None:
            known = ", ".join(PREFIX + each.replace("_", "-") for each in READERS)
            raise BadAnnotation(f"{name} is no annotation of simulated nodes: use one of {known}")
        try:
            given[field] = reader(text)
        except ValueError as error:
            raise BadAnnotation(f"{name}: {text[:80]!r} is not {error}") from None
    return given


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError('a number of seconds such as "2.5"')
    return seconds


def _code(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) < 256):
        raise ValueError("an exit code from 0 to 255")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError('"true" or "false"')
    return text == "true"


def _reason(text: str) -> str:
    if not REASON.fullmatch(text):
        raise ValueError("a reason in one word such as ImagePullBackOff")
    return text


READERS: dict[str, Callable[[str], Any]] = {
    "start_seconds": _seconds,
    "stop_seconds": _seconds,
    "run_seconds": _seconds,
    "exit_code": _code,
    "ready": _truth,
    "waiting_reason": _reason,
}
