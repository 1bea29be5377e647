"""A netlink socket: one request at a time, its answer before the next."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from sampan.network.netlink.message import ACK, DONE, DUMP, ERROR, REQUEST, Message, message, messages

ROUTE, NETFILTER, GENERIC = 0, 12, 16
BATCH_BEGIN, BATCH_END = 0x10, 0x11
RECEIVE_BYTES = 1 << 17
STRICT_CHECK, SOL_NETLINK = 12, 270


class Channel:
    """To one family of the kernel's netlink, in the network namespace it was opened in."""

    def __init__(self, family: int = ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        self._number = 0

    def close(self) -> None:
        self._socket.close()

    def tell(self, kind: int, body: bytes, flags: int = 0) -> None:
        """A change; raises OSError with the kernel's reason."""
        for _ in self._exchange(kind, body, REQUEST | ACK | flags):
            pass

    def tell_batch(self, subsystem: int, kind: int, body: bytes, flags: int = 0) -> None:
        """A change of netfilter's, which takes changes in batches only; raises OSError with the kernel's reason."""
        self._number += 1
        head = struct.pack(">BBH", 0, 0, subsystem)
        change = message(subsystem << 8 | kind, REQUEST | ACK | flags, self._number, body)
        begin, end = (message(mark, REQUEST, 0, head) for mark in (BATCH_BEGIN, BATCH_END))
        self._socket.send(begin + change + end)
        for answer in self._answers():
            if answer.kind == ERROR:
                _raise(answer.body)
                return

    def ask(self, kind: int, body: bytes) -> Message:
        """A question with one answer; raises OSError."""
        answers = list(self._exchange(kind, body, REQUEST | ACK))
        if not answers:
            raise OSError(f"netlink: no answer to request {kind}")
        return answers[0]

    def dump(self, kind: int, body: bytes) -> list[Message]:
        """All there is of a kind; raises OSError."""
        return list(self._exchange(kind, body, REQUEST | DUMP))

    def _exchange(self, kind: int, body: bytes, flags: int) -> Iterator[Message]:
        """Everything up to the acknowledgement or the end of the dump."""
        self._number += 1
        self._socket.send(message(kind, flags, self._number, body))
        for answer in self._answers():
            if answer.kind == DONE:
                return
            if answer.kind == ERROR:
                _raise(answer.body)
                return
            yield answer

    def _answers(self) -> Iterator[Message]:
        """What comes for the last request; it is the caller's to know when that is all."""
        while True:
            for answer in messages(self._socket.recv(RECEIVE_BYTES)):
                if answer.number == self._number:
                    yield answer


def _raise(body: bytes) -> None:
    (code,) = struct.unpack_from("=i", body)
    if code:
        raise OSError(-code, os.strerror(-code))
