"""What `transformMap` and `transformMapEntry` are made of (see `rewriting`): entries added to a map."""

from __future__ import annotations

from typing import Any

from sampan.codec.cel.library.function import Function

ANY = "map(dyn, dyn)"
NAME = "kubernetes.@insert"


def insert(into: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    return _added(into, {key: value})


def insert_all(into: dict[Any, Any], entries: dict[Any, Any]) -> dict[Any, Any]:
    return _added(into, entries)


def _added(into: dict[Any, Any], entries: dict[Any, Any]) -> dict[Any, Any]:
    if known := next((key for key in entries if key in into), None):
        raise ValueError(f"insert failed: key {known!r} already exists")
    return into | entries


FUNCTIONS = (
    Function(NAME, ANY, (ANY, "dyn", "dyn"), insert, member=False, also=True),
    Function(NAME, ANY, (ANY, ANY), insert_all, member=False, also=True),
)
