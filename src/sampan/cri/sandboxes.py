"""Taking a sandbox away, whatever the runtime wants done before."""

from __future__ import annotations

import logging

from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.cri.interface import Runtime

log = logging.getLogger(__name__)


async def remove(runtime: Runtime, sandbox_id: str) -> None:
    """Removes a sandbox with its containers; what still runs in it is killed. Raises RuntimeFailure.

    CRI's RemovePodSandbox ends what runs, and so do containerd (1.6 and later) and CRI-O. To stop it before would have
    the pod's network taken away twice, by all of the CNI plugins each time. Older runtimes refuse and are asked to stop
    it first.
    """
    try:
        await runtime.remove_sandbox(sandbox_id)
    except RuntimeUnavailable:
        raise
    except RuntimeFailure as error:
        log.debug("a sandbox is stopped before it is removed sandbox=%s why=%s", sandbox_id, error)
        await runtime.stop_sandbox(sandbox_id)
        await runtime.remove_sandbox(sandbox_id)
