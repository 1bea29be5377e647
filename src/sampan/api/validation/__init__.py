"""Whether an object may be: every violation of a kind's rules, in upstream's order and words.

Each module (or package) here holds the rules of one API group in a table RULES, by kind. A `Rule` says how objects of
the kind are named and which functions judge a new object, a replaced one, and a change through each subresource.
Functions take values and the list to which they add `FieldError`s; paths are built as far as a list or an object is
entered, and the rest only when there is something to tell. Kinds that several versions serve are judged in the
version they are stored in.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.registry import Kind
from sampan.api.validation import groups
from sampan.api.validation.metadata import known_finalizers, metadata, metadata_update
from sampan.api.validation.rule import NO_RULE, Rule
from sampan.api.validation.violations import Enough, Violations


def rule_of(kind: Kind) -> Rule:
    """The rules of a kind; none at all for kinds that have no row."""
    return groups.RULES.get((kind.group, kind.kind), NO_RULE)


def create(kind: Kind, obj: Any) -> list[FieldError]:
    """What is wrong with a new object that has its defaults and has been through its create strategy."""
    errors = Violations()
    rule = rule_of(kind)
    obj = _stored(kind, rule, obj)
    with suppress(Enough):
        if rule.metadata:
            metadata(obj.metadata, errors, namespaced=kind.namespaced, check=rule.name)
        if obj.metadata.finalizers and not rule.any_finalizer:
            known_finalizers(obj.metadata.finalizers, errors, "metadata.finalizers")
        if rule.create is not None:
            rule.create(obj, errors)
    return errors


def update(kind: Kind, new: Any, old: Any, subresource: str = "") -> list[FieldError]:
    """What is wrong with replacing `old` by `new` through the object itself or one of its subresources."""
    errors = Violations()
    rule = rule_of(kind)
    new, old = _stored(kind, rule, new), _stored(kind, rule, old)
    judge = rule.update if not subresource else rule.subresources.get(subresource)
    with suppress(Enough):
        metadata_update(new.metadata, old.metadata, errors)
        if judge is not None:
            judge(new, old, errors)
    return errors


def _stored(kind: Kind, rule: Rule, obj: Any) -> Any:
    """The object in the version that its rules are written for."""
    if rule.any_version or (kind.stored[2] == kind.version and kind.stored[0] == kind.group):
        return obj
    from sampan.api import conversion

    return conversion.to_stored(kind, obj)
