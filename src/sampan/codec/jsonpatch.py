"""JSON patch (RFC 6902): a list of operations on paths (RFC 6901), all of which apply or none.

The document is copied only along the paths that change. As upstream's library allows, a negative array index counts
from the end, and `test` of a missing member against null passes. Two things are bounded, because a small patch could
otherwise ask for much: the number of operations, and what its `copy` operations copy, which could double with each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.codec import json
from sampan.codec.errors import PatchError, bounded, unprocessable
from sampan.codec.mergepatch import same

MAXIMUM_OPERATIONS = 10_000
MAXIMUM_COPIED_BYTES = 3 * 1024 * 1024
MISSING: Any = object()


def decode(data: bytes | str) -> list[dict[str, Any]]:
    """The operations in `data`; PatchError 400 unless it is an array of objects, 413 when there are too many."""
    operations = json.decode(data)
    if not isinstance(operations, list):
        raise PatchError("json: cannot unmarshal object into Go value of type jsonpatch.Patch", 400)
    if not all(isinstance(operation, dict) for operation in operations):
        raise PatchError("json: cannot unmarshal value into Go value of type jsonpatch.Operation", 400)
    if len(operations) > MAXIMUM_OPERATIONS:
        raise PatchError(
            f"The allowed maximum operations in a JSON patch is {MAXIMUM_OPERATIONS}, got {len(operations)}", 413
        )
    return operations


@bounded
def apply(document: Any, operations: list[dict[str, Any]]) -> Any:
    """The patched document; the argument is not modified. PatchError 422 when an operation does not apply.

    Operations on array members cost the array's length each, so the worst patch costs operations times length.
    """
    patch = _Patch(document)
    for operation in operations:
        patch.step(operation)
    return patch.root


class _Patch:
    """The document while it changes, with the containers already copied, so that each is copied once."""

    def __init__(self, document: Any) -> None:
        self.root = document
        self._own: dict[int, Any] = {}
        self._copied = 0

    def step(self, operation: dict[str, Any]) -> None:
        name = operation.get("op", "unknown")
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None:
            raise unprocessable(f"Unexpected kind: {name}")
        action(self, _pointer(operation, "path"), operation)

    def add(self, path: list[str], operation: dict[str, Any]) -> None:
        self._put(path, _value(operation), insert=True)

    def replace(self, path: list[str], operation: dict[str, Any]) -> None:
        if self._find(path) is MISSING:
            raise unprocessable(f"replace operation does not apply: doc is missing key: /{'/'.join(path)}")
        self._put(path, _value(operation), insert=False)

    def remove(self, path: list[str], operation: dict[str, Any]) -> None:
        self._take(path)

    def move(self, path: list[str], operation: dict[str, Any]) -> None:
        source = _pointer(operation, "from")
        if path[: len(source)] == source and len(path) > len(source):
            raise unprocessable("move operation does not apply: a value cannot move into itself")
        self._put(path, self._take(source), insert=True)

    def copy(self, path: list[str], operation: dict[str, Any]) -> None:
        value = self._find(_pointer(operation, "from"))
        if value is MISSING:
            raise unprocessable("copy operation does not apply: doc is missing key")
        encoded = json.encode(value)
        self._copied += len(encoded)
        if self._copied > MAXIMUM_COPIED_BYTES:
            raise unprocessable(f"the copied values exceed {MAXIMUM_COPIED_BYTES} bytes")
        self._put(path, json.decode(encoded), insert=True)

    def test(self, path: list[str], operation: dict[str, Any]) -> None:
        found = self._find(path)
        if not same(None if found is MISSING else found, operation.get("value")):
            raise unprocessable(f"testing value /{'/'.join(path)} failed: test failed")

    def _find(self, path: list[str]) -> Any:
        node = self.root
        for part in path:
            if isinstance(node, dict):
                node = node.get(part, MISSING)
            elif isinstance(node, list):
                index = _index(part, len(node))
                node = MISSING if index is None or index >= len(node) else node[index]
            else:
                return MISSING
        return node

    def _container(self, path: list[str]) -> Any:
        """The object or array that holds the last part of `path`, made our own to change."""
        node = self.root = self._owned(self.root)
        for part in path[:-1]:
            key: Any = part
            if isinstance(node, list):
                key = _index(part, len(node))
                if key is None or key >= len(node):
                    raise unprocessable(f"doc is missing path: /{'/'.join(path)}")
            elif not isinstance(node, dict) or part not in node:
                raise unprocessable(f"doc is missing path: /{'/'.join(path)}")
            node[key] = node = self._owned(node[key])
        if not isinstance(node, dict | list):
            raise unprocessable(f"doc is missing path: /{'/'.join(path)}")
        return node

    def _owned(self, node: Any) -> Any:
        if id(node) in self._own or not isinstance(node, dict | list):
            return node
        mine = node.copy()
        self._own[id(mine)] = mine
        return mine

    def _put(self, path: list[str], value: Any, *, insert: bool) -> None:
        if not path:
            if not isinstance(value, dict | list):
                raise unprocessable("the whole document can only be replaced by an object or an array")
            self.root = value
            return
        container, key = self._container(path), path[-1]
        if isinstance(container, dict):
            container[key] = value
        elif insert and key == "-":
            container.append(value)
        else:
            index = _index(key, len(container))
            if index is None or index > len(container):
                raise unprocessable(f"Unable to access invalid index: {key}")
            container[index : index + (not insert)] = [value]

    def _take(self, path: list[str]) -> Any:
        if not path or self._find(path) is MISSING:
            raise unprocessable(f"remove operation does not apply: Unable to remove nonexistent key: {'/'.join(path)}")
        container = self._container(path)
        return container.pop(path[-1] if isinstance(container, dict) else _index(path[-1], len(container)))


ACTIONS: dict[str, Callable[[_Patch, list[str], dict[str, Any]], None]] = {
    "add": _Patch.add,
    "remove": _Patch.remove,
    "replace": _Patch.replace,
    "move": _Patch.move,
    "copy": _Patch.copy,
    "test": _Patch.test,
}


def _pointer(operation: dict[str, Any], member: str) -> list[str]:
    """The parts of a JSON pointer (RFC 6901), unescaped; the empty pointer is the document."""
    pointer = operation.get(member)
    if not isinstance(pointer, str):
        raise unprocessable(f"{operation.get('op')} operation failed to decode {member}: missing")
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise unprocessable(f"{member} {pointer!r} does not start with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise unprocessable(f"{operation.get('op')} operation has no value")
    return operation["value"]


def _index(part: str, length: int) -> int | None:
    """The array index that `part` names, None when it names none; at most `length`'s distance below zero."""
    digits = part.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        return None
    index = int(part)
    return index if index >= 0 else index + length if index + length >= 0 else None
