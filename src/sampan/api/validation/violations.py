"""The list to which rules add what is wrong, and its end.

All violations are told in one answer; but an object of a million empty containers has millions, and a client that gets
the first thousand knows enough. Rules only ever add, so the list itself can stop them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self, SupportsIndex

from sampan.api.errors import FieldError

MOST = 1000


class Enough(Exception):
    """The list is full: whatever else is wrong is not looked for."""


class Violations(list[FieldError]):
    """Raises `Enough` when it holds `MOST`."""

    def append(self, error: FieldError) -> None:
        super().append(error)
        self._check()

    def extend(self, errors: Iterable[FieldError]) -> None:
        super().extend(errors)
        self._check()

    def insert(self, index: SupportsIndex, error: FieldError) -> None:
        super().insert(index, error)
        self._check()

    def __iadd__(self, errors: Iterable[FieldError]) -> Self:  # type: ignore[misc, override]
        self.extend(errors)
        return self

    def _check(self) -> None:
        if len(self) >= MOST:
            raise Enough
