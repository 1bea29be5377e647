"""Whatever the policies, the packet filter decides as the API's words say."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.network.policy.rules import compiled
from sampan.network.policy.state import PolicyState

from .filter import FakeFilter
from .objects import pod, policy
from .packets import Packet, allowed, passes

NAMESPACES = {"default": {"team": "x"}, "other": {"team": "y"}}
PODS = [
    pod("a", "10.0.0.1", app="a"),
    pod("b", "10.0.0.2", app="b"),
    pod("c", "10.0.1.3", namespace="other", app="a"),
]
OUTSIDE = "192.0.2.9"
PACKETS = [
    Packet(source, target, protocol, port)
    for source, target in itertools.permutations([*(p.addresses[0] for p in PODS), OUTSIDE], 2)
    for protocol, port in (("TCP", 8080), ("TCP", 81), ("UDP", 53), ("SCTP", 8080))
]
selectors = st.sampled_from(
    [
        {},
        {"matchLabels": {"app": "a"}},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]},
    ]
)
teams = st.sampled_from([{}, {"matchLabels": {"team": "x"}}, {"matchLabels": {"team": "y"}}])
peers = st.one_of(
    st.fixed_dictionaries({"podSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": teams}),
    st.fixed_dictionaries({"namespaceSelector": teams, "podSelector": selectors}),
    st.fixed_dictionaries(
        {
            "ipBlock": st.sampled_from(
                [
                    {"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24", "10.0.1.0/25"]},
                    {"cidr": "0.0.0.0/0"},
                    {"cidr": "192.0.2.0/24"},
                ]
            )
        }
    ),
)
ports = st.sampled_from(
    [
        {"port": 8080},
        {"port": "http"},
        {"port": 80, "endPort": 90},
        {"protocol": "UDP"},
        {"port": "dns", "protocol": "UDP"},
        {"port": 8080, "protocol": "SCTP"},
    ]
)


def rules(side: str) -> Any:
    some = {side: st.lists(peers, min_size=1, max_size=2), "ports": st.lists(ports, min_size=1, max_size=2)}
    return st.lists(st.fixed_dictionaries({}, optional=some), min_size=1, max_size=2)


policies = st.builds(
    lambda namespace, spec: (namespace, spec),
    st.sampled_from(sorted(NAMESPACES)),
    st.fixed_dictionaries(
        {"podSelector": selectors},
        optional={
            "ingress": rules("from"),
            "egress": rules("to"),
            "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
        },
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(policies, min_size=1, max_size=3))
def test_the_filter_decides_as_the_api_says(given: list[tuple[str, dict[str, Any]]]) -> None:
    objects = [policy(f"p{number}", namespace, **spec) for number, (namespace, spec) in enumerate(given)]
    state, filter = PolicyState("n1"), FakeFilter()
    for name, labels in NAMESPACES.items():
        state.set_namespace(name, labels)
    for each in PODS:
        state.set_pod(each.key, each)
    for each in objects:
        state.set_policy(f"{each.metadata.namespace}/{each.metadata.name}", compiled(each))
    filter.take(state.replace())
    for packet in PACKETS:
        assert passes(filter, packet) == allowed(objects, PODS, NAMESPACES, packet), packet
