"""What resolvers send that should not: damaged, endless, too long."""

from __future__ import annotations

import struct

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.network.dns import message, wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.expansion import spelled_out
from sampan.network.dns.message import Broken
from sampan.network.dns.wire import encode_name

QUESTION = encode_name("www.example.org") + struct.pack(">HH", wire.A, wire.IN)
LINES = (
    "www.example.org. 60 IN CNAME web.example.org.",
    "web.example.org. 50 IN A 203.0.113.80",
    "web.example.org. 40 IN MX 10 mail.example.org.",
    "_x._tcp.web.example.org. 30 IN SRV 1 2 443 web.example.org.",
    "example.org. 20 IN SOA ns.example.org. host.example.org. 1 2 3 4 5",
    'example.org. 10 IN TXT "one" "two"',
)
CLIENT = wire.parse_query(bytes(dnslib.DNSRecord.question("wWw.example.org").pack()))


def response(*lines: str) -> bytes:
    reply = dnslib.DNSRecord.parse(message.query_bytes(7, QUESTION)).reply()
    for line in lines:
        reply.add_answer(*dnslib.RR.fromZone(line))
    return bytes(reply.pack())


def test_records_are_written_out() -> None:
    found = message.parse(response(*LINES), 7, QUESTION)
    answer = Answer(spelled_out(found, 5)).to(CLIENT, tcp=True)
    told = [" ".join(str(item).split()) for item in dnslib.DNSRecord.parse(answer).rr]
    assert told == [line.replace(f" {line.split()[1]} ", f" {int(line.split()[1]) - 5} ", 1) for line in LINES]
    assert b"\xc0" not in answer[CLIENT.end :], "no pointers into another message"


whole = st.sampled_from(LINES).map(lambda line: response(line)) | st.just(response(*LINES))
damage = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6)


@given(whole, damage, st.integers(0, 100))
def test_damaged_messages_harm_nobody(data: bytes, damage: list[tuple[int, int]], age: int) -> None:
    """Read or refused; what is passed on can be read, and is no longer than the client takes."""
    hurt = bytearray(data)
    for place, value in damage:
        hurt[12 + len(QUESTION) + place % (len(hurt) - 12 - len(QUESTION))] = value
    try:
        found = message.parse(bytes(hurt), 7, QUESTION)
    except Broken:
        return
    assert message.lifetime(found) >= 0
    for limit in (512, 65535):
        reply = message.reply(found, CLIENT, limit, age)
        assert len(reply) <= limit
        message.parse(reply, struct.unpack_from(">H", reply)[0], QUESTION)
    try:
        records = spelled_out(found, age)
    except Broken:
        return
    answer = Answer(records).to(CLIENT, tcp=True)
    assert len(message.parse(answer, struct.unpack_from(">H", answer)[0], QUESTION).parts) == len(records)


@pytest.mark.parametrize("name", [b"\xc0\xff", b"\xc0\x21", b"\x40" + bytes(70), b"\x3f" + b"a" * 63])
def test_names_without_an_end(name: bytes) -> None:
    header = struct.pack(">HHHHHH", 7, wire.QR, 1, 1, 0, 0)
    data = header + QUESTION + name * (5 if name[0] == 63 else 1) + (b"\0" if name[0] == 63 else b"")
    data += struct.pack(">HHIH", wire.A, wire.IN, 60, 4) + bytes(4)
    with pytest.raises(Broken):
        spelled_out(message.parse(data, 7, QUESTION), 0)
