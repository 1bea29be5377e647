"""AlwaysAdmit and AlwaysDeny: for tests of other software, as upstream keeps them. Both off by default."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.user import SERVER
from sampan.apiserver.write import CONNECT, CREATE, DELETE, UPDATE, Write


class AlwaysAdmit(Plugin):
    """Has no meaning: what no plugin refuses is admitted anyway."""

    name = "AlwaysAdmit"
    on_by_default = False


class AlwaysDeny(Plugin):
    """Refuses every write and connection but the server's own, without which it would not start."""

    name = "AlwaysDeny"
    on_by_default = False
    operations: ClassVar[frozenset[str]] = frozenset({CREATE, UPDATE, DELETE, CONNECT})
    subresources: ClassVar[frozenset[str]] = frozenset({"*"})

    def validate(self, write: Write) -> None:
        if write.request.user is SERVER:
            return
        raise forbid(write, "admission control is denying all modifications")
