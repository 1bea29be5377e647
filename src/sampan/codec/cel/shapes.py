"""How large a value can be: what the cost of an expression is reckoned with (`cost`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TEXT_OF_A_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Shape:
    """`length`: characters of a text, items of a list or a map. `total`: all that is in it, items of items included.
    `item`: no item is larger; None: as large as the whole. `fields`: what is known by name; None: nothing is.
    `number`: a whole number is no larger; None: nothing is known of it.
    """

    length: int = 0
    total: int = 1
    item: Shape | None = None
    fields: Mapping[str, Shape] | None = None
    number: int | None = None

    def any(self) -> Shape:
        """An item, whichever."""
        return self if self.item is None else self.item

    def field(self, name: str) -> Shape:
        if self.fields is None:
            return self.any()
        return self.fields.get(name, SCALAR)


SCALAR = Shape()
CHARACTER = Shape(1, 1)


def unknown(size: int) -> Shape:
    """Something of that size."""
    return Shape(size, size)


def text(length: int) -> Shape:
    return Shape(length, max(1, length), CHARACTER)


def listed(length: int, total: int, item: Shape) -> Shape:
    return Shape(length, total, item)


def whole(number: int) -> Shape:
    """Those below zero are not known: less them is more."""
    return Shape(number=number) if number >= 0 else SCALAR


def widest(shapes: Iterable[Shape]) -> Shape:
    """What is no smaller than any of these."""
    several = list(shapes)
    if len(several) == 1:
        return several[0]
    if not several:
        return SCALAR
    items = [shape.item for shape in several if shape.item is not None]
    is_open = any(shape.item is None and shape.length for shape in several)
    numbers = [shape.number for shape in several]
    return Shape(
        max(shape.length for shape in several),
        max(shape.total for shape in several),
        None if is_open else widest(items) if items else None,
        number=None if None in numbers else max(number for number in numbers if number is not None),
    )


def of(value: Any) -> Shape:
    """What is given to an evaluation: Python's values and messages."""
    if isinstance(value, str | bytes):
        return text(len(value))
    if isinstance(value, Mapping):
        fields = {str(name): of(part) for name, part in value.items()}
        total = sum(len(name) + part.total for name, part in fields.items())
        return Shape(len(fields), total, widest([*fields.values(), *map(of, fields)]), fields)
    if hasattr(value, "DESCRIPTOR"):
        fields = {field.name: of(getattr(value, field.name)) for field in value.DESCRIPTOR.fields}
        return Shape(len(fields), sum(part.total for part in fields.values()), widest(fields.values()), fields)
    if isinstance(value, list) and all(type(part) is str for part in value):
        lengths = [len(part) for part in value]
        return listed(len(lengths), sum(lengths) + len(lengths), text(max(lengths, default=0)))
    if isinstance(value, Iterable):
        items = [of(part) for part in value]
        return listed(len(items), sum(part.total + 1 for part in items), widest(items))
    return whole(value) if isinstance(value, int) else SCALAR
