"""The providers of a resource in order: the first writes, all read."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.store.encryption.ciphers import Cipher, Identity, Undecipherable
from sampan.store.errors import Corrupt


class Chain:
    """`ciphers` holds at least one."""

    def __init__(self, ciphers: Sequence[Cipher]) -> None:
        self.ciphers = tuple(ciphers)
        self._first = self.ciphers[0]

    def seal(self, value: bytes, key: str) -> bytes:
        return self._first.prefix + self._first.seal(value, key)

    def open(self, data: bytes, key: str) -> bytes:
        """The plain value; raises `Corrupt` when no provider can read it."""
        for cipher in self.ciphers:
            if data.startswith(cipher.prefix):
                try:
                    return cipher.open(data[len(cipher.prefix) :], key)
                except Undecipherable:
                    continue
        raise Corrupt(
            f"{key} is stored in a form that no configured encryption key reads ({_label(data)}): "
            "add that key to the EncryptionConfiguration again"
        )

    def is_current(self, data: bytes, key: str) -> bool:
        """Whether the data is as this chain would write it now."""
        if not data.startswith(self._first.prefix):
            return False
        try:
            self._first.open(data[len(self._first.prefix) :], key)
        except Undecipherable:
            return False
        return True


PLAIN = Chain([Identity()])
"""For resources that no rule names."""


def _label(data: bytes) -> str:
    """What the data says of itself: provider, version and key."""
    if not data.startswith(b"k8s:enc:"):
        return "not encrypted"
    return b":".join(data[:200].split(b":")[:5]).decode("ascii", "replace")
