"""A limit on the store's size, and the way out of having reached it.

What is written is added up; when the sum passes the limit, history is compacted to the present and the log measured.
Only if it is then still over the limit are keys refused that do not exist yet: updates and deletes go on, because
deleting an object gracefully begins with updating it. After each of them the store compacts and measures again, so it
takes new keys as soon as there is room.
"""

from __future__ import annotations

ROW_OVERHEAD = 64
"""Bytes a row takes beside its key and value, roughly."""


class Quota:
    """`limit` is in bytes of data, 0 for none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._full = False

    def wrote(self, size: int, rows: int) -> None:
        self._used += size + rows * ROW_OVERHEAD

    def measured(self, size: int) -> None:
        """`size` is what the log holds once compacted."""
        self._used = size
        self._full = 0 < self.limit < size

    @property
    def doubtful(self) -> bool:
        """Whether the log must be compacted and measured."""
        return self._full or 0 < self.limit < self._used

    def refusal(self) -> str | None:
        """Why no key may be created now, None when it may."""
        if not self._full:
            return None
        return (
            f"the store holds {self._used >> 20} MiB, more than its quota of {self.limit >> 20} MiB: "
            "delete objects, or raise the quota"
        )
