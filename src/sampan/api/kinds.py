"""The API's Structs by group and version: `from sampan.api.kinds import core_v1, meta_v1`, then `core_v1.Pod(...)`.

A namespace is named after the Go package that holds the definition: core_v1, meta_v1, apps_v1, batch_v1, events_v1,
discovery_v1, coordination_v1, rbac_v1, networking_v1, policy_v1, storage_v1, autoscaling_v1, ... .
"""

from __future__ import annotations

from typing import Any

from sampan.api import schema


def __getattr__(name: str) -> Any:
    try:
        return schema.load().namespaces[name]
    except KeyError:
        raise AttributeError(f"the API has no group and version {name!r}") from None


def __dir__() -> list[str]:
    return sorted(schema.load().namespaces)
