"""The forms of fields that are objects of the kubelet's own, or lists of objects: pure."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.durations import read_duration
from sampan.kubelet.configuration.forms import Form, read_integer, read_list, read_text, show_duration
from sampan.kubelet.restarts import CrashBackoff

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t\x20-\x7e]*")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def read_taints(value: Any) -> tuple[tuple[str, str, str], ...]:
    """`registerWithTaints`: (key, value, effect) of each."""
    if not isinstance(value, list) or len(value) > 100:
        raise ValueError("must be a list of taints")
    return tuple(read_taint(item) for item in value)


def read_taint(item: Any) -> tuple[str, str, str]:
    if not isinstance(item, dict) or not item.get("key") or item.get("effect") not in EFFECTS:
        raise ValueError(f"must have a key, and one of {', '.join(EFFECTS)} as its effect, in each taint")
    return read_text(item["key"]), read_text(item.get("value", "")), str(item["effect"])


def show_taints(taints: Any) -> list[dict[str, str]]:
    return [{"key": key, "value": value, "effect": effect} for key, value, effect in taints]


def read_priorities(value: Any) -> tuple[tuple[int, float], ...]:
    """`shutdownGracePeriodByPodPriority`: (priority, seconds), the lowest priority first."""
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(item, dict) for item in value):
        raise ValueError("must be a list of priorities with times")
    pairs = [
        (read_integer(item.get("priority")), float(read_integer(item.get("shutdownGracePeriodSeconds"))))
        for item in value
    ]
    if len({priority for priority, _ in pairs}) != len(pairs) or any(seconds < 0 for _, seconds in pairs):
        raise ValueError("must name each priority once, with a time of zero or more")
    return tuple(sorted(pairs))


def show_priorities(pairs: Any) -> list[dict[str, int]]:
    return [{"priority": priority, "shutdownGracePeriodSeconds": int(seconds)} for priority, seconds in pairs]


def read_headers(value: Any) -> tuple[tuple[str, str], ...]:
    """`staticPodURLHeader`: (name, value) of each line that is sent."""
    if not isinstance(value, dict) or len(value) > 100:
        raise ValueError("must be a map of header names to lists of values")
    pairs = [(name, text) for name, texts in value.items() for text in read_list(texts)]
    if not all(NAME.fullmatch(read_text(name)) and VALUE.fullmatch(text) for name, text in pairs):
        raise ValueError("must have names and values that a header can have")
    return tuple(pairs)


def show_headers(pairs: Any) -> dict[str, list[str]]:
    """Names alone: values are often keys."""
    return {name: ["<masked>"] for name, _ in pairs}


HEADERS = Form(read_headers, show_headers)
TAINTS = Form(read_taints, show_taints)
PRIORITIES = Form(read_priorities, show_priorities)


def read_backoff(value: Any) -> CrashBackoff:
    """`crashLoopBackOff.maxContainerRestartPeriod`: from 1 s to 300 s (KEP-4603)."""
    seconds = read_duration(value)
    if not 1 <= seconds <= 300:
        raise ValueError("must be from 1s to 300s")
    return CrashBackoff(cap=seconds, base=min(CrashBackoff().base, seconds))


BACKOFF = Form(read_backoff, lambda backoff: show_duration(backoff.cap))
