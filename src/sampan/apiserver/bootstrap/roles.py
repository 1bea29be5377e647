"""The default roles and bindings, written at start: what is missing is made, what is there is brought up to date.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

from sampan.api.errors import Conflict, NotFound
from sampan.apiserver import decode, lifecycle, stored
from sampan.apiserver.auth.rbac import reconcile
from sampan.apiserver.auth.rbac.defaults.objects import everything
from sampan.apiserver.verbs.change import change
from sampan.apiserver.verbs.delete import delete_entry

if TYPE_CHECKING:
    from sampan.apiserver.bootstrap.objects import Bootstrap
    from sampan.apiserver.server import ApiServer


async def ensure_roles(server: ApiServer, bootstrap: Bootstrap) -> None:
    """All of them at once: the store writes them as a few groups."""
    await asyncio.gather(*(_ensure(server, bootstrap, obj) for obj in everything()))


async def _ensure(server: ApiServer, bootstrap: Bootstrap, wanted: Any) -> None:
    request = bootstrap.request(wanted)
    meta = wanted.metadata
    entry = server.resource(request.kind).get(meta.namespace, meta.name)
    if entry is None:
        await bootstrap.ensure(wanted)
        return
    decode.complete(request.kind, wanted)
    present = stored.from_bytes(request.kind, entry.data)
    if reconcile.protected(present):
        return
    if reconcile.rebound(present, wanted):
        request.target.verb, request.target.name = "delete", meta.name
        await delete_entry(request, entry, lifecycle.options_of({}))
        await bootstrap.ensure(wanted)
        return
    if not reconcile.bring_up(copy.deepcopy(present), wanted):
        return
    request.target.verb, request.target.name = "update", meta.name
    try:
        await change(request, lambda old, _: _brought_up(old, wanted))
    except (Conflict, NotFound):
        # Another API server, or the administrator, was at it at the same time.
        return


def _brought_up(present: Any, wanted: Any) -> Any:
    reconcile.bring_up(present, wanted)
    return present
