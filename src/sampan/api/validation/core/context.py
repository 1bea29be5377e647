"""What the rules for a container need to know of its pod."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sampan.api.errors import FieldError

Errors = list[FieldError]


@dataclass(slots=True)
class PodContext:
    """`volumes`: the well-formed ones, by name; `claims`: names of resource claims; `grace_period` in seconds;
    `windows`: a security context has options of Windows."""

    volumes: dict[str, Any] = field(default_factory=dict)
    claims: frozenset[str] | set[str] = frozenset()
    grace_period: int | None = None
    restart_policy: str = "Always"
    host_users: bool = True
    host_network: bool = False
    windows: bool = False
