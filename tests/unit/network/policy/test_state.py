"""The table follows the objects: by the differences it comes to hold what a fresh one would be filled with."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.network.policy import table
from sampan.network.policy.rules import compiled
from sampan.network.policy.state import PolicyState

from .filter import FakeFilter
from .objects import pod, policy

SPECS: tuple[dict[str, Any], ...] = (
    {"policyTypes": ["Ingress", "Egress"]},
    {
        "podSelector": {"matchLabels": {"app": "a"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}],
    },
    {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}], "ports": [{"port": "http"}]}]},
    {
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": "dns", "protocol": "UDP"}]}],
    },
    {"ingress": [{"ports": [{"port": 80}]}]},
)
NAMESPACES = ("default", "other")
pods = st.builds(
    lambda index, namespace, node, app, moved: (
        "pod",
        f"{namespace}/p{index}",
        pod(f"p{index}", f"10.0.{moved}.{index}", f"fd00::{moved}:{index}", namespace=namespace, node=node, app=app),
    ),
    st.integers(1, 3),
    st.sampled_from(NAMESPACES),
    st.sampled_from(("n1", "n2")),
    st.sampled_from("ab"),
    st.integers(0, 1),
).map(lambda event: (event[0], event[1], event[2] if "other" not in event[1] else with_other_address(event[2])))
policies = st.builds(
    lambda index, namespace, spec: ("policy", f"{namespace}/{index}", compiled(policy(str(index), namespace, **spec))),
    st.integers(1, 2),
    st.sampled_from(NAMESPACES),
    st.sampled_from(SPECS),
)
namespaces = st.tuples(
    st.just("namespace"), st.sampled_from(NAMESPACES), st.sampled_from(({}, {"team": "x"}, {"team": "y"}))
)
events = st.one_of(pods, policies, namespaces).flatmap(
    lambda event: st.sampled_from((event, event, (event[0], event[1], None)))
)


def with_other_address(given: Any) -> Any:
    from dataclasses import replace

    return replace(given, addresses=tuple(a.replace("10.0", "10.1").replace("fd00", "fd01") for a in given.addresses))


class World:
    def __init__(self) -> None:
        self.state, self.filter = PolicyState("n1"), FakeFilter()
        self.objects: dict[tuple[str, str], Any] = {}
        self.filter.take(self.state.replace())

    def take(self, kind: str, key: str, value: Any) -> None:
        self.objects[kind, key] = value
        self.tell(self.state, kind, key, value)

    @staticmethod
    def tell(state: PolicyState, kind: str, key: str, value: Any) -> None:
        known = {"pod": state.set_pod, "policy": state.set_policy, "namespace": state.set_namespace}
        if value is not None or kind != "namespace" or key in state._namespaces:
            known[kind](key, value)  # type: ignore[operator]

    def fresh(self) -> FakeFilter:
        state, found = PolicyState("n1"), FakeFilter()
        for (kind, key), value in self.objects.items():
            self.tell(state, kind, key, value)
        found.take(state.replace())
        return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(events, st.booleans()), max_size=25))
def test_differences_lead_where_writing_anew_leads(happened: list[tuple[Any, bool]]) -> None:
    world = World()
    written = False
    for event, flush in [*happened, (("namespace", "default", {}), True)]:
        world.take(*event)
        if flush:
            text = world.state.update() if written else world.state.replace()
            written = not world.state.empty
            if text or not written:
                world.filter.take(text if written else world.state.replace())
    fresh = world.fresh()
    assert world.filter.sets == fresh.sets
    assert world.filter.chains == fresh.chains
    counted = world.state.element_counts()
    assert all(len(held) == counted[name] for name, held in (world.filter.sets or {}).items())
    rules = {name: len(rules) for name, rules in world.filter.chains.items() if name not in table.BASE_RULES}
    assert rules == {name: n for name, n in world.state.rule_counts().items() if name not in table.BASE_RULES}


def test_a_change_costs_what_it_changes() -> None:
    world = World()
    for index in range(50):
        world.take("pod", f"default/p{index}", pod(f"p{index}", f"10.0.1.{index}", node="n2", app="b"))
    world.take("pod", "default/here", pod("here", "10.0.0.1", app="a"))
    world.take("policy", "default/p", compiled(policy("p", **SPECS[1])))
    world.filter.take(world.state.replace())
    world.take("pod", "default/p3", pod("p3", "10.0.1.200", node="n2", app="b"))
    text = world.state.update()
    assert "10.0.1.200" in text and "10.0.1.3 " in text and len(text) < 300
    world.take("pod", "default/p3", pod("p3", "10.0.1.3", node="n2", app="b"))
    world.take("pod", "default/p3", pod("p3", "10.0.1.200", node="n2", app="b"))
    assert world.state.update() == "", "what undoes itself costs nothing"
