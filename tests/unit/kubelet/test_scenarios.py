"""Decisions and statuses against the scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.kubelet.decide import decide
from sampan.kubelet.podstatus import pod_status
from sampan.kubelet.restarts import CrashBackoff

from . import scenarios

BACKOFF = CrashBackoff()


@pytest.mark.parametrize("path", scenarios.files(), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    case = scenarios.load(path)
    wanted = case["expect"]
    assert {name: found(case)[name] for name in wanted} == wanted


def found(case: dict[str, Any]) -> dict[str, Any]:
    pod, seen, now = scenarios.pod_of(case), scenarios.observed_of(case), scenarios.START + case["now"]
    memory = scenarios.memory_of(case, pod)
    plan = decide(pod, seen, memory, now, BACKOFF)
    status = pod_status(pod, seen, memory, now=now, backoff=BACKOFF, host_ips=["192.0.2.1"])
    statuses = [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]
    messages = {s.name: s.state.waiting.message for s in statuses if s.state.waiting and s.state.waiting.message}
    return {
        "actions": [scenarios.shown_action(action) for action in plan.actions],
        "wake": plan.wake_at and plan.wake_at - scenarios.START,
        "phase": status.phase,
        "reason": status.reason,
        "ip": status.podIP,
        "status": {s.name: scenarios.shown_status(s) for s in statuses},
        "messages": messages,
        "words": {s.name: len(s.state.terminated.message) for s in statuses if last_words(s)},
        "conditions": {c.type: c.status for c in status.conditions},
        "why": {c.type: f"{c.reason}: {c.message}" for c in status.conditions if c.reason},
    }


def last_words(status: Any) -> bool:
    return bool(status.state.terminated and status.state.terminated.message)
