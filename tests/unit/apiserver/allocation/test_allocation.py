"""Families, and choosing a free number."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sampan.api.kinds import core_v1
from sampan.apiserver.allocation import families, pool


def settled(**spec: Any) -> tuple[Any, Any, list[str]]:
    obj = core_v1.ServiceSpec(**{"type": "ClusterIP", "selector": {"a": "b"}} | spec)
    wrong = families.settle(obj, "IPv4")
    return obj.ipFamilyPolicy, obj.ipFamilies, [e.field for e in wrong]


@pytest.mark.parametrize(
    "spec, wanted",
    [
        ({}, ("SingleStack", ["IPv4"], [])),
        ({"ipFamilyPolicy": "PreferDualStack"}, ("PreferDualStack", ["IPv4"], [])),
        ({"type": "ExternalName"}, (None, None, [])),
        ({"clusterIP": "None"}, ("SingleStack", ["IPv4"], [])),
        ({"clusterIP": "None", "selector": None}, ("RequireDualStack", ["IPv4", "IPv6"], [])),
        ({"clusterIP": "None", "selector": None, "ipFamilies": ["IPv6"]}, ("SingleStack", ["IPv6"], [])),
        ({"ipFamilyPolicy": "RequireDualStack"}, ("RequireDualStack", None, ["spec.ipFamilyPolicy"])),
        ({"ipFamilies": ["IPv6"]}, ("SingleStack", ["IPv6"], ["spec.ipFamilies[0]"])),
        ({"clusterIP": "fd00::1"}, ("SingleStack", ["IPv6"], ["spec.ipFamilies[0]"])),
    ],
)
def test_families(spec: dict[str, Any], wanted: tuple[Any, Any, list[str]]) -> None:
    assert settled(**spec) == wanted


def test_bands() -> None:
    assert pool.reserved(65534, least=16, most=256, divisor=16) == 256
    assert pool.reserved(254, least=16, most=256, divisor=16) == 16
    assert pool.reserved(10, least=16, most=256, divisor=16) == 0


def test_every_number_is_found_and_the_lower_band_last() -> None:
    rng, taken, order = random.Random(1), set(), []
    while (number := pool.choose(10, 59, 10, taken.__contains__, rng)) is not None:
        taken.add(number)
        order.append(number)
    assert sorted(order) == list(range(10, 60))
    assert all(number >= 20 for number in order[:40])
