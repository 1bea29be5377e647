"""What each form of a policy's rule becomes."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.network.policy.rules import compiled, merged

from .objects import policy

END = ' return comment "default/p"'

CASES: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "nothing gets in": ({"policyTypes": ["Ingress"]}, {"Ingress": []}),
    "nothing in, nothing out": ({"policyTypes": ["Ingress", "Egress"]}, {"Ingress": [], "Egress": []}),
    "types follow from what is said": ({"egress": []}, {"Ingress": []}),
    "an egress rule isolates for both": ({"egress": [{}]}, {"Ingress": [], "Egress": [""]}),
    "an empty rule allows all": ({"ingress": [{}]}, {"Ingress": [""]}),
    "an empty peer list allows all": ({"ingress": [{"from": [], "ports": []}]}, {"Ingress": [""]}),
    "numbers share a rule": (
        {"ingress": [{"ports": [{"port": 80}, {"port": 81}, {"port": 90, "endPort": 99}, {"port": 95}]}]},
        {"Ingress": ["tcp dport { 80-81, 90-99 }"]},
    ),
    "a protocol without a number": (
        {"ingress": [{"ports": [{"protocol": "SCTP"}]}]},
        {"Ingress": ["meta l4proto sctp"]},
    ),
    "a protocol that nobody knows allows nothing": ({"ingress": [{"ports": [{"protocol": "X"}]}]}, {"Ingress": []}),
    "a block": (
        {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.1.2.0/24"]}}]}]},
        {"Ingress": [], "Egress": ["ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16 }"]},
    ),
    "a block of the other family": (
        {"ingress": [{"from": [{"ipBlock": {"cidr": "fd00::/8"}}], "ports": [{"port": 1}]}]},
        {"Ingress": ["ip6 saddr fd00::/8 tcp dport { 1 }"]},
    ),
    "a block that cannot be read allows nothing": (
        {"ingress": [{"from": [{"ipBlock": {"cidr": "; flush ruleset"}}]}]},
        {"Ingress": []},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_rule_becomes(case: str) -> None:
    spec, wanted = CASES[case]
    found = compiled(policy("p", **spec)).rules
    assert {direction: list(rules) for direction, rules in found.items()} == {
        direction: [(text + END).strip() for text in texts] for direction, texts in wanted.items()
    }


def test_groups_of_pods_and_named_ports_are_sets_of_each_family() -> None:
    spec = {"ingress": [{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}], "ports": [{"port": "http"}]}]}
    found = compiled(policy("p", **spec))
    group, port = sorted(found.members, key=lambda each: "protocol" in each._fields)
    assert found.rules["Ingress"] == tuple(
        f"{family} saddr @{group.set_name}-{version} "
        f"{family} daddr . meta l4proto . th dport @{port.set_name}-{version}{END}"
        for version, family in (("4", "ip"), ("6", "ip6"))
    )


def test_ranges_of_ports_are_merged() -> None:
    assert merged([(5, 9), (1, 2), (3, 3), (8, 20), (30, 30)]) == [(1, 3), (5, 20), (30, 30)]
