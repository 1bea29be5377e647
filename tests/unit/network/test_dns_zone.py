"""Whatever was asked before and in whatever order services changed, a zone answers as one that was made anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sampan.network.dns.records import Record, address_record
from sampan.network.dns.wire import AAAA, ANY, CNAME, PTR, SRV, A, encode_name, srv_data
from sampan.network.dns.zone import Zone

WEB, DB, POD, PORT, BACK, OUTSIDE = (
    encode_name(name)
    for name in (
        "web.d.svc.cluster.local", "db.d.svc.cluster.local", "p.db.d.svc.cluster.local",
        "_sql._tcp.db.d.svc.cluster.local", "2.0.244.10.in-addr.arpa", "printer.lan",
    )
)  # fmt: skip
BETWEEN = [encode_name(name) for name in ("_tcp.db.d.svc.cluster.local", "d.svc.cluster.local")]
ASKED = (WEB, DB, POD, PORT, BACK, OUTSIDE, *BETWEEN)
RECORDS = {
    "d/web": (
        address_record(WEB, "10.96.0.5"),
        address_record(WEB, "fd00::5"),
        Record(WEB, CNAME, encode_name("example.org")),
        Record(BACK, PTR, WEB),
    ),
    "d/db": (
        address_record(DB, "10.244.0.2"),
        address_record(POD, "10.244.0.2"),
        address_record(POD, "10.244.0.3"),
        Record(PORT, SRV, srv_data(0, 100, 5432, POD)),
        Record(BACK, PTR, POD),
    ),
    "hosts": (address_record(OUTSIDE, "192.0.2.8"), Record(BACK, PTR, OUTSIDE), address_record(WEB, "192.0.2.9")),
}
changes = st.one_of(
    st.tuples(st.just(service), st.frozensets(st.sampled_from(records))) for service, records in RECORDS.items()
)


@given(st.lists(changes, max_size=6))
def test_answers_are_those_of_a_zone_made_anew(steps: list[tuple[str, frozenset[Record]]]) -> None:
    zone, state = Zone(), dict[str, frozenset[Record]]()
    empty = told(zone)
    for service, records in steps:
        zone.replace(service, records)
        state[service] = records
        anew = Zone()
        for name, held in state.items():
            anew.replace(name, held)
        assert told(zone) == told(anew)
        assert zone.statistics() == anew.statistics()
    for service in state:
        zone.replace(service, frozenset())
    assert told(zone) == empty


def told(zone: Zone) -> list[tuple[bool, int, bytes]]:
    """Every answer twice, for the second comes from what was kept of the first."""
    found = []
    for name in ASKED:
        for kind in (A, AAAA, SRV, PTR, ANY):
            first, second = zone.lookup(name, kind), zone.lookup(name, kind)
            assert (first.rcode, first.body) == (second.rcode, second.body)
            alias = zone.alias(name)
            found.append((zone.holds(name, kind), first.rcode, first.body if alias is None else b""))
    return found
