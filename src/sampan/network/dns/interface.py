"""The address cluster DNS answers at, put on an interface of this node.

Every node has the same address, on an interface of its own that leads nowhere, so that a pod's query never leaves the
node. A kernel without the dummy driver gets a bridge without ports, which is as good.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sampan.network.command import run
from sampan.network.errors import Unusable

log = logging.getLogger(__name__)

NAME = "sampan-dns"


async def ensure(addresses: Sequence[str], name: str = NAME) -> list[str]:
    """Makes the interface with exactly these addresses and gives those that it has: a machine without IPv6 does without
    the second one; idempotent. Raises Unusable, also for want of the first, or command.Missing."""
    if (await run(("ip", "link", "show", name))).code:
        await _create(name)
    listing = await run(("ip", "-o", "addr", "show", "dev", name, "scope", "global"))
    present = {line.split()[3] for line in listing.output.splitlines()}
    for extra in sorted(present - {_cidr(address) for address in addresses}):
        await run(("ip", "addr", "del", extra, "dev", name))
    found = [address for address in addresses if _cidr(address) in present or await _added(address, name)]
    if found[:1] != [*addresses][:1]:
        raise Unusable(f"cannot put {addresses[0]} on {name}")
    await run(("ip", "link", "set", name, "up"))
    return found


async def remove(name: str = NAME) -> None:
    """Deletes the interface; none there is no error."""
    await run(("ip", "link", "delete", name))


def _cidr(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


async def _added(address: str, name: str) -> bool:
    """Nobody else is asked whether he has it: on a bridge without ports that takes forever."""
    at_once = ("nodad",) if ":" in address else ()
    added = await run(("ip", "addr", "add", _cidr(address), "dev", name, *at_once))
    if added.code:
        log.error("cannot answer names there address=%s interface=%s error=%s", address, name, added.complaint)
    return not added.code


async def _create(name: str) -> None:
    for kind in ("dummy", "bridge"):
        made = await run(("ip", "link", "add", name, "type", kind))
        if made.code == 0:
            return
        log.info("no interface of this kind kind=%s error=%s", kind, made.complaint)
    raise Unusable(f"cannot make the interface {name} ({made.complaint}): run as root")
