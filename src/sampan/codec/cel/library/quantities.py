"""`quantity()`: resource quantities."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sampan.api.quantity import LARGEST, parse
from sampan.codec.cel.library.function import Function, asked
from sampan.codec.cel.library.order import compare, is_greater, is_less
from sampan.codec.cel.library.values import QUANTITY, values


def quantity(text: str) -> Any:
    return _made(parse(text).value)


def _made(value: Decimal) -> Any:
    return values().build("Quantity", {"text": f"{value.normalize():f}"})


def is_integer(given: Any) -> bool:
    """The largest is what everything larger is read as."""
    value = Decimal(given.text)
    return value == value.to_integral_value() and abs(value) < LARGEST


def as_integer(given: Any) -> int:
    if not is_integer(given):
        raise ValueError("cannot convert value to integer")
    return int(Decimal(given.text))


def as_float(given: Any) -> float:
    return float(given.text)


def sign(given: Any) -> int:
    value = Decimal(given.text)
    return (value > 0) - (value < 0)


def add(given: Any, other: Any) -> Any:
    return _made(Decimal(given.text) + _amount(other))


def sub(given: Any, other: Any) -> Any:
    return _made(Decimal(given.text) - _amount(other))


def _amount(other: Any) -> Decimal:
    return Decimal(other) if isinstance(other, int) else Decimal(other.text)


FUNCTIONS = (
    Function("quantity", QUANTITY, ("string",), quantity, member=False),
    Function("isQuantity", "bool", ("string",), asked(quantity), member=False),
    Function("isInteger", "bool", (QUANTITY,), is_integer),
    Function("asInteger", "int", (QUANTITY,), as_integer),
    Function("asApproximateFloat", "double", (QUANTITY,), as_float),
    Function("sign", "int", (QUANTITY,), sign),
    Function("add", QUANTITY, (QUANTITY, QUANTITY), add),
    Function("add", QUANTITY, (QUANTITY, "int"), add),
    Function("sub", QUANTITY, (QUANTITY, QUANTITY), sub),
    Function("sub", QUANTITY, (QUANTITY, "int"), sub),
    Function("isLessThan", "bool", (QUANTITY, QUANTITY), is_less),
    Function("isGreaterThan", "bool", (QUANTITY, QUANTITY), is_greater),
    Function("compareTo", "int", (QUANTITY, QUANTITY), compare),
)
