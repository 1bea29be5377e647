"""Ages, selectors and shortened lists."""

from __future__ import annotations

import pytest

from sampan.api.kinds import meta_v1
from sampan.api.tables import cells

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 5, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 61, "3h1m"),
        (8 * HOUR + 61, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY + 2 * HOUR, "2d2h"),
        (8 * DAY + 2 * HOUR, "8d"),
        (730 * DAY - 1, "729d"),
        (730 * DAY, "2y"),
        (741 * DAY, "2y11d"),
        (8 * 365 * DAY + 12 * DAY, "8y"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert cells.duration(seconds) == text


def test_since() -> None:
    assert cells.since(None, 0) == "<unknown>"
    assert cells.since("1970-01-01T00:00:10Z", 130) == "2m"
    assert cells.since("1970-01-01T00:00:10.500000Z", 30) == "19s"


def test_selector() -> None:
    assert cells.selector(None) == "<none>"
    assert cells.selector(meta_v1.LabelSelector()) == "<none>"
    expressions = [
        meta_v1.LabelSelectorRequirement(key="z", operator="Exists"),
        meta_v1.LabelSelectorRequirement(key="d", operator="In", values=["y", "x"]),
        meta_v1.LabelSelectorRequirement(key="c", operator="NotIn", values=["q"]),
        meta_v1.LabelSelectorRequirement(key="b", operator="DoesNotExist"),
    ]
    found = meta_v1.LabelSelector(matchLabels={"app": "web"}, matchExpressions=expressions)
    assert cells.selector(found) == "app=web,!b,c notin (q),d in (x,y),z"
    found.matchExpressions[0].operator = "Near"
    assert cells.selector(found) == "<error>"


def test_shortened() -> None:
    assert cells.shortened([]) == "<unset>"
    assert cells.shortened("abc") == "a,b,c"
    assert cells.shortened("abcde") == "a,b,c + 2 more..."
