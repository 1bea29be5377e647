"""IPVS asked and told over generic netlink."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from sampan.network.errors import Unusable
from sampan.network.netlink.generic import Family
from sampan.network.proxy.ipvs import messages
from sampan.network.proxy.ipvs.messages import GET_SERVICE, Held, Real, Request, Virtual

NAME = "IPVS"


class Ipvs:
    """In the network namespace of the first question. Raises Unusable where there is no IPVS, and OSError."""

    def __init__(self) -> None:
        self._opened: Family | None = None

    def send(self, requests: Iterable[Request]) -> None:
        """One after the other, up to the first that is refused."""
        for request in requests:
            self._family().tell(*request)

    def servers(self) -> list[Held]:
        """The virtual servers, everybody's."""
        answers = self._family().dump(GET_SERVICE)
        return [held for answer in answers if (held := messages.read_service(answer)) is not None]

    def reals(self, virtual: Virtual) -> list[Real]:
        """Whom it is balanced over; none when there is no such virtual server."""
        return [messages.read_destination(answer) for answer in self._family().dump(*messages.question(virtual))]

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def _family(self) -> Family:
        if self._opened is None:
            family = Family(NAME)
            try:
                family.number()
            except OSError as error:
                family.close()
                if error.errno != errno.ENOENT:
                    raise
                raise Unusable("this kernel has no IPVS: modprobe ip_vs, or use proxy mode nftables") from None
            self._opened = family
        return self._opened
