"""Resource quantities: `100m`, `1.5`, `64Mi`, `1e3`, exactly.

A quantity is a decimal number with a suffix that says both its scale and the family to print it in: binary (Ki Mi Gi
Ti Pi Ei), decimal SI (n u m "" k M G T P E) or an exponent (e3). The canonical text has no fraction, the largest
suffix that allows that, and the family it was written in (API reference, Quantity). Precision below a nano rounds up.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache

PATTERN = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d+)|([KMGTPE]i)|([numkMGTPE])|)", re.ASCII)
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BY_EXPONENT = {exponent: suffix for suffix, exponent in DECIMAL.items()}
BY_SHIFT = {shift: suffix for suffix, shift in BINARY.items()}
NANO = Decimal(1).scaleb(-9)
LARGEST = Decimal(2**63 - 1)
LENGTH_LIMIT = 256
WRONG_FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

Text = str | int | float


class QuantityError(ValueError):
    """The text is no quantity."""


class Quantity:
    """An exact amount and the family ("binary", "decimal", "exponent") it prints in."""

    __slots__ = ("family", "value")

    def __init__(self, value: Decimal, family: str = "decimal") -> None:
        self.value = value
        self.family = family

    def __str__(self) -> str:
        return canonical_text(self.value, self.family)

    def __repr__(self) -> str:
        return f"Quantity({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.value == other.value

    def __lt__(self, other: Quantity) -> bool:
        return self.value < other.value

    def __le__(self, other: Quantity) -> bool:
        return self.value <= other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.value + other.value, self.family if self.value else other.family)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.value - other.value, self.family if self.value else other.family)

    def __neg__(self) -> Quantity:
        return Quantity(-self.value, self.family)

    @property
    def milli(self) -> int:
        """Thousandths, rounded up: millicores of a CPU quantity."""
        return int((self.value * 1000).to_integral_value(ROUND_CEILING))

    @property
    def units(self) -> int:
        """Whole units, rounded up: bytes of a memory quantity."""
        return int(self.value.to_integral_value(ROUND_CEILING))


@lru_cache(maxsize=4096)
def parse(text: Text) -> Quantity:
    """The quantity that a JSON string or number denotes; raises QuantityError."""
    text = str(text)
    match = PATTERN.fullmatch(text) if len(text) <= LENGTH_LIMIT else None
    if not match:
        raise QuantityError(WRONG_FORM)
    sign, digits, exponent, binary, decimal = match.groups()
    with localcontext() as context:
        context.prec = 400
        value = Decimal(sign + digits)
        if binary:
            return Quantity(_bounded(value * 2 ** BINARY[binary]), "binary")
        if exponent:
            power = int(exponent[1:])
            if abs(power) > 1000:
                raise QuantityError(WRONG_FORM)
            return Quantity(_bounded(value.scaleb(power)), "exponent")
        return Quantity(_bounded(value.scaleb(DECIMAL[decimal or ""])), "decimal")


def canonical(text: Text) -> str:
    """The canonical text of a quantity: `canonical("1000m") == "1"`; raises QuantityError."""
    return _canonical(str(text))


def milli(text: Text | None) -> int:
    """Thousandths of a quantity, 0 for None."""
    return parse(text).milli if text is not None else 0


def units(text: Text | None) -> int:
    """Whole units of a quantity, 0 for None."""
    return parse(text).units if text is not None else 0


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return str(parse(text))


def _bounded(value: Decimal) -> Decimal:
    """Rounded up (away from zero) to nanos, and held within 2^63-1 as upstream does."""
    if value != value.to_integral_value():
        magnitude = abs(value).quantize(NANO, ROUND_CEILING)
        value = magnitude.copy_sign(value)
    return max(min(value, LARGEST), -LARGEST)


def canonical_text(value: Decimal, family: str) -> str:
    if not value:
        return "0"
    if family == "binary":
        if value == value.to_integral_value() and abs(value) >= 1024:
            return _binary_text(int(value))
        family = "decimal"
    return _decimal_text(value, family)


def _binary_text(value: int) -> str:
    zeros = (value & -value).bit_length() - 1
    shift = min(zeros // 10 * 10, 60)
    return f"{value >> shift}{BY_SHIFT.get(shift, '')}"


def _decimal_text(value: Decimal, family: str) -> str:
    with localcontext() as context:
        context.prec = 400
        nanos = int(value.scaleb(9))
    exponent = -9
    while exponent < 18 and nanos % 1000 == 0:
        nanos //= 1000
        exponent += 3
    if family == "exponent":
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{BY_EXPONENT[exponent]}"
