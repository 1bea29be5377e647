"""The errors of the API: what a server answers with and a client raises are the same classes.

An `ApiError` is a `metav1.Status` with status "Failure": an HTTP code, a machine-readable reason, a message for people
and details. Each reason has a class of its own, so that callers write `except NotFound`. Wording and codes are those of
upstream's API ("API conventions", response status kind).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from sampan.api.kinds import meta_v1

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
NOT_SUPPORTED = "FieldValueNotSupported"
NOT_FOUND = "FieldValueNotFound"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
TYPE_INVALID = "FieldValueTypeInvalid"


class FieldError(msgspec.Struct, frozen=True):
    """One violation: its reason, the path of the field (`spec.containers[0].name`) and what is wrong with it."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """A failure as the API tells it. `details` has the keys of `metav1.StatusDetails`."""

    reason: ClassVar[str] = ""
    code: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        code: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code  # type: ignore[misc]
        if reason is not None:
            self.reason = reason  # type: ignore[misc]

    def status(self) -> Any:
        """The `metav1.Status` to answer with."""
        details = msgspec.convert(self.details, meta_v1.StatusDetails) if self.details is not None else None
        return meta_v1.Status(
            kind="Status",
            apiVersion="v1",
            metadata=meta_v1.ListMeta(),
            status="Failure",
            message=self.message,
            reason=self.reason or None,
            details=details,
            code=self.code,
        )

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the server asks to be tried again, if it does."""
        return (self.details or {}).get("retryAfterSeconds")


class BadRequest(ApiError):
    reason, code = "BadRequest", 400


class Unauthorized(ApiError):
    reason, code = "Unauthorized", 401


class Forbidden(ApiError):
    reason, code = "Forbidden", 403


class NotFound(ApiError):
    reason, code = "NotFound", 404


class MethodNotAllowed(ApiError):
    reason, code = "MethodNotAllowed", 405


class NotAcceptable(ApiError):
    reason, code = "NotAcceptable", 406


class AlreadyExists(ApiError):
    reason, code = "AlreadyExists", 409


class Conflict(ApiError):
    reason, code = "Conflict", 409


class Gone(ApiError):
    reason, code = "Gone", 410


class Expired(ApiError):
    reason, code = "Expired", 410


class RequestEntityTooLarge(ApiError):
    reason, code = "RequestEntityTooLarge", 413


class UnsupportedMediaType(ApiError):
    reason, code = "UnsupportedMediaType", 415


class Invalid(ApiError):
    reason, code = "Invalid", 422


class TooManyRequests(ApiError):
    reason, code = "TooManyRequests", 429


class InternalError(ApiError):
    reason, code = "InternalError", 500


class ServiceUnavailable(ApiError):
    reason, code = "ServiceUnavailable", 503


class Timeout(ApiError):
    reason, code = "Timeout", 504


BY_REASON: dict[str, type[ApiError]] = {c.reason: c for c in ApiError.__subclasses__()}


def from_status(status: dict[str, Any]) -> ApiError:
    """The exception for a Status received as JSON; of the base class when its reason is unknown."""
    reason = status.get("reason", "")
    made = BY_REASON.get(reason, ApiError)
    return made(status.get("message", ""), details=status.get("details"), code=status.get("code"), reason=reason)


def qualified(group: str, resource: str) -> str:
    """`deployments.apps`; `pods` for the core group."""
    return f"{resource}.{group}" if group else resource


def _details(group: str, kind: str, name: str) -> dict[str, Any]:
    return {k: v for k, v in (("name", name), ("group", group), ("kind", kind)) if v}


def not_found(group: str, resource: str, name: str) -> NotFound:
    return NotFound(f'{qualified(group, resource)} "{name}" not found', details=_details(group, resource, name))


def already_exists(group: str, resource: str, name: str) -> AlreadyExists:
    message = f'{qualified(group, resource)} "{name}" already exists'
    return AlreadyExists(message, details=_details(group, resource, name))


def conflict(group: str, resource: str, name: str, why: str) -> Conflict:
    message = f'Operation cannot be fulfilled on {qualified(group, resource)} "{name}": {why}'
    return Conflict(message, details=_details(group, resource, name))


def forbidden(group: str, resource: str, name: str, why: str) -> Forbidden:
    """`why` is the whole clause behind "is forbidden: "."""
    subject = f'{qualified(group, resource)} "{name}"' if name else qualified(group, resource)
    return Forbidden(f"{subject} is forbidden: {why}", details=_details(group, resource, name))


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> Invalid:
    """All violations in one answer; `kind` is the object's kind ("Pod"), `name` its name or generateName."""
    texts = list(dict.fromkeys(str(e) for e in errors))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [{"reason": e.reason, "message": e.message, "field": e.field} for e in errors]
    details = _details(group, kind, name) | {"causes": causes}
    return Invalid(f'{qualified(group, kind)} "{name}" is invalid: {joined}', details=details)


def expired(message: str) -> Expired:
    """For a resourceVersion or continue token that is too old."""
    return Expired(message)
