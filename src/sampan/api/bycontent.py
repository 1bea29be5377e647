"""`by_content`: a function of an object's content that is worked out once for each content.

Pods come in thousands from one template and bring the same spec every time. Whether it may be, what is unwise about it
and which fields it has follow from what it says alone, so they are worked out for the first of them; to see that the
next says the same takes two microseconds. `functools.lru_cache` does not serve: objects change, and have no hash.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
MOST = 256
LONGEST = 8192
"""Bytes: what is longer is worked out each time, so that all that is remembered stays within two megabytes."""
_encode = msgspec.json.Encoder().encode


def by_content(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """`function` takes a Struct and looks at nothing else, and what it gives is shared: nobody may change it."""
    known: dict[bytes, T] = {}

    @wraps(function)
    def remembering(value: Any) -> T:
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
