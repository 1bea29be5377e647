"""Services may not name external addresses: whoever may could take traffic meant for others (CVE-2020-8554)."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write


class DenyServiceExternalIPs(Plugin):
    """Addresses that are there may stay or go, none may come. Off by default, as upstream."""

    name = "DenyServiceExternalIPs"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "services")})

    def validate(self, write: Write) -> None:
        new = set((write.new.spec and write.new.spec.externalIPs) or ())
        old = set((write.old is not None and write.old.spec and write.old.spec.externalIPs) or ())
        if new - old:
            raise forbid(write, "Use of external IPs is denied by admission control.")
