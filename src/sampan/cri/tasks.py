"""A signal of our own to a container's first process, through containerd's API (api/services/tasks/v1).

CRI has stop signals of a container's own only in its newest version (KEP-4960), and the containerd that is installed
sends the image's whatever it is asked; through its own API any containerd can send any.
"""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import Any

from sampan.cri.errors import RuntimeNotFound, RuntimeTimeout

NAMESPACE = (("containerd-namespace", "k8s.io"),)
CALL_SECONDS = 10.0


class Tasks:
    """Over the channel of a `CriClient`, whose `call` gives gRPC's errors as ours."""

    def __init__(self, channel: Any, call: Any) -> None:
        self._channel = channel
        self._call = call

    async def end(self, container_id: str, signal: int, seconds: float) -> None:
        """Sends the signal (Linux's number); returns when the process has ended, or after so many seconds.

        Raises RuntimeUnsupported for another runtime, RuntimeFailure.
        """
        # Only nodes with such containers load the messages.
        pb: Any = import_module("sampan.cri.containerd_tasks_pb2")
        tasks = import_module("sampan.cri.containerd_tasks_pb2_grpc").TasksStub(self._channel)
        kill = pb.KillRequest(container_id=container_id, signal=signal)
        with contextlib.suppress(RuntimeNotFound, RuntimeTimeout):
            await self._call(tasks.Kill(kill, metadata=NAMESPACE, timeout=CALL_SECONDS))
            wait = pb.WaitRequest(container_id=container_id)
            await self._call(tasks.Wait(wait, metadata=NAMESPACE, timeout=seconds))
