"""What is allowed and yet unwise: texts for `Warning` headers.

A warning never changes what happens. Each module holds a table WARNINGS: (group, kind) -> function from an object to
texts. Updates warn of what the new object says. Source: upstream's own warnings (KEP-1693), API reference v1.36.
"""

from __future__ import annotations

from typing import Any

from sampan.api.registry import Kind
from sampan.api.warnings import pods, rest

WARNINGS = {**pods.WARNINGS, **rest.WARNINGS}


CREATION_ONLY = frozenset({("storage.k8s.io", "CSIDriver")})


def create(kind: Kind, obj: Any) -> list[str]:
    """What to warn the creator of an object of."""
    judge = WARNINGS.get((kind.group, kind.kind))
    return judge(obj) if judge is not None else []


def update(kind: Kind, new: Any, old: Any) -> list[str]:
    """What to warn of who replaces `old` by `new`. Status changes are the components' own and never warned of."""
    if new.metadata.deletionTimestamp is not None or (kind.group, kind.kind) in CREATION_ONLY:
        return []
    return create(kind, new)
