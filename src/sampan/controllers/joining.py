"""How long a small step of a rollout, and the news that leads to it, may wait for more pods to join it.

Each step of a Deployment costs the sizes of two sets, their statuses, the Deployment's, and events; where pods become
ready one by one, each could be a step. Waiting for more saves most of that, and costs time. So it lasts a small share
of the time that the pods take to start anyway, and of the time that a cluster needs to make so many; a rollout is then
hardly longer than one that takes each step as soon as it can.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import median
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.controllers.pods import ready_since

LEAST_SECONDS = 0.1
MADE_PER_SECOND = 200.0
"""Pods: what a cluster makes and deletes. Ones that start sooner than that are awaited no longer than it takes."""
MAKING_MOST_SECONDS = 10.0
SHARE_OF_START = 0.03
SECONDS_PER_POD = 1 / 4000
MOST_SECONDS = 5.0
ASKED = 20
"""So many pods tell well enough how long all take."""


def pause(pods: int, start: float) -> float:
    """Seconds, when the work is about so many pods, which take `start` seconds until they are ready."""
    making = pods / MADE_PER_SECOND
    if start < making:
        return max(LEAST_SECONDS, min(making, MAKING_MOST_SECONDS))
    return max(LEAST_SECONDS, min(max(pods * SECONDS_PER_POD, start * SHARE_OF_START), MOST_SECONDS))


def start_seconds(pods: Iterable[Any]) -> float:
    """From creation until ready, for most of the pods that are; 0 when none is."""
    ready = ((pod, since) for pod in pods if (since := ready_since(pod)))
    took = [since - parse_timestamp(pod.metadata.creationTimestamp) for pod, since in islice(ready, ASKED)]
    return max(median(took), 0.0) if took else 0.0
