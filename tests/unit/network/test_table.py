"""Whatever the changes, applying them one by one ends where writing everything anew would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.nftables.table import Table
from sampan.network.proxy.settings import Settings

addresses = st.sampled_from(["10.244.0.1", "10.244.0.2", "10.244.0.3"])
endpoints = st.lists(addresses, unique=True).map(lambda found: tuple(Endpoint(address, 80) for address in found))
ports = st.builds(
    ServicePort,
    protocol=st.sampled_from(["tcp", "udp"]),
    frontends=st.sampled_from([(Frontend("external", "203.0.113.7", 80),), (Frontend("node", "", 30080),)]),
    everywhere=endpoints,
    here=st.just(()),
    hairpin=st.lists(addresses, unique=True).map(tuple),
    affinity=st.sampled_from([0, 60]),
)
services = st.sampled_from(["d/a", "d/b"])


@given(st.lists(st.tuples(services, st.lists(ports, max_size=1).map(tuple)), max_size=8))
def test_updates_end_where_a_replacement_ends(steps: list[tuple[str, Ports]]) -> None:
    table, state = Table(Settings()), dict[str, Ports]()
    table.replace({})
    held: dict[tuple[str, str], str] = {}
    for service, new in steps:
        apply(table.update([Change(service, state.get(service, ()), new)]), held)
        state[service] = new
        assert held == table.elements()
    for service in ("d/a", "d/b"):
        apply(table.update([Change(service, state.pop(service, ()), ())]), held)
    assert held == {}


@given(ports)
def test_a_replacement_writes_what_updates_would(port: ServicePort) -> None:
    anew, step_by_step = Table(Settings()), Table(Settings())
    anew.replace({"d/a": (port,)})
    step_by_step.replace({})
    step_by_step.update([Change("d/a", (), (port,))])
    assert anew.elements() == step_by_step.elements()
    assert anew.rule_counts() == step_by_step.rule_counts()


def apply(text: str, held: dict[tuple[str, str], str]) -> None:
    """What the kernel does with the elements in a transaction; a wrong deletion or addition fails."""
    for line in text.splitlines():
        if " element " not in line:
            continue
        verb, _, _, _, name, rest = line.split(maxsplit=5)
        for item in rest.strip("{} ").split(", "):
            key, _, value = item.partition(" : ")
            if verb == "delete":
                del held[name, key]
            else:
                assert (name, key) not in held
                held[name, key] = value
