"""`pods/eviction`: a delete that respects disruption budgets.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import timestamp
from sampan.api import errors, selectors
from sampan.api.errors import ApiError, InternalError, TooManyRequests
from sampan.api.kinds import meta_v1
from sampan.apiserver import decode, lifecycle, metadata, stored
from sampan.apiserver.answers import struct_answer
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.subresources import kinds
from sampan.apiserver.subresources.binding import set_condition
from sampan.apiserver.verbs.change import modify
from sampan.apiserver.verbs.delete import delete_entry
from sampan.apiserver.verbs.get import find
from sampan.apiserver.write import CREATE, Write

ATTEMPTS = 20
VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


async def evict(request: Request) -> Response:
    """201 with a Status. Raises NotFound, Conflict, and TooManyRequests when a budget does not allow it now."""
    server = request.server
    eviction = decode.body(request, kinds.eviction())
    name = metadata.ensure(eviction).name
    if name and name != request.target.name:
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    write = Write(request, CREATE, new=eviction, kind=kinds.eviction())
    await settled(server.admission.admit(write))
    options = eviction.deleteOptions or meta_v1.DeleteOptions()
    lifecycle.check_options(options)
    dry_run = bool(options.dryRun)
    entry = find(request)
    pod = stored.from_bytes(request.kind, entry.data)
    lifecycle.check_preconditions(request.kind, pod, entry.revision, options)
    if not _free_to_go(pod):
        await _ask_budget(request, pod, dry_run)
    if not dry_run and pod.metadata.deletionTimestamp is None:
        now = timestamp(server.clock.now())
        await modify(request, request.kind, request.target.name, lambda current, _: _marked(current, now))
    for _ in range(ATTEMPTS):
        if await delete_entry(request, find(request), options) is not None:
            break
    status = meta_v1.Status(kind="Status", apiVersion="v1", metadata=meta_v1.ListMeta(), status="Success", code=201)
    return struct_answer(request, status, 201)


def _free_to_go(pod: Any) -> bool:
    """Ended, ending or not begun: no budget counts such a pod."""
    phase = pod.status.phase if pod.status is not None else None
    return phase in ("Succeeded", "Failed", "Pending") or pod.metadata.deletionTimestamp is not None


def _marked(pod: Any, now: str) -> Any:
    set_condition(
        pod, "DisruptionTarget", "True", now, reason="EvictionByEvictionAPI", message="Eviction API: evicting"
    )
    return pod


async def _ask_budget(request: Request, pod: Any, dry_run: bool) -> None:
    """Take one disruption from the pod's budget, if it has one."""
    server = request.server
    kind = server.registry.kind("policy/v1", "PodDisruptionBudget")
    cache = server.resource(kind)
    budgets = [server.decoded(entry) for entry in cache.list(request.target.namespace)]
    matching = [b for b in budgets if selectors.from_label_selector(b.spec.selector).matches(pod.metadata.labels)]
    if not matching:
        return
    if len(matching) > 1:
        raise InternalError(SEVERAL)
    if _unready_and_allowed(matching[0], pod):
        return
    now = timestamp(server.clock.now())

    def take(budget: Any, _: object) -> Any:
        return taken(budget, pod.metadata.name, now)

    name = matching[0].metadata.name
    if dry_run:
        taken(kind.decode(kind.encode(matching[0])), pod.metadata.name, now)
    else:
        await modify(request, kind, name, take)


def _unready_and_allowed(budget: Any, pod: Any) -> bool:
    """A running pod that is not ready may go when the policy says so, or while enough others are healthy (KEP-3017)."""
    ready = any(c.type == "Ready" and c.status == "True" for c in (pod.status.conditions or ()))
    if ready:
        return False
    status = budget.status
    if budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow":
        return True
    return (
        status is not None
        and (status.currentHealthy or 0) >= (status.desiredHealthy or 0)
        and (status.desiredHealthy or 0) > 0
    )


def taken(budget: Any, pod: str, now: str) -> Any:
    """The budget with one disruption fewer. Raises TooManyRequests when there is none."""
    status, name = budget.status, budget.metadata.name
    if status is None or (status.observedGeneration or 0) < (budget.metadata.generation or 0):
        raise _refused(f"The disruption budget {name} is still being processed by the server.")
    if (status.disruptionsAllowed or 0) <= 0:
        needs, has = status.desiredHealthy or 0, status.currentHealthy or 0
        raise _refused(f"The disruption budget {name} needs {needs} healthy pods and has {has} currently")
    status.disruptionsAllowed -= 1
    status.disruptedPods = {**(status.disruptedPods or {}), pod: now}
    return budget


def _refused(why: str) -> ApiError:
    cause = {"reason": "DisruptionBudget", "message": why}
    return TooManyRequests(VIOLATION, details={"causes": [cause], "retryAfterSeconds": 10})
