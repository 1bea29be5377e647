"""An object on its way into the store: what the write stages read and change.

A write is decided on a snapshot (`old` at `revision`) and committed by compare-and-swap, so whatever the stages see is
what they get; a write that lost the race is begun again from the new state by its verb. Everything a write has to
change beside the object itself (an allocation, a quota) joins the same commit through `compares` and `operations`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from sampan.api import errors
from sampan.api.registry import Kind
from sampan.apiserver import stored
from sampan.apiserver.request import Request
from sampan.store.interface import Commit, Compare, Delete, Operation, Put

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"


class View(Protocol):
    """A write to one kind, seen as one to another."""

    def show(self, write: Write) -> Write:
        """A write of the other kind, with what is wanted and what there is."""

    def carry(self, write: Write, shown: Write) -> None:
        """Do to `write` what plugins have done to what `show` gave."""


class Write:
    """`new` is what is to be stored (None for a delete), `old` what is (None for a create); both are this write's own
    to change.

    `undo` are called when the write does not take place, `done` when it did. `name` may be empty until generateName is
    resolved. `view`: how admission is to see it, where the endpoint takes another kind (`scale`).
    """

    __slots__ = (
        "applied",
        "compares",
        "done",
        "dry_run",
        "key",
        "kind",
        "manager",
        "name",
        "namespace",
        "new",
        "old",
        "operation",
        "operations",
        "request",
        "revision",
        "subresource",
        "undo",
        "view",
    )

    def __init__(
        self,
        request: Request,
        operation: str,
        *,
        new: Any,
        old: Any = None,
        revision: int = 0,
        name: str = "",
        kind: Kind | None = None,
        subresource: str | None = None,
        dry_run: bool | None = None,
    ) -> None:
        self.request = request
        self.operation = operation
        self.kind = kind or request.kind
        self.new = new
        self.old = old
        self.revision = revision
        self.name = name or request.target.name
        self.namespace = request.target.namespace
        self.subresource = request.target.subresource if subresource is None else subresource
        self.manager = request.manager
        self.dry_run = is_dry_run(request) if dry_run is None else dry_run
        self.applied = False
        self.view: View | None = None
        self.key = ""
        self.compares: list[Compare] = []
        self.operations: list[Operation] = []
        self.undo: list[Callable[[], None]] = []
        self.done: list[Callable[[], None]] = []

    @property
    def resource(self) -> Kind:
        """Whose endpoint is written to: the kind itself, or the parent of a subresource that takes another kind."""
        return self.request.kind

    def shown(self) -> Write:
        """The write as admission plugins are shown it."""
        return self if self.view is None else self.view.show(self)

    def abandon(self) -> None:
        """Give back what was taken for this write."""
        for give_back in reversed(self.undo):
            give_back()
        self.undo.clear()

    def succeed(self) -> None:
        """Tell those who wait for this write."""
        for tell in self.done:
            tell()
        self.done.clear()
        self.undo.clear()


def is_dry_run(request: Request) -> bool:
    """`dryRun=All`. Raises Invalid for any other value."""
    value = request.parameter("dryRun")
    if not value:
        return False
    if value != "All":
        wrong = [
            errors.FieldError(errors.NOT_SUPPORTED, "dryRun", f'Unsupported value: "{value}": supported values: "All"')
        ]
        verb = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
        raise errors.invalid("meta.k8s.io", verb.get(request.target.verb, "DeleteOptions"), "", wrong)
    return True


async def commit(write: Write) -> tuple[Commit | None, bytes]:
    """Put `write.new` into the store;

    gives the outcome (None for a dry run) and the object's bytes as they are to be shown.
    """
    kind = write.kind
    data = stored.to_bytes(kind, write.new)
    key = kind.key(write.namespace, write.name)
    if write.dry_run:
        write.abandon()
        return None, stored.splice(kind, data, write.revision) if write.revision else data
    try:
        outcome = await _commit(write, key, Put(key, data))
    except BaseException:
        write.abandon()
        raise
    if not outcome.succeeded:
        write.abandon()
        return outcome, b""
    write.succeed()
    return outcome, stored.splice(kind, data, outcome.revision)


async def commit_delete(write: Write) -> Commit | None:
    """Take the object out of the store, if it is still as `write` saw it."""
    if write.dry_run:
        write.abandon()
        return None
    key = write.kind.key(write.namespace, write.name)
    outcome = await _commit(write, key, Delete(key))
    if outcome.succeeded:
        write.succeed()
    else:
        write.abandon()
    return outcome


def _commit(write: Write, key: str, operation: Put | Delete) -> Awaitable[Commit]:
    """The operation and what goes with it."""
    compares = [Compare(key, write.revision), *write.compares]
    return write.request.server.store.commit(compares, [operation, *write.operations])


def lost_beside(write: Write, outcome: Commit) -> bool:
    """Whether a refused commit was refused for something beside the object (an address given out meanwhile):

    worth another try.
    """
    found = outcome.found.get(write.kind.key(write.namespace, write.name))
    return (found.mod_revision if found is not None else 0) == write.revision
