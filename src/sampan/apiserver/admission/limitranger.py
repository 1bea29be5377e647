"""Limit ranges: default requests and limits for a namespace's containers, and bounds on what may be asked for.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

from sampan.api import quantity
from sampan.api.kinds import core_v1
from sampan.api.quantity import Quantity
from sampan.api.quota import usage
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import CREATE, Write

ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = dict[str, Quantity]


class LimitRanger(Plugin):
    """Fills pods in when they are created; checks pods then and when resized, claims always."""

    name = "LimitRanger"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods"), ("", "persistentvolumeclaims")})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "resize"})

    def mutate(self, write: Write) -> None:
        if write.kind.plural != "pods" or write.operation != CREATE or write.new.spec is None:
            return
        told = [text for range_ in self._ranges(write) for text in fill_in(write.new, range_)]
        if told:
            meta = write.new.metadata
            meta.annotations = {**(meta.annotations or {}), ANNOTATION: "LimitRanger plugin set: " + "; ".join(told)}

    def validate(self, write: Write) -> None:
        pod = write.kind.plural == "pods"
        if write.new.spec is None or (pod and write.operation != CREATE and write.subresource != "resize"):
            return
        for range_ in self._ranges(write):
            wrong = list(of_pod(write.new, range_) if pod else of_claim(write.new, range_))
            if wrong:
                raise forbid(write, wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")

    def _ranges(self, write: Write) -> list[Any]:
        entries = self.server.cache.resource("", "limitranges").list(write.namespace)
        if not entries:
            return []
        ranges = map(self.server.decoded, entries)
        return [limit for range_ in ranges for limit in (range_.spec.limits if range_.spec else None) or ()]


def fill_in(pod: Any, limit: Any) -> Iterator[str]:
    """Give containers the defaults of one item of a limit range; tells what was set."""
    if limit.type != "Container":
        return
    for word, containers in (("container", pod.spec.containers), ("init container", pod.spec.initContainers)):
        for container in containers or ():
            if container.resources is None:
                container.resources = core_v1.ResourceRequirements()
            for field, defaults in (("requests", limit.defaultRequest), ("limits", limit.default)):
                added = _add(container.resources, field, defaults or {})
                if added:
                    yield f"{', '.join(added)} {field[:-1]} for {word} {container.name}"


def _add(resources: Any, field: str, defaults: dict[str, Any]) -> list[str]:
    present = getattr(resources, field) or {}
    added = sorted(defaults.keys() - present.keys())
    if added:
        setattr(resources, field, {**present, **{name: defaults[name] for name in added}})
    return added


def of_pod(pod: Any, limit: Any) -> Iterator[str]:
    """What a pod does against one item of a limit range, in upstream's words."""
    if limit.type == "Container":
        for container in (*(pod.spec.containers or ()), *(pod.spec.initContainers or ())):
            resources = container.resources
            requests = _parsed(resources.requests if resources is not None else None)
            limits = _parsed(resources.limits if resources is not None else None)
            yield from _outside(limit, requests, limits)
    elif limit.type == "Pod":
        yield from _outside(limit, usage.requests(pod, "requests"), usage.requests(pod, "limits"))


def of_claim(claim: Any, limit: Any) -> Iterator[str]:
    """What a claim does against one item of a limit range."""
    if limit.type != "PersistentVolumeClaim":
        return
    requests = _parsed(claim.spec.resources.requests if claim.spec.resources is not None else None)
    yield from _below(limit, requests, {})
    for name, bound in sorted(_parsed(limit.max).items()):
        asked = requests.get(name)
        if asked is None:
            yield f"maximum {name} usage per {limit.type} is {bound}.  No request is specified"
        elif bound < asked:
            yield f"maximum {name} usage per {limit.type} is {bound}, but request is {asked}"


def _parsed(amounts: dict[str, Any] | None) -> Amounts:
    return {name: quantity.parse(text) for name, text in (amounts or {}).items()}


def _outside(limit: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _below(limit, requests, limits)
    yield from _above(limit, requests, limits)
    yield from _stretched(limit, requests, limits)


def _below(limit: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(_parsed(limit.min).items()):
        words, asked, limited = (
            f"minimum {name} usage per {limit.type} is {bound}",
            requests.get(name),
            limits.get(name),
        )
        if asked is None:
            yield f"{words}.  No request is specified"
        elif asked < bound:
            yield f"{words}, but request is {asked}"
        elif limited is not None and limited < bound:
            yield f"{words}, but limit is {limited}"


def _above(limit: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(_parsed(limit.max).items()):
        words, asked, limited = (
            f"maximum {name} usage per {limit.type} is {bound}",
            requests.get(name),
            limits.get(name),
        )
        if limited is None:
            yield f"{words}.  No limit is specified"
        elif bound < limited:
            yield f"{words}, but limit is {limited}"
        elif asked is not None and bound < asked:
            yield f"{words}, but request is {asked}"


def _stretched(limit: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(_parsed(limit.maxLimitRequestRatio).items()):
        words = f"{name} max limit to request ratio per {limit.type} is {bound}"
        asked, limited = requests.get(name), limits.get(name)
        if asked is None or not asked.value:
            yield f"{words}, but no request is specified or request is 0"
        elif limited is None or not limited.value:
            yield f"{words}, but no limit is specified or limit is 0"
        elif limited.value / asked.value > Decimal(bound.value):
            yield f"{words}, but provided ratio is {float(limited.value / asked.value):f}"
