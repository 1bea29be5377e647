"""The pod condition DisruptionTarget: says why the control plane is about to delete a pod (KEP-3329)."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import Clock, timestamp
from sampan.controllers.pods import condition
from sampan.controllers.writer import Writer


async def mark(write: Writer, pod: Any, reason: str, message: str, clock: Clock, **status: Any) -> None:
    """Sets the condition, and other status fields with it, unless it already says so."""
    known = condition(pod, "DisruptionTarget")
    if known is not None and (known.status, known.reason) == ("True", reason) and not status:
        return
    made = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(clock.now()),
    }
    await write.patch(pod, {"status": {**status, "conditions": [made]}}, type="strategic", subresource="status")
