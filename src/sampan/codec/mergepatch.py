"""JSON merge patch (RFC 7386): null deletes, objects merge, everything else replaces."""

from __future__ import annotations

from typing import Any

from sampan.codec import json
from sampan.codec.errors import PatchError, bounded

BAD_PATCH = "Invalid JSON Patch"


def decode(data: bytes | str) -> dict[str, Any]:
    """The patch in `data`; PatchError 400 unless it is a JSON object."""
    patch = json.decode(data)
    if not isinstance(patch, dict):
        raise PatchError(BAD_PATCH, 400)
    return patch


@bounded
def apply(document: Any, patch: Any) -> Any:
    """The document with the patch merged in, sharing what did not change; neither argument is modified.

    RFC 7386 section 2. PatchError 400 for a patch that is nested too deep.
    """
    return _merged(document, patch)


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def diff(old: Any, new: Any) -> Any:
    """A patch that turns `old` into `new`, both objects; what a null in `new` should say cannot be expressed."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := diff(before, value):
                patch[key] = inner
        elif key not in old or not same(before, value):
            patch[key] = value
    return patch


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(v, right[k]) for k, v in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
