"""`by_content`: a function of an object's content that is worked out once for each content.

Pods come in thousands from one template and bring the same spec every time. Whether it may be, what is unwise about
it, which fields it has and how it is stored follow from what it says alone, so they are worked out for the first of
them; to see that the next says the same takes two microseconds. `functools.lru_cache` does not serve: objects change,
and have no hash.

An object that is not changed any more can be `share`d: the first one that said the same stands for all that come after
it, and is known by its identity, which takes no time at all. To change it then would change what all the others are
judged by; the tests set `checking`, so that whoever does is told.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
MOST = 256
LONGEST = 8192
"""Bytes: what is longer is worked out each time, so that all that is remembered stays within a few megabytes."""
_encode = msgspec.json.Encoder().encode


class Shared:
    """A value that stands for all of one content, and what is known of it, by function."""

    __slots__ = ("content", "known", "value")

    def __init__(self, value: Any, content: bytes) -> None:
        self.value = value
        self.content = content
        self.known: dict[Callable[[Any], Any], Any] = {}


_by_content: dict[bytes, Shared] = {}
_by_identity: dict[int, Shared] = {}
"""They hold on to their values, so that no other object can come to have the identity of one."""
checking = False


def share(value: Any) -> Any:
    """The first value that said the same as this Struct. Nobody may change either from here on."""
    content = _encode(value)
    shared = _by_content.get(content)
    if shared is None:
        if len(content) > LONGEST:
            return value
        if len(_by_content) >= MOST:
            _by_content.clear()
            _by_identity.clear()
        shared = _by_content[content] = _by_identity[id(value)] = Shared(value, content)
    return shared.value


def is_shared(value: Any) -> bool:
    return id(value) in _by_identity


def by_content(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """`function` takes a Struct and looks at nothing else, and what it gives is shared: nobody may change it."""
    known: dict[bytes, T] = {}

    @wraps(function)
    def remembering(value: Any) -> T:
        shared = _by_identity.get(id(value))
        if shared is not None:
            return _of_shared(function, shared)
        content = _encode(value)
        try:
            return known[content]
        except KeyError:
            found = function(value)
        if len(content) <= LONGEST:
            if len(known) >= MOST:
                known.clear()
            known[content] = found
        return found

    return remembering


def _of_shared(function: Callable[[Any], T], shared: Shared) -> T:
    if checking and _encode(shared.value) != shared.content:
        raise AssertionError(f"a shared {type(shared.value).__name__} was changed: it was {shared.content!r}")
    try:
        found: T = shared.known[function]
    except KeyError:
        found = shared.known[function] = function(shared.value)
    return found
