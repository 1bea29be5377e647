"""Selector texts and what they select."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api import selectors
from sampan.api.kinds import meta_v1

LABELS = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=x", True),
        ("app", True),
        ("!app", False),
        ("!missing", True),
        ("app in (db, web)", True),
        ("app notin (db,web)", False),
        ("missing notin (a)", True),
        ("missing in (a)", False),
        ("n>4", True),
        ("n<5", False),
        ("app>4", False),
        ("app=,tier", False),
    ],
)
def test_label_selectors(text: str, selected: bool) -> None:
    assert selectors.parse_labels(text).matches(LABELS) is selected


@pytest.mark.parametrize(
    "text", ["app in", "app in (a", "a b", "=a", "app=a=b", "a,", "-bad=x", "app=-x-", "x>a", "(", "a in b"]
)
def test_what_is_no_label_selector(text: str) -> None:
    with pytest.raises(selectors.SelectorError):
        selectors.parse_labels(text)


def test_a_missing_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not selectors.from_label_selector(None).matches(LABELS)
    assert selectors.from_label_selector(meta_v1.LabelSelector()).matches({})


def test_label_selector_struct() -> None:
    requirement = meta_v1.LabelSelectorRequirement(key="tier", operator="NotIn", values=["back"])
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"}, matchExpressions=[requirement])
    assert selectors.from_label_selector(selector).matches(LABELS)
    assert not selectors.from_label_selector(selector).matches({"app": "web", "tier": "back"})


def test_field_selectors() -> None:
    fields = {"spec.nodeName": "a", "metadata.name": "x,y"}
    assert selectors.parse_fields("spec.nodeName=a").matches(fields)
    assert selectors.parse_fields("spec.nodeName!=b,metadata.name==x\\,y").matches(fields)
    assert selectors.parse_fields("spec.nodeName=").matches({"spec.nodeName": ""})
    with pytest.raises(selectors.SelectorError):
        selectors.parse_fields("spec.nodeName")


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (selectors.parse_labels, selectors.parse_fields):
        try:
            parse(text)
        except selectors.SelectorError as error:
            assert str(error)
