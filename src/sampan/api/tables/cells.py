"""How values are written in a cell: ages, selectors, lists cut short."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.api.selectors import SelectorError, from_label_selector

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"
MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 86400 * 365


def at(obj: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path of attributes; `default` when it or anything before it is absent."""
    for name in path.split("."):
        obj = getattr(obj, name, None)
        if obj is None:
            return default
    return obj


def duration(seconds: float) -> str:
    """A span in at most two units, as kubectl writes it: 90s, 5m30s, 47h, 3d4h, 2y120d."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole == -1 else "<invalid>"
    if whole < 2 * MINUTE:
        return f"{whole}s"
    for limit, unit, name, part, part_name in SPANS:
        if whole < limit:
            count, rest = divmod(whole, unit)
            return f"{count}{name}" + (f"{rest // part}{part_name}" if part and rest >= part else "")
    return f"{whole // YEAR}y"


# Below `limit` seconds: so many of `unit`, and where `part` is given, the rest in it.
SPANS = (
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)


def since(timestamp: str | None, now: float) -> str:
    """The time from `timestamp` (RFC 3339) to `now` (seconds since the epoch)."""
    return duration(now - parse_timestamp(timestamp)) if timestamp else UNKNOWN


def age(obj: Any, now: float) -> str:
    return since(obj.metadata.creationTimestamp, now)


def labels(found: dict[str, str] | None) -> str:
    """`a=1,b=2`, or <none>."""
    return ",".join(f"{k}={found[k]}" for k in sorted(found)) if found else NONE


def selector(found: Any) -> str:
    """A LabelSelector as text: `app=x,tier in (a,b),!old`; <none> when it is empty or absent."""
    try:
        requirements = from_label_selector(found).requirements
    except SelectorError:
        return "<error>"
    return ",".join(map(_requirement, sorted(requirements, key=lambda r: r.key))) or NONE


def _requirement(requirement: Any) -> str:
    values = ",".join(sorted(requirement.values))
    match requirement.operator:
        case "Exists":
            return str(requirement.key)
        case "DoesNotExist":
            return f"!{requirement.key}"
        case "In" if len(requirement.values) == 1:
            return f"{requirement.key}={values}"
        case "In":
            return f"{requirement.key} in ({values})"
    return f"{requirement.key} notin ({values})"


def containers(template: Any) -> list[str]:
    """Two cells: names and images of a pod template's containers."""
    found = at(template, "spec.containers", [])
    return [",".join(c.name or "" for c in found), ",".join(c.image or "" for c in found)]


def shortened(items: Iterable[str], empty: str = UNSET, maximum: int = 3) -> str:
    """The first items, and how many more there are."""
    found = list(items)
    text = ",".join(found[:maximum])
    return f"{text} + {len(found) - maximum} more..." if len(found) > maximum else text or empty


def condition(obj: Any, kind: str) -> Any:
    """The condition of that type, None when the object has none."""
    return next((c for c in at(obj, "status.conditions", []) if c.type == kind), None)


def is_true(obj: Any, kind: str) -> bool:
    found = condition(obj, kind)
    return found is not None and found.status == "True"
