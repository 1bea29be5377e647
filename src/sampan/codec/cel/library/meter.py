"""How much the functions of one evaluation may do together, as upstream bounds what an expression may cost.

A call costs something, and so does each character and each item it is given. What the language itself does is bounded
by its iterations; these functions are called once for each of them, and are slower.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

MOST = 1_000_000
CALL = 10


class _Evaluation(threading.local):
    spent = 0


_evaluation = _Evaluation()


def begin() -> None:
    """A new evaluation, in this thread."""
    _evaluation.spent = 0


def metered(of: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which raises ValueError when too much has been spent."""

    @wraps(of)
    def metering(*given: Any) -> Any:
        _evaluation.spent += CALL + sum(len(one) for one in given if isinstance(one, str | list | dict))
        if _evaluation.spent > MOST:
            raise ValueError("the expression costs too much")
        return of(*given)

    return metering
