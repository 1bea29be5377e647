"""The scenario files: what a pod, its containers and the clock are, and what must be done and told.

about: why
now: 100                     # seconds since some start
pod: {...}                   # a PodSpec; a container is a name or a mapping
deleted: 95                  # when it was deleted, if it was
sandboxes: [{id: s1}]        # newest first
containers: [{name: c, ...}] # the fields of observed.Container, newest first; repeat: its message (a letter, times)
memory: {...}                # volumes: not ready, images: ready|pulling|<failure>, probes, hooks, stopping
expect:
  actions: [StartContainer c 1 0.0]
  wake: 110
  phase: Running
  status: {c: running ready}
  conditions: {Ready: True}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import core_v1
from sampan.kubelet.memory import Ending, Failure, ImagePulling, ImageReady, Memory, ProbeResults
from sampan.kubelet.observed import Container, Observed, Sandbox
from sampan.kubelet.spec import grace_seconds

FOLDER = Path(__file__).parents[2] / "scenarios" / "kubelet"
START = parse_timestamp("2026-01-01T00:00:00Z")


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def pod_of(case: dict[str, Any]) -> Any:
    spec = dict(case["pod"])
    for field in ("containers", "initContainers", "ephemeralContainers"):
        if field in spec:
            spec[field] = [named(entry) for entry in spec[field]]
    spec.setdefault("containers", [named("c")])
    metadata: dict[str, Any] = {"name": "p", "namespace": "default", "uid": "u1"}
    status = {"startTime": timestamp(START), **case.get("known", {})}
    pod = msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, core_v1.Pod)
    if "deleted" in case:
        pod.metadata.deletionGracePeriodSeconds = int(grace_seconds(pod))
        pod.metadata.deletionTimestamp = timestamp(START + case["deleted"] + grace_seconds(pod))
    return pod


def named(entry: str | dict[str, Any]) -> dict[str, Any]:
    return {"image": "i", **({"name": entry} if isinstance(entry, str) else entry)}


def observed_of(case: dict[str, Any]) -> Observed:
    sandboxes = [Sandbox(**{"ips": ("10.0.0.5",), **entry}) for entry in case.get("sandboxes", ())]
    containers = []
    for index, entry in enumerate(case.get("containers", ())):
        times = {name: START + entry[name] for name in ("created", "started", "finished") if name in entry}
        defaults = {"id": f"k{index}", "sandbox_id": sandboxes[0].id if sandboxes else "s0"}
        if "repeat" in entry:
            letter, count = entry["repeat"]
            entry = {**{key: value for key, value in entry.items() if key != "repeat"}, "message": letter * count}
        containers.append(Container(**{**defaults, **entry, **times}))
    return Observed(sandboxes=tuple(sandboxes), containers=tuple(containers))


def memory_of(case: dict[str, Any], pod: Any) -> Memory:
    given = case.get("memory", {})
    memory = Memory(volumes_ready=True)
    for field in ("volumes_ready", "torn_down", "removed", "space_needed"):
        setattr(memory, field, given.get(field, getattr(memory, field)))
    memory.actuated = given.get("actuated", {})
    memory.resize_pending = tuple(given["resize_pending"]) if "resize_pending" in given else None
    for field in ("volumes", "sandbox", "resize_error"):
        setattr(memory, field, failure(given.get(field)))
    memory.prestopped = set(given.get("prestopped", ()))
    memory.hooks, memory.stopping = set(given.get("hooks", ())), set(given.get("stopping", ()))
    memory.failed_hooks = set(given.get("failed_hooks", ()))
    memory.images = {name: image(value) for name, value in given.get("images", {}).items()}
    memory.failures = {name: failure(value) for name, value in given.get("failures", {}).items()}
    memory.probes = {name: ProbeResults(**value) for name, value in given.get("probes", {}).items()}
    if "deleted" in case:
        memory.ending = Ending(since=START + case["deleted"], grace=grace_seconds(pod))
    elif "ending" in given:
        memory.ending = Ending(
            **{"grace": grace_seconds(pod), **given["ending"], "since": START + given["ending"]["since"]}
        )
    return memory


def image(value: Any) -> Any:
    if value == "ready":
        return ImageReady(reference="sha256:i")
    return ImagePulling(since=START) if value == "pulling" else failure(value)


def failure(value: Any) -> Failure | None:
    if value is None:
        return None
    return Failure(**{**value, "at": START + value["at"], "retry_at": START + value["retry_at"]})


def shown_action(action: Any) -> str:
    """`StopContainer k0 c 30.0`: the class and its fields, those that are texts for people left out."""
    values = [getattr(action, name) for name in action.__slots__ if name not in ("message", "prestop", "round")]
    rounds = [f"round {action.round}"] if getattr(action, "round", 0) else []
    return " ".join([type(action).__name__, *map(str, values), *rounds])


def shown_status(status: Any) -> str:
    """`waiting CrashLoopBackOff, last Error 1, restarts 2`."""
    parts = [shown_state(status.state)]
    if status.ready:
        parts[0] += " ready"
    last = shown_state(status.lastState)
    if last:
        parts.append(f"last {last}")
    if status.restartCount:
        parts.append(f"restarts {status.restartCount}")
    return ", ".join(parts)


def shown_state(state: Any) -> str:
    if state.running:
        return "running"
    if state.waiting:
        return f"waiting {state.waiting.reason}"
    if state.terminated:
        return f"{state.terminated.reason} {state.terminated.exitCode}"
    return ""
