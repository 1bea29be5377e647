"""What the kernel's rule set holds, asked over netlink: chains, the number of rules and elements, and the generation.

`nft list` reads every element of every set even where none is shown: a second and a half with 30,000 services. These
questions cost a few packets. The generation grows with every transaction of anybody, so that whether somebody else has
been at the rules can be asked every second at no cost.
Source: linux/netfilter/nf_tables.h, linux/netlink.h.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NETLINK_NETFILTER = 12
GET_CHAIN, GET_RULE, GET_SET, GET_ELEMENTS, GET_GENERATION = (10 << 8 | kind for kind in (4, 7, 10, 13, 16))
REQUEST, DUMP = 0x1, 0x300
ERROR, DONE = 2, 3
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NUMBERS = {name: number for number, name in FAMILIES.items()}
HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_POLICY = 1, 3, 4, 5
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS = 1, 2, 4
EXPRESSION_NAME, EXPRESSION_DATA, COUNTER_PACKETS = 1, 2, 2
SET_TABLE, SET_NAME, SET_COUNT = 1, 2, 20
ELEMENTS_TABLE, ELEMENTS_SET, ELEMENTS = 1, 2, 3
DROP = 0


class Chain(NamedTuple):
    """`hook` is "" for a chain that only verdicts lead to; `drops` is its policy."""

    family: str
    table: str
    name: str
    hook: str
    drops: bool


class RuleSet:
    """Asks about the network namespace its first question was asked in. Every method raises OSError.

    The socket is kept: closing one waits until everything lately deleted is freed, which takes ten milliseconds.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def generation(self) -> int:
        """The number of the current rule set."""
        for _, attributes in self._ask(GET_GENERATION, REQUEST):
            return int(struct.unpack(">I", attributes[1])[0])
        raise OSError("the kernel did not tell its rule set's generation")

    def chains(self) -> list[Chain]:
        """Every chain there is."""
        return [_chain(family, attributes) for family, attributes in self._ask(GET_CHAIN, REQUEST | DUMP)]

    def rule_counts(self, family: str, table: str) -> Counter[str]:
        """How many rules each chain of a table has; chains without any are left out."""
        # Asked about a table of any family, the kernel would tell of the first that has the name.
        found = self._ask(GET_RULE, REQUEST | DUMP, _attribute(RULE_TABLE, table.encode() + b"\0"), NUMBERS[family])
        return Counter(_text(rule[RULE_CHAIN]) for rule in _of(found, family, table, RULE_TABLE))

    def rule_count(self, family: str, table: str, chain: str) -> int:
        """How many rules one chain has, at no cost for the others'."""
        which = _attribute(RULE_TABLE, table.encode() + b"\0") + _attribute(RULE_CHAIN, chain.encode() + b"\0")
        found = self._ask(GET_RULE, REQUEST | DUMP, which, NUMBERS[family])
        return sum(_text(rule[RULE_CHAIN]) == chain for rule in _of(found, family, table, RULE_TABLE))

    def packets(self, family: str, table: str, chain: str) -> list[int]:
        """How many packets each rule of a chain has met, in order; 0 for a rule that does not count."""
        which = _attribute(RULE_TABLE, table.encode() + b"\0") + _attribute(RULE_CHAIN, chain.encode() + b"\0")
        found = self._ask(GET_RULE, REQUEST | DUMP, which, NUMBERS[family])
        return [_packets(rule.get(RULE_EXPRESSIONS, b"")) for rule in _of(found, family, table, RULE_TABLE)]

    def element_counts(self, family: str, table: str, names: Iterable[str] | None = None) -> dict[str, int]:
        """How many elements these maps and sets of a table have, None for all; what is not there is left out."""
        found = _of(self._ask(GET_SET, REQUEST | DUMP), family, table, SET_TABLE)
        told = {_text(held[SET_NAME]): held.get(SET_COUNT) for held in found}
        counts = {}
        for name in told if names is None else told.keys() & set(names):
            count = told[name]
            # Before Linux 6.16 the kernel does not tell.
            counts[name] = struct.unpack(">I", count)[0] if count else self.elements(family, table, name)
        return counts

    def elements(self, family: str, table: str, name: str) -> int:
        """How many elements a map or set has, by having all of them told: 20 ms for 30,000."""
        which = _attribute(ELEMENTS_TABLE, table.encode() + b"\0") + _attribute(ELEMENTS_SET, name.encode() + b"\0")
        parts = self._ask(GET_ELEMENTS, REQUEST | DUMP, which, NUMBERS[family])
        return sum(sum(1 for _ in _attributes(held.get(ELEMENTS, b""), 0)) for _, held in parts)

    def close(self) -> None:
        """Gives the socket back; the next question makes another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _ask(
        self, kind: int, flags: int, payload: bytes = b"", family: int = socket.AF_UNSPEC
    ) -> list[tuple[int, dict[int, bytes]]]:
        """The answers' address families and attributes."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
            self._socket.settimeout(5.0)
        try:
            body = struct.pack("=BBH", family, 0, 0) + payload
            self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
            return list(_answers(self._socket, bool(flags & DUMP)))
        except OSError:
            self.close()
            raise


def _of(
    found: Iterable[tuple[int, dict[int, bytes]]], family: str, table: str, attribute: int
) -> Iterator[dict[int, bytes]]:
    """What belongs to one table."""
    for number, attributes in found:
        if FAMILIES.get(number) == family and _text(attributes[attribute]) == table:
            yield attributes


def _answers(netlink: socket.socket, many: bool) -> Iterator[tuple[int, dict[int, bytes]]]:
    while True:
        data = netlink.recv(1 << 16)
        offset = 0
        while offset + 16 <= len(data):
            length, answer = struct.unpack_from("=IH", data, offset)
            if answer == DONE:
                return
            if answer == ERROR:
                raise OSError(-struct.unpack_from("=i", data, offset + 16)[0], "netfilter")
            yield data[offset + 16], dict(_attributes(data[offset : offset + length], 20))
            offset += (length + 3) & ~3
        if not many:
            return


def _chain(family: int, attributes: dict[int, bytes]) -> Chain:
    hook = dict(_attributes(attributes.get(CHAIN_HOOK, b""), 0)).get(1)
    number = struct.unpack(">I", hook)[0] if hook else len(HOOKS)
    return Chain(
        FAMILIES.get(family, ""),
        _text(attributes[CHAIN_TABLE]),
        _text(attributes[CHAIN_NAME]),
        HOOKS[number] if number < len(HOOKS) else "",
        attributes.get(CHAIN_POLICY) == struct.pack(">I", DROP),
    )


def _packets(expressions: bytes) -> int:
    for _, one in _attributes(expressions, 0):
        parts = dict(_attributes(one, 0))
        if _text(parts[EXPRESSION_NAME]) == "counter":
            return int.from_bytes(dict(_attributes(parts[EXPRESSION_DATA], 0))[COUNTER_PACKETS], "big")
    return 0


def _attributes(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
