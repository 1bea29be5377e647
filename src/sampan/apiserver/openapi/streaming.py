"""Large JSON documents, made and encoded a member at a time, so that only their bytes are ever whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sampan.codec import json


class Members:
    """An object whose members are made when they are read, each time anew."""

    def __init__(self, make: Callable[[], Iterator[tuple[str, Any]]]) -> None:
        self._make = make

    def items(self) -> Iterator[tuple[str, Any]]:
        return self._make()


def encode(document: dict[str, Any] | Members) -> bytes:
    """The document as JSON."""
    return b"{%b}" % b",".join(_member(key, value) for key, value in document.items())


def _member(key: str, value: Any) -> bytes:
    return b"%b:%b" % (json.encode(key), encode(value) if isinstance(value, Members) else json.encode(value))


def whole(value: Any) -> Any:
    """A document with all its members made."""
    return {k: whole(v) for k, v in value.items()} if isinstance(value, dict | Members) else value
