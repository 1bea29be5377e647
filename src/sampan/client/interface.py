"""The seam between components and the API server.

Everything above this folder takes a `Client`: in a cluster it is `client.rest.RestClient`, in tests
`testing.fakeapi.FakeApi`. A target is either a struct class of `sampan.api.kinds` (objects come and go as structs) or a
`Resource` (objects are plain dicts; with `metadata_only` they hold just apiVersion, kind and metadata).

Who owns what: an object passed in is not kept or changed; an object given back belongs to the caller, except those
held by an informer, which are shared and read-only.
Errors: `sampan.api.errors.ApiError` by reason when the server answered, `client.errors.Unreachable` when it did not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

T = TypeVar("T")
PatchType = Literal["merge", "json", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True)
class Resource:
    """A resource named by its place in the URL; objects of it are dicts."""

    group: str
    version: str
    plural: str
    namespaced: bool
    kind: str = ""
    metadata_only: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class ServerResource:
    """One entry of the server's discovery: the preferred version of a resource and the verbs it allows."""

    resource: Resource
    verbs: frozenset[str]


@dataclass(frozen=True)
class ObjectList(Generic[T]):
    """All items of a list (chunks joined) and the revision to watch from."""

    items: list[T]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent(Generic[T]):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK (whose object has only metadata.resourceVersion)."""

    type: str
    object: T


class Client(Protocol):
    """The verbs of the API. All raise ApiError or Unreachable."""

    async def get(self, target: Any, name: str, namespace: str | None = None) -> Any: ...

    async def list(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = 0
    ) -> ObjectList[Any]:
        """Every matching object; `limit` is the size of the chunks asked for, not of the answer."""
        ...

    async def create(self, obj: Any, *, target: Any = None) -> Any:
        """`target` is needed only when `obj` is a dict."""
        ...

    async def update(self, obj: Any, *, target: Any = None, subresource: str = "") -> Any:
        """Replaces the object; with `metadata.resourceVersion` set, raises Conflict when it has changed since."""
        ...

    async def update_status(self, obj: Any, *, target: Any = None) -> Any: ...

    async def patch(
        self,
        target: Any,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Any: ...

    async def delete(
        self,
        target: Any,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: Propagation | None = None,
    ) -> Any:
        """The object as it is after the call, or None when the server answered with a Status: it is gone."""
        ...

    async def delete_collection(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> None: ...

    async def create_subresource(
        self, target: Any, name: str, namespace: str | None, subresource: str, body: Any
    ) -> Any: ...

    def watch(
        self,
        target: Any,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[WatchEvent[Any]]:
        """Events after that revision until the server ends the stream; raises Gone when the revision is too old."""
        ...

    async def discover(self) -> Sequence[ServerResource]:
        """Every resource the server has, each once, in its preferred version."""
        ...
