"""How checks look at a pod: every container of every sort, and settings that may stand on the pod or on a container."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Told = tuple[str, str]
"""What is wrong in a word, and where, in upstream's form."""


def containers(pod: Any) -> Iterator[Any]:
    """Init, ordinary and ephemeral containers."""
    spec = pod.spec
    yield from spec.initContainers or ()
    yield from spec.containers or ()
    yield from spec.ephemeralContainers or ()


def at(obj: Any, path: str) -> Any:
    """The value at a dotted path, None where anything on the way is missing."""
    for name in path.split("."):
        if obj is None:
            return None
        obj = getattr(obj, name, None)
    return obj


def named(pod: Any, wrong: Callable[[Any], bool]) -> str:
    """`container "a"`, `containers "a", "b"`: those that `wrong` says are; "" for none."""
    return several("container", [c.name for c in containers(pod) if wrong(c)])


def several(word: str, names: Iterable[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return f"{word}{'s' if len(quoted) > 1 else ''} {', '.join(quoted)}" if quoted else ""


def quoted(values: Iterable[str]) -> str:
    return ", ".join(f'"{value}"' for value in sorted(set(values)))


def set_to(pod: Any, path: str, wrong: Callable[[Any], bool]) -> str:
    """Where a setting of the security context is wrong: `pod`, `container "a"`, or both with " and "."""
    where = ["pod"] if wrong(at(pod.spec.securityContext, path)) else []
    found = named(pod, lambda c: wrong(at(c.securityContext, path)))
    return " and ".join([*where, *([found] if found else [])])


def windows(pod: Any) -> bool:
    return at(pod, "spec.os.name") == "windows"


def own_users(pod: Any) -> bool:
    """The pod has a user namespace of its own (KEP-127)."""
    return pod.spec.hostUsers is False
