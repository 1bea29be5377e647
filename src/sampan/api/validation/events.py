"""Rules of the events.k8s.io group: those of the core group's events, and stricter. Source: API reference v1.36."""

from __future__ import annotations

from sampan.api.validation.core import events
from sampan.api.validation.rule import Rule

GROUP = "events.k8s.io"

RULES: dict[str, Rule] = {"Event": Rule(create=events.create_new, update=events.update_new, any_version=True)}
