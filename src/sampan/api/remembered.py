"""`remembered`: what functions of a text give, for texts that clients choose.

`functools.lru_cache` bounds how many answers are kept, not how long the texts are that they are kept by: some thousand
labels of a megabyte each, refused every one, would stay in memory. Long texts are worked out each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
LONGEST = 512
"""Characters: twice the longest name there is."""
Text = TypeVar("Text", str, bytes)
Function = Callable[Concatenate[Text, P], T]


def remembered(most: int) -> Callable[[Function[Text, P, T]], Function[Text, P, T]]:
    """For a function of a text (and of more that has a hash) that gives the same for the same; keeps `most` answers."""

    def decorate(function: Function[Text, P, T]) -> Function[Text, P, T]:
        known = lru_cache(maxsize=most)(function)

        @wraps(function)
        def found(text: Text, *rest: P.args, **named: P.kwargs) -> T:
            return (known if len(text) <= LONGEST else function)(text, *rest, **named)

        return found

    return decorate
