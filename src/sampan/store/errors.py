"""What a store may answer instead of a result. Messages are for an operator: they say what to do."""

from __future__ import annotations


class StoreError(Exception):
    """Any refusal by a store."""


class Compacted(StoreError):
    """The history asked for has been discarded; `revision` is the oldest that can still be read."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"required revision has been compacted: the oldest available is {revision}")
        self.revision = revision


class FutureRevision(StoreError):
    """The revision asked for has not been written yet; `revision` is the newest there is."""

    def __init__(self, asked: int, revision: int) -> None:
        super().__init__(f"required revision {asked} is a future revision: the newest is {revision}")
        self.asked = asked
        self.revision = revision


class InvalidCommit(StoreError):
    """The commit breaks a rule of the interface (too many operations, one key twice); nothing was written."""


class LeaseNotFound(StoreError):
    """The lease does not exist: never granted, revoked, or expired."""

    def __init__(self, lease: int) -> None:
        super().__init__(f"requested lease {lease} not found")
        self.lease = lease


class QuotaExceeded(StoreError):
    """There is no room for the write, on the disk or in the configured quota; deletes may still succeed."""


class Unavailable(StoreError):
    """The store cannot be used now (closed, busy, disk failing). Whether a pending commit took place is unknown."""


class Corrupt(StoreError):
    """The stored data is damaged or written by a newer version; it has not been touched."""
