"""Queries as they should not be."""

from __future__ import annotations

import struct

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.network.dns import wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.records import Record, address_record
from sampan.network.dns.responder import Responder
from sampan.network.dns.wire import Malformed, Query, encode_name
from sampan.network.dns.zone import MOST_PASSING, Zone

NAME = "web.default.svc.cluster.local"


def question(name: str = NAME, kind: str = "A", **header: int) -> bytes:
    record = dnslib.DNSRecord.question(name, kind)
    record.header.id = 0x1234
    for field, value in header.items():
        setattr(record.header, field, value)
    return bytes(record.pack())


def responder(*addresses: str, ready: bool = True) -> Responder:
    zone = Zone(networks=["10.96.0.0/16", "fd00::/64"])
    zone.replace("default/web", frozenset(address_record(encode_name(NAME), address) for address in addresses))
    return Responder(zone, lambda: ready)


def rcode(answer: bytes | Query | None) -> int:
    assert isinstance(answer, bytes)
    return answer[3] & 15


ROOT = b"\x12\x34\x01\x00\x00\x01" + bytes(6)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", None),
        (ROOT[:11], None),
        (question(qr=1), None),
        (question(opcode=4), wire.NOTIMP),
        (ROOT, wire.FORMERR),
        (ROOT + b"\xc0\x0c\x00\x01\x00\x01", wire.FORMERR),
        (ROOT + b"\x40" + bytes(70), wire.FORMERR),
        (ROOT + b"\x05abc", wire.FORMERR),
        (ROOT + b"\x3f" * 300 + bytes(5), wire.FORMERR),
        (ROOT + b"\x01a\x00\x00\x01", wire.FORMERR),
        (ROOT[:4] + b"\x00\x02" + ROOT[6:] + b"\x00\x00\x01\x00\x01" * 2, wire.FORMERR),
        (ROOT + b"\x01a\x00\x00\x01\x00\x03", wire.REFUSED),
        (ROOT + b"\x01a\x00\x00\xfc\x00\x01", wire.REFUSED),
        (ROOT[:11] + b"\x01\x01a\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00", wire.BADVERS),
        (ROOT[:11] + b"\x01\x01a\x00\x00\x01\x00\x01\x00\x00\x01\x04\xd0\x00\x00\x00\x00\x00\x00", wire.FORMERR),
    ],
)
def test_malformed(data: bytes, code: int | None) -> None:
    with pytest.raises(Malformed) as caught:
        wire.parse_query(data)
    assert caught.value.rcode == code


@given(st.binary(max_size=80))
def test_nothing_breaks_the_responder(data: bytes) -> None:
    answering = responder("10.96.0.5")
    for hostile in (data, ROOT + data, question()[:12] + data):
        answer = answering.immediate(hostile)
        if isinstance(answer, bytes):
            dnslib.DNSRecord.parse(answer)


@given(st.integers(0, 30), st.binary(min_size=1, max_size=3))
def test_a_damaged_question_is_no_other(position: int, damage: bytes) -> None:
    """Changing a byte of a known question never gives the known answer, but for the case of letters."""
    data = bytearray(question())
    damage = damage[: len(data) - 12 - position]
    data[12 + position : 12 + position + len(damage)] = damage
    answer = responder("10.96.0.5").immediate(bytes(data))
    if isinstance(answer, bytes) and b"\x0a\x60\x00\x05" in answer[-4:]:
        assert bytes(data[12:]).lower() == question()[12:].lower()


@pytest.mark.parametrize(
    "inside", [b"x\x07in-addr\x04arpa", b"x\x03ip6\x04arpa", b"\x07cluster\x05local", b"\x07in-addr\x04arpa"]
)
def test_a_label_that_looks_like_several_is_one(inside: bytes) -> None:
    zone = Zone(networks=["10.96.0.0/16", "fd00::/64"])
    name = bytes((len(inside),)) + inside + b"\x00"
    assert not zone.holds(name, wire.PTR)
    assert isinstance(Responder(zone, lambda: True).immediate(ROOT + name + b"\x00\x0c\x00\x01"), Query)


def test_header_and_question_come_back() -> None:
    answer = responder("10.96.0.5").immediate(question("WeB.default.svc.cluster.local", id=0xBEEF, rd=0))
    assert isinstance(answer, bytes)
    parsed = dnslib.DNSRecord.parse(answer)
    assert (parsed.header.id, parsed.header.rd, parsed.header.ra, parsed.header.aa) == (0xBEEF, 0, 1, 1)
    assert str(parsed.q.qname) == "WeB.default.svc.cluster.local."
    assert str(parsed.a.rdata) == "10.96.0.5"


def test_addresses_take_turns() -> None:
    answering = responder(*(f"10.244.0.{number}" for number in range(1, 5)))
    answers = [dnslib.DNSRecord.parse(answering.immediate(question())) for _ in range(4)]
    assert {str(answer.a.rdata) for answer in answers} == {f"10.244.0.{number}" for number in range(1, 5)}
    assert all(len(answer.rr) == 4 for answer in answers)


@pytest.mark.parametrize(("size", "most"), [(0, 512), (900, 900), (4096, 1232)])
def test_what_does_not_fit_is_cut_and_said_so(size: int, most: int) -> None:
    answering = responder(*(f"10.244.{a}.{b}" for a in range(2) for b in range(60)))
    query = dnslib.DNSRecord.question(NAME)
    if size:
        query.add_ar(dnslib.EDNS0(udp_len=size))
    answer = answering.immediate(bytes(query.pack()))
    assert isinstance(answer, bytes)
    parsed = dnslib.DNSRecord.parse(answer)
    assert parsed.header.tc
    assert most - 16 - 11 <= len(answer) <= most
    assert bool(parsed.ar) == bool(size)
    whole = answering.immediate(bytes(query.pack()), tcp=True)
    assert isinstance(whole, bytes)
    assert len(dnslib.DNSRecord.parse(whole).rr) == 120


def test_additional_records_go_first_without_a_word() -> None:
    answer = Answer([wire.record(wire.OWNER, wire.TXT, 5, bytes(300))], additional=[bytes(300)])
    data = question()
    assert not dnslib.DNSRecord.parse(answer.respond(data, len(data), wire.NO_OPT, 512, 0)).header.tc


def test_before_the_zone_is_complete_only_others_names_are_answered() -> None:
    answering = responder(ready=False)
    for _ in range(2):
        assert rcode(answering.immediate(question())) == wire.SERVFAIL
    assert isinstance(answering.immediate(question("example.org")), Query)


def test_what_is_not_there_is_kept_until_something_changes() -> None:
    """And no more of it than a bound, whoever asks."""
    zone = Zone()
    answering = Responder(zone, lambda: True)
    for _ in range(2):
        assert rcode(answering.immediate(question())) == wire.NXDOMAIN
    assert (answering.fast, answering.read) == (1, 1)
    records = frozenset([address_record(encode_name(NAME), "10.96.0.5")])
    zone.replace("default/web", records)
    assert rcode(answering.immediate(question())) == wire.NOERROR
    answering.immediate(question("nobody.cluster.local"))
    zone.replace("default/web", records)
    assert len(zone.passing) == 1, "what has not changed changes nothing"
    zone.replace("default/web", frozenset())
    for number in range(MOST_PASSING + 10):
        answering.immediate(question(f"x{number}.cluster.local"))
    assert len(zone.passing) == 10


def test_unknown_types_near_letters_are_not_mixed_up() -> None:
    """Type 65 (HTTPS) is the letter A, which becomes a small one when a question is lowered."""
    zone = Zone()
    zone.replace("s", frozenset([Record(encode_name(NAME), wire.A, bytes(4))]))
    for kind in (65, 97):
        data = question()[:-4] + struct.pack(">HH", kind, 1)
        answer = Responder(zone, lambda: True).immediate(data)
        assert isinstance(answer, bytes)
        assert struct.unpack_from(">H", answer, len(data) - 4)[0] == kind
        assert not dnslib.DNSRecord.parse(answer).rr


@pytest.mark.parametrize("text", ["a..b", "x" * 64, ".".join(["y" * 60] * 5)])
def test_impossible_names(text: str) -> None:
    with pytest.raises(ValueError, match="is not a DNS name"):
        encode_name(text)


@pytest.mark.parametrize("size", [0, 512, 1232, 65535])
def test_a_plain_edns_query_takes_the_fast_way_to_the_same_answer(size: int) -> None:
    record = dnslib.DNSRecord.parse(question())
    record.add_ar(dnslib.EDNS0(udp_len=size))
    answering = responder(*(f"10.244.0.{number}" for number in range(100)))
    first = answering.immediate(bytes(record.pack()))
    fast = answering.immediate(bytes(record.pack()))
    assert (answering.fast, answering.read) == (1, 1)
    assert isinstance(first, bytes) and len(first) == len(fast or b"")
    assert isinstance(fast, bytes)
    parsed = dnslib.DNSRecord.parse(fast)
    assert len(fast) <= max(min(size, 1232), 512)
    assert parsed.header.tc == 1 and parsed.ar[0].rtype == wire.OPT
    record.ar[0].rdata = [dnslib.EDNSOption(10, b"cookie00")]
    answering.immediate(bytes(record.pack()))
    assert (answering.fast, answering.read) == (1, 2)


def test_addresses_take_turns_for_a_client_that_asks_for_both_families() -> None:
    answering = responder("10.244.0.1", "10.244.0.2")
    first = []
    for _ in range(4):
        answer = answering.immediate(question())
        answering.immediate(question(kind="AAAA"))
        assert isinstance(answer, bytes)
        first.append(str(dnslib.DNSRecord.parse(answer).rr[0].rdata))
    assert sorted(first) == ["10.244.0.1", "10.244.0.1", "10.244.0.2", "10.244.0.2"]


@pytest.mark.parametrize("slow", [False, True])
def test_the_wish_for_signatures_comes_back(slow: bool) -> None:
    """DO and CD are copied (RFC 3225 section 3, RFC 4035 section 3.2), whether the answer was ready or not."""
    record = dnslib.DNSRecord.parse(question())
    record.add_ar(dnslib.EDNS0(flags="do", udp_len=1232))
    record.header.cd = slow
    answering = responder("10.96.0.5")
    answering.immediate(question())
    answer = answering.immediate(bytes(record.pack()))
    assert isinstance(answer, bytes)
    parsed = dnslib.DNSRecord.parse(answer)
    assert (parsed.ar[0].edns_do, parsed.header.cd, answering.read) == (1, slow, 1 + slow)
    assert str(parsed.a.rdata) == "10.96.0.5"
    record.ar[0] = dnslib.EDNS0(udp_len=1232)
    assert dnslib.DNSRecord.parse(answering.immediate(bytes(record.pack()))).ar[0].edns_do == 0
