"""Passwords of sessions, which both sides sign each segment with (TCP MD5, RFC 2385), from a file of root's own.

A line is a password for all neighbours, or a neighbour's address and the password for that one; empty lines and those
that begin with `#` are for people.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from sampan.network.bgp.fabric import plain
from sampan.network.errors import Unusable

ALL = ""
"""Whose password is for those who have none of their own."""
LONGEST = 80
"""What the kernel takes (TCP_MD5SIG_MAXKEYLEN)."""
NOT_IN_ONE = frozenset('"\\')


def read(path: Path) -> dict[str, str]:
    """Password by address. Raises Unusable."""
    try:
        with path.open(encoding="ascii") as file:
            shared = stat.S_IMODE(path.stat().st_mode) & 0o077
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"cannot read the BGP passwords in {path}: {error}") from None
    if shared:
        raise Unusable(f"others may read the BGP passwords in {path}: `chmod 600 {path}`")
    try:
        return parse(text)
    except ValueError as error:
        raise Unusable(f"{path}: {error}") from None


def parse(text: str) -> dict[str, str]:
    """Raises ValueError, which names the line and not what is in it."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2 or not _is_password(words[-1]):
            raise ValueError(
                f'line {number}: write PASSWORD or ADDRESS PASSWORD, of up to {LONGEST} printable characters without " '
                "and \\"
            )
        found[_address(words[0], number) if len(words) == 2 else ALL] = words[-1]
    return found


def password(passwords: Mapping[str, str], address: str) -> str:
    """For the session with that neighbour; "" for none."""
    return passwords.get(address, passwords.get(ALL, ""))


def _address(text: str, number: int) -> str:
    try:
        return str(plain(text))
    except ValueError:
        raise ValueError(f"line {number}: what stands before the password is no address") from None


def _is_password(text: str) -> bool:
    return len(text) <= LONGEST and text.isascii() and text.isprintable() and not NOT_IN_ONE & set(text)
