"""A pod's whole status, from what was observed and remembered: pure.

The answer has every field the kubelet owns and only the conditions it owns; it is sent as a patch, so that what others
have written (readiness gates, the scheduler's nominations) stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1
from sampan.kubelet.conditions import OWNED, conditions_of, disruption, resizing
from sampan.kubelet.containerstatus import ContainerStatuses
from sampan.kubelet.decide import is_finished
from sampan.kubelet.features import CONTAINERD
from sampan.kubelet.memory import Ending, Memory
from sampan.kubelet.observed import Observed
from sampan.kubelet.phase import TERMINAL, phase_of
from sampan.kubelet.qos import qos_class
from sampan.kubelet.resize.amounts import POD, amounts, replaced
from sampan.kubelet.restarts import CrashBackoff, wanted_round
from sampan.kubelet.spec import app_containers, ephemeral_containers, host_network, init_containers


def pod_status(
    pod: Any,
    seen: Observed,
    memory: Memory,
    *,
    now: float,
    backoff: CrashBackoff,
    host_ips: Sequence[str],
    runtime: str = CONTAINERD,
) -> Any:
    """The PodStatus to report; `host_ips` are the node's addresses, the first the main one, `runtime` what the
    container runtime calls itself."""
    ending = memory.ending
    if ending is not None and ending.rejected:
        return rejected_status(pod, ending, now)
    over = ending is not None and not seen.any_alive
    done = over or (is_finished(pod, seen, backoff) and not seen.any_alive)
    statuses = ContainerStatuses(pod, seen, memory, now, backoff, done, runtime)
    init = [statuses.of(spec, init=True) for spec in init_containers(pod)]
    apps = [statuses.of(spec) for spec in app_containers(pod)]
    round_ = wanted_round(pod, seen)
    # A phase that is the last means that nothing runs any more: whoever replaces the pod relies on it.
    told = ending if ending and ending.phase and not seen.any_alive else None
    phase = told.phase if told else phase_of(pod, init, apps, over=over, again=round_.number > 0)
    ips = pod_ips(pod, seen, memory, host_ips)
    # That of a pod that has ended is as good as gone.
    sandbox_ready = not over and bool(ips) and seen.sandbox is not None and seen.sandbox.ready
    known = pod.status or core_v1.PodStatus()
    return core_v1.PodStatus(
        observedGeneration=pod.metadata.generation,
        phase=phase,
        reason=(told.reason if told else "") or known.reason,
        message=(told.message if told else "") or known.message,
        conditions=[
            *conditions_of(pod, phase, init, apps, sandbox_ready=sandbox_ready, round_=round_, now=now),
            *resizing(pod, seen, memory, known.conditions or (), now),
            *disruption(ending, known.conditions or (), now),
        ],
        hostIP=host_ips[0] if host_ips else None,
        hostIPs=[core_v1.HostIP(ip=ip) for ip in host_ips] or None,
        podIP=ips[0] if ips else None,
        podIPs=[core_v1.PodIP(ip=ip) for ip in ips] or None,
        startTime=known.startTime or timestamp(now),
        initContainerStatuses=init or None,
        containerStatuses=apps,
        ephemeralContainerStatuses=[statuses.of_ephemeral(spec) for spec in ephemeral_containers(pod)] or None,
        resources=pod_level(pod, memory),
        allocatedResources=(pod.spec.resources.requests if pod.spec.resources else None) or None,
        qosClass=known.qosClass or qos_class(pod),
    )


def rejected_status(pod: Any, ending: Ending, now: float) -> Any:
    known = pod.status or core_v1.PodStatus()
    return core_v1.PodStatus(
        observedGeneration=pod.metadata.generation,
        phase=ending.phase,
        reason=ending.reason,
        message=ending.message,
        startTime=known.startTime or timestamp(now),
        qosClass=known.qosClass or qos_class(pod),
    )


def pod_level(pod: Any, memory: Memory) -> Any:
    """The pod's own resources, as they are set; None for a pod without (KEP-5419)."""
    if pod.spec.resources is None:
        return None
    return replaced(pod.spec.resources, memory.actuated.get(POD) or amounts(pod.spec.resources))


def pod_ips(pod: Any, seen: Observed, memory: Memory, host_ips: Sequence[str]) -> list[str]:
    """The pod's addresses: those of its sandbox, the node's on its network, or the last known of one that is over."""
    if host_network(pod):
        return list(host_ips) if seen.sandbox is not None else []
    if seen.sandbox is not None and seen.sandbox.ready and seen.sandbox.ips:
        return list(seen.sandbox.ips)
    known = pod.status
    if known is not None and (memory.ending is not None or known.phase in TERMINAL):
        return [entry.ip for entry in known.podIPs or ()]
    return []


def known_status(api: Any, reported: Any) -> Any:
    """What is known of a pod's status: our own last word where there is one, and in any case the others' conditions."""
    if reported is None:
        return api
    others = [c for c in (api.conditions if api else None) or () if c.type not in OWNED]
    return msgspec.structs.replace(reported, conditions=[*(reported.conditions or ()), *others])
