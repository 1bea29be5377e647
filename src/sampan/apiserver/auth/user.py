"""The identity a request carries once it is authenticated."""

from __future__ import annotations

from collections.abc import Mapping

ANONYMOUS = "system:anonymous"
AUTHENTICATED_GROUP = "system:authenticated"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
MASTERS_GROUP = "system:masters"


class User:
    """Name, unique id, groups and extra values (authentication.k8s.io/v1 UserInfo). Treated as read-only once made."""

    __slots__ = ("extra", "groups", "name", "uid")

    def __init__(
        self,
        name: str,
        *,
        uid: str = "",
        groups: tuple[str, ...] = (),
        extra: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.name = name
        self.uid = uid
        self.groups = groups
        self.extra = extra or {}

    def __repr__(self) -> str:
        return f"User(name={self.name!r}, groups={self.groups!r})"


SERVER = User("system:apiserver", groups=(MASTERS_GROUP,))
"""The server itself, writing what every cluster has. No credentials give this identity: it is known by being this."""


def anonymous() -> User:
    """The identity of a request without credentials."""
    return User(ANONYMOUS, groups=(UNAUTHENTICATED_GROUP,))
