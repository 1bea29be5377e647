"""A pod's quality of service class (concepts, "Pod Quality of Service Classes"): a pure function of its resources.

Guaranteed when every container limits CPU and memory and requests as much; BestEffort when none asks for either;
Burstable else. Resources of the pod as a whole (KEP-2837) stand for those of its containers.
"""

from __future__ import annotations

from typing import Any

from sampan.api.bycontent import by_content
from sampan.api.quantity import parse

COUNTED = ("cpu", "memory")


@by_content
def quality_of_service(spec: Any) -> str:
    """ "Guaranteed", "Burstable" or "BestEffort"."""
    if spec.resources is not None and (spec.resources.requests or spec.resources.limits):
        return _class([spec.resources])
    containers = [*(spec.containers or ()), *(spec.initContainers or ())]
    return _class([c.resources for c in containers])


def _class(resources: list[Any]) -> str:
    asked = False
    guaranteed = True
    for each in resources:
        requests = _counted(each.requests if each else None)
        limits = _counted(each.limits if each else None)
        asked = asked or bool(requests or limits)
        guaranteed = (
            guaranteed and len(limits) == len(COUNTED) and all(requests.get(n, q) == q for n, q in limits.items())
        )
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _counted(amounts: Any) -> dict[str, Any]:
    if not amounts:
        return {}
    parsed = {n: parse(amounts[n]) for n in COUNTED if n in amounts}
    return {n: q for n, q in parsed.items() if q.value > 0}
