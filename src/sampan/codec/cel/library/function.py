"""What a function of a library is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Function(NamedTuple):
    """One overload. Types as `Environment` names them; `member`: it is called on its first parameter.

    Several of one name whose parameters are messages alike are told apart when compiled and not when evaluated: they
    share one `of`. It raises ValueError where there is no value. `also`: the language has functions of this name, or
    one of its parameters may be anything. `optional`: what is empty of it is none, as `rewriting` sees to.
    """

    name: str
    returns: str
    parameters: tuple[str, ...]
    of: Callable[..., Any]
    member: bool = True
    also: bool = False
    optional: bool = False


def asked(make: Callable[..., Any]) -> Callable[..., bool]:
    """Whether there is a value, from what gives it or raises ValueError."""

    def is_one(*given: Any) -> bool:
        try:
            make(*given)
        except ValueError:
            return False
        return True

    return is_one
