"""The maps' content: applying changes one by one ends where writing everything anew would."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf.assembler import R0, Assembler
from sampan.network.proxy.ebpf.entries import MAPS, Entries, Step, fingerprint
from sampan.network.proxy.ebpf.layout import Layout
from sampan.network.proxy.ebpf.programs import HOOKS
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import IPV4, IPV6

LAYOUT = Layout(IPV4)
addresses = st.sampled_from(["10.244.0.1", "10.244.0.2", "10.244.0.3"])


def ports(address: str) -> st.SearchStrategy[ServicePort]:
    return st.builds(
        ServicePort,
        protocol=st.sampled_from(["tcp", "udp", "sctp"]),
        frontends=st.just((Frontend("cluster", address, 80),)),
        everywhere=st.lists(addresses, unique=True).map(lambda found: tuple(Endpoint(one, 8080) for one in found)),
        here=st.just(()),
        internal_local=st.booleans(),
        affinity=st.sampled_from([0, 60]),
    )


steps = st.one_of(
    st.tuples(st.just(service), st.lists(ports(address), max_size=1).map(tuple))
    for service, address in (("d/a", "10.96.0.5"), ("d/b", "10.96.0.6"))
)
Maps = dict[str, dict[bytes, bytes]]


def carry_out(maps: Maps, steps: Iterable[Step]) -> None:
    for name, key, value in steps:
        if value is None:
            del maps[name][key]
        else:
            maps[name][key] = value
        resolved(maps)


def resolved(maps: Maps) -> dict[bytes, list[bytes]]:
    """Endpoints by service: every entry leads to a whole list at any moment."""
    found = {}
    for key, value in maps["services"].items():
        number, identifier = struct.unpack("=II", value)
        found[key] = [maps["endpoints"][struct.pack("=II", identifier, one)] for one in range(number)]
    return found


@given(st.lists(steps, max_size=8))
def test_updates_end_where_a_replacement_ends(changes: list[tuple[str, Ports]]) -> None:
    entries, state = Entries(LAYOUT), dict[str, Ports]()
    maps: Maps = defaultdict(dict, entries.replace({}))
    for service, new in changes:
        carry_out(maps, entries.update([Change(service, state.pop(service, ()), new)]))
        state[service] = new
        anew = defaultdict(dict, Entries(LAYOUT).replace(state))
        assert resolved(maps) == resolved(anew)
        assert maps["members"] == anew["members"]
        assert len(maps["endpoints"]) == len(anew["endpoints"])
        assert {name: dict(entries.content(name)) for name in MAPS} == {name: maps[name] for name in MAPS}
        assert entries.size() == len(maps["services"]) + len(maps["endpoints"])
    for service, old in state.items():
        carry_out(maps, entries.update([Change(service, old, ())]))
    assert not any(maps.values())


def test_fingerprints() -> None:
    one, other = (b"a", b"1"), (b"b", b"2")
    assert fingerprint([one, other]) == fingerprint([other, one])
    for changed in ([one], [one, one], [one, (b"b", b"1")], [one, (b"c", b"2")], [one, other, other]):
        assert fingerprint(changed) != fingerprint([one, other])


def test_what_is_left_to_the_rules() -> None:
    web, loopback = Endpoint("10.244.0.1", 80), Endpoint("127.0.0.1", 6443)
    kinds = (Frontend("external", "203.0.113.9", 80), Frontend("node", "", 30080), Frontend("cluster", "10.96.0.5", 80))
    entries = Entries(LAYOUT)
    content = entries.replace({"d/web": (ServicePort("tcp", kinds, (web,), ()),)})
    assert list(content["services"]) == [bytes([10, 96, 0, 5, 0, 80, 6, 0])]
    for left in (
        ServicePort("tcp", kinds, (loopback,), ()),
        ServicePort("tcp", kinds, (web,), (), affinity=60),
        ServicePort("sctp", kinds, (web,), ()),
        ServicePort("tcp", kinds, (), ()),
    ):
        assert entries.replace({"d/web": (left,)})["services"] == {}


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_programs_fit_the_stack(family: object) -> None:
    layout = Layout(family)  # type: ignore[arg-type]
    maps = {form.name: number for number, form in enumerate(layout.maps(), 3)}
    for hook in HOOKS:
        code = hook.build(layout, maps)
        offsets = [struct.unpack_from("<h", code, place + 2)[0] for place in range(0, len(code), 8)]
        assert min(offsets) >= -512
        assert code[-8:] == bytes([0x95, 0, 0, 0, 0, 0, 0, 0])


def test_jumps() -> None:
    code = Assembler()
    code.jump_if(R0, 0, "out")
    code.constant(R0, 7)
    code.label("out")
    code.exit()
    assert struct.unpack_from("<BBhi", code.assemble()) == (0x15, 0, 1, 0)
    code.jump("nowhere")
    with pytest.raises(KeyError):
        code.assemble()


def test_who_came_first_has_an_address() -> None:
    port = ServicePort("tcp", (Frontend("cluster", "10.96.0.5", 80),), (Endpoint("10.244.0.1", 80),), ())
    entries = Entries(LAYOUT)
    maps: Maps = defaultdict(dict, entries.replace({"d/a": (port,)}))
    before = resolved(maps)
    other = ServicePort("tcp", port.frontends, (Endpoint("10.244.0.2", 80),), ())
    carry_out(maps, entries.update([Change("d/b", (), (other,))]))
    assert resolved(maps) == before
    carry_out(maps, entries.update([Change("d/b", (other,), ())]))
    assert resolved(maps) == before
