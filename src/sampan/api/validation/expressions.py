"""CEL expressions inside objects. Source: API reference v1.36; concepts, "Common Expression Language in Kubernetes"."""

from __future__ import annotations

from sampan.api import cel
from sampan.api.errors import FieldError
from sampan.api.validation.problems import invalid, required

Errors = list[FieldError]

REQUEST = frozenset({"object", "oldObject", "request", "authorizer"})
POLICY = REQUEST | {"params", "namespaceObject", "variables"}
DEVICE = frozenset({"device"})


def expression(text: str | None, names: frozenset[str], errors: Errors, path: str, missing: str = "") -> None:
    """A CEL expression that must be there and be well-formed."""
    if not (text or "").strip():
        errors.append(required(path, missing))
    else:
        well_formed(text or "", names, errors, path)


def well_formed(text: str, names: frozenset[str], errors: Errors, path: str) -> None:
    wrong = cel.check(text, names)
    if wrong:
        errors.append(invalid(path, text, f"compilation failed: {wrong}"))
