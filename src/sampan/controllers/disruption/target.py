"""The pod condition DisruptionTarget: says why the control plane is about to delete a pod (KEP-3329)."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import Clock, timestamp
from sampan.controllers.pods import condition
from sampan.controllers.writer import Writer


def disruption_target(reason: str, message: str, clock: Clock) -> dict[str, Any]:
    """The condition, true from now on."""
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(clock.now()),
    }


async def mark(write: Writer, pod: Any, reason: str, message: str, clock: Clock) -> None:
    """Sets the condition unless it already says so."""
    known = condition(pod, "DisruptionTarget")
    if known is not None and (known.status, known.reason) == ("True", reason):
        return
    made = disruption_target(reason, message, clock)
    await write.patch(pod, {"status": {"conditions": [made]}}, type="strategic", subresource="status")
