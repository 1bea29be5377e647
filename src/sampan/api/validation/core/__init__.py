"""Rules of the core group, by kind; each module judges one noun."""

from __future__ import annotations

from sampan.api.validation.rule import Rule

GROUP = ""

RULES: dict[str, Rule] = {}
