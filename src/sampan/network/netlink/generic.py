"""Generic netlink: families of commands, known by name, with numbers the kernel gives. Source: linux/genetlink.h."""

from __future__ import annotations

import errno
import struct

from sampan.network.netlink.channel import GENERIC, Channel
from sampan.network.netlink.message import attributes, text

HEAD = struct.Struct("=BBH")
CONTROLLER, GET_FAMILY, FAMILY_IDENTIFIER, FAMILY_NAME = 16, 3, 1, 2


class Family:
    """Every method raises OSError: 2 (ENOENT) where the kernel has no such family. The kernel loads its module."""

    def __init__(self, name: str, version: int = 1) -> None:
        self._name = name
        self._version = version
        self._channel = Channel(GENERIC)
        self._identifier = 0

    def close(self) -> None:
        self._channel.close()

    def tell(self, command: int, what: bytes) -> None:
        """A change; `what` are attributes."""
        self._channel.tell(self.number(), HEAD.pack(command, self._version, 0) + what)

    def dump(self, command: int, what: bytes = b"") -> list[bytes]:
        """The attributes of each answer."""
        answers = self._channel.dump(self.number(), HEAD.pack(command, self._version, 0) + what)
        return [answer.body[HEAD.size :] for answer in answers]

    def number(self) -> int:
        """What the kernel knows the family by, asked once."""
        if not self._identifier:
            question = HEAD.pack(GET_FAMILY, 1, 0) + text(FAMILY_NAME, self._name)
            found = attributes(self._channel.ask(CONTROLLER, question).body[HEAD.size :])
            if FAMILY_IDENTIFIER not in found:
                raise OSError(errno.ENOENT, f"the kernel has no {self._name}")
            (self._identifier,) = struct.unpack("=H", found[FAMILY_IDENTIFIER])
        return self._identifier
