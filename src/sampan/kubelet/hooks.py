"""Lifecycle hooks: postStart and preStop, by command, HTTP, TCP or sleep ("Container Lifecycle Hooks")."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.handlers import Answer, Handlers
from sampan.kubelet.probes import Target, ask

NO_LIMIT = 0.0
HTTP_SECONDS = 60.0


def post_start(spec: Any) -> Any | None:
    return spec.lifecycle.postStart if spec.lifecycle else None


def pre_stop(spec: Any) -> Any | None:
    return spec.lifecycle.preStop if spec.lifecycle else None


async def run_hook(handlers: Handlers, clock: Clock, hook: Any, target: Target) -> Answer:
    """Carries out a hook to its end; a command may take as long as it likes, whoever calls sets the limit."""
    if hook.sleep is not None:
        await clock.sleep(float(hook.sleep.seconds))
        return True, ""
    return await ask(handlers, hook, target, NO_LIMIT if hook.exec is not None else HTTP_SECONDS)
