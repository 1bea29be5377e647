"""Quantities as the API reference defines them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api import quantity

CANONICAL = {
    "1000m": "1",
    "1.5": "1500m",
    "0.1": "100m",
    "100m": "100m",
    "64Mi": "64Mi",
    "1.5Mi": "1536Ki",
    "0.5Gi": "512Mi",
    "1025Ki": "1025Ki",
    "1024": "1024",
    "1e3": "1e3",
    "12e6": "12e6",
    "1E": "1E",
    "-5": "-5",
    "0": "0",
    "0Mi": "0",
    "+1": "1",
    ".5": "500m",
    "1.": "1",
    "100000": "100k",
    "0.0000000001": "1n",
    "100E": "9223372036854775807",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_canonical_text(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    "text", ["", "a", "1i", "1 Mi", "1ki", "--1", "1e", "1e99999999999", "1.2.3", "Mi", "٣", "9" * 300]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(quantity.QuantityError):
        quantity.parse(text)


def test_sums_and_units() -> None:
    assert str(quantity.parse("100m") + quantity.parse("1.9")) == "2"
    assert str(quantity.parse("1Gi") - quantity.parse("512Mi")) == "512Mi"
    assert (quantity.milli("250m"), quantity.milli("2"), quantity.units("1Ki"), quantity.units("100m")) == (
        250,
        2000,
        1024,
        1,
    )
    assert quantity.parse("1") == quantity.parse("1000m") and quantity.parse("1Mi") < quantity.parse("1.1Mi")


@given(st.integers(-(10**15), 10**15), st.sampled_from(["n", "u", "m", "", "k", "M"]))
def test_canonical_text_denotes_the_same_amount(number: int, suffix: str) -> None:
    first = quantity.parse(f"{number}{suffix}")
    again = quantity.parse(str(first))
    assert Fraction(again.value) == Fraction(first.value)
    assert str(again) == str(first)
