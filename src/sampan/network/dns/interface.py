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


async def ensure(addresses: Sequence[str], name: str = NAME) -> None:
    """Makes the interface with exactly these addresses; idempotent. Raises Unusable or command.Missing."""
    if (await run(("ip", "link", "show", name))).code:
        await _create(name)
    listing = await run(("ip", "-o", "addr", "show", "dev", name, "scope", "global"))
    present = {line.split()[3] for line in listing.output.splitlines()}
    wanted = {f"{address}/{128 if ':' in address else 32}" for address in addresses}
    for extra in sorted(present - wanted):
        await run(("ip", "addr", "del", extra, "dev", name))
    for missing in sorted(wanted - present):
        added = await run(("ip", "addr", "add", missing, "dev", name))
        if added.code:
            raise Unusable(f"cannot put {missing} on {name}: {added.complaint}")
    await run(("ip", "link", "set", name, "up"))


async def remove(name: str = NAME) -> None:
    """Deletes the interface; none there is no error."""
    await run(("ip", "link", "delete", name))


async def _create(name: str) -> None:
    for kind in ("dummy", "bridge"):
        made = await run(("ip", "link", "add", name, "type", kind))
        if made.code == 0:
            return
        log.info("no interface of this kind kind=%s error=%s", kind, made.complaint)
    raise Unusable(f"cannot make the interface {name} ({made.complaint}): run as root")
