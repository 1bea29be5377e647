"""Subresources that take another kind of object than their parent; the rest (status, resize, ...) go the way of the parent's verbs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sampan.apiserver.http.exchange import Answer
from sampan.apiserver.request import Request

Verb = Callable[[Request], Answer | Awaitable[Answer]]

TABLE: dict[tuple[str, str, str], dict[str, Verb]] = {}
"""(group, plural, subresource) or ("*", "*", subresource) -> verb -> what answers it."""
