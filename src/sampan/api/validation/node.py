"""Rules of the node.k8s.io group. Source: API reference v1.36, RuntimeClass."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label
from sampan.api.validation.core.pods import overhead
from sampan.api.validation.core.scheduling import toleration
from sampan.api.validation.metadata import immutable, labels
from sampan.api.validation.problems import Shown, duplicate, each_invalid, quote, required
from sampan.api.validation.rule import Rule

GROUP = "node.k8s.io"
Errors = list[FieldError]


def create(obj: Any, errors: Errors) -> None:
    handler = obj.handler or ""
    if not handler:
        errors.append(required("handler"))
    else:
        errors.extend(each_invalid("handler", handler, label(handler)))
    if obj.overhead is not None and obj.overhead.podFixed:
        overhead(obj.overhead.podFixed, errors, "overhead")
    if obj.scheduling is not None:
        if obj.scheduling.nodeSelector:
            labels(obj.scheduling.nodeSelector, errors, "scheduling.nodeSelector")
        tolerations(obj.scheduling.tolerations or (), errors, "scheduling.tolerations")


def tolerations(given: Any, errors: Errors, path: str) -> None:
    """As a pod's, and each only once, for however long."""
    seen: set[tuple[str | None, ...]] = set()
    for index, each in enumerate(given):
        toleration(each, errors, f"{path}[{index}]")
    for index, each in enumerate(given):
        key = (each.key, each.operator, each.value, each.effect)
        if key not in seen:
            seen.add(key)
        else:
            errors.append(duplicate(f"{path}[{index}]", internal(each)))


def internal(each: Any) -> Shown:
    """A toleration in upstream's internal form."""
    pairs = (("Key", each.key), ("Operator", each.operator), ("Value", each.value), ("Effect", each.effect))
    shown = ",".join(f'"{name}":{quote(value or "")}' for name, value in pairs)
    seconds = "null" if each.tolerationSeconds is None else each.tolerationSeconds
    return Shown(f'{{{shown},"TolerationSeconds":{seconds}}}')


def update(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.handler, old.handler, errors, "handler")


RULES: dict[str, Rule] = {"RuntimeClass": Rule(create=create, update=update)}
