"""What can be wrong with bytes or a patch, as types that carry the HTTP status upstream answers with.

A bad patch has one of four answers: 400 when it cannot be understood, 413 when it is too much, 422 when it is well
formed and does not fit the object, and 500 (no reason) for the four mistakes of which upstream was recorded to say so:
see `strategic.FAULT` and `apply.check.code`. What else upstream answers with 500 is 400 here: no fault of the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
UNPROCESSABLE = "the server rejected our request due to an error in our request"

REPEATED = "yaml: unmarshal errors:\n"
"""What comes before the lines in which YAML's decoder tells of repeated keys."""


class CodecError(ValueError):
    """Bytes that are not the JSON or YAML they claim to be, or more of it than is allowed."""

    code = 400
    reason = "BadRequest"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PatchError(CodecError):
    """A patch that cannot be applied.

    `code` is the HTTP status, `reason` the Status reason ("" where upstream gives none), `details` the Status details
    or None, and `cause` what went wrong in words for the log when `message` is upstream's general phrase.
    """

    def __init__(
        self, message: str, code: int = 400, *, reason: str | None = None, details: Any = None, cause: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = REASONS.get(code, "") if reason is None else reason
        self.details = details
        self.cause = cause


REASONS = {400: "BadRequest", 409: "Conflict", 413: "RequestEntityTooLarge", 422: "Invalid", 500: ""}


def bounded(function: Callable[P, T]) -> Callable[P, T]:
    """Makes a function that follows the nesting of what it is given refuse what is nested too deep: PatchError 400."""

    @wraps(function)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            raise PatchError("exceeded max depth", 400) from None

    return refusing


def unprocessable(cause: str) -> PatchError:
    """A well-formed patch that does not fit the object: 422 with upstream's general message."""
    return PatchError(UNPROCESSABLE, 422, details={}, cause=cause)
