"""The programs, as instructions. Pure.

The context is `struct bpf_sock_addr`: what an application gave to connect or sendto, or is given by recvfrom or
getpeername; a program may write another address there. Returning 1 lets the call go on. Each begins with the cheapest
question, whether the address is a service's, for most are not. Source: linux/bpf.h; bpf-helpers(7).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sampan.network.proxy.ebpf.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R9, STACK, Assembler
from sampan.network.proxy.ebpf.layout import Layout

LOOKUP, UPDATE, RANDOM, COOKIE = 1, 2, 7, 46
PORT, PROTOCOL = 24, 36
"""Offsets in the context, as of the address: user_port, protocol."""
ADDRESS = {"4": 4, "6": 8}


class Hook(NamedTuple):
    """A place a program is attached to: by address family, `expected_attach_type` of linux/bpf.h."""

    name: str
    types: dict[str, int]
    build: Callable[[Layout, Mapping[str, int]], bytes]


def connect(layout: Layout, maps: Mapping[str, int]) -> bytes:
    """connect(2) of a stream: any endpoint, each as likely."""
    program = _Program(layout, maps)
    program.begin(socket.IPPROTO_TCP)
    program.find_service()
    program.choose()
    program.remember_cookie()
    program.translate()
    return program.end()


def sendmsg(layout: Layout, maps: Mapping[str, int]) -> bytes:
    """A datagram of a socket that is not connected: the endpoint its last one went to, while that belongs."""
    program = _Program(layout, maps)
    program.begin(socket.IPPROTO_UDP)
    program.find_service()
    program.remember_cookie()
    program.find_flow()
    program.choose()
    program.keep_flow()
    program.code.label("known")
    program.translate()
    return program.end()


def show(layout: Layout, maps: Mapping[str, int]) -> bytes:
    """recvfrom(2) and getpeername(2): the service's address instead of the endpoint's."""
    program = _Program(layout, maps)
    program.begin(None)
    program.copy_from_context(program.endpoint)
    program.remember_cookie()
    program.lookup("reverse", program.cookie)
    program.code.move(R9, R0)
    program.write_context()
    return program.end()


HOOKS = (
    Hook("connect", {"4": 10, "6": 11}, connect),
    Hook("sendmsg", {"4": 14, "6": 15}, sendmsg),
    Hook("recvmsg", {"4": 19, "6": 20}, show),
    Hook("peer", {"4": 29, "6": 30}, show),
)


class _Program:
    """Steps that programs are made of. R6 is the context, R9 the chosen endpoint's value.

    On the stack, from its end: the service's key and then the endpoint (together a key of `members`), the cookie with
    one of these behind it (a key of `flows` or `reverse`), and an endpoint's identifier and number.
    """

    def __init__(self, layout: Layout, maps: Mapping[str, int]) -> None:
        self.code = Assembler()
        self._maps = maps
        self._address = layout.address
        self._context = ADDRESS[layout.digit]
        place = layout.place
        self.endpoint = -place
        self.service = -2 * place
        # Eight bytes of cookie have to lie at a multiple of eight.
        self.cookie = -((3 * place + 8 + 7) // 8 * 8)
        self.choice = self.cookie - 8

    def begin(self, protocol: int | None) -> None:
        self.code.move(R6, R1)
        if protocol is not None:
            self.code.load(4, R1, R6, PROTOCOL)
            self.code.jump_unless(R1, protocol, "out")
            self.code.store(1, STACK, self.service + self._address + 2, R1)
            self.code.store_constant(1, STACK, self.service + self._address + 3, 0)

    def find_service(self) -> None:
        """R7 is the number of endpoints, R8 the identifier of its list."""
        self._copy_address(self.service)
        self.lookup("services", self.service)
        self.code.load(4, R7, R0, 0)
        self.code.load(4, R8, R0, 4)
        self.code.jump_if(R7, 0, "out")

    def find_flow(self) -> None:
        """Goes on at "known" with the endpoint of the last datagram, if that still belongs to the service."""
        self._behind_cookie(self.service)
        self.lookup("flows", self.cookie, missing="choose")
        self.code.move(R9, R0)
        self._copy_endpoint()
        self.lookup("members", self.service, missing="choose")
        self.code.jump("known")
        self.code.label("choose")

    def choose(self) -> None:
        code = self.code
        code.call(RANDOM)
        code.modulo(R0, R7)
        code.store(4, STACK, self.choice, R8)
        code.store(4, STACK, self.choice + 4, R0)
        self.lookup("endpoints", self.choice)
        code.move(R9, R0)
        self._copy_endpoint()

    def keep_flow(self) -> None:
        self._behind_cookie(self.service)
        self._update("flows", self.cookie, self.endpoint)

    def remember_cookie(self) -> None:
        """Puts the socket's cookie on the stack, with the endpoint behind it."""
        self.code.move(R1, R6)
        self.code.call(COOKIE)
        self.code.store(8, STACK, self.cookie, R0)
        if self._is_endpoint_set:
            self._behind_cookie(self.endpoint)

    def translate(self) -> None:
        """Notes whom answers are to seem to come from, and exchanges the address."""
        self._behind_cookie(self.endpoint)
        self._update("reverse", self.cookie, self.service)
        self.write_context()

    def write_context(self) -> None:
        """The address and port that R9 points to."""
        for offset in range(0, self._address, 4):
            self.code.load(4, R1, R9, offset)
            self.code.store(4, R6, self._context + offset, R1)
        self.code.load(2, R1, R9, self._address)
        self.code.store(4, R6, PORT, R1)

    def copy_from_context(self, place: int) -> None:
        self._copy_address(place)
        self.code.store_constant(2, STACK, place + self._address + 2, 0)
        self._is_endpoint_set = True

    def lookup(self, name: str, key: int, *, missing: str = "out") -> None:
        self._map_and_key(name, key)
        self.code.call(LOOKUP)
        self.code.jump_if(R0, 0, missing)

    def end(self) -> bytes:
        self.code.label("out")
        self.code.constant(R0, 1)
        self.code.exit()
        return self.code.assemble()

    _is_endpoint_set = False

    def _copy_address(self, place: int) -> None:
        for offset in range(0, self._address, 4):
            self.code.load(4, R1, R6, self._context + offset)
            self.code.store(4, STACK, place + offset, R1)
        self.code.load(4, R1, R6, PORT)
        self.code.store(2, STACK, place + self._address, R1)

    def _copy_endpoint(self) -> None:
        for offset in range(0, self._address + 4, 4):
            self.code.load(4, R1, R9, offset)
            self.code.store(4, STACK, self.endpoint + offset, R1)

    def _behind_cookie(self, place: int) -> None:
        for offset in range(0, self._address + 4, 4):
            self.code.load(4, R1, STACK, place + offset)
            self.code.store(4, STACK, self.cookie + 8 + offset, R1)

    def _update(self, name: str, key: int, value: int) -> None:
        self._map_and_key(name, key)
        self.code.move(R3, STACK)
        self.code.add(R3, value)
        self.code.constant(R4, 0)
        self.code.call(UPDATE)

    def _map_and_key(self, name: str, key: int) -> None:
        self.code.map(R1, self._maps[name])
        self.code.move(R2, STACK)
        self.code.add(R2, key)
