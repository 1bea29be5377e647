"""Defaults of the scheduling.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = {
    "scheduling_v1.PriorityClass": {"preemptionPolicy": "PreemptLowerPriority"},
}

HOOKS: dict[str, Any] = {}
