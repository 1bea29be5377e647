"""Field validation: what is unknown in a request's body, or said twice, and what becomes of it.

`fieldValidation` says whether such a field is ignored, told in warnings (the default) or refused. What is found, and in
which order, depends on the form of the body as upstream's decoders do: JSON is told as it stands, with a field that is
both unknown and repeated told as unknown; of YAML repeated keys come first, with their lines; of a patch first what it
repeats, then what the patched object does not know.
https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sampan.api import decoding, errors
from sampan.api.errors import BadRequest, FieldError
from sampan.api.schema import TypeInfo
from sampan.apiserver.request import Request
from sampan.codec import json
from sampan.codec.errors import REPEATED, CodecError

IGNORE, WARN, STRICT = "Ignore", "Warn", "Strict"
VALIDATIONS = ("", IGNORE, WARN, STRICT)
OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions"}
OPERATION = frozenset({"op", "path", "from", "value"})
PARTS = re.compile(r"[.\[\]]+")


def asked(request: Request) -> str:
    """Ignore, Warn (the default) or Strict. Raises Invalid for anything else."""
    value = request.parameter("fieldValidation")
    if value not in VALIDATIONS:
        known = ", ".join(f'"{v}"' for v in VALIDATIONS)
        message = f'Unsupported value: "{value}": supported values: {known}'
        wrong = [FieldError(errors.NOT_SUPPORTED, "fieldValidation", message)]
        raise errors.invalid("meta.k8s.io", OPTIONS.get(request.target.verb, "PatchOptions"), "", wrong)
    return value or WARN


def told(found: list[str]) -> str:
    """All of it in one text, as a refusal has it."""
    return f"strict decoding error: {', '.join(found[: decoding.MOST_TOLD])}"


def warn(request: Request, found: list[str]) -> None:
    """A warning for each; what YAML repeats comes in one text."""
    for text in found[: decoding.MOST_TOLD]:
        lines = text.removeprefix(REPEATED) if text.startswith(REPEATED) else text
        request.warnings.extend(line.strip() for line in lines.split("\n"))


def report(request: Request, strictness: str, found: list[str], refusal: str) -> None:
    """Warn of what was found in a body, or refuse it: `refusal` begins the text. Raises BadRequest."""
    if not found or strictness == IGNORE:
        return
    if strictness == STRICT:
        raise BadRequest(f"{refusal}: {told(found)}")
    warn(request, found)


def in_json(info: TypeInfo, data: bytes) -> list[str]:
    """What is unknown or repeated in an object of the type, in the order of the document."""
    try:
        tree = json.pairs(data)
    except CodecError:
        return []
    return list(dict.fromkeys(_of_type(tree, info, "")))


def in_yaml(repeated: list[str], unknown: list[str]) -> list[str]:
    """`repeated` are YAML's complaints, a line each."""
    first = [REPEATED + "\n".join(repeated)] if repeated else []
    return [*first, *unknown_fields(unknown)]


def unknown_fields(paths: list[str]) -> list[str]:
    """Unknown fields of a value that is no document, in the order of their names."""
    return [f'unknown field "{path}"' for path in sorted(paths, key=_by_parts)]


def in_patch(data: bytes, *, operations: bool) -> list[str]:
    """What a patch itself repeats; `operations`: and what the operations of a JSON patch do not know."""
    try:
        if not operations:
            return [f'duplicate field "{path}"' for path in json.duplicates(data)]
        tree = json.pairs(data)
    except CodecError:
        return []
    found = [f for i, operation in enumerate(tree) for f in _of_operation(operation, f"[{i}]")]
    return [f"json patch {text}" for text in dict.fromkeys(found)]


def _by_parts(path: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in PARTS.split(path) if p]


def _of_type(value: Any, info: TypeInfo, path: str) -> Iterator[str]:
    if not isinstance(value, json.Pairs):
        return
    seen: set[str] = set()
    for name, item in value:
        here = f"{path}.{name}" if path else name
        field = info.fields.get(name)
        if field is None:
            yield f'unknown field "{here}"'
            continue
        if name in seen:
            yield f'duplicate field "{here}"'
        seen.add(name)
        if field.shape == "map" and isinstance(item, json.Pairs):
            yield from _of_map(item, field.type, here)
        elif field.type is not None and field.shape == "list" and not isinstance(item, json.Pairs):
            for index, each in enumerate(item if isinstance(item, list) else ()):
                yield from _of_type(each, field.type, f"{here}[{index}]")
        elif field.type is not None and field.shape == "object":
            yield from _of_type(item, field.type, here)


def _of_map(pairs: Any, info: TypeInfo | None, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for key, item in pairs:
        if key in seen:
            yield f'duplicate field "{path}.{key}"'
        seen.add(key)
        if info is not None:
            yield from _of_type(item, info, f"{path}.{key}")


def _of_operation(operation: Any, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for name, item in operation if isinstance(operation, json.Pairs) else ():
        if name not in OPERATION:
            yield f'unknown field "{path}.{name}"'
            continue
        if name in seen:
            yield f'duplicate field "{path}.{name}"'
        seen.add(name)
        yield from (f'duplicate field "{p}"' for p in json.repeated(item, f"{path}.{name}"))
