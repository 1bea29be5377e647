"""Node labels as columns of codes, one column for each key that some pod has asked about.

A column is built on first use from the labels of every row and kept current from then on, so keys that nobody selects
by cost nothing. Code 0 means that the node has no such label. A requirement is then a comparison of small integers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.interning import Interner

Rows = NDArray[np.intp] | slice
Mask = NDArray[np.bool_]
Labels = dict[str, str]
NO_LABELS: Labels = {}


class LabelColumn:
    """The values of one label key, by row."""

    __slots__ = ("codes", "values")

    def __init__(self, capacity: int) -> None:
        self.codes: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.values: Interner[str | None] = Interner(None)

    def set(self, row: int, value: str | None) -> None:
        self.codes[row] = self.values.code(value)

    def one_of(self, values: tuple[str, ...], rows: Rows) -> Mask:
        """Where the label has one of the values."""
        codes = [code for code in map(self.values.find, values) if code > 0]
        have = self.codes[rows]
        if len(codes) == 1:
            return have == codes[0]
        return np.isin(have, codes)

    def exists(self, rows: Rows) -> Mask:
        return self.codes[rows] > 0

    def compare(self, bound: str, sign: int, rows: Rows) -> Mask:
        """Where the label is an integer greater (sign 1) or less (sign -1) than the bound."""
        limit = _integer(bound)
        holds = [limit is not None and _beyond(value, limit, sign) for value in self.values.values]
        return np.array(holds, np.bool_)[self.codes[rows]]


def _beyond(value: str | None, limit: int, sign: int) -> bool:
    have = _integer(value)
    return have is not None and (have - limit) * sign > 0


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


OPERATORS: dict[str, Callable[[LabelColumn, tuple[str, ...], Rows], Mask]] = {
    "In": lambda column, values, rows: column.one_of(values, rows),
    "NotIn": lambda column, values, rows: ~column.one_of(values, rows),
    "Exists": lambda column, values, rows: column.exists(rows),
    "DoesNotExist": lambda column, values, rows: ~column.exists(rows),
    "Gt": lambda column, values, rows: column.compare(values[0], 1, rows),
    "Lt": lambda column, values, rows: column.compare(values[0], -1, rows),
}


class NodeLabels:
    """The labels of every row, and the columns asked for so far."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._rows: list[Labels] = [NO_LABELS] * capacity
        self._columns: dict[str, LabelColumn] = {}

    def grow(self, capacity: int) -> None:
        self._rows += [NO_LABELS] * (capacity - self._capacity)
        for column in self._columns.values():
            column.codes = np.concatenate([column.codes, np.zeros(capacity - self._capacity, np.int32)])
        self._capacity = capacity

    def set(self, row: int, labels: Labels) -> None:
        self._rows[row] = labels
        for key, column in self._columns.items():
            column.set(row, labels.get(key))

    def get(self, row: int) -> Labels:
        return self._rows[row]

    def column(self, key: str) -> LabelColumn:
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = LabelColumn(self._capacity)
            for row, labels in enumerate(self._rows):
                if key in labels:
                    column.set(row, labels[key])
        return column
