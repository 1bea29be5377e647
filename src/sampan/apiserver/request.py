"""A request on its way through the stages:

what came over the wire, and what the stages have found out about it so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.api.errors import BadRequest
from sampan.apiserver import negotiation
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange
from sampan.apiserver.routes import Target

if TYPE_CHECKING:
    from sampan.api.registry import Kind
    from sampan.apiserver.audit.record import Record
    from sampan.apiserver.server import ApiServer

INT64 = range(-(2**63), 2**63)


class Request:
    """`kind` is the kind in the version asked for (only where `target.kind` is known).

    `warnings` become `Warning` headers. `record` is what is written of it in the audit log; None: nothing.
    """

    __slots__ = ("exchange", "kind", "record", "server", "started", "target", "user", "warnings")

    def __init__(self, server: ApiServer, exchange: Exchange, target: Target, started: float) -> None:
        self.server = server
        self.exchange = exchange
        self.target = target
        self.kind: Kind = target.kind  # type: ignore[assignment]
        self.user: User = None  # type: ignore[assignment]
        self.started = started
        self.warnings: list[str] = []
        self.record: Record | None = None

    @property
    def form(self) -> negotiation.Form:
        """The form of answer the client wants. Raises NotAcceptable."""
        return negotiation.accepted(self.exchange.headers.get(b"accept", b""))

    def parameter(self, name: str) -> str:
        """A query parameter, "" when absent."""
        return self.target.parameters.get(name, "")

    def integer(self, name: str) -> int | None:
        """A query parameter as int64; None when absent. Raises BadRequest in upstream's words."""
        text = self.target.parameters.get(name)
        return parse_integer(text) if text else None

    @property
    def manager(self) -> str:
        """Who is recorded as owner of what this request writes:

        `fieldManager`, else the user agent up to its first slash.
        """
        named = self.target.parameters.get("fieldManager")
        if named:
            return named
        agent = self.exchange.headers.get(b"user-agent", b"").decode("utf-8", "replace")
        return agent.split("/", 1)[0][:128]


def parse_integer(text: str) -> int:
    """Go's strconv.ParseInt of a decimal int64. Raises BadRequest in its words."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = int(text) if len(digits) < 40 else 2**64
    if value not in INT64:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value
