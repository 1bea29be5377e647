"""What a store's refusal is to a client."""

from __future__ import annotations

from sampan.api.errors import ApiError, InternalError, ServiceUnavailable, Timeout
from sampan.store import errors


def as_api_error(error: errors.StoreError) -> ApiError:
    """503 or 504 for what may pass, 500 for what will not."""
    if isinstance(error, errors.Unavailable):
        return ServiceUnavailable(f"the store is unavailable: {error}", details={"retryAfterSeconds": 1})
    if isinstance(error, errors.QuotaExceeded):
        return ServiceUnavailable(f"etcdserver: mvcc: database space exceeded: {error}")
    if isinstance(error, errors.FutureRevision):
        return Timeout(f"Timeout: {error}", details={"retryAfterSeconds": 1})
    return InternalError(f"Internal error occurred: {error}")
