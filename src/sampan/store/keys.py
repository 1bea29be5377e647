"""Where an object lives: `/registry/<group or "core">/<plural>/<namespace>/<name>`.

Cluster-scoped objects have no namespace segment. Names, plurals and groups never hold a slash (API conventions, DNS
names), so a key's segments are its parts.
"""

from __future__ import annotations

from typing import NamedTuple

ROOT = "/registry/"
CORE = "core"


class Place(NamedTuple):
    """A key's parts; `group` is "core" for the legacy group, `namespace` is "" for cluster-scoped objects."""

    group: str
    plural: str
    namespace: str
    name: str


def prefix(group: str, plural: str, namespace: str | None = None) -> str:
    """What all keys of a resource (in a namespace) start with, slash at the end included."""
    base = f"{ROOT}{group or CORE}/{plural}/"
    return f"{base}{namespace}/" if namespace else base


def key(group: str, plural: str, namespace: str | None, name: str) -> str:
    return prefix(group, plural, namespace) + name


def end(start: str) -> str:
    """The first key after all that begin with `start`."""
    return start[:-1] + chr(ord(start[-1]) + 1)


def split(text: str) -> Place:
    """The parts of a key under `ROOT`; raises ValueError for a text that is none."""
    _, _, group, plural, rest = text.split("/", 4)
    namespace, _, name = rest.rpartition("/")
    return Place(group, plural, namespace, name)
