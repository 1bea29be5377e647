"""The strategies of all groups, in one table."""

from __future__ import annotations

from typing import Any

from sampan.api.strategy import apps, batch, certificates, core, others, resource
from sampan.api.strategy.habits import Strategy

GROUPS: tuple[Any, ...] = (core, apps, batch, certificates, resource)

STRATEGIES: dict[tuple[str, str], Strategy] = {
    **{(group.GROUP, kind): strategy for group in GROUPS for kind, strategy in group.STRATEGIES.items()},
    **others.STRATEGIES,
}
