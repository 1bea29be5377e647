"""Subresources whose behaviour is not there yet: a plain refusal instead of half an answer."""

from __future__ import annotations

from sampan.api.errors import ApiError
from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request


def refuse(request: Request) -> Answer:
    """Raises ApiError 501."""
    target = request.target
    raise ApiError(
        f"{target.plural}/{target.subresource} is not served by this version of Sampan",
        code=501,
        reason="NotImplemented",
    )
