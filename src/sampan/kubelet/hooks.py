"""Lifecycle hooks: postStart and preStop, by command, HTTP, TCP or sleep ("Container Lifecycle Hooks")."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.asking import Target, ask
from sampan.kubelet.handlers import Answer, Handlers, Unanswered

NO_LIMIT = 0.0
HTTP_SECONDS = 60.0
AGENT = "kube-lifecycle/1.36"


async def run_hook(handlers: Handlers, clock: Clock, hook: Any, target: Target) -> Answer:
    """Carries out a hook to its end; a command may take as long as it likes, whoever calls sets the limit."""
    if hook.sleep is not None:
        await clock.sleep(float(hook.sleep.seconds))
        return Answer(True)
    try:
        limit = NO_LIMIT if hook.exec is not None else HTTP_SECONDS
        answer = await ask(handlers, hook, target, limit, agent=AGENT)
    except Unanswered as error:
        return Answer(False, str(error))
    # A hook tells the container something: any HTTP answer shows that it was heard, as upstream has it.
    return answer._replace(ok=answer.ok or answer.status > 0)


def failure(hook: Any, container: str, pod: str, answer: Answer) -> str:
    """What a container's status says of a hook that failed, in upstream's words."""
    place = f'for Container "{container}" in Pod "{pod}" failed'
    if hook.exec is not None:
        command = " ".join(hook.exec.command or ())
        return f'Exec lifecycle hook ([{command}]) {place} - error: the command failed, message: "{answer.text}"'
    if hook.httpGet is not None:
        return f"HTTP lifecycle hook ({hook.httpGet.path or ''}) {place} - error: {answer.text}"
    return f"lifecycle hook {place} - error: {answer.text}"
