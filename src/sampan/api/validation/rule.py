"""What a kind's rules are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sampan.api import names
from sampan.api.errors import FieldError
from sampan.api.validation.metadata import NameCheck

Judge = Callable[[Any, list[FieldError]], None]
UpdateJudge = Callable[[Any, Any, list[FieldError]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How objects of a kind are named and judged.

    `update` and `subresources` get (new, old, errors); the metadata of both is judged before. `metadata` is off for
    objects that are never stored (reviews). `any_version` is on where versions differ in nothing the rules read,
    `any_finalizer` where finalizers need no domain (kinds that are not Kubernetes' core ones).
    """

    name: NameCheck = names.subdomain
    create: Judge | None = None
    update: UpdateJudge | None = None
    subresources: dict[str, UpdateJudge] = field(default_factory=dict)
    metadata: bool = True
    any_version: bool = False
    any_finalizer: bool = False


NO_RULE = Rule(any_version=True)
